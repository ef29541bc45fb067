"""Processes of a whole deployment, as an operator runs them: broker, database, `parkgate`. All stop by process id."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

from gateway.cli.ports import free_port

REPOSITORY = Path(__file__).parents[2]
PARKGATE = Path(sys.executable).with_name("parkgate")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
POSTGRES_BIN = next(
    iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name.split(".")[0]))), None
) or (Path(found).parent if (found := shutil.which("initdb")) else None)
START_SECONDS = 180
COMMAND_SECONDS = 240

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, seconds: float = 90) -> T:
    """The first answer of `look` that is neither None nor False; fails naming `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.03)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process: subprocess.Popen[Any], how: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
    """End one process of ours; SIGKILL when it does not obey in time. Returns its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(seconds)
    return int(process.returncode)


class Mosquitto:
    """A private broker without persistence, open to everybody on the loopback."""

    def __init__(self, folder: Path) -> None:
        assert MOSQUITTO is not None
        self.port = free_port()
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            "max_inflight_messages 0\nmax_queued_messages 0\n"
        )
        self.log = (folder / "mosquitto.log").open("wb")
        command = [MOSQUITTO, "-c", str(settings)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, cwd=folder)
        eventually(lambda: accepts(self.port), "mosquitto listens", START_SECONDS)

    def close(self) -> None:
        stop(self.process)
        self.log.close()


class Postgres:
    """A private cluster on the loopback and a socket of its own; initdb refuses root, so root becomes `postgres`."""

    def __init__(self) -> None:
        assert POSTGRES_BIN is not None
        self.folder = Path(tempfile.mkdtemp(prefix="parkgate-pg-"))
        self.port = free_port()
        self.become: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
            self.become = ["setpriv", *ids]
        data = self.folder / "data"
        options = ["--no-sync", "--auth=trust", "--username=parkgate", "--encoding=UTF8", "--locale=C"]
        made = subprocess.run(
            [*self.become, str(POSTGRES_BIN / "initdb"), f"--pgdata={data}", *options],
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr.decode(errors="replace")
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "shared_buffers": "32MB",
        }
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self.log = (self.folder / "postgres.log").open("wb")
        self.process = subprocess.Popen(
            [*self.become, str(POSTGRES_BIN / "postgres"), "-D", str(data), *flags],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )
        eventually(self._create_database, "PostgreSQL accepts connections", START_SECONDS)

    def _create_database(self) -> bool:
        try:
            where = f"host=127.0.0.1 port={self.port} user=parkgate dbname=postgres connect_timeout=5"
            with psycopg.connect(where, autocommit=True) as connection:
                connection.execute("CREATE DATABASE parkgate")
        except psycopg.OperationalError:
            return False
        return True

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://parkgate@127.0.0.1:{self.port}/parkgate"

    def close(self) -> None:
        stop(self.process, signal.SIGINT)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Parkgate:
    """The program with its settings: one folder, one database, one broker, one HTTP port."""

    def __init__(self, folder: Path, database_url: str, broker_url: str, close_at: str) -> None:
        self.folder = folder
        self.http_port = free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.settings = folder / "parkgate.toml"
        self.settings.write_text(f'test = true\ntimezone = "Asia/Shanghai"\nclose_at = "{close_at}"\n')
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PARKGATE_")}
        self.environment = clean | {
            "PARKGATE_DATABASE_URL": database_url,
            "PARKGATE_BROKER_URL": broker_url,
            "PARKGATE_HTTP_HOST": "127.0.0.1",
            "PARKGATE_HTTP_PORT": str(self.http_port),
            "PARKGATE_SECRET_KEY": "an acceptance test's secret, long enough to sign with",
        }
        self.log = (folder / "serve.log").open("wb")
        self.process: subprocess.Popen[Any] | None = None

    def run(
        self, *words: str, given: str | None = None, expect: Sequence[int] | None = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """One command to its end. `expect`: exit statuses that are right, or None for any."""
        done = subprocess.run(
            [str(PARKGATE), *words],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if expect is not None:
            assert done.returncode in expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(PARKGATE), "serve"], cwd=self.folder, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        try:
            eventually(self._is_ready, "parkgate serve is ready", START_SECONDS)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.tail()}") from None

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"parkgate serve ended by itself\n{self.tail()}"
        try:
            return httpx.get(f"{self.url}/readyz", timeout=30).status_code == 200
        except httpx.HTTPError:
            return False

    def tail(self) -> str:
        return (self.folder / "serve.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        return stop(self.process, how)

    def close(self) -> None:
        if self.process is not None:
            stop(self.process)
        self.log.close()
