"""What is to happen next: a heap of actions whose order depends on nothing but the seed."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from simulators.transport import Key

ACTIONS_MAX = 1_000_000

FOLLOW_UP = 0  # what follows from an answer comes before what was planned for the same instant
PLANNED = 1


class Weight(Enum):
    """What may share a window with what, within one site: whatever one device says, in order over its connection."""

    HELD = "held"  # results: they keep for a while
    PLATE = "plate"  # a read or a passage
    ALONE = (
        "alone"  # a payment, an outage: nothing else at its site, because it does not come over the device's connection
    )


class Action(NamedTuple):
    """`run` is called once, with the action's own instant."""

    key: Key
    run: Callable[[datetime], None]
    weight: Weight = Weight.PLATE


class Agenda:
    """Actions by instant, then follow-ups before plans, then in order of writing."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, int, Action]] = []
        self._written = 0

    def __len__(self) -> int:
        return len(self._heap)

    def write(self, at: datetime, action: Action, rank: int = FOLLOW_UP) -> None:
        """Raises `ValueError` when more than a million actions are open."""
        if len(self._heap) >= ACTIONS_MAX:
            raise ValueError(f"more than {ACTIONS_MAX} actions are planned")
        self._written += 1
        heapq.heappush(self._heap, (at, rank, self._written, action))

    def next_at(self) -> datetime | None:
        return self._heap[0][0] if self._heap else None

    def window(
        self, length: timedelta, after_payment: timedelta, until: datetime, held: timedelta | None = None
    ) -> list[tuple[datetime, Action]]:
        """The next actions that may share one answer: within `length` of the first, before `until`, one
        device a site.

        It ends before the first action that could be concurrent with another of its site, and `after_payment` after the
        first action that does not come over a device's connection. Results that were held back can wait for `held`
        (default: no longer than anything else). With no `length`, every action of a site is answered alone.
        """
        window: list[tuple[datetime, Action]] = []
        sites: dict[str, tuple[Key, Weight]] = {}
        last = until
        while self._heap and self._heap[0][0] < until:
            at, _, _, action = self._heap[0]
            if at > last or not _goes_with(action, sites.get(action.key.site), bool(length)):
                break
            heapq.heappop(self._heap)
            keeps = {Weight.ALONE: after_payment, Weight.HELD: length if held is None else held}
            last = min(last, at + keeps.get(action.weight, length))
            window.append((at, action))
            sites[action.key.site] = action.key, action.weight
        return window


def _goes_with(action: Action, earlier: tuple[Key, Weight] | None, together: bool) -> bool:
    if earlier is None:
        return True
    key, weight = earlier
    return together and action.key == key and Weight.ALONE not in {weight, action.weight}
