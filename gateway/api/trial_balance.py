"""试算平衡 over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from billing.exports import Column
from gateway.api.answers import SiteName, instant, json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.passes import plain
from gateway.api.reporting import XLSX, Query_, Wanted, file_of
from gateway.flows import movements as flow
from gateway.flows.movements import By, Movements
from gateway.flows.refusals import Invalid
from gateway.flows.reports.asking import period
from gateway.flows.reports.catalogue import Asked, Sheet
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
        found = trial_balance(connection, staff.only(site), asked, site, staff.role, parts.settings.zone)
    return json(parts, plain(found))


class MovementsOf(BaseModel):
    """Amounts in fen. An item names its `site`, `day` or `month` (none of the total), and its account.

    `opening_fen` and `closing_fen`, a debit positive: where they are asked for. `agrees`: debits are credits, and the five add up.
    """

    site: str | None
    items: list[dict[str, Any]]
    debit_fen: int
    credit_fen: int
    sums: dict[str, int]
    agrees: bool


_ACCOUNT: Final = Column("科目", "account")
_MOVED: Final = (Column("借方发生额", "debit", "fen"), Column("贷方发生额", "credit", "fen"))
_BEFORE, _AFTER = Column("期初余额", "opening", "fen"), Column("期末余额", "closing", "fen")


@router.get("/reports/movements", responses={200: {"model": MovementsOf, "content": {"text/csv": {}, XLSX: {}}}})
def moved(
    staff: Asking,
    context: With,
    wanted: Query_,
    *,
    by: By = "total",
    balances: Annotated[
        bool, Query(description="what accounts stood at before and after as well; of the total or by site")
    ] = False,
) -> Response:
    """发生额试算平衡: what every account took and gave on these business days, as JSON or as a file. Drawers are one account here, and differences."""
    asked, found = movements_of(staff, context, wanted, by, balances=balances)
    if wanted.form != "json":
        return file(asked, found, wanted, balances=balances)
    days = asked.period
    return json(
        context.parts,
        {
            "site": wanted.site,
            "from": days.first.isoformat(),
            "to": days.last.isoformat(),
            "items": rows_of(asked, found),
            "debit_fen": found.debit_fen,
            "credit_fen": found.credit_fen,
            "sums": plain(found.sums),
            "agrees": found.agrees,
        },
    )


def movements_of(staff: Staff, context: Context, wanted: Wanted, by: By, *, balances: bool) -> tuple[Asked, Movements]:
    """For this person. Raises `Invalid`, `NotAllowed` for a site that is not theirs, `TooMany`, `TooLong`."""
    if balances and by in {"day", "month"}:
        raise Invalid("balances: of the whole period or by site only")
    parts = context.parts
    now = parts.clock.now()
    zone = parts.settings.zone
    days = period(wanted.first, wanted.last, now.astimezone(zone).date(), zone)
    allowed = staff.only(wanted.site)
    with context.reports.reading() as connection:
        found = flow.movements(connection, allowed, days, by, staff.role, balances=balances)
    return Asked(days, by, staff.role, now), found


def rows_of(asked: Asked, found: Movements) -> list[dict[str, Any]]:
    """As they are told: each with what it is of, without what nobody asked for."""
    rows = []
    for one in found.rows:
        row = {name: value for name, value in msgspec.to_builtins(one).items() if value is not None}
        of = row.pop("of")
        rows.append(row if asked.by == "total" else {asked.by: of, **row})
    return rows


def file(asked: Asked, found: Movements, wanted: Wanted, *, balances: bool) -> Response:
    """The same as a file."""
    sheet = Sheet(
        name="movements",
        title="科目发生额及余额" if balances else "科目发生额",
        columns=(_ACCOUNT, *([_BEFORE] if balances else []), *_MOVED, *([_AFTER] if balances else [])),
        by=() if asked.by == "total" else (asked.by,),
    )
    return file_of(sheet, asked, rows_of(asked, found), wanted.site, wanted.form)
