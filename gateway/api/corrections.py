"""Corrections of stays: made at once, or proposed and decided by a second person."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api import matching_shapes, shapes
from gateway.api.answers import Key, SiteName, instant, json
from gateway.api.context import Asking, Staff, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.flows import corrections, corrections_listed, matching, reading
from gateway.flows.charges_books import By
from gateway.flows.refusals import NotFound

router = APIRouter(tags=["stays"])

StayId = Annotated[str, Path(max_length=64)]
CorrectionId = Annotated[str, Path(max_length=64)]


@router.get("/stays/{stay_id}/candidates", responses={200: {"model": matching_shapes.Ranked}})
def candidates(staff: Asking, context: With, stay_id: StayId) -> Response:
    """Of an exit without an entry: whose it may be, the likeliest first, and what speaks for each.

    A person who has looked at the pictures corrects the plate of the stay at whose end it was misread.
    """
    staff.own(reading.site_of(stay_id))
    return json(context.parts, _plain(matching.ranked(context.parts, stay_id)))


@router.get("/corrections", responses={200: {"model": ListOf[shapes.Correction]}})
def listed(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    state: Annotated[Literal["proposed", "made", "refused"] | None, Query()] = None,
) -> Response:
    """Corrections by when they were proposed or decided last, the newest first; `state=proposed` is what waits for a second person."""
    allowed = staff.only(site)
    with context.reports.reading() as connection:
        found = corrections_listed.listed(connection, allowed, part, state=state)
    return json(context.parts, page([(key, _plain(one)) for key, one in found], part.limit))


@router.post("/stays/{stay_id}/corrections", status_code=201, responses={201: {"model": shapes.Correction}})
def correct(
    staff: Asking, context: With, stay_id: StayId, asked: shapes.CorrectionAsked, idempotency_key: Key = None
) -> Response:
    """Put the plate or the entry right; the old record stays visible. `proposed` where a bill would rise after the exit.

    409 where another stay would lose its entry or exit, or nothing can be corrected: the answer says what to do.
    """
    staff.own(reading.site_of(stay_id))
    wanted = corrections.Wanted(
        plate=asked.plate,
        entry_at=instant("entry_at", asked.entry_at, context.parts.settings.zone),
        part=asked.part,
    )
    made = corrections.correct(context.parts, stay_id, wanted, asked.reason, _by(staff), idempotency_key)
    return json(context.parts, _plain(made), 201)


@router.post("/stays/{stay_id}/corrections/{correction_id}/approval", responses={200: {"model": shapes.Correction}})
def approve(staff: Asking, context: With, stay_id: StayId, correction_id: CorrectionId) -> Response:
    """Make what was proposed. 409 for who proposed it."""
    own(staff, stay_id, correction_id)
    return json(context.parts, _plain(corrections.approve(context.parts, correction_id, _by(staff))))


@router.post("/stays/{stay_id}/corrections/{correction_id}/refusal", responses={200: {"model": shapes.Correction}})
def refuse(
    staff: Asking, context: With, stay_id: StayId, correction_id: CorrectionId, asked: shapes.Decision
) -> Response:
    """The record stays as it is. 409 for who proposed it."""
    own(staff, stay_id, correction_id)
    return json(context.parts, _plain(corrections.refuse(context.parts, correction_id, asked.reason, _by(staff))))


def own(staff: Staff, stay_id: str, correction_id: str) -> None:
    """Raises `NotFound` for another site's, and for a correction of another site than its stay."""
    staff.own(reading.site_of(stay_id))
    if reading.site_of(correction_id) != reading.site_of(stay_id):
        raise NotFound("there is no such correction, or not for you")


def _by(staff: Staff) -> By:
    return By(operator=staff.name, role=staff.role, origin=staff.origin)


def _plain(document: msgspec.Struct) -> Any:
    return msgspec.to_builtins(document, builtin_types=(datetime,))
