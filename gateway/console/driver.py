"""The driver's page: what this stay costs, and why. Its address is signed, so nobody reaches another vehicle's by guessing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.console.rendering import language_of, render
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)


def masked(plate: str | None) -> str:
    """浙A12345 → 浙A···45: the driver knows it, a bystander does not."""
    if not plate:
        return ""
    return f"{plate[:2]}···{plate[-2:]}" if len(plate) > 4 else "···"


@router.get("/pay/{token}")
def pay(request: Request, context: With, token: Annotated[str, Path(max_length=200)]) -> Response:
    """The bill of the moment in words, in which a pass and a low-income exemption read the same."""
    try:
        bill = context.flows.bill_by_token(context.parts, token)
    except Refused:
        return render(request, "notice.html", 409, staff=None, message="pay.person")
    if bill is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    return render(
        request,
        "pay.html",
        plate=masked(bill["plate"]),
        minutes=bill["minutes"],
        due_fen=bill["due_fen"],
        sentences=bill[language_of(request)],
    )
