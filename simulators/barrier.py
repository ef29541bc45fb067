"""One barrier arm, and the record of every movement it made: what the safety invariants are checked against."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from controllers.events import BarrierState

RAISING = timedelta(seconds=1)
LOWERING = timedelta(seconds=2)


class Cause(StrEnum):
    """Why a barrier moved. `SAFETY` is an occupied loop under a falling arm; `AUTOMATIC` a lane that has cleared."""

    COMMAND = "command"
    LIST = "list"
    OFFLINE_EXIT = "offline_exit"
    HAND = "hand"
    SAFETY = "safety"
    AUTOMATIC = "automatic"
    ALARM = "alarm"


class Movement(NamedTuple):
    """The arm began to rise (`up`) or to fall, at `at` (real instant, not the device's clock).

    `occupied` is the truth of the lane at that moment, whether or not a loop could feel it.
    """

    lane: str
    up: bool
    cause: Cause
    command: str | None
    event: str | None
    at: datetime
    occupied: bool


class Barrier:
    """An arm that takes a second to rise and two to fall, and turns at once when it has to."""

    def __init__(self) -> None:
        self.up = False
        self._moving_until: datetime | None = None

    def state(self, now: datetime) -> BarrierState:
        if self._moving_until is not None and now < self._moving_until:
            return BarrierState.MOVING
        return BarrierState.OPEN if self.up else BarrierState.CLOSED

    def falling(self, now: datetime) -> bool:
        return not self.up and self.state(now) is BarrierState.MOVING

    def rise(self, now: datetime) -> bool:
        """Start to rise; False if it is up, or on its way up, already."""
        if self.up:
            return False
        self.up, self._moving_until = True, now + RAISING
        return True

    def fall(self, now: datetime) -> bool:
        if not self.up:
            return False
        self.up, self._moving_until = False, now + LOWERING
        return True

    def settles_at(self, now: datetime) -> datetime | None:
        """When the movement under way ends, or None if the arm rests."""
        return self._moving_until if self._moving_until is not None and now < self._moving_until else None
