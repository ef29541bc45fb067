"""The clocks of a simulation. The only file of this package that looks at the real time.

A simulated clock moves when it is told to and never backwards; the wall clock serves `parkgate simulate gates`, whose
virtual gates talk to a service that lives in real time.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What gates, bridge and payer share."""

    def now(self) -> datetime: ...

    def advance(self, to: datetime) -> None: ...


class SimulatedClock:
    """Shows the same instant (UTC) to everybody until the conductor moves it on. Thread-safe."""

    def __init__(self, start: datetime) -> None:
        self._lock = threading.Lock()
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The instant everybody agrees on; timezone-aware, in UTC."""
        with self._lock:
            return self._now

    def advance(self, to: datetime) -> None:
        """Move on to `to`. Raises `ValueError` if that were a step back."""
        with self._lock:
            if to < self._now:
                raise ValueError(
                    f"the simulated clock stands at {self._now.isoformat()}; it cannot go back to {to.isoformat()}"
                )
            self._now = to.astimezone(UTC)


class WallClock:
    """The real time. It moves by itself: `advance` changes nothing, the conductor's pacing has already waited."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - gates against a live service share its real time; this is the one place

    def advance(self, to: datetime) -> None:
        del to


def monotonic() -> float:
    """Seconds of real time, for pacing and for giving up; they never reach a record."""
    return time.monotonic()
