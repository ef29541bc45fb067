"""The two deployments that are killed: a street's (Mosquitto, PostgreSQL, two bridges) and a laptop's (`parkgate serve`)."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from gateway.cli.demo.house import write_private
from gateway.cli.main import CheckFailed
from gateway.cli.ports import free_port
from gateway.cli.simulate.kills.servers import Mosquitto, Postgres
from gateway.cli.simulate.kills.supervised import (
    Supervised,
    children,
    clean_environment,
    send,
    title,
    wait_for,
)
from gateway.runtime.ids import random_token
from gateway.runtime.settings import Settings, load

KILL, STOP = signal.SIGKILL, signal.SIGSTOP
_UP_WITHIN_SECONDS = 60.0
_PROGRAM = "from gateway.cli.main import main; main()"
_BROKER_PROGRAM = "gateway.bridge.embedded_process"
# Another program that writes to the same file, and holds its lock as long as it lives or is told.
_HOLDER_PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE site SET name = name || '!'")
print("HELD", flush=True)
sys.stdin.read()
connection.rollback()
"""

Struck = Callable[[], object]


class Deployment:
    """Settings and processes of one deployment. `victims` says what can be struck."""

    name: str
    victims: tuple[str, ...]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host, self.broker_port = "127.0.0.1", free_port()
        self.settings: Settings
        self.ours: list[Supervised] = []

    def prepare(self) -> None:
        """What stands before `parkgate` is started. Raises `CheckFailed`, `Refusal`."""

    def start(self) -> None:
        """Our own processes, until they serve. Raises `CheckFailed`."""
        for one in self.ours:
            one.start()
        for one in self.ours:
            if not wait_for(lambda one=one: self._is_up(one), _UP_WITHIN_SECONDS):  # type: ignore[misc]
                raise CheckFailed(f"{one.name} did not start: {one.log_end()}")

    def pids(self, victim: str, random: Random) -> list[int]:
        """Which processes are struck; none if there is none at this moment."""
        raise NotImplementedError

    def serves(self, victim: str) -> bool:
        """Whether a server that is not ours, and was killed, takes work again."""
        del victim
        return True

    def strike(self, victim: str, how: signal.Signals, seconds: float, random: Random, struck: Struck) -> float | None:
        """Kill or stop; `seconds`: how long it stays stopped. Calls `struck` right after the blow.

        The instant (`time.monotonic()`) from which recovery counts: the kill of what is ours, the moment at which a killed
        server that is not ours took work again, or the end of a stop. None: there was nobody to strike.
        """
        pids = self.pids(victim, random)
        if not send(pids, how):
            return None
        struck()
        ended = time.monotonic()
        if how is STOP:
            time.sleep(seconds)
            send(pids, signal.SIGCONT)
            return time.monotonic()
        if victim in {"broker", "database"} and not self._is_ours(victim):
            wait_for(lambda: not self._runs(pids[0]) and self.serves(victim), _UP_WITHIN_SECONDS)
            ended = time.monotonic()
        return ended

    def stop_ours(self) -> list[str]:
        """End our processes in order. What did not end well, in words."""
        return [f"{one.name} ended with status {code}" for one in self.ours if (code := one.stop())]

    def close(self) -> None:
        """Whatever is left is ended."""
        for one in self.ours:
            one.stop(signal.SIGKILL)

    def _program(self, name: str, role: str, **settings: Any) -> Supervised:
        path = self._settings_file(name, **settings)
        command: list[str | Path] = [sys.executable, "-c", _PROGRAM, role, "--config", path]
        return Supervised(name, command, folder=self.folder, environment=clean_environment())

    def _settings_file(self, name: str, **settings: Any) -> Path:
        values = {"secret_key": random_token(32), "test": True, "close_at": "12:00", "log_level": "warning"}
        values |= {"http_port": free_port(), "http_host": "127.0.0.1"} | settings
        path = self.folder / f"{name}.toml"
        write_private(path, "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        # The environment has no say here.
        self.settings = load(path).model_copy(update=values)
        return path

    def _is_up(self, one: Supervised) -> bool:
        return "parkgate: serving" in (self.folder / f"{one.name}.log").read_text(encoding="utf-8", errors="replace")

    def _is_ours(self, victim: str) -> bool:
        raise NotImplementedError

    @staticmethod
    def _runs(pid: int) -> bool:
        return bool(title(pid))


class StreetDeployment(Deployment):
    """Real servers, and two bridges that share the events."""

    name = "mosquitto+postgresql"
    victims = ("bridge", "broker", "database", "backend", "gates")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._opened: list[Callable[[], object]] = []

    def prepare(self) -> None:
        self.mosquitto = Mosquitto(self.folder, self.broker_port)
        self._opened.append(self.mosquitto.process.stop)
        self.postgres = Postgres(self.folder, free_port())
        self._opened.append(self.postgres.close)
        secret = random_token(32)
        for number in ("1", "2"):
            self.ours.append(
                self._program(
                    f"bridge-{number}",
                    "bridge",
                    database_url=self.postgres.url,
                    broker_url=f"mqtt://127.0.0.1:{self.broker_port}",
                    share_group="street",
                    bridge_id=number,
                    secret_key=secret,
                )
            )
        self.mosquitto.start()
        self.postgres.start()

    def start(self) -> None:
        super().start()
        # As if `autosave_interval` had gone by: a broker that has run for a minute knows its lasting sessions after a kill.
        pid = self.mosquitto.process.pid
        send([pid] if pid is not None else [], signal.SIGUSR1)

    def pids(self, victim: str, random: Random) -> list[int]:
        if victim == "bridge":
            found = [one.pid for one in self.ours]
            pid = random.choice(found)
            return [pid] if pid is not None else []
        if victim == "broker":
            return [self.mosquitto.process.pid] if self.mosquitto.process.pid is not None else []
        if victim == "backend":
            backends = self.postgres.backends()
            return [random.choice(backends)] if backends else []
        return self.postgres.everything()

    def strike(self, victim: str, how: signal.Signals, seconds: float, random: Random, struck: Struck) -> float | None:
        if victim not in {"database", "backend"} or how is STOP:
            return super().strike(victim, how, seconds, random, struck)
        # The server alone: its processes end when they see that it has gone. Of a backend's death it makes a crash of all.
        before = self.postgres.backends()
        struck_at = [self.postgres.process.pid or 0] if victim == "database" else before
        pid = random.choice(struck_at) if struck_at else 0
        if not pid or not send([pid], KILL):
            return None
        struck()
        wait_for(lambda: not any(map(self._runs, [pid, *before])) and self.postgres.serves(), _UP_WITHIN_SECONDS)
        return time.monotonic()

    def serves(self, victim: str) -> bool:
        return self.mosquitto.serves() if victim == "broker" else self.postgres.serves()

    def close(self) -> None:
        super().close()
        for close in reversed(self._opened):
            close()

    def _is_ours(self, victim: str) -> bool:
        return victim not in {"broker", "database"}


class LaptopDeployment(Deployment):
    """`parkgate serve`: broker and database are parts of it. Who strikes its database is a neighbour that holds its lock."""

    name = "embedded+sqlite"
    victims = ("bridge", "broker", "database", "gates")

    def prepare(self) -> None:
        self.database = self.folder / "parkgate.db"
        self.ours.append(
            self._program(
                "serve",
                "serve",
                database_url=f"sqlite:///{self.database}",
                broker_url=f"embedded://127.0.0.1:{self.broker_port}",
            )
        )

    def pids(self, victim: str, random: Random) -> list[int]:
        del random
        serve = self.ours[0].pid
        if serve is None:
            return []
        return [serve] if victim == "bridge" else [pid for pid in children(serve) if _BROKER_PROGRAM in title(pid)]

    def strike(self, victim: str, how: signal.Signals, seconds: float, random: Random, struck: Struck) -> float | None:
        if victim != "database":
            return super().strike(victim, how, seconds, random, struck)
        holder = subprocess.Popen(  # noqa: S603 - a program of our own
            [sys.executable, "-c", _HOLDER_PROGRAM, self.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        struck()
        if how is STOP:
            holder.send_signal(STOP)
            time.sleep(seconds)
            holder.send_signal(signal.SIGCONT)
        else:
            time.sleep(seconds / 10)
            holder.kill()
        ended = time.monotonic()
        holder.communicate()
        return ended

    def integrity(self) -> str:
        """What SQLite itself says of the file; `ok` if nothing."""
        connection = sqlite3.connect(self.database)
        try:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        finally:
            connection.close()

    def _is_ours(self, victim: str) -> bool:
        del victim
        return True


DEPLOYMENTS: dict[str, type[Deployment]] = {one.name: one for one in (StreetDeployment, LaptopDeployment)}
