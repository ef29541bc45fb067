"""What a thread spends its time on: seconds by stage, in a counter. A few looks at the clock a batch, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from prometheus_client import Counter

IDLE = "idle"
STAGES = (IDLE, "decode", "lock", "gather", "decide", "store", "commit", "publish", "outbox", "again")
"""In the order of a batch.

`idle`: waiting for messages. `lock`: a connection, and on SQLite the write lock that another process holds (PostgreSQL locks rows, which
is waited for in `gather`). `store`: on PostgreSQL the statements leave, and are waited for in `commit`. `publish`: commands, receipts,
acknowledgements. `outbox`: looking for commands of other processes. `again`: what an attempt took that the database refused, and the pause after it.
"""


class Stages(Protocol):
    """Whoever is told that a stage is done."""

    def done(self, stage: str) -> None: ...


class Laps:
    """Of one thread. All time since the last stage was done, or since the making, is the next one's: none is lost."""

    def __init__(self, seconds: Counter, now: Callable[[], float] = perf_counter) -> None:
        self._counters = {stage: seconds.labels(stage) for stage in STAGES}
        self._now = now
        self._at = now()

    def done(self, stage: str) -> None:
        at = self._now()
        self._counters[stage].inc(at - self._at)
        self._at = at


class Untimed:
    """For whoever asks nobody how long it takes."""

    def done(self, stage: str) -> None:
        pass
