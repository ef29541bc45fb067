"""Processes that a bench starts from itself: one line in says what to do, `READY` comes back, and they end with their input."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from gateway.cli.bench.servers import DidNotStart

_ENDS_WITHIN_SECONDS = 30


class Child:
    """Runs `main` of a module of ours. Raises `DidNotStart` if it does not say that it is ready; why, stands on standard error."""

    def __init__(self, module: str, told: Any) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a module of our own
            [sys.executable, "-c", f"from {module} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C goes to the bench alone, which then stops everything in order.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.say(told)
        if self._out.readline().strip() != b"READY":
            self.close()
            raise DidNotStart(f"{module} did not start")

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, what: Any) -> None:
        """One line. Raises `BrokenPipeError` when the process has died."""
        self._in.write(json.dumps(what).encode() + b"\n")
        self._in.flush()

    def close(self) -> None:
        """It does what it was told, and ends; SIGKILL when it does not in time."""
        with contextlib.suppress(BrokenPipeError):
            self._in.close()
        try:
            self._process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()


def told() -> Any:
    """In such a process, before anything else: what it was told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return json.loads(sys.stdin.readline())


def lines() -> Iterator[Any]:
    """What it is told from then on, until its input ends. Each line as it comes, not by the buffer."""
    while line := sys.stdin.readline():
        yield json.loads(line)


def ready() -> None:
    """It may begin."""
    os.write(1, b"READY\n")
