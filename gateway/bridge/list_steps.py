"""How a device's offline list comes to what the registers have: by what changed, and now and then by all of it.

No device of another vendor says what it has. One that was away may have been set back or exchanged meanwhile, so it is brought the whole again when it
is heard of; and each is once a night, so that what somebody has emptied by hand is right again by the morning.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Generic, TypeVar

from controllers.commands import ListDelta, ListEntry, WholeList

_T = TypeVar("_T")

AWAY = timedelta(minutes=3)
"""Three of the slowest heartbeats known. Shorter absences are the network's: to be set back and set up again takes longer."""
_NIGHT_BEGINS = timedelta(hours=3)
# One that says a word only now and then is not away each time.
_AGAIN_EVERY_SECONDS = 4 * 3600.0


@dataclass
class Brought(Generic[_T]):
    """One device, which is brought its list in pieces. `has`: what it took last, as far as this process knows; `bringing`: what it is being brought, `left` of it is to be told.

    `away`: it was not heard of for so long that it may come back with another list, or none; before `again_from` that changes nothing.
    """

    night: date
    has: WholeList | None = None
    bringing: WholeList | None = None
    left: deque[_T] = field(default_factory=deque)
    since: float = 0.0
    away: bool = False
    again_from: float = 0.0

    def doubted(self, night: date, now: float) -> bool:
        """Whether it is to be brought the whole again, though it has taken all of it. Asked once: it is forgotten what it has. `now`: seconds, monotonic."""
        if self.night == night and not (self.away and now >= self.again_from):
            return False
        self.away, self.night, self.again_from = False, night, now + _AGAIN_EVERY_SECONDS
        self.forget()
        return True

    def order(self, wanted: WholeList, version: int) -> WholeList | ListDelta | None:
        """What brings it from `version`, which it is known to have, to what is wanted; None where it has that."""
        if self.bringing is not None and version == self.bringing.version:
            self.has, self.bringing = self.bringing, None
        if version == wanted.version:
            self.has = wanted
            return None
        had = self.has if self.has is not None and self.has.version == version else None
        return wanted if had is None else changes(had, wanted)

    def forget(self) -> None:
        self.has = self.bringing = None
        self.left.clear()


def changes(had: WholeList, wanted: WholeList) -> ListDelta:
    """What brings a device from one list to another."""
    before = {entry.plate: entry.until for entry in had.entries}
    return _brings(had, wanted, tuple(entry for entry in wanted.entries if before.get(entry.plate) != entry.until))


def again(had: WholeList, wanted: WholeList) -> ListDelta:
    """The same for one that may have nothing of it any more; it is not emptied first, for it is needed when the network fails again."""
    return _brings(had, wanted, wanted.entries)


def night_of(now: datetime, zone: tzinfo) -> date:
    """It begins at three."""
    return (now.astimezone(zone) - _NIGHT_BEGINS).date()


def _brings(had: WholeList, wanted: WholeList, add: tuple[ListEntry, ...]) -> ListDelta:
    stay = {entry.plate for entry in wanted.entries}
    gone = tuple(entry.plate for entry in had.entries if entry.plate not in stay)
    return ListDelta(version=wanted.version, from_version=had.version, add=add, remove=gone)
