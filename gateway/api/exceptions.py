"""The queue of what needs a person."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import Field

from gateway.api import shapes
from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, With
from gateway.api.images import as_jpeg
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by
from gateway.api.passes_shapes import Asked
from gateway.flows import attending, queue_evidence, reading

router = APIRouter(tags=["exceptions"])

ItemId = Annotated[str, Path(max_length=64)]


class Resolution(Asked):
    resolution: Annotated[str, Field(min_length=1, max_length=200, description="what came of it, in a few words")]
    note: Annotated[str, Field(max_length=1500)] = ""


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


@router.get(
    "/exceptions/{item_id}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def picture(staff: Asking, context: With, item_id: ItemId) -> Response:
    """The picture of the read that an item is about, while it is kept."""
    with context.parts.store.reading() as connection:
        item = reading.exception(connection, staff.sites, item_id)
        jpeg = queue_evidence.picture(context.parts, connection, item)
    return as_jpeg(jpeg)


@router.post("/exceptions/{item_id}/claim", responses={200: {"model": shapes.ExceptionShape}})
def claim(staff: Asking, context: With, item_id: ItemId) -> Response:
    """Work on an item: for a quarter of an hour it is nobody else's."""
    return json(context.parts, attending.claim(context.parts, staff.sites, item_id, by(staff)))


@router.post("/exceptions/{item_id}/release", responses={200: {"model": shapes.ExceptionShape}})
def release(staff: Asking, context: With, item_id: ItemId) -> Response:
    """Give an item back to everybody."""
    return json(context.parts, attending.release(context.parts, staff.sites, item_id, by(staff)))


@router.post("/exceptions/{item_id}/resolution", responses={200: {"model": shapes.ExceptionShape}})
def resolve(staff: Asking, context: With, item_id: ItemId, asked: Resolution) -> Response:
    """Say what came of an item. 409 where somebody else works on it, or it has been resolved."""
    done = attending.resolve(context.parts, staff.sites, item_id, asked.resolution, asked.note, by(staff))
    return json(context.parts, done)
