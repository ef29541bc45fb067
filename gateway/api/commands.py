"""Lanes commanded by named members of staff, and emergencies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from controllers.commands import Action
from gateway.api.access import HOLDS_OPEN
from gateway.api.answers import Key, SiteName, json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.passes import by, plain
from gateway.api.passes_shapes import Asked, SiteId, Words
from gateway.api.problems import NotAllowed
from gateway.flows import doors_reading, emergencies, staff_commands
from gateway.flows.reading import site_of
from gateway.flows.refusals import NotFound
from gateway.store import books

router = APIRouter(tags=["lanes"])

LaneId = Annotated[str, Path(max_length=81)]
_HOLDS = frozenset({Action.HOLD_OPEN, Action.RELEASE})


class CommandAsked(Asked):
    action: Literal["open", "close", "hold_open", "release", "show"]
    reason: Annotated[str, Field(min_length=1, max_length=staff_commands.REASON_MAX, description="why, in a few words")]
    note: Annotated[str, Field(max_length=staff_commands.NOTE_MAX)] = ""
    show: Annotated[list[str], Field(max_length=staff_commands.LINES_MAX)] = Field(
        default=[], description="display lines, for the action `show`"
    )
    say: Annotated[str, Field(max_length=staff_commands.SAY_MAX)] | None = Field(
        default=None, description="what is said at the lane, for the action `show`"
    )


class CommandGiven(BaseModel):
    id: str
    lane: str
    action: str
    reason: str
    note: str
    operator: str
    event: str | None = Field(
        description="the read of the vehicle that it was given for; null: for whoever stands there"
    )
    stay: str | None
    state: Literal["planned", "sent", "accepted", "done", "expired", "refused", "fault"] = Field(
        description="accepted: the device has taken it, and has not said that the barrier moved; done: it did, or the device is one that knows"
    )
    at: datetime
    expires_at: datetime
    outcome_at: datetime | None
    detail: str | None


class CommandsGiven(BaseModel):
    items: list[CommandGiven]


class EmergencyAsked(Asked):
    site: SiteId | None = Field(default=None, description="left out: the whole street")
    reason: Words


class EmergencyShape(BaseModel):
    id: str
    site: str
    declared_at: datetime
    declared_by: str
    reason: str
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None


class Emergencies(BaseModel):
    items: list[EmergencyShape]


@router.post("/lanes/{lane_id}/commands", status_code=201, responses={201: {"model": CommandGiven}})
def command(
    staff: Asking, context: With, lane_id: LaneId, asked: CommandAsked, idempotency_key: Key = None
) -> Response:
    """Command a lane by name. What became of it: `GET /lanes/{id}/commands/{command}`. 409 where its device is away."""
    staff.own(site_of(lane_id))
    action = Action(asked.action)
    if action in _HOLDS and staff.role not in HOLDS_OPEN:
        raise NotAllowed("your role opens and closes; it does not hold a barrier open")
    wanted = staff_commands.Asked(
        action=action, reason=asked.reason, note=asked.note, show=tuple(asked.show), say=asked.say
    )
    given = staff_commands.command(context.parts, lane_id, wanted, by(staff), idempotency_key)
    return json(context.parts, plain(given), 201)


@router.get("/lanes/{lane_id}/commands", responses={200: {"model": CommandsGiven}})
def commands(
    staff: Asking, context: With, lane_id: LaneId, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Response:
    """What staff commanded of a lane, the newest first, with what became of each."""
    own(staff, context, lane_id)
    found = staff_commands.newest(context.parts, lane_id, limit)
    return json(context.parts, {"items": [plain(one) for one in found]})


@router.get("/lanes/{lane_id}/commands/{command_id}", responses={200: {"model": CommandGiven}})
def one_command(
    staff: Asking, context: With, lane_id: LaneId, command_id: Annotated[str, Path(max_length=64)]
) -> Response:
    """One command, with what became of it."""
    own(staff, context, lane_id)
    return json(context.parts, plain(staff_commands.given(context.parts, lane_id, command_id)))


@router.get("/emergencies", responses={200: {"model": Emergencies}})
def list_emergencies(
    staff: Asking,
    context: With,
    site: SiteName = None,
    everything: Annotated[bool, Query(alias="all", description="those that are over as well")] = False,
) -> Response:
    """Emergencies that are declared now."""
    with context.parts.store.reading() as connection:
        found = emergencies.declared(connection, staff.only(site), all_of_them=everything)
    return json(context.parts, {"items": [plain(one) for one in found]})


@router.post("/emergencies", status_code=201, responses={201: {"model": Emergencies}})
def declare(staff: Asking, context: With, asked: EmergencyAsked) -> Response:
    """应急放行: every barrier of a site, or of the street, opens and stays open until it is ended."""
    found = emergencies.declare(context.parts, sites_meant(staff, context, asked.site), asked.reason, by(staff))
    return json(context.parts, {"items": [plain(one) for one in found]}, 201)


@router.post("/emergencies/end", responses={200: {"model": Emergencies}})
def end(staff: Asking, context: With, asked: EmergencyAsked) -> Response:
    """It is over. Barriers without a loop are lowered by a person on the spot: they come into the queue."""
    found = emergencies.end(context.parts, sites_meant(staff, context, asked.site), asked.reason, by(staff))
    return json(context.parts, {"items": [plain(one) for one in found]})


def own(staff: Staff, context: Context, lane_id: str) -> None:
    """Raises `NotFound` for a lane of another's site, and for a committee where it is no small gate's."""
    staff.own(site_of(lane_id))
    if staff.role == staff_commands.COMMITTEE:
        with context.parts.store.reading() as connection:
            if not doors_reading.is_door(connection, lane_id):
                raise NotFound("there is no such lane, or not for you")


def sites_meant(staff: Staff, context: Context, site: str | None) -> list[str]:
    """The sites in service that are meant, all of them the asker's. Raises `NotFound`."""
    if site is not None:
        staff.own(site)
        return [site]
    with context.parts.store.reading() as connection:
        return [one for one in books.enabled_sites(connection) if staff.sees(one)]
