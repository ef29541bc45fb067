"""试算平衡 over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from gateway.api.answers import SiteName, instant, json
from gateway.api.context import Asking, With
from gateway.api.passes import plain
from gateway.flows.trial_balance import trial_balance

router = APIRouter(tags=["reports"])


class TrialBalanceOf(BaseModel):
    """Amounts in fen. `sums` are the five: earned, waived, received, owed, disputed."""

    at: str
    site: str | None
    accounts: list[dict[str, Any]]
    debit_fen: int
    credit_fen: int
    sums: dict[str, int]
    balances: bool


@router.get("/reports/trial-balance", responses={200: {"model": TrialBalanceOf}})
def balance(
    staff: Asking,
    context: With,
    site: SiteName = None,
    at: Annotated[
        str | None, Query(max_length=40, description="an instant, or a day to its end; by default now")
    ] = None,
) -> Response:
    """What every account stands at, at an instant: of all sites that you see, or of one."""
    parts = context.parts
    asked = instant("at", at, parts.settings.zone, end=True) or parts.clock.now()
    if at is not None and len(at.strip()) == len("2026-03-02"):
        asked -= timedelta(microseconds=1)  # the end of a day is the first instant of the next
    with context.reports.reading() as connection:
        found = trial_balance(connection, staff.only(site), asked, site, staff.role)
    return json(parts, plain(found))
