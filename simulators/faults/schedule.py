"""What happens when: one thread, one clock, one list of things to come."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from simulators.clock import SimulatedClock

Action = Callable[[], object]


class Schedule:
    """Things happen in the order of their instants, those of one instant in the order in which they were put down.

    `run_until` may be called from within an action: whoever waits lets the world go on meanwhile.
    """

    def __init__(self, start: datetime) -> None:
        self.clock = SimulatedClock(start)
        self._to_come: list[tuple[datetime, int, Action]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return self.clock.now()

    def at(self, when: datetime, action: Action) -> None:
        """Do it at an instant; one that has gone by means as soon as possible."""
        heapq.heappush(self._to_come, (when, next(self._numbers), action))

    def after(self, seconds: float, action: Action) -> None:
        self.at(self.now() + timedelta(seconds=seconds), action)

    def run_until(self, end: datetime, holds: Callable[[], bool] = lambda: False) -> None:
        """Let the world go on until an instant, or until something holds."""
        while self._to_come and self._to_come[0][0] <= end:
            if holds():
                return
            when, _, action = heapq.heappop(self._to_come)
            self.clock.advance(max(when, self.now()))
            action()
        if not holds():
            self.clock.advance(max(end, self.now()))
