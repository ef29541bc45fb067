"""公开数据: what everybody may read of a site. Never a plate or a name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api.answers import json
from gateway.api.context import With

router = APIRouter(prefix="/open", tags=["public"], include_in_schema=False)


@router.get("/{site}/free-passages")
def free_passages(
    context: With,
    site: Annotated[str, Path(min_length=1, max_length=40)],
    month: Annotated[str, Query(pattern=r"^\d{4}-\d{2}$", description="a local month that is over, such as 2026-03")],
) -> Response:
    """免费车种月报: who left free in a month, by class, with the rule of each class."""
    return json(context.parts, context.figures.free_passages(site, month))
