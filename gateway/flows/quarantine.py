"""How much of the quarantine one device may fill: a device that sends nothing but garbage must not fill the disk.

What finds no room is not stored and not receipted: whoever keeps it sends it again, and it is stored when there is room.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from gateway.flows.inbound import Rejected
from gateway.runtime.allowance import Allowances, Who, weight

_STRANGER = ("", "")


class Quarantine:
    """For one worker. `per_hour`: payloads of 4 KiB of one device, larger ones count for more; 0: without end.

    Devices that nobody has configured share one allowance.
    """

    def __init__(self, per_hour: int) -> None:
        self._allowances = Allowances(per_hour / 3600, per_hour) if per_hour else None

    def room(self, devices: Collection[Who], now: datetime) -> Room:
        """For one batch, which may have to be decided again: nothing is used up until it is stored."""
        return Room(self._allowances, devices, now.timestamp())


class Room:
    """What one batch may put into quarantine."""

    def __init__(self, allowances: Allowances | None, devices: Collection[Who], now: float) -> None:
        self._allowances, self._devices, self._now = allowances, devices, now
        self._taken: dict[Who, float] = {}

    def takes(self, rejected: Rejected) -> bool:
        """Whether it is to be stored."""
        if self._allowances is None:
            return True
        who = (rejected.site, rejected.device)
        if who not in self._devices:
            who = _STRANGER
        taken = self._taken.get(who, 0)
        if self._allowances.left(who, self._now) <= taken:
            return False
        self._taken[who] = taken + weight(rejected.payload)
        return True

    def stored(self) -> None:
        """The batch is in the database."""
        if self._allowances is not None:
            self._allowances.take(self._taken, self._now)
