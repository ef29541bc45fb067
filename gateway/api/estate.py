"""The estate and its live state: sites, gates, lanes, devices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from gateway.api import shapes
from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, With
from gateway.api.lists import AllByName, ListOf, page
from gateway.flows import reading

router = APIRouter(tags=["estate"])

Everything = Annotated[bool, Query(alias="all", description="what is disabled as well")]


def _keyed(found: list[dict[str, Any]], name: str) -> list[tuple[tuple[str, str], dict[str, Any]]]:
    return [((document.get("site", document["id"]), document[name].rpartition(".")[2]), document) for document in found]


@router.get("/sites", responses={200: {"model": ListOf[shapes.Site]}})
def sites(staff: Asking, context: With, part: AllByName, everything: Everything = False) -> Response:
    """Sites by id, with how many vehicles are inside."""
    with context.parts.store.reading() as connection:
        found = reading.sites(connection, staff.sites, part, disabled=everything)
    return json(context.parts, page(_keyed(found, "id"), part.limit))


@router.get("/gates", responses={200: {"model": ListOf[shapes.Gate]}})
def gates(
    staff: Asking,
    context: With,
    part: AllByName,
    site: SiteName = None,
    everything: Everything = False,
) -> Response:
    """Gates by site and id."""
    with context.parts.store.reading() as connection:
        found = reading.gates(connection, staff.only(site), part, disabled=everything)
    return json(context.parts, page(_keyed(found, "id"), part.limit))


@router.get("/lanes", responses={200: {"model": ListOf[shapes.Lane]}})
def lanes(
    staff: Asking,
    context: With,
    part: AllByName,
    site: SiteName = None,
    everything: Everything = False,
) -> Response:
    """Lanes by site and id, with their barriers as last heard; `stale` after 90 s of silence."""
    now = context.parts.clock.now()
    with context.parts.store.reading() as connection:
        found = reading.lanes(connection, staff.only(site), part, now, disabled=everything)
    return json(context.parts, page(_keyed(found, "id"), part.limit))


@router.get("/devices", responses={200: {"model": ListOf[shapes.Device]}})
def devices(
    staff: Asking,
    context: With,
    part: AllByName,
    site: SiteName = None,
    everything: Everything = False,
) -> Response:
    """Devices by site and id, with what they last said of themselves."""
    now = context.parts.clock.now()
    with context.parts.store.reading() as connection:
        found = reading.devices(connection, staff.only(site), part, now, disabled=everything)
    return json(context.parts, page(_keyed(found, "id"), part.limit))
