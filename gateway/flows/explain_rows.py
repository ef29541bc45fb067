"""What is stored about a stay or about an event, for whoever explains it. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, literal, null, or_, select

from billing.policy import Policy, parse
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
    Stay,
)

COMMANDS_MAX = 20


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


def commands(connection: Connection, site: str, device: str, event: str) -> list[Row[Any]]:
    columns = CommandRow.__table__.c
    return list(
        connection.execute(
            select(*columns)
            .where(columns.site_id == site, columns.device_id == device, columns.event_id == event)
            .order_by(columns.planned_at, columns.id)
            .limit(COMMANDS_MAX)
        )
    )


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
    return connection.execute(
        select(Lane.id, Lane.direction, Lane.gate_id).where(Lane.site_id == site, Lane.id == lane)
    ).one_or_none()


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


def marks(connection: Connection, site: str, device: str, event: str) -> list[Row[Any]]:
    """`kind` and `at` of what the vehicle did after a read: `passed`, `reversed`."""
    columns = PlateEventRow.__table__.c
    return list(
        connection.execute(
            select(columns.kind, columns.at)
            .where(columns.site_id == site, columns.device_id == device, columns.for_event == event)
            .order_by(columns.at)
        )
    )
