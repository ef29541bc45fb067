"""Stays, their bills, and money for them."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api import masking, shapes
from gateway.api.answers import Key, SiteName, instant, json
from gateway.api.context import Asking, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.flows import reading, stays_found
from gateway.flows.refusals import Invalid

router = APIRouter(tags=["stays"])

StayId = Annotated[str, Path(max_length=64)]
State = Literal["inside", "left", "missing_exit", "no_entry", "exception", "void"]
AHEAD_MAX = timedelta(days=366)  # every unit up to there is priced
_SEPARATORS = str.maketrans("", "", " ·•.-‧・∙_\t")


def plate_part(text: str) -> str:
    """A part of a plate in the form in which plates are stored."""
    return unicodedata.normalize("NFKC", text).upper().translate(_SEPARATORS)


@router.get("/stays", responses={200: {"model": ListOf[shapes.Stay]}})
def stays(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    plate: Annotated[str | None, Query(max_length=40, description="any part of the plate")] = None,
    state: Annotated[State | None, Query()] = None,
    since: Annotated[
        str | None, Query(alias="from", max_length=40, description="started at this instant or day, or later")
    ] = None,
    until: Annotated[
        str | None, Query(alias="to", max_length=40, description="started before this instant, or on this day")
    ] = None,
) -> Response:
    """Stays, the newest start first."""
    zone = context.parts.settings.zone
    allowed = staff.only(site)
    wanted = stays_found.StayFilter(
        site=site,
        plate=plate_part(plate) if plate is not None else None,
        state=state,
        since=instant("from", since, zone),
        until=instant("to", until, zone, end=True),
    )
    with context.reports.reading() as connection:
        found = stays_found.stays(connection, allowed, wanted, part)
    return json(context.parts, page(found, part.limit))


@router.get("/stays/{stay_id}", responses={200: {"model": shapes.Stay}})
def stay(staff: Asking, context: With, stay_id: StayId) -> Response:
    """One stay."""
    with context.parts.store.reading() as connection:
        found = reading.stay(connection, staff.sites, stay_id)
    return json(context.parts, found)


@router.get("/stays/{stay_id}/bill", responses={200: {"model": shapes.Bill}})
def bill(
    staff: Asking,
    context: With,
    stay_id: StayId,
    at: Annotated[str | None, Query(max_length=40, description="priced up to this instant")] = None,
) -> Response:
    """A bill with its lines, as fixed, or at any moment. To most roles every reason of a resident reads `resident`."""
    moment = instant("at", at, context.parts.settings.zone)
    staff.own(reading.site_of(stay_id))
    if moment is not None and moment > context.parts.clock.now() + AHEAD_MAX:
        raise Invalid(f"at: more than {AHEAD_MAX.days} days ahead")
    document = context.flows.bill(context.parts, stay_id, moment)
    return json(context.parts, masking.bill(document, staff.role))


@router.post("/stays/{stay_id}/payments", status_code=201, responses={201: {"model": shapes.Payment}})
def pay(
    staff: Asking,
    context: With,
    stay_id: StayId,
    payment: shapes.PaymentToTake,
    idempotency_key: Key = None,
) -> Response:
    """Take money. 409 if the amount is not what is due. The same `Idempotency-Key` with the same content is one payment."""
    staff.own(reading.site_of(stay_id))
    taken = context.flows.take(
        context.parts,
        stay_id=stay_id,
        channel=payment.channel,
        amount_fen=payment.amount_fen,
        reference=payment.reference,
        operator=staff.name,
        role=staff.role,
        idempotency_key=idempotency_key,
        origin=staff.origin,
    )
    document = {"id": taken.id, "stay": taken.stay, "channel": taken.channel, "amount_fen": taken.amount_fen}
    return json(context.parts, document, 201)
