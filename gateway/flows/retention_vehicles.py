"""Plates and what moved under them: how events are forgotten so that no stay changes and every close can still be checked.

What a vehicle's next visit may still change is left alone: the fold begins at `presence.history_from`, with the last stay but one,
so of a vehicle that still comes only what is older goes. Of one that came no more, everything goes at once, unless it is inside, owes
something or waits for a person. Each vehicle is a transaction of its own under its own lock, so that no gate waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, delete, exists, func, not_, or_, select, update

from gateway.flows.arrears import due
from gateway.flows.inbound import FORGOTTEN
from gateway.flows.personal_data_door import door, nobody, rename_holder, stranger
from gateway.flows.retention_rows import ROWS_AT_A_TIME, each, table_of
from gateway.store import tables as t
from gateway.store.scrub import zeroing
from gateway.wiring import Parts

# Of one vehicle in one transaction: years of a resident's daily coming and going.
_EVENTS_OF_A_VEHICLE = 10_000
# A close is checked against its stays unless an event up to so much later came in after it (`verify_closes`).
_SETTLES_WITHIN = timedelta(minutes=10)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_EVENT = t.PlateEventRow.__table__.c
_STAY = t.Stay.__table__.c
_PRESENCE = t.Presence.__table__.c
_BALANCE = t.AllowanceBalance.__table__.c

# The digest as well: it is a hash of what the event said, and there are few plates to try.
_BLANK = {"plate": None, "plate_raw": None, "image": None, "digest": FORGOTTEN}
UNSETTLED = or_(_STAY.state.in_(["inside", "exception"]), func.coalesce(due(), 0) > 0)


class Event(NamedTuple):
    device: str
    event: str
    at: datetime
    received_at: datetime
    plate: str | None


def vehicles(parts: Parts, site: str, before: datetime, most: int) -> Iterator[tuple[str, int]]:
    """Find vehicles by their old events, lane by lane, and retire each; events of no vehicle go as they are found.

    Gives (kind, how many), the kinds being `vehicles` and `events`.
    """
    with parts.store.reading() as connection:
        lanes = list(connection.execute(select(t.Lane.id).where(t.Lane.site_id == site).order_by(t.Lane.id)).scalars())
    zone = parts.settings.zone
    seen: set[str] = set()
    for lane in lanes:
        after = _LONG_AGO
        while len(seen) < most:
            with parts.store.reading() as connection:
                events = _events(
                    connection, _EVENT.site_id == site, _EVENT.lane_id == lane, _EVENT.at >= after, _EVENT.at < before
                )
            unread = [one for one in events if one.plate is None and not late(one, zone)]
            if unread:
                with parts.store.writing() as connection:
                    zeroing(connection)
                    forget_events(connection, site, unread, lambda one: late(one, zone))
                    connection.commit()
                yield "events", len(unread)
            for plate in sorted({one.plate for one in events if one.plate is not None} - seen):
                seen.add(plate)
                with parts.store.writing() as connection:
                    zeroing(connection)
                    went = _retire(connection, parts, site, plate, before)
                    connection.commit()
                yield "vehicles", 1 if went else 0
                yield "events", went
            # Further ones of the last instant are found by the next run.
            if len(events) < ROWS_AT_A_TIME or events[-1].at == after:
                break
            after = events[-1].at
    with parts.store.writing() as connection:
        zeroing(connection)
        count = _forgotten(connection, site, before)
        connection.commit()
    yield "vehicles", count


def _forgotten(connection: Connection, site: str, before: datetime) -> int:
    """Locks of vehicles of which nothing else is left: one is made again when an event that was forgotten is sent once more."""
    event = t.PlateEventRow.__table__.c
    own = (event.site_id == _PRESENCE.site_id, event.plate == _PRESENCE.plate)
    kept = exists().where(_STAY.site_id == _PRESENCE.site_id, _STAY.plate == _PRESENCE.plate)
    mine = (_PRESENCE.site_id == site, _PRESENCE.newest_at < before)
    return connection.execute(delete(t.Presence).where(*mine, ~exists().where(*own), ~kept)).rowcount


def _retire(connection: Connection, parts: Parts, site: str, plate: str, before: datetime) -> int:
    """How many events of the vehicle went. Its stays lose the plate in the same transaction, so that none is folded again."""
    zone = parts.settings.zone
    mine = (_PRESENCE.site_id == site, _PRESENCE.plate == plate)
    presence = connection.execute(
        select(_PRESENCE.newest_at, _PRESENCE.history_from).where(*mine).with_for_update()
    ).first()
    own = (_STAY.site_id == site, _STAY.plate == plate)
    comes_no_more = presence is None or presence.newest_at < before
    waits = comes_no_more and connection.execute(select(_STAY.id).where(*own, UNSETTLED).limit(1)).first() is not None
    keep_from = before
    if presence is not None and presence.history_from is not None and (waits or not comes_no_more):
        keep_from = min(before, presence.history_from)
    events = _events(
        connection, _EVENT.site_id == site, _EVENT.plate == plate, _EVENT.at < keep_from, most=_EVENTS_OF_A_VEHICLE
    )
    whole = len(events) < _EVENTS_OF_A_VEHICLE
    if not whole:
        # Up to the last that was read, and never beyond where the fold begins.
        keep_from = min(keep_from, events[-1].at, (presence and presence.history_from) or keep_from)
        events = [one for one in events if one.at < keep_from]
    forget_events(connection, site, events, lambda one: late(one, zone))
    stays = connection.execute(select(_STAY.id).where(*own, _STAY.started_at < keep_from, not_(UNSETTLED))).scalars()
    unname_stays(connection, site, stays)
    if comes_no_more and not waits and whole:
        # Unless a stay still bears the plate: stays are found by the vehicles that came.
        bears = exists().where(_STAY.site_id == site, _STAY.plate == plate)
        connection.execute(delete(t.Presence).where(*mine, ~bears))
        _unname_holder(connection, parts, site, f"vehicle:{plate}")
    return len(events)


def unname_stays(connection: Connection, site: str, stays: Iterator[str] | Sequence[str]) -> int:
    """The stays lose plate and household. Nothing that was billed or counted changes."""
    names = [{"site": site, "stay": stay, "nobody": nobody(stay)} for stay in stays]
    if names:
        connection.execute(
            update(t.Stay)
            .where(_STAY.site_id == bindparam("site"), _STAY.id == bindparam("stay"))
            .values(plate=bindparam("nobody"), household_id=None),
            names,
        )
    return len(names)


def _unname_holder(connection: Connection, parts: Parts, site: str, holder: str) -> None:
    """A vehicle that drew free minutes for itself is named in its draws."""
    drew = select(_BALANCE.holder).where(_BALANCE.site_id == site, _BALANCE.holder == holder).limit(1)
    if connection.execute(drew).first() is not None:
        with door(connection, f"retention {site}", parts.clock.now()):
            rename_holder(connection, site, holder, stranger())


def vehicle_events(connection: Connection, site: str, plate: str) -> list[Event]:
    """All events of one vehicle at one site, in the order of time."""
    conditions = (_EVENT.site_id == site, _EVENT.plate == plate)
    rows = connection.execute(_query(*conditions))
    return [Event(*row) for row in rows]


def _query(*conditions: Any) -> Any:
    columns = (_EVENT.device_id, _EVENT.event_id, _EVENT.at, _EVENT.received_at, _EVENT.plate)
    return select(*columns).where(*conditions).order_by(_EVENT.at)


def _events(connection: Connection, *conditions: Any, most: int = ROWS_AT_A_TIME) -> list[Event]:
    return [Event(*row) for row in connection.execute(_query(*conditions).limit(most))]


def forget_events(connection: Connection, site: str, events: Sequence[Event], keeps: Callable[[Event], bool]) -> None:
    """Delete them, their pictures and as what they were read; of those that have to be kept only what names a vehicle.

    `late` has to be kept: `verify` asks whether any event came after its day's close.
    """
    keys = [{"site_id": site, "device_id": one.device, "event_id": one.event} for one in events]
    kept = [keeps(one) for one in events]
    for model in (t.Image, t.StayCorrectionRead):
        each(connection, table_of(model), delete(model), keys)
    table = table_of(t.PlateEventRow)
    each(connection, table, update(table).values(_BLANK), [one for one, keep in zip(keys, kept, strict=True) if keep])
    each(connection, table, delete(table), [one for one, keep in zip(keys, kept, strict=True) if not keep])


def late(one: Event, zone: ZoneInfo) -> bool:
    """Whether it was received after the end of its day: then perhaps after that day's close. Rather once too often."""
    own_day = (one.at - _SETTLES_WITHIN).astimezone(zone).date()
    return one.received_at.astimezone(zone).date() != own_day
