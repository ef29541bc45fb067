"""Pictures, plates and what only ever served a moment are deleted when their purpose ends. Run by the elected jobs process.

What stays for good: ledger, bills, closes, payments, allowances, the audit trail, and every stay, without its plate. `verify` needs
no more, and checks entries and exits against their events only as long as these are kept.

What a vehicle's next visit may still change is left alone: the fold begins at `presence.history_from`, with the last stay but one,
so of a vehicle that still comes only what is older goes. Of one that came no more, everything goes at once, unless it is inside, owes
something or waits for a person. Each vehicle is a transaction of its own under its own lock, so that no gate waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, delete, func, not_, or_, select, update

from gateway.flows.posting import day_bounds
from gateway.store import tables as t
from gateway.wiring import Parts

ROWS_AT_A_TIME = 500
ROWS_A_RUN = 20_000
VEHICLES_A_RUN = 2_000
# Of one vehicle in one transaction: years of a resident's daily coming and going.
_EVENTS_OF_A_VEHICLE = 10_000
# A close is checked against its stays unless an event up to so much later came in after it (`verify_closes`).
_SETTLES_WITHIN = timedelta(minutes=10)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_EVENT = t.PlateEventRow.__table__.c
_STAY = t.Stay.__table__.c
_IMAGE = t.Image.__table__.c
_COMMAND = t.CommandRow.__table__.c
_ITEM = t.ExceptionItem.__table__.c
_QUARANTINE = t.Quarantine.__table__.c
_PRESENCE = t.Presence.__table__.c

_OF_EVENT = (
    _EVENT.site_id == bindparam("site"),
    _EVENT.device_id == bindparam("device"),
    _EVENT.event_id == bindparam("event"),
)
_DELETE_EVENT = delete(t.PlateEventRow).where(*_OF_EVENT)
_BLANK_EVENT = update(t.PlateEventRow).where(*_OF_EVENT).values(plate=None, plate_raw=None, image=None)
_DELETE_IMAGE = delete(t.Image).where(
    _IMAGE.site_id == bindparam("site"), _IMAGE.device_id == bindparam("device"), _IMAGE.event_id == bindparam("event")
)
_UNSETTLED = or_(_STAY.state.in_(["inside", "exception"]), func.coalesce(_STAY.payable_fen, 0) > _STAY.paid_fen)


class _Event(NamedTuple):
    device: str
    event: str
    at: datetime
    received_at: datetime
    plate: str | None


def retire(parts: Parts) -> str:
    """One run, bounded; what is left is for the next. Returns what was deleted, in words; empty where nothing was due."""
    done: Counter[str] = Counter()
    for kind, count in _each(parts):
        done[kind] += count
        parts.metrics.retired.labels(kind=kind).inc(count)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()) if count)


def _each(parts: Parts) -> Iterator[tuple[str, int]]:
    settings, now = parts.settings, parts.clock.now()
    pictures = now - timedelta(days=settings.retention_pictures_days)
    records = now - timedelta(days=settings.retention_records_days)
    plates = now - timedelta(days=settings.retention_plates_days)
    yield from _rows(parts, "pictures", partial(_old_pictures, before=pictures))
    yield from _rows(parts, "quarantined", partial(_old_quarantine, before=records))
    with parts.store.reading() as connection:
        found = connection.execute(
            select(t.SiteBooks.site_id, t.SiteBooks.closed_through).order_by(t.SiteBooks.site_id)
        )
        closed: list[tuple[str, date | None]] = [(row[0], row[1]) for row in found]
    left = VEHICLES_A_RUN
    for site, through in closed:
        yield from _rows(parts, "exceptions", partial(_old_exceptions, site=site, before=records))
        if through is None:
            continue
        # An open day still counts its openings and passages.
        end = day_bounds(through, settings.zone)[1]
        yield from _rows(parts, "commands", partial(_old_commands, site=site, before=min(records, end)))
        for kind, count in _vehicles(parts, site, min(plates, end), left):
            left -= kind == "vehicles"
            yield kind, count


def _rows(parts: Parts, kind: str, delete_some: Callable[[Connection], int]) -> Iterator[tuple[str, int]]:
    """Some at a time, each a transaction, until none is left or the run has done enough."""
    for _ in range(ROWS_A_RUN // ROWS_AT_A_TIME):
        with parts.store.writing() as connection:
            count = delete_some(connection)
            connection.commit()
        yield kind, count
        if count < ROWS_AT_A_TIME:
            return


def _old_pictures(connection: Connection, *, before: datetime) -> int:
    rows = connection.execute(
        select(_IMAGE.site_id.label("site"), _IMAGE.device_id.label("device"), _IMAGE.event_id.label("event"))
        .where(_IMAGE.received_at < before)
        .order_by(_IMAGE.received_at)
        .limit(ROWS_AT_A_TIME)
    ).mappings()
    return _many(connection, _DELETE_IMAGE, [dict(row) for row in rows])


def _old_quarantine(connection: Connection, *, before: datetime) -> int:
    rows = connection.execute(
        select(_QUARANTINE.id.label("row"))
        .where(_QUARANTINE.received_at < before)
        .order_by(_QUARANTINE.received_at)
        .limit(ROWS_AT_A_TIME)
    ).mappings()
    statement = delete(t.Quarantine).where(_QUARANTINE.id == bindparam("row"))
    return _many(connection, statement, [dict(row) for row in rows])


def _old_exceptions(connection: Connection, *, site: str, before: datetime) -> int:
    rows = connection.execute(
        select(_ITEM.site_id.label("site"), _ITEM.id.label("row"))
        .where(_ITEM.site_id == site, _ITEM.state == "resolved", _ITEM.opened_at < before)
        .order_by(_ITEM.opened_at)
        .limit(ROWS_AT_A_TIME)
    ).mappings()
    statement = delete(t.ExceptionItem).where(_ITEM.site_id == bindparam("site"), _ITEM.id == bindparam("row"))
    return _many(connection, statement, [dict(row) for row in rows])


def _old_commands(connection: Connection, *, site: str, before: datetime) -> int:
    """Of any state: each had seconds to live."""
    rows = connection.execute(
        select(_COMMAND.site_id.label("site"), _COMMAND.id.label("row"))
        .where(_COMMAND.site_id == site, _COMMAND.planned_at < before)
        .order_by(_COMMAND.planned_at)
        .limit(ROWS_AT_A_TIME)
    ).mappings()
    statement = delete(t.CommandRow).where(_COMMAND.site_id == bindparam("site"), _COMMAND.id == bindparam("row"))
    return _many(connection, statement, [dict(row) for row in rows])


def _vehicles(parts: Parts, site: str, before: datetime, most: int) -> Iterator[tuple[str, int]]:
    """Find vehicles by their old events, lane by lane, and retire each; events of no vehicle go as they are found."""
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
            nobody = [one for one in events if one.plate is None and not _late(one, zone)]
            if nobody:
                with parts.store.writing() as connection:
                    _forget_events(connection, site, nobody, zone)
                    connection.commit()
                yield "events", len(nobody)
            for plate in sorted({one.plate for one in events if one.plate is not None} - seen):
                seen.add(plate)
                with parts.store.writing() as connection:
                    went = _retire_vehicle(connection, site, plate, before, zone)
                    connection.commit()
                yield "vehicles", 1 if went else 0
                yield "events", went
            # Further ones of the last instant are found by the next run.
            if len(events) < ROWS_AT_A_TIME or events[-1].at == after:
                break
            after = events[-1].at


def _retire_vehicle(connection: Connection, site: str, plate: str, before: datetime, zone: ZoneInfo) -> int:
    """How many events of the vehicle went. Its stays lose the plate in the same transaction, so that none is folded again."""
    mine = (_PRESENCE.site_id == site, _PRESENCE.plate == plate)
    presence = connection.execute(
        select(_PRESENCE.newest_at, _PRESENCE.history_from).where(*mine).with_for_update()
    ).first()
    own = (_STAY.site_id == site, _STAY.plate == plate)
    comes_no_more = presence is None or presence.newest_at < before
    waits = comes_no_more and connection.execute(select(_STAY.id).where(*own, _UNSETTLED).limit(1)).first() is not None
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
    _forget_events(connection, site, events, zone)
    stays = connection.execute(select(_STAY.id).where(*own, _STAY.started_at < keep_from, not_(_UNSETTLED))).scalars()
    names = [{"site": site, "stay": stay, "nobody": nobody(stay)} for stay in stays]
    _many(
        connection,
        update(t.Stay)
        .where(_STAY.site_id == bindparam("site"), _STAY.id == bindparam("stay"))
        .values(plate=bindparam("nobody")),
        names,
    )
    if comes_no_more and not waits and whole:
        connection.execute(delete(t.Presence).where(*mine))
    return len(events)


def nobody(stay: str) -> str:
    """What stands in the place of a plate: no plate begins so, and no two stays share one. The end of the stay's own id."""
    return f"#{stay[-15:]}"


def _events(connection: Connection, *conditions: Any, most: int = ROWS_AT_A_TIME) -> list[_Event]:
    rows = connection.execute(
        select(_EVENT.device_id, _EVENT.event_id, _EVENT.at, _EVENT.received_at, _EVENT.plate)
        .where(*conditions)
        .order_by(_EVENT.at)
        .limit(most)
    )
    return [_Event(*row) for row in rows]


def _forget_events(connection: Connection, site: str, events: Sequence[_Event], zone: ZoneInfo) -> None:
    """Delete them; of those that may have come after their day's close only what names a vehicle: `verify` asks whether any came."""
    key = [{"site": site, "device": one.device, "event": one.event} for one in events]
    late = [_late(one, zone) for one in events]
    _many(connection, _DELETE_IMAGE, key)
    _many(connection, _BLANK_EVENT, [one for one, kept in zip(key, late, strict=True) if kept])
    _many(connection, _DELETE_EVENT, [one for one, kept in zip(key, late, strict=True) if not kept])


def _late(one: _Event, zone: ZoneInfo) -> bool:
    """Whether it was received after the end of its day: then perhaps after that day's close. Rather once too often."""
    own_day = (one.at - _SETTLES_WITHIN).astimezone(zone).date()
    return one.received_at.astimezone(zone).date() != own_day


def _many(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> int:
    """One statement for each row: each finds its own by its key."""
    if rows:
        connection.execute(statement, rows)
    return len(rows)
