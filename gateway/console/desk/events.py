"""One read at a gate: its picture while it is kept, and why the barrier opened or did not, as it was stored then."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api.access import SEES_LOW_INCOME
from gateway.api.context import With
from gateway.api.live import in_zone
from gateway.console.desk import door
from gateway.console.rendering import language_of
from gateway.flows import explain, images

router = APIRouter(include_in_schema=False)

_SEE: Final = ("GET", "/events/{site}/{device}/{event}/explanation")
PICTURE: Final = ("GET", "/events/{site}/{device}/{event}/picture")
Name = Annotated[str, Path(max_length=64)]


@router.get("/events/{site}/{device}/{event}")
def read(request: Request, context: With, site: Name, device: Name, event: Name) -> Response:
    """Also of a read that was deleted, as long as its stay or a command tells of it."""
    staff = door.staff_at(request, context, _SEE)
    staff.own(site)
    told = explain.event_explanation(
        context.parts, site, device, event, language=language_of(request), truly=staff.role in SEES_LOW_INCOME
    )
    looks = door.may(staff, *PICTURE)
    with context.parts.store.reading() as connection:
        pictured = looks and images.kept(connection, site, [(device, told["event"])])
    return door.page(
        request,
        staff,
        "desk_event.html",
        here="stays",
        read=in_zone(told, context.parts.settings.zone),
        pictured=bool(pictured),
        looks=looks,
    )
