"""Stays: found by a part of the plate, and told as a story."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from controllers.passages import State
from gateway.api.access import SEES_LOW_INCOME
from gateway.api.answers import instant
from gateway.api.context import Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.api.stays import plate_part
from gateway.console.desk import door, events, forms
from gateway.console.rendering import language_of
from gateway.flows import explain, explain_gate, images, matching, reading, stays_found
from gateway.flows.refusals import Invalid

router = APIRouter(include_in_schema=False)

_SEE = ("GET", "/stays")
Text = Annotated[str, Query(max_length=40)]


@router.get("/stays")
def stays(
    request: Request,
    context: With,
    part: ByTime,
    *,
    plate: Text = "",
    site: Text = "",
    state: Text = "",
    since: Annotated[str, Query(alias="from", max_length=40)] = "",
    until: Annotated[str, Query(alias="to", max_length=40)] = "",
) -> Response:
    """Stays, the newest start first."""
    staff = door.staff_at(request, context, _SEE)
    zone = context.parts.settings.zone
    if state and state not in reading.STAY_STATES:
        raise Invalid(f"state: one of {', '.join(reading.STAY_STATES)}")
    wanted = stays_found.StayFilter(
        site=site or None,
        plate=plate_part(plate) if plate else None,
        state=state or None,
        since=instant("from", since, zone),
        until=instant("to", until, zone, end=True),
    )
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        found = stays_found.stays(connection, allowed, wanted, part)
        sites = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "desk_stays.html",
        here="stays",
        found=in_zone(sliced(found, part.limit), zone),
        sites=sites,
        states=reading.STAY_STATES,
        asked={"plate": plate, "site": site, "state": state, "from": since, "to": until},
    )


@router.get("/stays/{stay_id}")
def stay(request: Request, context: With, stay_id: Annotated[str, Path(max_length=64)]) -> Response:
    """One stay: what it was, and why it cost what it did."""
    staff = door.staff_at(request, context, ("GET", "/stays/{stay_id}"))
    staff.own(reading.site_of(stay_id))
    with context.parts.store.reading() as connection:
        found = reading.stay(connection, staff.sites, stay_id)
    lang, truly = language_of(request), staff.role in SEES_LOW_INCOME
    told = explain.stay_explanation(context.parts, stay_id, language=lang, truly=truly)
    gates = explain_gate.of_stay(context.parts, stay_id, language=lang, truly=truly)
    whose = _whose(context, stay_id) if found["state"] == State.NO_ENTRY else None
    zone = context.parts.settings.zone
    return door.page(
        request,
        staff,
        "desk_stay.html",
        here="stays",
        stay=in_zone(found, zone),
        story=in_zone(told, zone),
        whose=in_zone(whose, zone),
        reads=_reads(context, staff, found["site"], in_zone(plain(gates), zone)),
    )


def _reads(context: With, staff: Staff, site: str, gates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What happened at its gates, with where each is told whole, and whether there is a picture to look at."""
    reads = [(one["device"], one["event"]) for one in gates]
    kept: set[tuple[str, str]] = set()
    if door.may(staff, *events.PICTURE):
        with context.parts.store.reading() as connection:
            kept = images.kept(connection, site, reads)
    found = []
    for one, (device, event) in zip(gates, reads, strict=True):
        here = f"/events/{site}/{quote(device, safe='')}/{quote(event, safe='')}"
        found.append({**one, "where": here, "picture": f"/api/v1{here}/picture" if (device, event) in kept else ""})
    return found


def _whose(context: With, stay_id: str) -> list[dict[str, Any]]:
    """The stays that an exit without an entry may belong to."""
    found = matching.ranked(context.parts, stay_id).candidates
    return [msgspec.to_builtins(one, builtin_types=(datetime,)) for one in found]
