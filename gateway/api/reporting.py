"""报表 over HTTP: flow, occupancy, turnover, stay lengths, income, unpaid exits, openings by hand. As JSON, or as a CSV file of what is seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import Connection

from billing.exports.cells import csv_bytes
from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, With
from gateway.flows.reading import Sites
from gateway.flows.reports import hands, money, traffic
from gateway.flows.reports.asking import Period, period

router = APIRouter(prefix="/reports", tags=["reports"])

FirstDay = Annotated[
    date | None, Query(alias="from", description="first day, local; by default six days before the last")
]
LastDay = Annotated[date | None, Query(alias="to", description="last day, included; by default today")]
Form = Annotated[Literal["json", "csv"], Query(alias="format")]
FlowBy = Annotated[Literal["hour", "hour_of_day", "day", "month", "site", "gate", "lane"], Query()]
SumBy = Annotated[Literal["day", "month", "site"], Query()]


class ReportOf(BaseModel):
    """`from` and `to`: the days that it is about, both included."""

    site: str | None
    items: list[dict[str, Any]]


async def _asked(
    site: SiteName = None, first: FirstDay = None, last: LastDay = None, form: Form = "json"
) -> tuple[Any, ...]:
    return site, first, last, form


Asked = Annotated[tuple[Any, ...], Depends(_asked)]
_IS: dict[int | str, dict[str, Any]] = {200: {"model": ReportOf, "content": {"text/csv": {}}}}
Rows = list[dict[str, Any]]


@router.get("/flow", responses=_IS)
def flow(staff: Asking, context: With, asked: Asked, by: FlowBy = "day") -> Response:
    """Entries and exits, by hour, day, month, site, gate or lane."""
    return _answer(staff, context, asked, lambda c, sites, days: traffic.flow(c, sites, days, by), by)


@router.get("/occupancy", responses=_IS)
def occupancy(staff: Asking, context: With, asked: Asked) -> Response:
    """How many vehicles were inside, by site and hour; at most 31 days."""
    return _answer(staff, context, asked, traffic.occupancy, "hour")


@router.get("/turnover", responses=_IS)
def turnover(staff: Asking, context: With, asked: Asked) -> Response:
    """车位周转率: vehicles a space and day, by site."""
    return _answer(staff, context, asked, traffic.turnover)


@router.get("/stay-lengths", responses=_IS)
def stay_lengths(staff: Asking, context: With, asked: Asked) -> Response:
    """How long vehicles stayed that left in the period, by site and band."""
    return _answer(staff, context, asked, traffic.lengths)


@router.get("/income", responses=_IS)
def income(staff: Asking, context: With, asked: Asked, by: SumBy = "day") -> Response:
    """What was earned, waived by each benefit, received, is owed and is disputed, out of the ledger."""
    role = staff.role
    return _answer(staff, context, asked, lambda c, sites, days: money.income(c, sites, days, by, role))


@router.get("/unpaid", responses=_IS)
def unpaid(staff: Asking, context: With, asked: Asked) -> Response:
    """Who left owing, by site and how it came about."""
    return _answer(staff, context, asked, money.unpaid)


@router.get("/openings", responses=_IS)
def openings(staff: Asking, context: With, asked: Asked) -> Response:
    """Barriers raised by hand, by lane and person; without a person: by a button or a switch."""
    return _answer(staff, context, asked, hands.openings)


def _answer(
    staff: Asking,
    context: With,
    asked: tuple[Any, ...],
    made: Callable[[Connection, Sites, Period], Rows],
    by: str = "day",
) -> Response:
    site, first, last, form = asked
    zone = context.parts.settings.zone
    days = period(first, last, context.parts.clock.now().astimezone(zone).date(), zone, by)
    allowed = staff.only(site)
    with context.reports.reading() as connection:
        rows = made(connection, allowed, days)
    if form == "csv":
        return _file(rows, f"{site or 'street'}-{days.first}-{days.last}.csv")
    return json(
        context.parts,
        {"site": site, "from": days.first.isoformat(), "to": days.last.isoformat(), "items": rows},
    )


def _file(rows: Rows, name: str) -> Response:
    """UTF-8 with BOM, cells that a spreadsheet would take for a formula made safe, as exports are."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    content = csv_bytes(columns, [[row.get(column) for column in columns] for row in flat])
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found |= {f"{key.removesuffix('_by_fen')}_{name}_fen": fen for name, fen in value.items()}
        else:
            found[key] = value
    return found
