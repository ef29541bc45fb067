"""The servers that are not ours: a private Mosquitto and a private PostgreSQL, set up as they are deployed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from gateway.cli.main import CheckFailed, Refusal
from gateway.cli.simulate.kills.supervised import Supervised, children, clean_environment, listens, title, wait_for

_UP_WITHIN_SECONDS = 60.0
_SERVERS = ("/usr/sbin", "/usr/local/sbin")
_DEBIAN = Path("/usr/lib/postgresql")
# deploy/mosquitto/mosquitto.conf without accounts and encryption, which no kill touches.
MOSQUITTO_SETTINGS = """\
set_tcp_nodelay true
max_inflight_messages 0
max_inflight_bytes 201326592
max_queued_messages 20000
max_queued_bytes 67108864
max_packet_size 6400000
persistence true
autosave_interval 60
persistent_client_expiration 7d
per_listener_settings false
"""


def mosquitto_program(path: str | None = None) -> Path:
    """On the search path (`path` or the environment's, and where servers are). Raises `Refusal` where there is none."""
    found = shutil.which(
        "mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), *_SERVERS)) if path is None else path
    )
    if found is None:
        raise Refusal("Mosquitto is not installed; on Debian: apt-get install mosquitto, or --on embedded+sqlite")
    return Path(found)


def postgres_programs(place: Path = _DEBIAN, path: str | None = None) -> Path:
    """The folder with `initdb` and `postgres`: the newest below `place`, else on the search path. Raises `Refusal`."""
    found = sorted(place.glob("*/bin/initdb"), key=lambda program: float(program.parts[-3]))
    if found:
        return found[-1].parent
    if (program := shutil.which("initdb", path=path)) is not None:
        return Path(program).resolve().parent
    raise Refusal(
        "PostgreSQL's server is not installed; on Debian: apt-get install postgresql, or --on embedded+sqlite"
    )


class Mosquitto:
    """Persistent as deployed; everybody may connect on the loopback."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        conf = folder / "mosquitto.conf"
        # Started by root it would become another user, which cannot read this folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        conf.write_text(
            f"{MOSQUITTO_SETTINGS}persistence_location {folder}/\nlog_dest stderr\nlog_type warning\nlog_type error\n"
            f"allow_anonymous true\n{user}listener {port} 127.0.0.1\n"
        )
        command: list[str | Path] = [mosquitto_program(), "-c", conf]
        self.process = Supervised("mosquitto", command, folder=folder, environment=clean_environment())

    def start(self) -> None:
        """Raises `CheckFailed` if it does not listen."""
        self.process.start()
        if not wait_for(self.serves, _UP_WITHIN_SECONDS):
            raise CheckFailed(f"Mosquitto did not start: {self.process.log_end()}")

    def serves(self) -> bool:
        return listens(self.port)


class Postgres:
    """A cluster of its own, with fsync. `initdb` refuses root: then the account `postgres` runs it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        programs = postgres_programs()
        # A folder of its own: the account that runs it cannot look into ours.
        self.home = home = Path(tempfile.mkdtemp(prefix="parkgate-pg-"))
        become: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(home, account.pw_uid, account.pw_gid)
            become = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        data = home / "data"
        made = subprocess.run(  # noqa: S603 - the program that was found above
            [*become, programs / "initdb", f"--pgdata={data}", "--auth=trust", "--username=parkgate", "--encoding=UTF8",
             "--locale=C"],
            cwd=home, capture_output=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise CheckFailed(f"initdb failed: {made.stderr.decode(errors='replace').strip()[-300:]}")
        command: list[str | Path] = [
            *become, programs / "postgres", "-D", data, "-p", str(port), "-k", home, "-c", "listen_addresses=127.0.0.1",
            "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "shared_buffers=64MB", "-c", "max_connections=60",
        ]  # fmt: skip
        self.process = Supervised("postgresql", command, folder=folder, at=home, environment=clean_environment())

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://parkgate@127.0.0.1:{self.port}/parkgate"

    def start(self) -> None:
        """Raises `CheckFailed` if it does not serve."""
        self.process.start()
        if not wait_for(self.serves, _UP_WITHIN_SECONDS):
            raise CheckFailed(f"PostgreSQL did not start: {self.process.log_end()}")
        with psycopg.connect(self._where, autocommit=True) as connection:
            connection.execute("CREATE DATABASE parkgate")

    @property
    def _where(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=parkgate dbname=postgres connect_timeout=2"

    def serves(self) -> bool:
        """Whether a session is let in: while it recovers it refuses."""
        if not listens(self.port):
            return False
        try:
            with psycopg.connect(self._where) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        self.process.stop(signal.SIGINT)
        shutil.rmtree(self.home, ignore_errors=True)

    def backends(self) -> list[int]:
        """The processes that serve a session of ours."""
        return [pid for pid in self.everything()[1:] if title(pid).startswith("postgres: parkgate parkgate")]

    def everything(self) -> list[int]:
        """The server and all its processes, the server first."""
        pid = self.process.pid
        return [] if pid is None else [pid, *children(pid)]
