"""The money section: the way to its first page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.console.desk import door, sections

router = APIRouter(include_in_schema=False)


@router.get("/money")
def money(request: Request, context: With) -> Response:
    """The first of these pages that the role sees."""
    staff = door.staff_at(request, context)
    seen = [one.where for one in sections.SECTIONS["money"] if door.may(staff, *one.call)]
    return door.back_to(seen[0] if seen else "/")
