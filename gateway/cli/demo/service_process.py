"""The service in a process of its own, on a simulated clock that it shares with the one who conducts the day.

Two threads of one process take turns: every database call of the worker would wait for the thread that plays the gates. The
conductor's process writes the simulated instant into a mapped file; the service reads it there. Over standard input come the
settings, then a byte for every "look at the outbox"; when it ends, so does the service, for its parent has gone.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from sqlalchemy import event

from gateway.bridge.embedded import BrokerDidNotStart
from gateway.runtime import collector, logs
from gateway.runtime.settings import Settings
from gateway.service import Service
from gateway.wiring import Parts, build
from simulators.clock import SimulatedClock

_STARTS_WITHIN_SECONDS = 60
_ENDS_WITHIN_SECONDS = 15
_INSTANT_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CLOCK_FILE = ".clock"


class _Instant:
    """An instant in a mapped file: eight aligned bytes, which one store writes and one load reads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._map = mmap.mmap(file.fileno(), _INSTANT_BYTES)
        self._cell = memoryview(self._map).cast("q")

    def show(self, at: datetime) -> None:
        self._cell[0] = (at - _EPOCH) // _MICROSECOND

    def read(self) -> datetime:
        return _EPOCH + self._cell[0] * _MICROSECOND


class SharedClock(SimulatedClock):
    """The conductor's clock: whatever it shows, the service's process sees."""

    def __init__(self, start: datetime, folder: Path) -> None:
        super().__init__(start)
        self.path = folder / _CLOCK_FILE
        self.path.write_bytes(bytes(_INSTANT_BYTES))
        with self.path.open("r+b") as file:
            self._shown = _Instant(file)
        self._shown.show(self.now())

    def advance(self, to: datetime) -> None:
        super().advance(to)
        self._shown.show(to)


class _FollowingClock:
    """The service's clock: shows what the conductor's shows."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shown = _Instant(file)

    def now(self) -> datetime:
        return self._shown.read()


class ServiceProcess:
    """Embedded broker and bridge, with the settings of `parts`. A payment through `parts` is heard of there at once."""

    def __init__(self, parts: Parts, clock: SharedClock) -> None:
        self._parts, self._clock = parts, clock
        self._process: subprocess.Popen[bytes] | None = None
        parts.outbox.listen(self._look)

    def start(self) -> None:
        """Raises `BrokerDidNotStart` with the reason."""
        process = subprocess.Popen(
            [sys.executable, "-c", "from gateway.cli.demo.service_process import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C goes to the parent alone: the service stays until the gates have closed.
            start_new_session=True,
        )
        self._process = process
        told = {"settings": self._parts.settings.model_dump(mode="json"), "clock": str(self._clock.path.resolve())}
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(_STARTS_WITHIN_SECONDS, process.kill)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(told).encode() + b"\n")
                process.stdin.flush()
            said = process.stdout.readline().decode().strip()
        finally:
            timer.cancel()
        if said != "READY":
            self.stop()
            raise BrokerDidNotStart(said or "the service did not start")

    def well(self) -> bool:
        """False when the process has ended: then nothing will be answered any more."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """What has arrived is decided, published and acknowledged; then the broker ends, and the process."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _look(self) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"\n")
            process.stdin.flush()


def spare_the_disk(parts: Parts) -> None:
    """The next connections do not wait for the disk: a run can be run again, and needs not survive a power cut. PostgreSQL is left as it is."""
    if parts.store.engine.dialect.name != "sqlite":
        return
    event.listen(parts.store.engine, "connect", _without_waiting)


def _without_waiting(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF").close()


def main() -> None:
    """The process that `ServiceProcess` starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = json.loads(_first_line())
    settings = Settings.model_construct(**told["settings"])  # checked by the parent; the environment has no say here
    logs.configure(settings.log_level, form=settings.log_format)
    parts = build(settings, clock=_FollowingClock(Path(told["clock"])))
    spare_the_disk(parts)
    service = Service(parts, jobs=False)
    try:
        service.start()
    except BrokerDidNotStart as problem:
        _say(str(problem))
        sys.exit(1)
    collector.started_up()
    _say("READY")
    while os.read(0, 4096):
        parts.outbox.notify()
    service.stop()
    parts.store.close()


def _first_line() -> bytes:
    """Unbuffered: what follows is read by `os.read`."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
