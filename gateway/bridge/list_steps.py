"""How a device's offline list comes to what the registers have: by what changed, and now and then by all of it.

No device of another vendor says what it has. One that was away may have been set back or exchanged meanwhile, so it is brought the whole again when it
is heard of; and each is once a night, so that what somebody has emptied by hand is right again by the morning.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

from controllers.commands import ListDelta, ListEntry, WholeList

AWAY = timedelta(minutes=3)
"""Three of the slowest heartbeats known. Shorter absences are the network's: to be set back and set up again takes longer."""
_NIGHT_BEGINS = timedelta(hours=3)


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
