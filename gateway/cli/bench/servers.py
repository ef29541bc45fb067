"""The servers that a bench needs, started on free loopback ports and stopped by their process ids."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from gateway.bridge.embedded import EmbeddedBroker
from gateway.cli.ports import free_port
from gateway.runtime.settings import Broker, Settings

_STARTS_WITHIN_SECONDS = 180.0
_ENDS_WITHIN_SECONDS = 30.0
_LOOK_SECONDS = 0.03
_MISSING = {
    "mosquitto": "Mosquitto is not installed (Debian's package: mosquitto)",
    "postgresql": "PostgreSQL's server programs are not installed (Debian's package: postgresql)",
}


class Missing(Exception):
    """A server's programs are not installed."""


class DidNotStart(Exception):
    """A server did not start: its last words."""


def absent(*, broker: str = "embedded", database: str = "sqlite") -> str:
    """Why this pair cannot be measured here, on one line; empty if it can."""
    if broker == "mosquitto" and mosquitto_program() is None:
        return _MISSING["mosquitto"]
    if database == "postgresql" and postgres_programs() is None:
        return _MISSING["postgresql"]
    return ""


def mosquitto_program() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def postgres_programs() -> Path | None:
    """The folder of the newest `initdb` with its `postgres`."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: float(one.parts[-3]))
    found = str(packaged[-1]) if packaged else shutil.which("initdb")
    folder = Path(found).resolve().parent if found else None
    return folder if folder is not None and (folder / "postgres").exists() else None


def stop(process: subprocess.Popen[Any], how: signal.Signals = signal.SIGTERM) -> None:
    """End one process of ours; SIGKILL when it does not obey in time."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """A process with a log, ready when `ready` says so. Raises `DidNotStart` with the log's last line."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        ends_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self._ends_by = ends_by
        self._path = folder / f"{name}.log"
        self._log = self._path.open("wb")
        self.process = subprocess.Popen(  # noqa: S603 - our own servers
            command,
            cwd=folder,
            env=dict(environment) if environment is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # Ctrl-C goes to the bench alone, which then stops everything in order.
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self._path.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _STARTS_WITHIN_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.close()
                words = self.said().strip().splitlines()
                raise DidNotStart(f"{self.name} did not start: {words[-1] if words else 'it said nothing'}"[:300])
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        stop(self.process, self._ends_by)
        self._log.close()


class Mosquitto(Server):
    """A broker that lets everybody in on the loopback, with the settings that the documentation asks for."""

    def __init__(self, folder: Path, name: str = "mosquitto") -> None:
        program = mosquitto_program()
        if program is None:
            raise Missing(_MISSING["mosquitto"])
        self.port = free_port()
        settings = folder / f"{name}.conf"
        # Started by root it would become another user, who cannot read this folder.
        become = "user root\n" if os.geteuid() == 0 else ""
        settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n{become}"
            "max_inflight_messages 0\nmax_queued_messages 0\npersistence false\nlog_type error\n",
            encoding="utf-8",
        )
        super().__init__(name, [program, "-c", str(settings)], folder)
        self.wait_until(lambda: _listens(self.port))

    def for_floor(self) -> Broker:
        return Broker(f"mqtt://127.0.0.1:{self.port}")


class Embedded:
    """The embedded broker by itself, for the floor: the one under test runs inside `parkgate serve`."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        address = f"embedded://127.0.0.1:{self.port}"
        self._broker = EmbeddedBroker(settings.model_copy(update={"broker_url": address}))
        self._broker.start()

    def for_floor(self) -> Broker:
        """With the credentials that may hear every device."""
        return self._broker.for_bridge()

    def close(self) -> None:
        self._broker.stop()


class Postgres:
    """A private cluster that survives a power cut (fsync, full pages, synchronous commits), as deployed."""

    def __init__(self, folder: Path | None = None) -> None:
        programs = postgres_programs()
        if programs is None:
            raise Missing(_MISSING["postgresql"])
        self.folder = Path(tempfile.mkdtemp(prefix="parkgate-pg-", dir=folder)).resolve()
        become = self._become()
        data = self.folder / "data"
        try:
            self._make([*become, str(programs / "initdb"), f"--pgdata={data}"])
            self.port = free_port()
            values = {
                "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder,
                "max_connections": 100, "shared_buffers": "512MB", "max_wal_size": "4GB", "fsync": "on",
                "synchronous_commit": "on", "full_page_writes": "on",
            }  # fmt: skip
            flags = [part for key, value in values.items() for part in ("-c", f"{key}={value}")]
            self._server = Server(
                "postgresql",
                [*become, str(programs / "postgres"), "-D", str(data), *flags],
                self.folder,
                ends_by=signal.SIGINT,
            )
            self._server.wait_until(self._serves)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        return self._server.pid

    def database(self, name: str) -> str:
        """Make a database; its URL."""
        with psycopg.connect(self._where(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql+psycopg://parkgate@127.0.0.1:{self.port}/{name}"

    def drop(self, name: str) -> None:
        with psycopg.connect(self._where(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

    def close(self) -> None:
        self._server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self, initdb: list[str]) -> None:
        how = ["--username=parkgate", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [*initdb, *how], cwd=self.folder, capture_output=True, text=True, check=False
        )
        if "Permission denied" in made.stderr and os.geteuid() == 0:
            raise DidNotStart(f"the account postgres cannot enter {self.folder.parent}; give another folder with --dir")
        if made.returncode:
            raise DidNotStart(f"PostgreSQL's initdb failed: {' '.join(made.stderr.split())}"[:300])

    def _become(self) -> list[str]:
        """`initdb` refuses root: then the account `postgres` runs the cluster."""
        if os.geteuid() != 0:
            return []
        import pwd

        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            raise Missing("PostgreSQL does not run as root, and there is no account named postgres") from None
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]

    def _where(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=parkgate dbname=postgres connect_timeout=5"

    def _serves(self) -> bool:
        """Its port is open before it serves."""
        try:
            psycopg.connect(self._where()).close()
        except psycopg.OperationalError:
            return False
        return True


class Gateway(Server):
    """`parkgate bridge` or `parkgate serve`, as an operator starts it: settings from the environment alone."""

    def __init__(self, role: str, folder: Path, settings: Mapping[str, str], *, name: str) -> None:
        super().__init__(name, parkgate(role), folder, environment=environment(settings))
        ready = ("parkgate: serving", "parkgate web: http")
        self.wait_until(lambda: any(words in self.said() for words in ready))
        if "not connected to the broker yet" in self.said():
            self.close()
            raise DidNotStart(f"{name} does not reach its broker")


def parkgate(*words: str) -> list[str]:
    """The program that is running, wherever its script lies."""
    return [sys.executable, "-c", "from gateway.cli.main import main; main()", *words]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our own environment with these settings and no others: a bench must not meet somebody's real database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARKGATE_")}
    return {**kept, **{f"PARKGATE_{name.upper()}": value for name, value in settings.items()}}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
