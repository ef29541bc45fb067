"""What the API reads of the estate, of stays and of what needs a person. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from gateway.flows import corrections_records
from gateway.flows.refusals import NotFound
from gateway.store.engine import Store
from gateway.store.tables import Device, DeviceState, ExceptionItem, Gate, Lane, Site, Stay

STALE_AFTER = timedelta(seconds=90)
STAY_STATES = ("inside", "left", "missing_exit", "no_entry", "exception", "void")
BARRIER_UNKNOWN = "unknown"
# A database takes some hundred parts of a union.
_SITES_AT_ONCE = 100

Document = dict[str, Any]
Sites = Collection[str] | None
"""The sites that somebody may see; None means all."""


class Slice(msgspec.Struct, frozen=True):
    """A page of a list: after this key, at most so many."""

    after: tuple[Any, ...] | None
    limit: int


def database_answers(store: Store) -> bool:
    """Whether the database can be asked at this moment."""
    try:
        with store.reading() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def within(column: InstrumentedAttribute[str], sites: Sites) -> ColumnElement[bool]:
    return true() if sites is None else column.in_(sorted(sites))


def at_each(column: InstrumentedAttribute[str], sites: Sites) -> ColumnElement[bool]:
    """The same, by name also where all are meant, so that an index that begins with the site serves."""
    return column.in_(select(Site.id)) if sites is None else column.in_(sorted(sites))


def older(after: tuple[Any, ...] | None, at: Any, key: Any) -> list[ColumnElement[bool]]:
    """Of a list with the newest first, what comes after a key of (instant, id).

    Said twice: of the alternatives alone no database begins where the page before ended.
    """
    if after is None:
        return []
    moment, last = after
    return [at <= moment, or_(at < moment, and_(at == moment, key < last))]


def later(after: tuple[Any, ...] | None, first: Any, second: Any) -> list[ColumnElement[bool]]:
    """Of a list by two columns, by site and id as a rule, what comes after a key of them."""
    if after is None:
        return []
    return [or_(first > after[0], and_(first == after[0], second > after[1]))]


def sites(connection: Connection, allowed: Sites, page: Slice, *, disabled: bool) -> list[Document]:
    """Sites by id, with how many vehicles are inside."""
    rows = connection.execute(
        select(Site)
        .where(within(Site.id, allowed), true() if disabled else Site.enabled)
        .where(true() if page.after is None else Site.id > page.after[0])
        .order_by(Site.id)
        .limit(page.limit + 1)
    ).all()
    inside = vehicles_inside(connection, [row.id for row in rows])
    return [
        {
            "id": row.id,
            "name": row.name,
            "capacity": row.capacity,
            "policy": row.policy_id,
            "merchant": row.merchant_id,
            "enabled": row.enabled,
            "inside": inside.get(row.id, 0),
        }
        for row in rows
    ]


def site_names(connection: Connection) -> dict[str, str]:
    """What people call each site, by id; those out of service too."""
    return {row.id: row.name for row in connection.execute(select(Site.id, Site.name))}


def vehicles_inside(connection: Connection, allowed: Sites) -> dict[str, int]:
    """Stays in the state `inside`, by site."""
    # Written out, not bound: a database uses a partial index only where it can see that its condition holds.
    inside = Stay.state == literal_column("'inside'")
    found = connection.execute(
        select(Stay.site_id, func.count()).where(within(Stay.site_id, allowed), inside).group_by(Stay.site_id)
    )
    return {site: count for site, count in found}  # noqa: C416 - rows are not pairs to a type checker


def gates(connection: Connection, allowed: Sites, page: Slice, *, disabled: bool) -> list[Document]:
    """Gates by site and id."""
    rows = connection.execute(
        select(Gate)
        .where(within(Gate.site_id, allowed), true() if disabled else Gate.enabled)
        .where(*later(page.after, Gate.site_id, Gate.id))
        .order_by(Gate.site_id, Gate.id)
        .limit(page.limit + 1)
    ).all()
    return [
        {
            "id": f"{row.site_id}.{row.id}",
            "site": row.site_id,
            "gate": row.id,
            "tier": row.tier,
            "residents_only": row.residents_only,
            "staffed": row.staffed,
            "enabled": row.enabled,
        }
        for row in rows
    ]


def lanes(connection: Connection, allowed: Sites, page: Slice, now: datetime, *, disabled: bool) -> list[Document]:
    """Lanes by site and id, with the state of their barriers as last heard."""
    rows = connection.execute(
        select(
            Lane.__table__,
            DeviceState.online.label("online"),
            DeviceState.seen_at.label("seen_at"),
            DeviceState.barrier.label("barriers"),
        )
        .select_from(Lane)
        .outerjoin(DeviceState, _state_of(Lane.site_id, Lane.device_id))
        .where(within(Lane.site_id, allowed), true() if disabled else Lane.enabled)
        .where(*later(page.after, Lane.site_id, Lane.id))
        .order_by(Lane.site_id, Lane.id)
        .limit(page.limit + 1)
    ).all()
    return [
        {
            "id": f"{row.site_id}.{row.id}",
            "site": row.site_id,
            "gate": row.gate_id,
            "direction": row.direction,
            "device": f"{row.site_id}.{row.device_id}",
            "loop": row.loop,
            "passage_sensor": row.passage_sensor,
            "offline_exit": row.offline_exit,
            "enabled": row.enabled,
            "barrier": (row.barriers or {}).get(row.id, BARRIER_UNKNOWN),
            **health(row.online, row.seen_at, now),
        }
        for row in rows
    ]


def devices(connection: Connection, allowed: Sites, page: Slice, now: datetime, *, disabled: bool) -> list[Document]:
    """Devices by site and id, with what they last said of themselves. Never a credential."""
    rows = connection.execute(
        select(
            Device.site_id,
            Device.id,
            Device.vendor,
            Device.enabled,
            DeviceState.online,
            DeviceState.seen_at,
            DeviceState.barrier,
            DeviceState.buffered,
            DeviceState.list_version,
            DeviceState.firmware,
        )
        .select_from(Device)
        .outerjoin(DeviceState, _state_of(Device.site_id, Device.id))
        .where(within(Device.site_id, allowed), true() if disabled else Device.enabled)
        .where(*later(page.after, Device.site_id, Device.id))
        .order_by(Device.site_id, Device.id)
        .limit(page.limit + 1)
    ).all()
    return [
        {
            "id": f"{row.site_id}.{row.id}",
            "site": row.site_id,
            "device": row.id,
            "vendor": row.vendor,
            "enabled": row.enabled,
            "barrier": row.barrier or {},
            "buffered": row.buffered or 0,
            "list_version": row.list_version or 0,
            "firmware": row.firmware or "",
            **health(row.online, row.seen_at, now),
        }
        for row in rows
    ]


def health(online: bool | None, seen_at: datetime | None, now: datetime) -> Document:
    """Whether a device is online, and stale: not heard of for 90 s, or never."""
    return {
        "online": bool(online),
        "stale": seen_at is None or now - seen_at > STALE_AFTER,
        "seen_at": seen_at,
    }


def named(connection: Connection, allowed: Sites) -> list[str]:
    """The sites by name, in order, also where all are meant."""
    return sorted(connection.execute(select(Site.id)).scalars() if allowed is None else allowed)


def of_each(connection: Connection, sites: Sequence[str], of_site: Callable[[str], Select[Any]]) -> list[Row[Any]]:
    """What a limited query finds at each site, by an index that begins with the site: of all sites at once it would sort all that they have."""
    found: list[Row[Any]] = []
    for first in range(0, len(sites), _SITES_AT_ONCE):
        parts = [select(of_site(site).subquery()) for site in sites[first : first + _SITES_AT_ONCE]]
        found += connection.execute(union_all(*parts)).all()
    return found


def stay(connection: Connection, allowed: Sites, stay_id: str) -> Document:
    """One stay, with what was corrected of it. Raises `NotFound` also where it is somebody else's."""
    site = site_of(stay_id)
    row = connection.execute(
        select(Stay).where(Stay.site_id == site, Stay.id == stay_id, within(Stay.site_id, allowed))
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such stay, or not for you")
    made = corrections_records.of_stay(connection, site, stay_id)
    if not made:
        return stay_document(row)
    return {
        **stay_document(row),
        "corrections": [msgspec.to_builtins(one, builtin_types=(datetime,)) for one in made],
    }


def site_of(identifier: str) -> str:
    """The site in `{site}.{…}`; stays and lanes say where they are."""
    return identifier.partition(".")[0]


def stay_document(row: Any) -> Document:
    """The shape of a stay in the HTTP contract."""
    return {
        "id": row.id,
        "site": row.site_id,
        "plate": row.plate,
        "vehicle": row.vehicle,
        "state": row.state,
        "entry_at": row.entry_at,
        "exit_at": row.exit_at,
        "entry_lane": _lane_name(row.site_id, row.entry_lane),
        "exit_lane": _lane_name(row.site_id, row.exit_lane),
        "gross_fen": row.gross_fen,
        "payable_fen": row.payable_fen,
        "paid_fen": row.paid_fen,
    }


def exceptions(
    connection: Connection, allowed: Sites, page: Slice, *, state: str | None = "open", kind: str | None = None
) -> list[tuple[tuple[Any, ...], Document]]:
    """What needs a person, newest first. `state` None means any."""
    conditions = [within(ExceptionItem.site_id, allowed)]
    if state is not None:
        conditions.append(ExceptionItem.state == state)
    if kind is not None:
        conditions.append(ExceptionItem.kind == kind)
    conditions += older(page.after, ExceptionItem.opened_at, ExceptionItem.id)
    rows = connection.execute(
        select(ExceptionItem)
        .where(*conditions)
        .order_by(ExceptionItem.opened_at.desc(), ExceptionItem.id.desc())
        .limit(page.limit + 1)
    )
    return [((row.opened_at, row.id), exception_document(row)) for row in rows]


def exception(connection: Connection, allowed: Sites, item_id: str) -> Document:
    """One item of the queue, open or resolved. Raises `NotFound`."""
    wanted = select(ExceptionItem).where(at_each(ExceptionItem.site_id, allowed), ExceptionItem.id == item_id)
    row = connection.execute(wanted).first()
    if row is None:
        raise NotFound("there is no such item, or not for you")
    return exception_document(row)


def exception_document(row: Any) -> Document:
    return {
        "id": row.id,
        "site": row.site_id,
        "kind": row.kind,
        "subject": row.subject,
        "state": row.state,
        "opened_at": row.opened_at,
        "count": row.count,
        "lane": _lane_name(row.site_id, row.lane_id),
        "stay": row.stay_id,
        "event": row.event_id,
        "detail": row.detail,
        "resolved_at": row.resolved_at,
        "resolved_by": row.resolved_by,
        "resolution": row.resolution,
        "claimed_by": row.claimed_by,
        "claimed_at": row.claimed_at,
    }


def _lane_name(site: str, lane: str | None) -> str | None:
    return None if lane is None else f"{site}.{lane}"


def _state_of(site: InstrumentedAttribute[str], device: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return and_(DeviceState.site_id == site, DeviceState.device_id == device)
