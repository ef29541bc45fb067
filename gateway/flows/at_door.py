"""A credential at a small gate (小门): its facts, the decision, the order to open, and what is put on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing.calendar import kind_of_day
from billing.errors import CalendarUnknown
from controllers import decide, doors
from controllers.doors import AtDoor, Membership, Passage
from controllers.events import Kind
from gateway.flows.answer import to_lane
from gateway.flows.batch import Batch
from gateway.flows.inbound import EventIn
from gateway.flows.outcome import Situation
from gateway.runtime.ids import derive
from gateway.store.facts import EventKey, FactLoader, Facts
from gateway.store.records import DoorPassed, Estate, EventRecord, LaneFacts

_BUTTON = "door"


def at_doors(estate: Estate, events: Sequence[EventIn]) -> list[EventIn]:
    """Those of small gates."""
    return [
        one
        for one in events
        if one.event.kind is Kind.DOOR
        and (lane := estate.lanes.get((one.site, one.event.lane))) is not None
        and lane.door
    ]


def locks(estate: Estate, events: Sequence[EventIn]) -> set[EventKey]:
    """What is held until the transaction ends, so that two bridges count the same tries."""
    return {(one.site, "", f"door {one.event.lane}") for one in at_doors(estate, events)}


def ask(loader: FactLoader, facts: Facts, estate: Estate, events: Sequence[EventIn], now: datetime) -> None:
    """Whose the credentials are, and how often unknown ones were tried at these doors."""
    found = at_doors(estate, events)
    if found:
        facts.members = loader.members({(one.site, one.event.credential or "") for one in found})
        facts.tries = loader.tries({(one.site, one.event.lane) for one in found}, now - doors.DAY)


def by_its_button(batch: Batch, read: EventRecord) -> bool:
    """Whether it was a small gate that was opened by its button: whoever leaves presses it, and nobody has to look at that."""
    if not batch.estate.lanes[read.site, read.lane].door:
        return False
    read.reason = _BUTTON
    return True


def decide_door(batch: Batch, read: EventRecord, credential: str | None) -> None:
    """Decide, put on record, and order what is still fresh; nothing where it is no small gate. `credential` is sealed."""
    lane = batch.estate.lanes[read.site, read.lane]
    if not lane.door:
        return
    member = _member(batch, lane, credential)
    tries = batch.facts.tries[read.site, read.lane]
    expires_at = decide.expiry(batch.now, read.at)
    passage = doors.at_door(
        AtDoor(
            inward=lane.inward,
            at=read.at,
            member=member,
            open_now=open_at(lane, read.at, batch.zone),
            tries=tries,
            emergency=read.site in batch.estate.emergencies,
            late=read.buffered or expires_at <= batch.now,
        )
    )
    unknown = lane.inward and member is None
    batch.outcome.doors.append(
        DoorPassed(
            site=read.site,
            device=read.device,
            event=read.event,
            lane=read.lane,
            at=read.at,
            member=None if member is None else member.member,
            by="" if member is None else member.by,
            opened=passage in doors.OPENS,
            reason=passage.value,
            unknown=unknown,
        )
    )
    if unknown:
        before = doors.guessed(tries, read.at)
        tries.append(read.at)
        if not before and doors.guessed(tries, read.at):
            _alarm(batch, read)
    if passage is not Passage.TOO_LATE:
        _order(batch, read, lane, passage, expires_at)


def open_at(lane: LaneFacts, at: datetime, zone: ZoneInfo) -> bool:
    """Whether a door's hours are on. A year whose holidays are not published yet has none: a calendar shuts nobody out."""
    if lane.hours is None:
        return True
    local = at.astimezone(zone)
    return doors.is_open(lane.hours, _day(local), _day(local - timedelta(days=1)), local.hour * 60 + local.minute)


def _day(local: datetime) -> str:
    try:
        kind = kind_of_day(local.date())
    except CalendarUnknown:
        kind = None
    return doors.day_of(local.isoweekday(), kind)


def _member(batch: Batch, lane: LaneFacts, credential: str | None) -> Membership | None:
    gate, member = batch.facts.members.get((lane.site, credential or ""), (None, None))
    return member if gate in {None, lane.gate} else None


def _alarm(batch: Batch, read: EventRecord) -> None:
    batch.outcome.situations.append(
        Situation(
            site=read.site,
            kind="door_guessing",
            subject=f"{read.lane}:{read.at.astimezone(batch.zone):%Y-%m-%d}",
            at=read.at,
            lane=read.lane,
            event=read.event,
        )
    )


def _order(batch: Batch, read: EventRecord, lane: LaneFacts, passage: Passage, expires_at: datetime) -> None:
    show, say = doors.shown(passage)
    batch.outcome.commands.append(
        to_lane(
            batch.estate,
            lane,
            doors.action(passage),
            doors.reason(passage),
            derive("c", read.site, read.device, read.event),
            batch.now,
            by=None,
            show=(show,),
            say=say,
            event=read.event,
            true_reason=f"door_{passage.value}",
            expires_at=expires_at,
        )
    )
