"""小门 over HTTP: a residents' committee looks after the small gates of its own site."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from controllers.doors import CARD_CHARACTERS_MAX, CODE_DIGITS
from gateway.api.answers import Key, SiteName, json
from gateway.api.context import Asking, With
from gateway.api.lists import ByName, ByTime, ListOf, page
from gateway.api.passes import by
from gateway.api.passes_shapes import Asked, SiteId, Words
from gateway.flows import doors, doors_reading
from gateway.flows.doors import Change, Kept, NewMember
from gateway.flows.reading import Document, site_of

router = APIRouter(tags=["small gates"])

DoorId = Annotated[str, Path(max_length=81)]
MemberId = Annotated[str, Path(max_length=64)]
Hours = dict[str, Annotated[list[tuple[str, str]], Field(max_length=4)]]
_HOURS = Field(
    description="by day, `1` (Monday) to `7` and `holiday`: times from HH:MM to HH:MM, none where it is closed; null: at all hours"
)
Name = Annotated[str, Field(max_length=100, description="as short as the committee can do with")]
Card = Annotated[str, Field(max_length=2 * CARD_CHARACTERS_MAX, description="the number, as the door's reader says it")]


class DoorLane(BaseModel):
    """`guessing`: unknown credentials were tried so often that codes do not open it for the moment; cards do."""

    id: str
    direction: Literal["in", "out"]
    online: bool
    stale: bool
    seen_at: datetime | None
    guessing: bool


class DoorShape(BaseModel):
    id: str
    site: str
    hours: Hours | None = _HOURS
    lanes: list[DoorLane]


class MemberShape(BaseModel):
    """`door` null: every small gate of the site. `card`, `code`: whether there is one; neither is ever shown."""

    id: str
    site: str
    door: str | None
    name: str
    card: bool
    code: bool
    valid_to: datetime
    blocked: bool
    registered_at: datetime


class MemberKept(MemberShape):
    new_code: str | None = Field(description=f"{CODE_DIGITS} digits, shown this once; null: none was made")


class PassageOfMember(BaseModel):
    lane: str
    at: datetime
    by: str
    opened: bool
    reason: str


class MemberHeld(MemberShape):
    passages: list[PassageOfMember]


class PassageShape(PassageOfMember):
    """`reason`: member, leaving, emergency; not_a_member, outside_hours, expired, blocked, tried_too_often, too_late. `command`: what became of the order to open."""

    site: str
    event: str
    member: str | None
    name: str | None
    command: str | None


class HoursAsked(Asked):
    hours: Hours | None = _HOURS
    reason: Words


class MemberAsked(Asked):
    site: SiteId
    door: Annotated[str, Field(max_length=81)] | None = Field(
        default=None, description="this small gate alone; left out: every one of the site"
    )
    name: Name
    valid_to: AwareDatetime
    card: Card | None = None
    code: bool = Field(default=False, description="make a code as well, or in the place of a card")


class ChangeAsked(Asked):
    name: Name | None = None
    valid_to: AwareDatetime | None = Field(default=None, description="now or before ends the membership")
    blocked: bool | None = None
    card: Card | None = Field(default=None, description="another card; empty: none any more")
    code: bool | None = Field(default=None, description="true: a new code; false: none any more")
    reason: Words


class Erased(Asked):
    reason: Words


@router.get("/doors", responses={200: {"model": ListOf[DoorShape]}})
def listed(staff: Asking, context: With, part: ByName, site: SiteName = None) -> Response:
    """Small gates with their hours and how their devices are."""
    with context.parts.store.reading() as connection:
        found = doors_reading.doors(connection, staff.only(site), part, context.parts.clock.now())
    return json(context.parts, page(found, part.limit))


@router.put("/doors/{door_id}/hours", responses={200: {"model": DoorShape}})
def hours(staff: Asking, context: With, door_id: DoorId, asked: HoursAsked) -> Response:
    """When a small gate opens to its members. Whoever leaves is let out at any hour."""
    staff.own(site_of(door_id))
    return json(
        context.parts, doors.set_hours(context.parts, staff.sites, door_id, asked.hours, asked.reason, by(staff))
    )


@router.get("/door-members", responses={200: {"model": ListOf[MemberShape]}})
def members(
    staff: Asking,
    context: With,
    part: ByName,
    site: SiteName = None,
    ended: Annotated[bool, Query(description="those whose time is over as well")] = False,
) -> Response:
    """Who may pass the small gates, by name."""
    with context.parts.store.reading() as connection:
        now = context.parts.clock.now()
        found = doors_reading.members(connection, staff.only(site), part, ended=ended, now=now)
    return json(context.parts, page(found, part.limit))


@router.post("/door-members", status_code=201, responses={201: {"model": MemberKept}})
def add(staff: Asking, context: With, asked: MemberAsked, idempotency_key: Key = None) -> Response:
    """A new member, with a card, a code or both. The code is in this answer and nowhere else."""
    staff.own(asked.site)
    kept = doors.add(context.parts, NewMember(**asked.model_dump()), by(staff), idempotency_key)
    return json(context.parts, _kept(kept), 201)


@router.get("/door-members/{member_id}", responses={200: {"model": MemberHeld}})
def one(staff: Asking, context: With, member_id: MemberId) -> Response:
    """Everything that is held of a member: what to hand out when they ask."""
    with context.parts.store.reading() as connection:
        return json(context.parts, doors_reading.held(connection, staff.sites, member_id))


@router.patch("/door-members/{member_id}", responses={200: {"model": MemberKept}})
def change(staff: Asking, context: With, member_id: MemberId, asked: ChangeAsked) -> Response:
    """Another name, end, card or code; blocked or not. A new code is in this answer and nowhere else."""
    wanted = Change(**asked.model_dump(exclude={"reason"}))
    kept = doors.change(context.parts, staff.sites, member_id, wanted, asked.reason, by(staff))
    return json(context.parts, _kept(kept))


@router.post("/door-members/{member_id}/erasure", status_code=204)
def erase(staff: Asking, context: With, member_id: MemberId, asked: Erased) -> Response:
    """Take a member out whole, at their wish or when they moved away."""
    doors.forget(context.parts, staff.sites, member_id, asked.reason, by(staff))
    return Response(status_code=204)


@router.get("/door-passages", responses={200: {"model": ListOf[PassageShape]}})
def passages(
    staff: Asking,
    context: With,
    part: ByTime,
    site: SiteName = None,
    refused: Annotated[bool, Query(description="only what did not open a door")] = False,
) -> Response:
    """What was shown at the small gates and what was decided, the newest first; kept for a month at most."""
    with context.parts.store.reading() as connection:
        found = doors_reading.passages(connection, staff.only(site), part, refused=refused)
    return json(context.parts, page(found, part.limit))


def _kept(kept: Kept) -> Document:
    return {**kept.member, "new_code": kept.code}
