"""The board of the moment: every lane with its last decision, what needs a person, money and places. Writes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, exists, func, select

from gateway.flows.reading import BARRIER_UNKNOWN, Sites, at_each, exception_document, health, vehicles_inside, within
from gateway.store.tables import (
    ChargePayment,
    DeviceState,
    Emergency,
    ExceptionItem,
    Gate,
    Image,
    Lane,
    Payment,
    PlateEventRow,
    Site,
    Stay,
)

EXCEPTIONS_SHOWN = 20
LANES_MAX = 5_000

Document = dict[str, Any]


def board(connection: Connection, allowed: Sites, now: datetime, zone: ZoneInfo) -> Document:
    """`{"at","sites","lanes","exceptions","money","emergencies"}`; money is received since local midnight, in fen."""
    return {
        "at": now,
        "sites": _sites(connection, allowed),
        "lanes": lanes(connection, allowed, now),
        "exceptions": _exceptions(connection, allowed),
        "money": {"received_fen": _received(connection, allowed, now, zone)},
        "emergencies": emergencies_now(connection, allowed),
    }


def emergencies_now(connection: Connection, allowed: Sites) -> list[Document]:
    """Those that stand, by site: `{"site","name","declared_at"}`."""
    rows = connection.execute(
        select(Emergency.site_id, Site.name, Emergency.declared_at)
        .join(Site, Site.id == Emergency.site_id)
        .where(at_each(Emergency.site_id, allowed), Emergency.ended_at.is_(None))
        .order_by(Emergency.site_id)
    )
    return [{"site": row.site_id, "name": row.name, "declared_at": row.declared_at} for row in rows]


def _sites(connection: Connection, allowed: Sites) -> list[Document]:
    inside = vehicles_inside(connection, allowed)
    rows = connection.execute(
        select(Site.id, Site.name, Site.capacity).where(within(Site.id, allowed), Site.enabled).order_by(Site.id)
    )
    return [{"id": row.id, "name": row.name, "capacity": row.capacity, "inside": inside.get(row.id, 0)} for row in rows]


def lanes(connection: Connection, allowed: Sites, now: datetime) -> list[Document]:
    """Every lane in service, by site, gate and id, with the newest read at it. `pictured`: of that read there is a picture now."""
    newest = (
        select(PlateEventRow.event_id)
        .where(
            PlateEventRow.site_id == Lane.site_id,
            PlateEventRow.lane_id == Lane.id,
            PlateEventRow.device_id == Lane.device_id,
            PlateEventRow.kind == "plate",
        )
        .order_by(PlateEventRow.at.desc(), PlateEventRow.event_id.desc())
        .limit(1)
        .correlate(Lane)
        .scalar_subquery()
    )
    pictured = exists().where(
        Image.site_id == PlateEventRow.site_id,
        Image.device_id == PlateEventRow.device_id,
        Image.event_id == PlateEventRow.event_id,
    )
    rows = connection.execute(
        select(
            Lane.site_id,
            Lane.id,
            Lane.gate_id,
            Lane.direction,
            Gate.tier,
            DeviceState.online,
            DeviceState.seen_at,
            DeviceState.barrier,
            PlateEventRow.at,
            PlateEventRow.plate,
            PlateEventRow.decision,
            PlateEventRow.reason,
            PlateEventRow.device_id,
            PlateEventRow.event_id,
            pictured.label("pictured"),
        )
        .select_from(Lane)
        .join(Gate, and_(Gate.site_id == Lane.site_id, Gate.id == Lane.gate_id))
        .outerjoin(DeviceState, and_(DeviceState.site_id == Lane.site_id, DeviceState.device_id == Lane.device_id))
        .outerjoin(
            PlateEventRow,
            and_(
                PlateEventRow.site_id == Lane.site_id,
                PlateEventRow.device_id == Lane.device_id,
                PlateEventRow.event_id == newest,
            ),
        )
        .where(within(Lane.site_id, allowed), Lane.enabled, Gate.enabled)
        .order_by(Lane.site_id, Lane.gate_id, Lane.id)
        .limit(LANES_MAX)
    )
    return [_lane(row, now) for row in rows]


def _lane(row: Any, now: datetime) -> Document:
    last = None
    if row.at is not None:
        last = {
            "at": row.at,
            "plate": row.plate,
            "decision": row.decision,
            "reason": row.reason,
            "device": row.device_id,
            "event": row.event_id,
            "pictured": row.pictured,
        }
    state = health(row.online, row.seen_at, now)
    return {
        "id": f"{row.site_id}.{row.id}",
        "site": row.site_id,
        "gate": row.gate_id,
        "tier": row.tier,
        "direction": row.direction,
        "barrier": (row.barrier or {}).get(row.id, BARRIER_UNKNOWN),
        # When it was last heard of is left out: a heartbeat is no news.
        "online": state["online"],
        "stale": state["stale"],
        "last": last,
    }


def _exceptions(connection: Connection, allowed: Sites) -> Document:
    here = (at_each(ExceptionItem.site_id, allowed), ExceptionItem.state == "open")
    count = connection.execute(select(func.count()).select_from(ExceptionItem).where(*here)).scalar_one()
    newest = connection.execute(
        select(ExceptionItem, func.coalesce(PlateEventRow.plate, Stay.plate).label("plate"))
        .outerjoin(Lane, and_(Lane.site_id == ExceptionItem.site_id, Lane.id == ExceptionItem.lane_id))
        .outerjoin(
            PlateEventRow,
            and_(
                PlateEventRow.site_id == ExceptionItem.site_id,
                PlateEventRow.device_id == Lane.device_id,
                PlateEventRow.event_id == ExceptionItem.event_id,
            ),
        )
        .outerjoin(Stay, and_(Stay.site_id == ExceptionItem.site_id, Stay.id == ExceptionItem.stay_id))
        .where(*here)
        .order_by(ExceptionItem.opened_at.desc(), ExceptionItem.id.desc())
        .limit(EXCEPTIONS_SHOWN)
    )
    return {"open": count, "items": [{**exception_document(row), "plate": _kept(row.plate)} for row in newest]}


def _kept(plate: str | None) -> str | None:
    """A plate that was deleted when its time was over is none."""
    return None if plate is None or plate.startswith("#") else plate


def _received(connection: Connection, allowed: Sites, now: datetime, zone: ZoneInfo) -> int:
    """What was taken since midnight: for stays, and for passes, charges and other sites' arrears."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    found = 0
    for payment in (Payment, ChargePayment):
        taken: int | None = connection.execute(
            select(func.sum(payment.amount_fen)).where(
                at_each(payment.site_id, allowed), payment.at >= midnight, payment.at < midnight + timedelta(days=1)
            )
        ).scalar_one()
        found += int(taken or 0)
    return found
