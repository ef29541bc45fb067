"""Electronic invoices (数电票) of stays: asked for, listed, their files, and the red ones of what was wrong."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from billing.invoices import Buyer
from gateway.api import invoices_shapes as shapes
from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, Staff, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by, plain
from gateway.api.passes_shapes import Reason
from gateway.flows.invoices import asking, records
from gateway.flows.posting import month_bounds
from gateway.flows.reading import site_of
from gateway.wiring import Parts

router = APIRouter(tags=["invoices"])

StayId = Annotated[str, Path(max_length=64)]
InvoiceId = Annotated[str, Path(max_length=32)]
StayQuery = Annotated[str | None, Query(max_length=64, description="only of this stay")]
State = Annotated[shapes.State | None, Query()]
MerchantName = Annotated[str | None, Query(max_length=40, description="only of this seller")]
Number = Annotated[str | None, Query(max_length=20, description="发票号码, of the invoice or of its red one")]
Month = Annotated[
    str | None, Query(pattern=r"^\d{4}-\d\d$", description="issued or reversed in this month, such as 2026-03")
]
Part = Annotated[Literal["blue", "red"], Query(description="the invoice itself, or its red one")]


@router.post("/stays/{stay_id}/invoices", status_code=201, responses={201: {"model": shapes.Invoice}})
def ask(staff: Asking, context: With, stay_id: StayId, asked: shapes.InvoiceAsked) -> Response:
    """Ask for an invoice over what was paid and none covers yet. Until it is sent, asking again puts its buyer right. 409 for nothing."""
    staff.own(site_of(stay_id))
    made = asking.ask(context.parts, stay_id, msgspec.convert(asked.model_dump(), Buyer), by(staff))
    return json(context.parts, plain(made), 201)


@router.get("/invoices", responses={200: {"model": ListOf[shapes.Invoice]}})
def listed(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    stay: StayQuery = None,
    state: State = None,
    merchant: MerchantName = None,
    number: Number = None,
    month: Month = None,
) -> Response:
    """Invoices, the newest request first; a month's are what finance holds against the tax authority's own list."""
    allowed = staff.only(site)
    within = None if month is None else month_bounds(month, context.parts.settings.zone)
    with context.reports.reading() as connection:
        found = records.invoices(
            connection, allowed, part, stay=stay, state=state, merchant=merchant, number=number, within=within
        )
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.get("/invoices/{invoice_id}", responses={200: {"model": shapes.Invoice}})
def invoice(staff: Asking, context: With, invoice_id: InvoiceId) -> Response:
    """One invoice."""
    return json(context.parts, plain(_invoice(staff, context.parts, invoice_id)))


@router.get("/invoices/{invoice_id}/file", response_class=Response)
def file(staff: Asking, context: With, invoice_id: InvoiceId, part: Part = "blue") -> Response:
    """Its PDF. 404 until it is there, and after its time is over."""
    _invoice(staff, context.parts, invoice_id)
    content = records.pdf(context.parts, invoice_id, part)
    return Response(content, media_type="application/pdf", headers={"Cache-Control": "no-store"})


@router.post("/invoices/{invoice_id}/reversal", responses={200: {"model": shapes.Invoice}})
def reverse(staff: Asking, context: With, invoice_id: InvoiceId, asked: Reason) -> Response:
    """A red one over the whole, because what it says is wrong (开票有误); when that is there, it may be asked for anew."""
    _invoice(staff, context.parts, invoice_id)
    return json(context.parts, plain(asking.reverse(context.parts, invoice_id, asked.reason, by(staff))))


@router.post("/invoices/{invoice_id}/again", responses={200: {"model": shapes.Invoice}})
def again(staff: Asking, context: With, invoice_id: InvoiceId) -> Response:
    """What was refused is sent once more, after what kept it back was put right: an invoice as a new one, a red one as it was."""
    _invoice(staff, context.parts, invoice_id)
    return json(context.parts, plain(asking.again(context.parts, invoice_id, by(staff))))


def _invoice(staff: Staff, parts: Parts, invoice_id: str) -> records.Invoice:
    """Raises `NotFound` also for another's."""
    found = records.invoice(parts, invoice_id)
    staff.own(found.site)
    return found
