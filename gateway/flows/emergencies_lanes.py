"""What really happened at the lanes of an emergency: what each was told, and where its barrier stands.

A device that has taken a command has not yet moved a barrier: only `done`, or a barrier that says where it is, says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select

from controllers.commands import Action, Reason
from gateway.flows import reading
from gateway.flows.emergencies import Declared
from gateway.flows.reading import Sites, Slice
from gateway.store import tables as t

Became = Literal["moved", "under_way", "not_confirmed", "by_hand"]
LANES_MAX = 5_000
_COMMANDS_MAX = 2_000
_UNDER_WAY = ("planned", "sent")
_COMMAND = t.CommandRow.__table__.c


class LaneOf(msgspec.Struct, frozen=True, kw_only=True):
    """A lane of an emergency. `became`: `by_hand` is a barrier without a loop once it is over, which a person lowers.

    `told_at`, `state`, `detail`: of the newest command for it; None where nothing was told.
    """

    lane: str
    gate: str
    direction: str
    loop: bool
    barrier: str
    online: bool
    stale: bool
    became: Became
    told_at: datetime | None = None
    state: str | None = None
    detail: str | None = None


def lanes_in_service(connection: Connection, sites: Sites, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """The lanes of each site that an emergency opens, by gate."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in reading.lanes(connection, sites, Slice(None, LANES_MAX), now, disabled=False):
        found.setdefault(one["site"], []).append(one)
    return {site: sorted(lanes, key=lambda one: (one["gate"], one["id"])) for site, lanes in found.items()}


def at_lanes(
    connection: Connection, one: Declared, lanes: Sequence[dict[str, Any]], now: datetime
) -> tuple[LaneOf, ...]:
    """How each of these lanes of its site stands, whatever needs a person first."""
    action = Action.HOLD_OPEN if one.ended_at is None else Action.RELEASE
    told = _newest(connection, one.site, action, one.ended_at or one.declared_at)
    found = [_lane(lane, told.get(lane["id"].partition(".")[2]), one, now) for lane in lanes]
    return tuple(sorted(found, key=lambda lane: lane.became == "moved"))


def _newest(connection: Connection, site: str, action: Action, since: datetime) -> dict[str, Any]:
    rows = connection.execute(
        select(
            _COMMAND.lane_id,
            _COMMAND.planned_at,
            _COMMAND.expires_at,
            _COMMAND.state,
            _COMMAND.outcome_at,
            _COMMAND.detail,
        )
        .where(
            _COMMAND.site_id == site,
            _COMMAND.planned_at >= since,
            _COMMAND.action == action.value,
            _COMMAND.reason == Reason.EMERGENCY.value,
        )
        .order_by(_COMMAND.planned_at.desc())
        .limit(_COMMANDS_MAX)
    )
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(row.lane_id, row)
    return found


def _lane(lane: dict[str, Any], told: Any, one: Declared, now: datetime) -> LaneOf:
    said = {} if told is None else {"told_at": told.planned_at, "state": told.state, "detail": told.detail}
    return LaneOf(
        lane=lane["id"],
        gate=lane["gate"],
        direction=lane["direction"],
        loop=lane["loop"],
        barrier=lane["barrier"],
        online=lane["online"],
        stale=lane["stale"],
        became=_became(lane, told, one, now),
        **said,
    )


def _became(lane: dict[str, Any], told: Any, one: Declared, now: datetime) -> Became:
    over = one.ended_at is not None
    done = told is not None and told.state == "done"
    says = _says(lane, one.ended_at or one.declared_at)
    if says == ("closed" if over else "open"):
        return "moved"
    if over and not lane["loop"]:
        return "by_hand"
    # A barrier that has said since that it stands elsewhere does: somebody, or something, has moved it again.
    if done and (says is None or (told.outcome_at or told.planned_at) >= lane["seen_at"]):
        return "moved"
    if told is not None and told.state in _UNDER_WAY and told.expires_at > now:
        return "under_way"
    return "not_confirmed"


def _says(lane: dict[str, Any], since: datetime) -> str | None:
    """Where the barrier has said that it stands, after that moment; None where it says nothing, or its device is away."""
    heard = lane["online"] and not lane["stale"] and lane["seen_at"] > since
    return lane["barrier"] if heard and lane["barrier"] != reading.BARRIER_UNKNOWN else None
