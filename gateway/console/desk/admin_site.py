"""One site as it stands in the site file and at its gates: gates and lanes with their barriers, and who parks free there by which rule."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.api.live import in_zone
from gateway.console.desk import door
from gateway.console.rendering import language_of
from gateway.flows import reading
from gateway.flows.reading import Slice
from gateway.flows.refusals import NotFound
from gateway.flows.registers_classes import free_classes

router = APIRouter(include_in_schema=False)

_CALLS: Final = (("GET", "/sites"), ("GET", "/gates"), ("GET", "/lanes"), ("GET", "/free-classes"), ("GET", "/users"))
_ALL: Final = Slice(None, 200)


@router.get("/admin/sites/{site}")
def site(request: Request, context: With, site: Annotated[str, Path(max_length=40)]) -> Response:
    """Also what is out of service."""
    staff = door.staff_at(request, context, *_CALLS)
    staff.own(site)
    here = frozenset({site})
    now = context.parts.clock.now()
    with context.parts.store.reading() as connection:
        found = reading.sites(connection, here, _ALL, disabled=True)
        gates = reading.gates(connection, here, _ALL, disabled=True)
        lanes = reading.lanes(connection, here, _ALL, now, disabled=True)
        classes = free_classes(connection, here, now)
    if not found:
        raise NotFound("there is no such site, or not for you")
    shown: list[dict[str, Any]] = in_zone(lanes, context.parts.settings.zone)
    return door.page(
        request,
        staff,
        "admin_site.html",
        here="admin.sites",
        site=found[0],
        gates=[gate | {"lanes": [one for one in shown if one["gate"] == gate["gate"]]} for gate in gates],
        classes=[one | {"said": one["rule"][language_of(request)]} for one in classes],
    )
