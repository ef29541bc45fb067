"""Real servers for tests, on free loopback ports, stopped by their process ids: PostgreSQL and Mosquitto."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from gateway.cli.ports import free_port

# For what must come about: a test that passes never waits so long, and no machine is so slow.
PATIENCE_SECONDS = 120.0


# Nothing here is to outlive the machine's failure, and nothing is looked after at times of its own choice.
_CARELESS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "checkpoint_timeout=1h", "autovacuum=off")


def missing(what: str) -> NoReturn:
    """Skips the test; fails it where the servers must be there (the environment says PARKGATE_REQUIRE_SERVERS)."""
    if os.environ.get("PARKGATE_REQUIRE_SERVERS"):
        pytest.fail(f"PARKGATE_REQUIRE_SERVERS is set, and {what}", pytrace=False)
    pytest.skip(what)


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server left with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {seconds} s")


def stop(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> None:
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    return found[-1].parent if found else None


class Postgres:
    """A private cluster. `initdb` refuses to run as root: then the account `postgres` runs it.

    `durable=False` (no fsync) is for the many tests that never pull the plug.
    """

    def __init__(self, *, durable: bool = False) -> None:
        programs = postgres_programs()
        if programs is None:
            missing("PostgreSQL's server programs are not installed")
        self._as_root = os.geteuid() == 0
        self._prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if self._as_root else []
        self.folder = Path(tempfile.mkdtemp(prefix="parkgate-pg-"))
        if self._as_root:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        data = self.folder / "data"
        subprocess.run(
            [
                *self._prefix,
                programs / "initdb",
                "-D",
                data,
                "-U",
                "parkgate",
                "--auth=trust",
                "-E",
                "UTF8",
                "--no-sync",
                "--locale=C",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        self.port = free_port()
        self._log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [
                *self._prefix, programs / "postgres", "-D", data, "-p", str(self.port), "-k", self.folder,
                "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
                *(() if durable else (word for option in _CARELESS for word in ("-c", option))),
            ],
            stdout=self._log, stderr=self._log, cwd="/",
        )  # fmt: skip
        self._wait_until_it_serves()

    def _wait_until_it_serves(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Its port is open before it serves: until then it refuses with "the database system is starting up"."""
        wait_for_port(self.port, self.process, seconds)
        end = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(f"host=127.0.0.1 port={self.port} user=parkgate dbname=postgres").close()
            except psycopg.OperationalError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://parkgate@127.0.0.1:{self.port}/{database}"

    def close(self) -> None:
        stop(self.process, signal.SIGINT)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def mosquitto_program() -> str | None:
    return shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)


class Mosquitto:
    """A private broker that lets everybody in, with the settings that the documentation asks for."""

    def __init__(self, port: int | None = None) -> None:
        program = mosquitto_program()
        if program is None:
            missing("Mosquitto is not installed")
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="parkgate-mosquitto-"))
        conf = self.folder / "mosquitto.conf"
        conf.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            "max_inflight_messages 0\nmax_queued_messages 0\npersistence false\nlog_type error\n"
        )
        command = [program, "-c", str(conf)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def close(self) -> None:
        stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
