"""Small gates (小门) as their committee sees them: doors with their hours, members, and who passed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, select

from controllers.doors import DAY, guessed
from gateway.flows.reading import Document, Sites, Slice, at_each, health, later, older, within
from gateway.flows.refusals import NotFound
from gateway.store import door_queries
from gateway.store import tables as t
from gateway.store.prepared import find

_GATE, _LANE = t.Gate.__table__.c, t.Lane.__table__.c
_MEMBER, _CREDENTIAL, _PASSED = t.DoorMember.__table__.c, t.DoorCredential.__table__.c, t.DoorPassage.__table__.c
_COMMAND = t.CommandRow.__table__.c
_PASSAGES_HELD_MAX = 5_000
LANES_MAX = 20


def doors(connection: Connection, allowed: Sites, page: Slice, now: datetime) -> list[tuple[tuple[Any, ...], Document]]:
    """Small gates in service, by site and name, each with its lanes. `guessing`: codes do not open it for the moment."""
    wanted = (
        select(_GATE.site_id, _GATE.id, _GATE.hours)
        .where(_GATE.tier == "small", _GATE.enabled, at_each(t.Gate.site_id, allowed))
        .order_by(_GATE.site_id, _GATE.id)
        .limit(page.limit + 1)
    )
    wanted = wanted.where(*later(page.after, _GATE.site_id, _GATE.id))
    return [
        (
            (row.site_id, row.id),
            {
                "id": f"{row.site_id}.{row.id}",
                "site": row.site_id,
                "hours": row.hours,
                "lanes": _lanes(connection, row.site_id, row.id, now),
            },
        )
        for row in connection.execute(wanted).all()
    ]


def door(connection: Connection, allowed: Sites, door_id: str, now: datetime) -> Document:
    """One of them. Raises `NotFound`."""
    site, _, gate = door_id.partition(".")
    found = doors(connection, {site}, Slice(None, 200), now) if allowed is None or site in allowed else []
    for (_, name), document in found:
        if name == gate:
            return document
    raise NotFound("there is no such small gate, or not for you")


def is_door(connection: Connection, lane_id: str) -> bool:
    """Whether a lane, `{site}.{lane}`, is a small gate's."""
    site, _, lane = lane_id.partition(".")
    gate = and_(_GATE.site_id == _LANE.site_id, _GATE.id == _LANE.gate_id)
    query = select(_GATE.tier).join(t.Lane, gate).where(_LANE.site_id == site, _LANE.id == lane)
    return connection.execute(query).scalar() == "small"


def members(
    connection: Connection, allowed: Sites, page: Slice, *, ended: bool, now: datetime
) -> list[tuple[tuple[Any, ...], Document]]:
    """Who may pass, by name. `ended`: those whose time is over as well."""
    query = _members().where(at_each(t.DoorMember.site_id, allowed))
    if not ended:
        query = query.where(_MEMBER.valid_to > now)
    query = query.where(*later(page.after, _MEMBER.name, _MEMBER.id))
    rows = connection.execute(query.order_by(_MEMBER.name, _MEMBER.id).limit(page.limit + 1))
    return [((row.name, row.id), _member(row)) for row in rows]


def member(connection: Connection, allowed: Sites, member_id: str) -> Document:
    """One of them. Raises `NotFound`."""
    row = connection.execute(_members().where(_MEMBER.id == member_id, within(t.DoorMember.site_id, allowed))).first()
    if row is None:
        raise NotFound("there is no such member, or not for you")
    return _member(row)


def held(connection: Connection, allowed: Sites, member_id: str) -> Document:
    """Everything that is held of a member, for the member: the entry, and when the doors were opened for them. Raises `NotFound`."""
    found = member(connection, allowed, member_id)
    mine = select(_PASSED.lane_id, _PASSED.at, _PASSED.by, _PASSED.opened, _PASSED.reason).where(
        _PASSED.site_id == found["site"], _PASSED.member_id == member_id
    )
    rows = connection.execute(mine.order_by(_PASSED.at.desc()).limit(_PASSAGES_HELD_MAX))
    return {**found, "passages": [{**row, "lane": f"{found['site']}.{row['lane']}"} for row in map(_passage_of, rows)]}


def passages(
    connection: Connection, allowed: Sites, page: Slice, *, refused: bool = False
) -> list[tuple[tuple[Any, ...], Document]]:
    """What was shown at the doors and what was decided, the newest first. `refused`: only what did not open one."""
    command = and_(
        _COMMAND.site_id == _PASSED.site_id,
        _COMMAND.device_id == _PASSED.device_id,
        _COMMAND.event_id == _PASSED.event_id,
        _COMMAND.action == "open",
    )
    query = (
        select(*_PASSED, _MEMBER.name, _COMMAND.state)
        .outerjoin(t.DoorMember, and_(_MEMBER.site_id == _PASSED.site_id, _MEMBER.id == _PASSED.member_id))
        .outerjoin(t.CommandRow, command)
        .where(at_each(t.DoorPassage.site_id, allowed))
    )
    if refused:
        query = query.where(~_PASSED.opened)
    query = query.where(*older(page.after, _PASSED.at, _PASSED.event_id))
    rows = connection.execute(query.order_by(_PASSED.at.desc(), _PASSED.event_id.desc()).limit(page.limit + 1))
    return [
        (
            (row.at, row.event_id),
            {
                "site": row.site_id,
                "event": row.event_id,
                **_passage_of(row),
                "lane": f"{row.site_id}.{row.lane_id}",
                "member": row.member_id,
                "name": row.name,
                "command": row.state,
            },
        )
        for row in rows
    ]


def _lanes(connection: Connection, site: str, gate: str, now: datetime) -> list[Document]:
    state = and_(t.DeviceState.site_id == _LANE.site_id, t.DeviceState.device_id == _LANE.device_id)
    query = (
        select(_LANE.id, _LANE.direction, t.DeviceState.online, t.DeviceState.seen_at)
        .outerjoin(t.DeviceState, state)
        .where(_LANE.site_id == site, _LANE.gate_id == gate, _LANE.enabled)
        .order_by(_LANE.id)
        .limit(LANES_MAX)
    )
    return [
        {
            "id": f"{site}.{row.id}",
            "direction": row.direction,
            **health(row.online, row.seen_at, now),
            "guessing": guessed([one.at for one in _tries(connection, site, row.id, now)], now),
        }
        for row in connection.execute(query).all()
    ]


def _tries(connection: Connection, site: str, lane: str, now: datetime) -> list[Any]:
    return find(connection, door_queries.DOOR_TRIES, site=site, lane=lane, since=now - DAY)


def _members() -> Select[Any]:
    def has(kind: str) -> Any:
        mine = (_CREDENTIAL.site_id == _MEMBER.site_id, _CREDENTIAL.member_id == _MEMBER.id, _CREDENTIAL.kind == kind)
        return exists().where(*mine).label(kind)

    return select(*_MEMBER, has("card"), has("code"))


def _member(row: Any) -> Document:
    return {
        "id": row.id,
        "site": row.site_id,
        "door": None if row.gate_id is None else f"{row.site_id}.{row.gate_id}",
        "name": row.name,
        "card": row.card,
        "code": row.code,
        "valid_to": row.valid_to,
        "blocked": row.blocked,
        "registered_at": row.registered_at,
    }


def _passage_of(row: Any) -> Document:
    return {"lane": row.lane_id, "at": row.at, "by": row.by, "opened": row.opened, "reason": row.reason}
