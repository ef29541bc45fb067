"""A lane: how its barrier stands, what staff did there, and the commands."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from controllers.commands import Action
from gateway.api.access import HOLDS_OPEN
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.passes import by, plain
from gateway.console.desk import door
from gateway.console.words import BARRIER_ICONS
from gateway.flows import doors_reading, emergencies, reading, staff_commands
from gateway.flows.refusals import NotFound
from gateway.runtime.ids import random_token

router = APIRouter(include_in_schema=False)

_SEE, _DO = ("GET", "/lanes"), ("POST", "/lanes/{lane_id}/commands")
_SHOWN = 20
_HOLDS = ("hold_open", "release")
LaneId = Annotated[str, Path(max_length=81)]
Text = Annotated[str, Form(max_length=2000)]


@router.get("/lanes/{lane_id}")
def lane(
    request: Request, context: With, lane_id: LaneId, command: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """A lane, with what may be done there. `command`: one that was just given, whose outcome is followed."""
    staff = door.staff_at(request, context, _SEE)
    return _page(request, context, staff, lane_id, command)


@router.post("/lanes/{lane_id}")
def command(
    request: Request,
    context: With,
    lane_id: LaneId,
    *,
    action: Annotated[Literal["open", "close", "hold_open", "release", "show"], Form()],
    csrf: Text = "",
    once: Annotated[str, Form(max_length=64)] = "",
    reason: Text = "",
    note: Text = "",
    show: Text = "",
    say: Text = "",
) -> Response:
    """Command it; `show` has a display line on each of its own. The page's own key makes one command of a form that is sent twice."""
    staff = door.staff_at(request, context, _DO)
    where = f"/lanes/{lane_id}"
    door.own_form(staff, csrf, "/")
    if action in _HOLDS and staff.role not in HOLDS_OPEN:
        return door.back_to("/")
    told = tuple(line.strip() for line in show.splitlines() if line.strip())
    asked = staff_commands.Asked(action=Action(action), reason=reason, note=note, show=told, say=say.strip() or None)
    staff.own(reading.site_of(lane_id))
    given = staff_commands.command(context.parts, lane_id, asked, by(staff), once or None)
    return door.back_to(where, command=given.id)


def command_at(lane: str, command: str) -> str:
    """Where what became of a command is told."""
    return f"/api/v1/lanes/{quote(lane, safe='')}/commands/{quote(command, safe='')}"


def _page(request: Request, context: Context, staff: Staff, lane_id: str, command: str) -> Response:
    site, _, name = lane_id.partition(".")
    staff.own(site)
    with context.parts.store.reading() as connection:
        now = context.parts.clock.now()
        part = reading.Slice(None, 200)
        here = reading.lanes(connection, frozenset({site}), part, now, disabled=False)
        found = next((one for one in here if one["id"] == lane_id), None)
        small = doors_reading.is_door(connection, lane_id)
        declared = emergencies.declared(connection, frozenset({site}))
    if found is None:
        raise NotFound(f"there is no lane {name:.40} in service here, or not for you")
    zone = context.parts.settings.zone
    # A committee has a word at its small gates alone.
    strange = staff.role == staff_commands.COMMITTEE and not small
    sees = not strange and door.may(staff, "GET", "/lanes/{lane_id}/commands")
    given = staff_commands.newest(context.parts, lane_id, _SHOWN) if sees else []
    actions = [one for one in ("open", "close", *_HOLDS) if one not in _HOLDS or staff.role in HOLDS_OPEN]
    if staff.role == staff_commands.COMMITTEE:
        actions = ["open"]
    return door.page(
        request,
        staff,
        "desk_lane.html",
        here="board",
        lane=in_zone(found, zone),
        command=command_at(lane_id, command) if command else None,
        longest={"lines": staff_commands.LINES_MAX, "line": staff_commands.LINE_MAX, "say": staff_commands.SAY_MAX},
        icons=BARRIER_ICONS,
        given=[in_zone(plain(one), zone) for one in given],
        declared=[in_zone(plain(one), zone) for one in declared],
        actions=actions if not strange and door.may(staff, *_DO) else [],
        once=random_token(18),
    )
