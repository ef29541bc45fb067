"""Processes that are started again when they end, as systemd or a container's restart policy does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_LOOK_SECONDS = 0.02
_AGAIN_SECONDS = 0.2
_ENDS_WITHIN_SECONDS = 40.0

Begun = Callable[["subprocess.Popen[bytes]"], None]


class Supervised:
    """One program. Its output goes to a log file in `folder`, and it runs there or `at` another; `begun` is told of every process that is started (with pipes, if `piped`)."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str],
        at: Path | None = None,
        piped: bool = False,
        begun: Begun = lambda _: None,
    ) -> None:
        self.name = name
        self.starts = 0
        self._command = [str(word) for word in command]
        self._folder, self._at, self._environment = folder, at or folder, dict(environment)
        self._piped, self._begun = piped, begun
        self._log: IO[bytes] = (folder / f"{name}.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name=f"supervises-{name}", daemon=True)

    def start(self) -> None:
        self._begin()
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now; None between two."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it for good. Its exit status; killed if it does not end in time."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            else:
                process.send_signal(how)
            try:
                process.wait(_ENDS_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
        return process.returncode

    def log_end(self) -> str:
        """The last line that it wrote."""
        written = (self._folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace").strip()
        return written.splitlines()[-1][-300:] if written else "it wrote nothing"

    def _begin(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the harness's own list of programs
            self._command,
            cwd=self._at,
            env=self._environment,
            stdin=subprocess.PIPE if self._piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._piped else self._log,
            stderr=self._log,
            # Ctrl-C goes to the harness alone, which ends everything in order.
            start_new_session=True,
        )
        self.starts += 1
        self._begun(self._process)

    def _supervise(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            began = time.monotonic()
            assert self._process is not None
            if self._process.poll() is not None:
                self._begin()
                # One that ends at once is not started faster than this.
                self._ending.wait(max(0.0, _AGAIN_SECONDS - (time.monotonic() - began)))


def listens(port: int) -> bool:
    """Whether a TCP connection is taken."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children(pid: int) -> list[int]:
    """The processes that this one has started. Empty if it has gone."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def title(pid: int) -> str:
    """How a process calls itself; empty if it has gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def send(pids: Sequence[int], what: signal.Signals) -> int:
    """How many of them were there to get it."""
    reached = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)
            reached += 1
    return reached


def wait_for(look: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def clean_environment() -> dict[str, str]:
    """The environment without settings of Parkgate: they must not turn a run against a real database."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PARKGATE_")}
