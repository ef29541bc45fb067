"""One event from the several messages of one read. A pure state machine: the clock is handed to it, the memory is bounded.

Some cameras tell a read twice: at once without pictures, and again with everything. Both are the same event, under one id and
with one content, so that the second is a repeat (which is receipted and changes nothing) and no barrier opens twice. What came
first stands, with one exception: a first message that could not read the plate waits a moment for the fuller one.

Nothing is swallowed here: only the database knows what is stored. But a vehicle that turned back voids its read, and where nobody
knows of a read, nothing is said.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from controllers.adapters.port import Heard, Picture, Said
from controllers.events import Kind, PlateEvent

WAIT = timedelta(milliseconds=1500)
"""For the fuller message, where the first could not read the plate: as long as a driver does not notice."""
KEEP = timedelta(minutes=5)
READS_MAX = 4096
TURNED_BACK_WITHIN = timedelta(minutes=5)

Who = tuple[str, str]
"""Site and device."""


class Joined(NamedTuple):
    """What is to be handed on, and of whom."""

    who: Who
    said: tuple[Said, ...]


class _Read:
    __slots__ = ("at", "due", "event", "held", "who")

    def __init__(self, who: Who, event: PlateEvent, at: datetime, due: datetime | None) -> None:
        self.who = who
        self.event = event
        self.at = at
        self.due = due
        self.held: tuple[Said, ...] = ()


class Joiner:
    """For all devices of one bridge."""

    def __init__(self, *, wait: timedelta = WAIT, keep: timedelta = KEEP, reads_max: int = READS_MAX) -> None:
        self._wait, self._keep, self._reads_max = wait, keep, reads_max
        self._reads: OrderedDict[tuple[Who, str], _Read] = OrderedDict()
        self._newest: OrderedDict[tuple[Who, str], PlateEvent] = OrderedDict()

    def __len__(self) -> int:
        return len(self._reads)

    def take(self, who: Who, heard: Heard, now: datetime) -> tuple[Joined, ...]:
        """What to hand on now: of this message, and of others whose wait is over."""
        joined = [*self.due(now)]
        said: Sequence[Said] = heard.said
        if heard.read:
            said, pushed = self._part_of_a_read(who, heard, now)
            joined += pushed
        if said := self._all_completed(who, said):
            joined.append(Joined(who, said))
        return tuple(joined)

    def due(self, now: datetime) -> tuple[Joined, ...]:
        """What has waited long enough, oldest first. Ask at `next_due`."""
        over = [read for read in self._reads.values() if read.due is not None and read.due <= now]
        for read in over:
            read.due = None
        for key in [key for key, read in self._reads.items() if read.due is None and read.at + self._keep <= now]:
            del self._reads[key]
        return tuple(self._let_go(read) for read in over)

    def next_due(self) -> datetime | None:
        return min((read.due for read in self._reads.values() if read.due is not None), default=None)

    def _part_of_a_read(self, who: Who, heard: Heard, now: datetime) -> tuple[Sequence[Said], list[Joined]]:
        event = next((one for one in heard.said if isinstance(one, PlateEvent)), None)
        if event is None:
            return heard.said, []
        key = (who, heard.read)
        known = self._reads.get(key)
        if known is None:
            waits = heard.more_follows and event.plate is None and not event.buffered
            read = self._reads[key] = _Read(who, event, now, now + self._wait if waits else None)
            pushed = self._make_room()
            if waits:
                read.held = heard.said
                return (), pushed
            return heard.said, pushed
        if known.due is not None:  # held: this one is fuller, or at least as full
            if heard.more_follows and event.plate is None:
                return (), []
            known.due = None
            known.event = msgspec.structs.replace(event, id=known.event.id, at=known.event.at)
            held, known.held = known.held, ()
            return [*_renamed(heard.said, known.event), *(one for one in held if isinstance(one, Picture))], []
        if event.plate in {None, known.event.plate}:
            # The same read: the same content, so that it is recognised. Whether it is history counts for itself.
            return _renamed(heard.said, msgspec.structs.replace(known.event, buffered=event.buffered)), []
        # Another plate under the same read: what came first stands, and this goes to quarantine by its id.
        return _renamed(heard.said, msgspec.structs.replace(event, id=known.event.id)), []

    def _make_room(self) -> list[Joined]:
        pushed = []
        while len(self._reads) > self._reads_max:
            _, oldest = self._reads.popitem(last=False)
            if oldest.due is not None:
                pushed.append(self._let_go(oldest))
        return pushed

    def _let_go(self, read: _Read) -> Joined:
        held, read.held = read.held, ()
        return Joined(read.who, self._all_completed(read.who, held))

    def _all_completed(self, who: Who, said: Sequence[Said]) -> tuple[Said, ...]:
        completed = (self._completed(who, one) if isinstance(one, PlateEvent) else one for one in said)
        return tuple(one for one in completed if one is not None)

    def _completed(self, who: Who, event: PlateEvent) -> PlateEvent | None:
        """A vehicle that turned back: the read that it completes, where the vendor names none."""
        at_lane = (who, event.lane)
        if event.kind is Kind.PLATE:
            if not event.buffered:
                self._newest[at_lane] = event
                self._newest.move_to_end(at_lane)
                if len(self._newest) > self._reads_max:
                    self._newest.popitem(last=False)
            return event
        newest = self._newest.get(at_lane)
        if event.kind is not Kind.REVERSED or event.for_event is not None:
            return event
        if newest is None or event.plate not in {None, newest.plate}:
            return None
        if not newest.at <= event.at <= newest.at + TURNED_BACK_WITHIN:
            return None
        return msgspec.structs.replace(event, for_event=newest.id)


def _renamed(said: Sequence[Said], event: PlateEvent) -> list[Said]:
    """The same message, told under the event that the read already has."""
    renamed: list[Said] = []
    for one in said:
        if isinstance(one, PlateEvent):
            renamed.append(event)
        elif isinstance(one, Picture):
            renamed.append(msgspec.structs.replace(one, event=event.id))
        else:
            renamed.append(one)
    return renamed
