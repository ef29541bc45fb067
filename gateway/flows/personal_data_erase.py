"""Taking a person out: what moved loses the plate, registers lose the row, what the law makes us keep stays without the person.

All in the one transaction of its caller. Nothing that a close counts or `verify` derives changes: stays, bills, payments, ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.flows import audit
from gateway.flows import personal_data_words as words
from gateway.flows.offline_list import current_lists
from gateway.flows.personal_data_door import door, forget_history, rename_holder, stranger
from gateway.flows.personal_data_holdings import HOLDINGS, Holding
from gateway.flows.personal_data_holds import holds, refuse
from gateway.flows.personal_data_subject import Person, Secrets, Subject, find
from gateway.flows.posting import day_bounds
from gateway.flows.registers_kinds import entry_of
from gateway.flows.retention_vehicles import forget_events, late, unname_stays, vehicle_events
from gateway.runtime.logs import logger
from gateway.store import scrub
from gateway.store import tables as t
from gateway.wiring import Parts

_log = logger(__name__)
# Within this a device may still send an event again, for want of a receipt: it has to be recognised.
_MAY_COME_AGAIN = timedelta(days=30)
# A display's words had the plate in them.
_NO_PAYLOAD = b""
_KEYS_AT_A_TIME = 500

_STAY = t.Stay.__table__.c
_ITEM = t.ExceptionItem.__table__.c
_COMMAND = t.CommandRow.__table__.c
_PRESENCE = t.Presence.__table__.c


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Who is erased, where (`allowed` None: everywhere), by whom, and what the audit trail calls it. `key` says which erasure."""

    key: str
    subject: Subject
    allowed: Collection[str] | None
    action: str
    operator: str
    origin: str
    proposed_by: str | None = None


def take_out(
    parts: Parts, connection: Connection, one: Erasure, secrets: Secrets, hits: words.Hits
) -> tuple[Person, Counter[str]]:
    """Erase in the transaction of the caller, with its line in the audit trail; what was erased, by table.

    `hits` are the texts that were found beforehand. Raises `StillNeeded`, `NotFound`.
    """
    scrub.zeroing(connection)
    _lock(connection, find(connection, one.subject, one.allowed, secrets))
    # Behind the vehicles' locks: what has come meanwhile belongs to it.
    person = find(connection, one.subject, one.allowed, secrets)
    now = parts.clock.now()
    refuse(holds(connection, person, now))
    with door(connection, one.key, now):
        done = _erase(parts, connection, person)
        done.update(words.take_out(connection, hits, person))
    audit.record(
        connection,
        at=now,
        operator=one.operator,
        action=f"personal_data.{one.action}",
        site=one.subject.site,
        subject=one.key,
        origin=one.origin,
        detail={
            "about": one.subject.about,
            **({} if one.proposed_by is None else {"proposed_by": one.proposed_by}),
            "rows": dict(done),
        },
    )
    return person, done


def afterwards(parts: Parts, person: Person, key: str) -> None:
    """The gates' lists without the vehicles, and what was written about the person while they were being erased."""
    try:
        current_lists(parts)
    except SQLAlchemyError as problem:
        # A bridge does it as well, within seconds.
        _log.warning("the gates' lists are not renewed yet", problem=type(problem).__name__)
    with parts.store.reading() as connection:
        hits = words.find(connection, person)
    if not hits:
        return
    with parts.store.writing() as connection:
        scrub.zeroing(connection)
        with door(connection, f"{key} again", parts.clock.now()):
            words.take_out(connection, hits, person)
        connection.commit()


def _lock(connection: Connection, person: Person) -> None:
    """Hold the vehicles against the gates until the transaction ends."""
    for site, plate in sorted(person.vehicles):
        mine = select(_PRESENCE.plate).where(_PRESENCE.site_id == site, _PRESENCE.plate == plate)
        connection.execute(mine.with_for_update()).first()


def _erase(parts: Parts, connection: Connection, person: Person) -> Counter[str]:
    """Everything of the person but what stands in free texts. Returns how many rows of which table. The door is open."""
    done: Counter[str] = Counter()
    now = parts.clock.now()
    # The same stranger everywhere, so that what stays still belongs together.
    aliases = {plate: stranger() for _, plate in person.vehicles}
    household = stranger()
    for site, plate in person.vehicles:
        done.update(_misread(connection, site, plate, aliases[plate]))
        done.update(_movement(parts, connection, site, plate, now))
        done["invoice_file"] += _invoice_files(connection, site, plate)
        done.update(rename_holder(connection, site, f"vehicle:{plate}", aliases[plate]))
    for holding in HOLDINGS:
        done[holding.table.__tablename__] += _holding(connection, person, holding, aliases, household)
    if person.household is not None:
        site, number = person.household
        done.update(rename_holder(connection, site, f"household:{number}", household))
        # Of vehicles that were the household's once.
        done["stay"] += connection.execute(
            update(t.Stay)
            .where(_STAY.site_id == site, _STAY.household_id == number, _STAY.state != "inside")
            .values(household_id=None)
        ).rowcount
    return Counter({table: count for table, count in sorted(done.items()) if count})


def _movement(parts: Parts, connection: Connection, site: str, plate: str, now: datetime) -> Counter[str]:
    done: Counter[str] = Counter()
    zone = parts.settings.zone
    books = t.SiteBooks.__table__.c
    through = connection.execute(select(books.closed_through).where(books.site_id == site)).scalar()
    # An open day still counts its openings: its events and commands stay, without the plate.
    closed_until = day_bounds(through, zone)[1] if through is not None else datetime.min.replace(tzinfo=now.tzinfo)
    deletable = min(closed_until, now - _MAY_COME_AGAIN)
    events = vehicle_events(connection, site, plate)
    stays = list(connection.execute(select(_STAY.id).where(_STAY.site_id == site, _STAY.plate == plate)).scalars())
    done["exception_item"] += _exceptions(connection, site, stays, [one.event for one in events])
    done["command"] += _commands(connection, site, [(one.device, one.event) for one in events])
    done["image"] += _pictures(connection, site, plate)
    forget_events(
        connection,
        site,
        events,
        keeps=lambda one: late(one, zone) or one.at >= deletable or one.received_at >= deletable,
    )
    done["plate_event"] += len(events)
    done["stay"] += unname_stays(connection, site, stays)
    mine = delete(t.Presence).where(_PRESENCE.site_id == site, _PRESENCE.plate == plate)
    done["presence"] += connection.execute(mine).rowcount
    return done


def _misread(connection: Connection, site: str, plate: str, alias: str) -> Counter[str]:
    """Where the plate was read, or thought right, and another one's holds: that it was corrected stays, the plate goes."""
    done: Counter[str] = Counter()
    read, event = t.StayCorrectionRead.__table__.c, t.PlateEventRow.__table__.c
    mine = select(read.event_id).where(
        read.site_id == site, read.plate == plate, read.device_id == event.device_id, read.event_id == event.event_id
    )
    raw = update(t.PlateEventRow).where(event.site_id == site, event.plate != plate, mine.exists())
    done["plate_event"] += connection.execute(raw.values(plate_raw=None)).rowcount
    for column in (read.plate, read.from_plate, read.to_plate):
        renamed = update(t.StayCorrectionRead).where(read.site_id == site, column == plate)
        done["stay_correction_read"] += connection.execute(renamed.values({column.name: alias})).rowcount
    return done


def _pictures(connection: Connection, site: str, plate: str) -> int:
    """How many there are; they go with their events."""
    event, image = t.PlateEventRow.__table__.c, t.Image.__table__.c
    own = and_(image.site_id == event.site_id, image.device_id == event.device_id, image.event_id == event.event_id)
    query = select(func.count()).select_from(t.PlateEventRow).join(t.Image, own)
    return int(connection.execute(query.where(event.site_id == site, event.plate == plate)).scalar_one())


def _invoice_files(connection: Connection, site: str, plate: str) -> int:
    """The buyer stands in them. The invoice itself stays with the tax authority, under its number."""
    invoice, file = t.Invoice.__table__.c, t.InvoiceFile.__table__.c
    own = select(invoice.id).where(invoice.site_id == site, invoice.plate == plate)
    return connection.execute(delete(t.InvoiceFile).where(file.site_id == site, file.invoice_id.in_(own))).rowcount


def _exceptions(connection: Connection, site: str, stays: list[str], events: list[str]) -> int:
    """What was resolved goes; what is open keeps its place on the list (`holds` refuses where it is a dispute)."""
    gone = 0
    for column, names in ((_ITEM.stay_id, stays), (_ITEM.event_id, events)):
        for start in range(0, len(names), _KEYS_AT_A_TIME):
            some = names[start : start + _KEYS_AT_A_TIME]
            resolved = delete(t.ExceptionItem).where(_ITEM.site_id == site, _ITEM.state == "resolved", column.in_(some))
            gone += connection.execute(resolved).rowcount
    return gone


def _commands(connection: Connection, site: str, events: list[tuple[str, str]]) -> int:
    """What a display showed had the plate in it. That a barrier was opened, and why, stays."""
    if not events:
        return 0
    statement = (
        update(t.CommandRow)
        .where(
            _COMMAND.site_id == site,
            _COMMAND.device_id == bindparam("of_device"),
            _COMMAND.event_id == bindparam("of_event"),
        )
        .values(payload=_NO_PAYLOAD, detail=None)
    )
    connection.execute(statement, [{"of_device": device, "of_event": event} for device, event in events])
    return len(events)


def _holding(connection: Connection, person: Person, holding: Holding, aliases: dict[str, str], household: str) -> int:
    table = holding.table.__table__
    condition = person.rows(holding)
    if condition is None:
        return 0
    if holding.register:
        _history(connection, holding, condition)
    if holding.erase is None:
        return connection.execute(delete(holding.table).where(condition)).rowcount
    changed = 0
    if holding.erase:
        changed = connection.execute(update(holding.table).where(condition).values(**holding.erase)).rowcount
    keys = [(holding.plate, site, plate, aliases[plate]) for site, plate in person.vehicles]
    if person.household is not None:
        keys.append((holding.household, *person.household, household))
    for column, site, name, alias in keys:
        if column is not None:
            renamed = update(holding.table).where(and_(table.c.site_id == site, table.c[column] == name))
            changed += connection.execute(renamed.values({column: alias})).rowcount
    return changed


def _history(connection: Connection, holding: Holding, condition: ColumnElement[bool]) -> None:
    table = holding.table.__table__
    for row in connection.execute(select(*table.c).where(condition)).mappings().all():
        forget_history(connection, row["site_id"], holding.register, [entry_of(holding.register, row)])
