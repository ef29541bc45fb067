"""The queue of what needs a person: taken on, worked on, resolved with a word."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door
from gateway.flows import attending, reading
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)

_SEE, _DO = ("GET", "/exceptions"), ("POST", "/exceptions/{item_id}/resolution")
Text = Annotated[str, Form(max_length=2000)]


@router.get("/queue")
def queue(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=40)] = "",
    kind: Annotated[str, Query(max_length=24)] = "",
    state: Literal["open", "resolved", "any"] = "open",
) -> Response:
    """What needs a person, the newest first."""
    staff = door.staff_at(request, context, _SEE)
    if isinstance(staff, Response):
        return staff
    try:
        allowed = staff.only(site or None)
    except Refused as why:
        return door.refused(request, staff, why, "/queue")
    with context.reports.reading() as connection:
        found = reading.exceptions(
            connection, allowed, part, state=None if state == "any" else state, kind=kind or None
        )
        sites = reading.sites(connection, staff.sites, reading.Slice(None, 200), disabled=False)
    items = in_zone(sliced(found, part.limit), context.parts.settings.zone)
    return door.page(
        request,
        staff,
        "desk_queue.html",
        here="queue",
        found=items,
        sites=sites,
        asked={"site": site, "kind": kind, "state": state},
        works=door.may(staff, *_DO),
        now=context.parts.clock.now(),
    )


@router.post("/queue/{item_id}/{what}")
def attend(
    request: Request,
    context: With,
    item_id: Annotated[str, Path(max_length=64)],
    what: Literal["claim", "release", "resolution"],
    csrf: Text = "",
    resolution: Text = "",
    note: Text = "",
) -> Response:
    """One step at an item."""
    staff = door.staff_at(request, context, _DO)
    if isinstance(staff, Response):
        return staff
    if door.from_elsewhere(staff, csrf):
        return door.back_to("/queue")
    who = by(staff)
    try:
        match what:
            case "claim":
                attending.claim(context.parts, staff.sites, item_id, who)
            case "release":
                attending.release(context.parts, staff.sites, item_id, who)
            case "resolution":
                attending.resolve(context.parts, staff.sites, item_id, resolution, note, who)
    except Refused as why:
        return door.refused(request, staff, why, "/queue")
    return door.back_to("/queue")
