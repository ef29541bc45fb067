"""The queue of what needs a person."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from gateway.api import shapes
from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.flows import reading

router = APIRouter(tags=["exceptions"])


@router.get("/exceptions", responses={200: {"model": ListOf[shapes.ExceptionShape]}})
def exceptions(
    staff: Asking,
    context: With,
    part: ByTime,
    site: SiteName = None,
    state: Annotated[str, Query(max_length=10, pattern="^[a-z]+$", description="`any` for all")] = "open",
    kind: Annotated[str | None, Query(max_length=24, pattern="^[a-z_]+$")] = None,
) -> Response:
    """What needs a person, the newest first; by default what is open."""
    with context.reports.reading() as connection:
        found = reading.exceptions(
            connection, staff.only(site), part, state=None if state == "any" else state, kind=kind
        )
    return json(context.parts, page(found, part.limit))
