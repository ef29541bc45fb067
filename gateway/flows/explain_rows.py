"""What is stored about a stay or about an event, for whoever explains it. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, literal, null, or_, select

from billing.policy import Policy, parse
from gateway.flows.corrections_records import read_at
from gateway.flows.reading import site_of
from gateway.store.facts import bill_record
from gateway.store.records import BillRecord
from gateway.store.tables import (
    ArrearsCredit,
    Bill,
    CommandRow,
    Lane,
    Payment,
    PlateEventRow,
    PolicyVersion,
    Site,
    StaffCommand,
    Stay,
)

COMMANDS_MAX = 20
BETWEEN_MAX = 10
_LANE = (Lane.id, Lane.direction, Lane.gate_id)

Read = tuple[str, str]
Which = Literal["entry", "between", "exit"]


class Gate(NamedTuple):
    """A read (device and event) with what is kept of it: `read` None where it was deleted. `at`: as it was read, if that was corrected."""

    device: str
    event: str
    read: Row[Any] | None
    lane: Row[Any] | None
    at: datetime | None
    corrected: bool
    commands: list[Row[Any]]
    marks: list[Row[Any]]


def stay(connection: Connection, stay_id: str) -> Row[Any] | None:
    site = site_of(stay_id)
    return connection.execute(select(*Stay.__table__.c).where(Stay.site_id == site, Stay.id == stay_id)).one_or_none()


def bills(connection: Connection, stay: Row[Any]) -> list[BillRecord]:
    found = connection.execute(
        select(*Bill.__table__.c).where(Bill.site_id == stay.site_id, Bill.stay_id == stay.id).order_by(Bill.sequence)
    )
    return [bill_record(row) for row in found]


def policies(connection: Connection, bills: list[BillRecord]) -> dict[tuple[str, int], Policy]:
    found: dict[tuple[str, int], Policy] = {}
    for policy_id, version in {(one.bill.policy, one.bill.version) for one in bills if one.bill.policy}:
        text = connection.execute(
            select(PolicyVersion.text).where(PolicyVersion.policy_id == policy_id, PolicyVersion.version == version)
        ).scalar()
        if text is not None:
            found[policy_id, version] = parse(text)
    return found


def read(connection: Connection, site: str, device: str, event: str) -> Row[Any] | None:
    """The read itself; for a `passed` or `reversed`, the read that it completes."""
    columns = PlateEventRow.__table__.c
    for _ in range(2):
        row = connection.execute(
            select(*columns).where(columns.site_id == site, columns.device_id == device, columns.event_id == event)
        ).one_or_none()
        if row is None or row.kind == "plate" or not row.for_event:
            return row
        event = row.for_event
    return row


def commands(connection: Connection, site: str, reads: Collection[Read]) -> defaultdict[Read, list[Row[Any]]]:
    """By read, what its lane was told; `staff_reason` why, where somebody of the staff did."""
    columns, given = CommandRow.__table__.c, StaffCommand.__table__.c
    found = connection.execute(
        select(*columns, given.reason.label("staff_reason"))
        .outerjoin_from(CommandRow, StaffCommand, (given.site_id == columns.site_id) & (given.command_id == columns.id))
        .where(columns.site_id == site, _one_of(reads, columns.device_id, columns.event_id))
        .order_by(columns.planned_at, columns.id)
        .limit(COMMANDS_MAX * len(reads))
    )
    return _by_read(found, lambda row: (row.device_id, row.event_id))


def stay_of_event(
    connection: Connection, site: str, device: str, event: str, commands: list[Row[Any]]
) -> Row[Any] | None:
    columns = Stay.__table__.c
    named = [one.stay_id for one in commands if one.stay_id is not None]
    return connection.execute(
        select(*columns)
        .where(
            columns.site_id == site,
            or_(
                (columns.entry_device == device) & (columns.entry_event == event),
                (columns.exit_device == device) & (columns.exit_event == event),
                columns.id.in_(named),
            ),
        )
        .order_by(columns.state == "void", columns.started_at.desc())
        .limit(1)
    ).one_or_none()


def lane(
    connection: Connection,
    site: str,
    read: Row[Any] | None,
    stay: Row[Any] | None,
    commands: list[Row[Any]],
    device: str,
    event: str,
) -> Any:
    """`id` and `direction` of the lane of an event; None where it is not known any more."""
    lane = read.lane_id if read is not None else commands[0].lane_id if commands else None
    if lane is None and stay is not None:
        lane = stay.entry_lane if is_entry(stay, device, event) else stay.exit_lane
    return connection.execute(select(*_LANE).where(Lane.site_id == site, Lane.id == lane)).one_or_none()


def is_entry(stay: Row[Any], device: str, event: str) -> bool:
    return bool((stay.entry_device, stay.entry_event) == (device, event))


def instant(stay: Row[Any] | None, commands: list[Row[Any]], device: str, event: str) -> datetime | None:
    if stay is not None:
        found: datetime | None = stay.entry_at if is_entry(stay, device, event) else stay.exit_at
        if found is not None:
            return found
    return commands[0].planned_at if commands else None


def bill_then(bills: list[BillRecord], at: datetime | None) -> BillRecord | None:
    """The bill that stood when the vehicle was at the exit: that of its read, else the last one before."""
    real = [one for one in bills if one.kind != "void"]
    if at is None or not real:
        return real[-1] if real else None
    mine = [one for one in real if one.until <= at]
    return mine[-1] if mine else real[0]


def payments(connection: Connection, stay: Row[Any]) -> list[Row[Any]]:
    """`at`, `channel`, `amount_fen` of each payment for a stay, in order; `place`: the other site that collected it, by name."""
    here = select(Payment.at, Payment.channel, Payment.amount_fen, null().label("place")).where(
        Payment.site_id == stay.site_id, Payment.stay_id == stay.id
    )
    elsewhere = (
        select(ArrearsCredit.at, literal(""), ArrearsCredit.amount_fen, Site.name)
        .join(Site, Site.id == ArrearsCredit.collected_at_site)
        .where(ArrearsCredit.site_id == stay.site_id, ArrearsCredit.stay_id == stay.id)
    )
    found = here.union_all(elsewhere)
    return list(connection.execute(found.order_by(found.selected_columns.at)))


def marks(connection: Connection, site: str, reads: Collection[Read]) -> defaultdict[Read, list[Row[Any]]]:
    """By read, `kind` and `at` of what the vehicle did after it: `passed`, `reversed`."""
    columns = PlateEventRow.__table__.c
    found = connection.execute(
        select(columns.kind, columns.at, columns.device_id, columns.for_event)
        .where(
            columns.site_id == site,
            columns.for_event.is_not(None),
            _one_of(reads, columns.device_id, columns.for_event),
        )
        .order_by(columns.at)
    )
    return _by_read(found, lambda row: (row.device_id, row.for_event))


def gates(connection: Connection, stay: Row[Any], now: datetime) -> list[tuple[Which, Gate]]:
    """A stay's reads with all that happened there: its entry, where it was read in between, its exit."""
    site = stay.site_id
    entry, exit_ = (stay.entry_device, stay.entry_event), (stay.exit_device, stay.exit_event)
    which: dict[Read, Which] = {entry: "entry"} if all(entry) else {}
    which |= {read: "between" for read in _between(connection, stay, now) if read not in (entry, exit_)}
    which |= {exit_: "exit"} if all(exit_) else {}
    if not which:
        return []
    columns = PlateEventRow.__table__.c
    wanted = select(*columns).where(columns.site_id == site, _one_of(which, columns.device_id, columns.event_id))
    reads = {(row.device_id, row.event_id): row for row in connection.execute(wanted)}
    told, done = commands(connection, site, which), marks(connection, site, which)
    lanes: dict[str, Any] = {row.id: row for row in connection.execute(select(*_LANE).where(Lane.site_id == site))}
    found: list[tuple[Which, Gate]] = []
    for (device, event), name in which.items():
        read = reads.get((device, event))
        as_read = read_at(connection, site, device, event) if stay.corrections else None
        at = read.at if read is not None else instant(stay, told[device, event], device, event)
        lane = read.lane_id if read is not None else stay.entry_lane if name == "entry" else stay.exit_lane
        gate = Gate(
            device,
            event,
            read,
            lanes.get(lane),
            as_read or at,
            as_read is not None,
            told[device, event],
            done[device, event],
        )
        found.append((name, gate))
    return found


def _between(connection: Connection, stay: Row[Any], now: datetime) -> list[Read]:
    """Where else the vehicle was read during its stay, in order: at middle gates, and at exits that did not let it out."""
    until = stay.exit_at if stay.exit_at is not None else now if stay.state == "inside" else None
    if stay.plate is None or stay.entry_at is None or until is None:
        return []
    columns = PlateEventRow.__table__.c
    during = (columns.at > stay.entry_at, columns.at < until)
    found = connection.execute(
        select(columns.device_id, columns.event_id)
        .where(columns.site_id == stay.site_id, columns.plate == stay.plate, columns.kind == "plate", *during)
        .order_by(columns.at.desc())
        .limit(BETWEEN_MAX)
    )
    return [(row.device_id, row.event_id) for row in found][::-1]


def _one_of(reads: Collection[Read], device: ColumnElement[Any], event: ColumnElement[Any]) -> ColumnElement[bool]:
    """Somewhat more than these: an event's id is of one device, and told apart by who groups them."""
    return device.in_(sorted({one for one, _ in reads})) & event.in_(sorted({one for _, one in reads}))


def _by_read(found: Iterable[Any], key: Callable[[Any], Read]) -> defaultdict[Read, list[Row[Any]]]:
    grouped: defaultdict[Read, list[Row[Any]]] = defaultdict(list)
    for row in found:
        grouped[key(row)].append(row)
    return grouped
