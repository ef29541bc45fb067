"""The page of an invoice, for whoever asked for it: how far it is, its number, and its file."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.console.rendering import render
from gateway.flows.invoices import records
from gateway.flows.invoices.refusals import NoSuchInvoice
from gateway.flows.pay_token import invoice_of

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Path(max_length=80)]
_PRIVATE = {"Cache-Control": "no-store"}


@router.get("/invoice/{token}")
def invoice(request: Request, context: With, token: Token) -> Response:
    """How it stands."""
    found = invoice_of(context.parts.settings.secret(), token)
    try:
        shown = records.invoice(context.parts, found or "")
    except NoSuchInvoice:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    return render(request, "invoice.html", page=f"/invoice/{token}", invoice=shown)


@router.get("/invoice/{token}/{part}.pdf")
def file(request: Request, context: With, token: Token, part: Literal["blue", "red"]) -> Response:
    """The invoice itself, or its red one."""
    found = invoice_of(context.parts.settings.secret(), token)
    try:
        content = records.pdf(context.parts, found or "", part)
    except NoSuchInvoice:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    return Response(content, media_type="application/pdf", headers=_PRIVATE)
