"""无牌车: reads without a plate of which it is known whose they are, because a driver has scanned the lane's code (`lane_pass`).

Such a vehicle has a name in the place of a plate, one for each entry. Everything else about it is as with any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from controllers.events import Kind
from controllers.passages import SAME_PASSAGE, Decision
from controllers.unlicensed import is_unlicensed
from gateway.store.records import EventRecord

_UNREADABLE_SLOT = timedelta(minutes=10)


def still_there(read: EventRecord, known: Iterable[EventRecord]) -> str | None:
    """The name of the vehicle whose lane's read before this one was claimed, if it must still stand there; else None.

    Source: gate protocol, "the same plate read again at the same lane within 60 s of its previous read, not passed meanwhile". Once the
    barrier was opened for it, who is read next may be the one behind it.
    """
    if read.buffered:
        return None
    lane = (read.site, read.device, read.lane)
    earlier = (
        one
        for one in known
        if one.kind == Kind.PLATE
        and (one.site, one.device, one.lane) == lane
        and (one.at, one.event) < (read.at, read.event)
    )
    before = max(earlier, key=lambda one: (one.at, one.event), default=None)
    if before is None or before.plate is None or not is_unlicensed(before.plate):
        return None
    waits = not before.completed and before.decision != Decision.OPEN and read.at - before.at <= SAME_PASSAGE
    return before.plate if waits else None


def subject(read: EventRecord) -> str:
    """Of which exception a read without a plate is: one a lane and ten minutes."""
    return f"{read.lane}:{int(read.at.timestamp() // _UNREADABLE_SLOT.total_seconds())}"
