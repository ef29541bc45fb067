"""The receipt of a stay, behind its pay page: what was paid, when and by which way, to be kept or printed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.console.rendering import language_of, render
from gateway.flows import receipts
from gateway.flows.pay_token import stay_of
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Path(max_length=200)]


@router.get("/pay/{token}/receipt")
def receipt(request: Request, context: With, token: Token) -> Response:
    """What was paid. 404 where nothing was, or for an address that nobody signed."""
    parts = context.parts
    stay = stay_of(parts.settings.secret(), token)
    found = None if stay is None else receipts.receipt(parts, stay)
    try:
        bill = None if found is None else context.flows.bill_by_token(parts, token)
    except Refused:
        bill = None  # its bill needs a person; what was paid stands all the same
    if found is None:
        return render(request, "notice.html", 404, staff=None, message="receipt.none")
    zone = parts.settings.zone
    return render(
        request,
        "receipt.html",
        page=f"/pay/{token}",
        plate=bill["plate"] if bill else "",
        minutes=bill["minutes"] if bill else None,
        sentences=bill[language_of(request)] if bill else [],
        receipt=found,
        lines=[(line.at.astimezone(zone), line.channel, line.amount_fen) for line in found.lines],
        entry_at=bill["entry_at"].astimezone(zone) if bill and bill["entry_at"] else None,
        exit_at=bill["exit_at"].astimezone(zone) if bill and bill["exit_at"] else None,
    )
