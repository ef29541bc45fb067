"""The driver's page: what this stay costs, and why. Its address is signed, so nobody reaches another vehicle's by guessing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api import masking
from gateway.api.context import With
from gateway.api.live import in_zone
from gateway.console.rendering import render

router = APIRouter(include_in_schema=False)


def masked(plate: str | None) -> str:
    """浙A12345 → 浙A···45: the driver knows it, a bystander does not."""
    if not plate:
        return ""
    return f"{plate[:2]}···{plate[-2:]}" if len(plate) > 4 else "···"


@router.get("/pay/{token}")
def pay(request: Request, context: With, token: Annotated[str, Path(max_length=200)]) -> Response:
    """The bill of the moment in words."""
    document = context.flows.bill_by_token(context.parts, token)
    if document is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    bill: dict[str, Any] = in_zone(masking.bill(document, None), context.parts.settings.zone)
    return render(
        request,
        "pay.html",
        plate=masked(bill.get("plate")),
        bill=bill,
        groups=grouped(bill.get("lines", [])),
        due_fen=int(bill.get("due_fen", bill["payable_fen"])),
    )


def grouped(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of one kind that follow each other with the same price as one, so that two nights are not thirty lines."""
    groups: list[dict[str, Any]] = []
    for line in lines:
        last = groups[-1] if groups else None
        if last and last["kind"] == line["kind"] and last["each_fen"] == line["fen"] and line["kind"] == "unit":
            last["count"] += 1
            last["fen"] += line["fen"]
            last["to"] = line.get("to")
        else:
            groups.append({**line, "each_fen": line["fen"], "count": 1})
    return groups
