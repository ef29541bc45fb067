"""Whose turn it is: what is live always; what devices had kept when nobody else waits, and not all the time.

A worker that did nothing but catch up would be busy whenever somebody comes to a barrier, and so would be the processor, the
disk and the broker behind it. So it rests after what it has caught up with, and wakes for whatever is live.
"""

from __future__ import annotations

from collections.abc import Callable

# For each second spent on what was kept.
REST_SHARE = 1.0
# A batch may have waited long for a database that was away; nobody gains by waiting as long again.
REST_SECONDS_MAX = 0.05
# However busy the barriers are: after so long some of it goes with what is live.
STARVED_AFTER_SECONDS = 0.25


class Turns:
    """`monotonic`: seconds. A clock that stands while work is done gives no rest."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._served_at = monotonic()
        self._rests_until = self._served_at

    def rest(self) -> float:
        """Seconds in which only something live is to wake the worker."""
        return max(0.0, self._rests_until - self._monotonic())

    def others(self, live: int) -> bool:
        """Whether the next batch takes more than what is live. `live`: messages that wait."""
        now = self._monotonic()
        if live:
            return now - self._served_at >= STARVED_AFTER_SECONDS
        return now >= self._rests_until

    def served(self, began: float) -> None:
        """Others than the live have been served, from `began` on."""
        self._served_at = self._monotonic()
        self._rests_until = self._served_at + min(REST_SECONDS_MAX, REST_SHARE * (self._served_at - began))
