"""Passes as they are sold: at the counter, renewed, moved to another vehicle, given back. The register of passes itself is `/passes`.

What a till is answered tells of no certificate: a pass whose price is waived is issued by registrar or finance, and what else keeps a
till from selling is the same refusal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api import passes_shapes as shapes
from gateway.api.answers import Key, SiteName, json
from gateway.api.context import Asking, Staff, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.flows import passes, passes_changes, passes_reading, passes_refund
from gateway.flows.charges_books import By, Money
from gateway.flows.passes_reading import REMINDER_DAYS_MAX, SoldFilter
from gateway.flows.passes_terms import Wanted, plate_of
from gateway.flows.reading import site_of
from gateway.flows.refusals import Invalid

router = APIRouter(tags=["passes"])

PassId = Annotated[str, Path(max_length=64)]
RefundId = Annotated[str, Path(max_length=64)]


def by(staff: Staff) -> By:
    """Who asks, for a flow."""
    return By(operator=staff.name, role=staff.role, origin=staff.origin)


def plain(document: Any) -> Any:
    """A flow's record as a document; instants stay instants until they are put into the site's zone."""
    return msgspec.to_builtins(document, builtin_types=(datetime,))


def _money(asked: shapes.Payable) -> Money | None:
    """Raises `Invalid` for an amount without a channel."""
    if asked.channel is None:
        if asked.amount_fen:
            raise Invalid("channel: say by which channel it is paid")
        return None
    return Money(channel=asked.channel, amount_fen=asked.amount_fen, reference=asked.reference)


def _wanted(asked: shapes.PassAsked) -> Wanted:
    return Wanted(
        site=asked.site,
        plate=asked.plate,
        offer=asked.offer,
        months=asked.months,
        first_day=asked.first_day,
        vehicle=asked.vehicle,
        billed=asked.billed,
    )


@router.post("/passes/quote", responses={200: {"model": shapes.PassQuote}})
def quote(staff: Asking, context: With, asked: shapes.PassAsked) -> Response:
    """What a pass would cost, or its renewal where the vehicle has it already. Writes nothing."""
    staff.own(asked.site)
    found = passes.quote(context.parts, _wanted(asked), by(staff))
    document = plain(found)
    del document["gross_fen"], document["waived_fen"]
    return json(context.parts, {**document, "amount_fen": found.amount_fen})


@router.post("/passes", status_code=201, responses={201: {"model": shapes.PassSold}})
def sell(staff: Asking, context: With, asked: shapes.PassToSell, key: Key = None) -> Response:
    """Sell a pass. 409 if the amount is not the price, the spaces are taken, or the vehicle has it already."""
    staff.own(asked.site)
    sold = passes.sell(context.parts, _wanted(asked), _money(asked), by(staff), key)
    return json(context.parts, plain(sold), 201)


@router.get("/sold-passes", responses={200: {"model": ListOf[shapes.SoldPass]}})
def sold_passes(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    plate: Annotated[str | None, Query(max_length=40, description="the whole plate, now or before")] = None,
    household: Annotated[str | None, Query(max_length=64)] = None,
    offer: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[str | None, Query(pattern="^(active|ended)$")] = None,
) -> Response:
    """Passes as sold, newest first."""
    wanted = SoldFilter(
        plate=plate_of(plate) if plate is not None else None, household=household, offer=offer, state=state
    )
    with context.reports.reading() as connection:
        found = passes_reading.sold_passes(context.parts, connection, staff.only(site), wanted, part)
    return json(context.parts, page(found, part.limit))


@router.get("/sold-passes/{pass_id}", responses={200: {"model": shapes.WholePass}})
def sold_pass(staff: Asking, context: With, pass_id: PassId) -> Response:
    """One pass with its periods and what of them is earned, its vehicles, its refunds."""
    with context.parts.store.reading() as connection:
        found = passes_reading.sold_pass(context.parts, connection, staff.sites, pass_id)
    return json(context.parts, found)


@router.post("/sold-passes/{pass_id}/renewals", status_code=201, responses={201: {"model": shapes.PassSold}})
def renew(staff: Asking, context: With, pass_id: PassId, asked: shapes.Renewal, key: Key = None) -> Response:
    """Renew: from where it ends while it holds or within its days of grace, else from today."""
    staff.own(site_of(pass_id))
    sold = passes.renew(context.parts, pass_id, asked.months, _money(asked), by(staff), key)
    return json(context.parts, plain(sold), 201)


@router.post("/sold-passes/{pass_id}/transfers", responses={200: {"model": shapes.WholePass}})
def transfer(staff: Asking, context: With, pass_id: PassId, asked: shapes.Transfer) -> Response:
    """Move the pass to another vehicle of the household, from now on."""
    staff.own(site_of(pass_id))
    passes_changes.transfer(
        context.parts, pass_id, asked.to_plate, asked.reason, by(staff), asked.from_plate, asked.vehicle
    )
    return sold_pass(staff, context, pass_id)


@router.post("/sold-passes/{pass_id}/vehicles", responses={200: {"model": shapes.WholePass}})
def share(staff: Asking, context: With, pass_id: PassId, asked: shapes.FurtherVehicle) -> Response:
    """Put a further vehicle of the household on the same space (一位多车)."""
    staff.own(site_of(pass_id))
    passes_changes.share(context.parts, pass_id, asked.plate, asked.reason, by(staff))
    return sold_pass(staff, context, pass_id)


@router.post("/sold-passes/{pass_id}/refunds", status_code=201, responses={201: {"model": shapes.Refund}})
def propose(staff: Asking, context: With, pass_id: PassId, asked: shapes.RefundAsked) -> Response:
    """Ask for the pass to end and its unused days to be paid back. A second person decides."""
    staff.own(site_of(pass_id))
    found = passes_refund.propose(context.parts, pass_id, asked.reason, by(staff), asked.from_day)
    return json(context.parts, plain(found), 201)


@router.post("/pass-refunds/{refund_id}/approval", responses={200: {"model": shapes.Refund}})
def approve(staff: Asking, context: With, refund_id: RefundId, asked: shapes.Amount) -> Response:
    """End the pass and owe the unused days. 409 for who proposed it, and where the amount is another by now."""
    staff.own(site_of(refund_id))
    return json(context.parts, plain(passes_refund.approve(context.parts, refund_id, asked.amount_fen, by(staff))))


@router.post("/pass-refunds/{refund_id}/refusal", responses={200: {"model": shapes.Refund}})
def refuse(staff: Asking, context: With, refund_id: RefundId, asked: shapes.Reason) -> Response:
    """The pass goes on. 409 for who proposed it."""
    staff.own(site_of(refund_id))
    return json(context.parts, plain(passes_refund.refuse(context.parts, refund_id, asked.reason, by(staff))))


@router.post("/pass-refunds/{refund_id}/payout", responses={200: {"model": shapes.Refund}})
def pay_out(staff: Asking, context: With, refund_id: RefundId, asked: shapes.Out) -> Response:
    """Hand an approved refund out. Asked again it answers the same and hands out nothing."""
    staff.own(site_of(refund_id))
    return json(context.parts, plain(passes_refund.pay_out(context.parts, refund_id, asked.channel, by(staff))))


@router.get("/pass-reminders", responses={200: {"model": shapes.PassesEnding}})
def reminders(
    staff: Asking,
    context: With,
    site: SiteName = None,
    days: Annotated[int, Query(ge=0, le=REMINDER_DAYS_MAX, description="end within so many days")] = 7,
) -> Response:
    """Passes that end soon or have ended within a month without being renewed, the soonest first; at most a thousand."""
    with context.reports.reading() as connection:
        found = passes_reading.ending(context.parts, connection, staff.only(site), days)
    return json(context.parts, {"items": found, "next": None})
