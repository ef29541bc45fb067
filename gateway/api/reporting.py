"""报表 over HTTP: flow, occupancy, turnover, stay lengths, income, unpaid exits, openings by hand, uptime. As JSON, or as the file of what is seen."""

from __future__ import annotations

import io
import re
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel

from billing.exports.cells import csv_bytes
from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, Staff, With
from gateway.flows.reports.asking import period
from gateway.flows.reports.catalogue import REPORTS, Asked, Report, Sheet
from gateway.flows.reports.crossed import Rows

router = APIRouter(prefix="/reports", tags=["reports"])

FirstDay = Annotated[
    date | None, Query(alias="from", description="first day, local; by default six days before the last")
]
LastDay = Annotated[date | None, Query(alias="to", description="last day, included; by default today")]
Form = Annotated[Literal["json", "csv", "xlsx"], Query(alias="format")]
Compare = Annotated[
    Literal["none", "year"], Query(description="`year`: each row beside that of the year before, as `…_before`")
]
FlowBy = Annotated[Literal["hour", "hour_of_day", "day", "month", "site", "gate", "lane"], Query()]
SumBy = Annotated[Literal["day", "month", "site", "gate"], Query()]
UptimeBy = Annotated[Literal["device", "site", "day", "month"], Query()]
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ReportOf(BaseModel):
    """`from` and `to`: the days that it is about, both included."""

    site: str | None
    items: list[dict[str, Any]]


class Wanted(BaseModel):
    """What every report takes."""

    site: str | None
    first: date | None
    last: date | None
    form: str = "json"
    year_before: bool = False


async def _wanted(
    site: SiteName = None,
    first: FirstDay = None,
    last: LastDay = None,
    form: Form = "json",
    compare: Compare = "none",
) -> Wanted:
    return Wanted(site=site, first=first, last=last, form=form, year_before=compare == "year")


Query_ = Annotated[Wanted, Depends(_wanted)]
_IS: dict[int | str, dict[str, Any]] = {200: {"model": ReportOf, "content": {"text/csv": {}, XLSX: {}}}}


@router.get("/flow", responses=_IS)
def flow(staff: Asking, context: With, wanted: Query_, by: FlowBy = "day") -> Response:
    """Entries and exits, by hour, day, month, site, gate or lane."""
    return _answer(staff, context, REPORTS["flow"], wanted, by)


@router.get("/occupancy", responses=_IS)
def occupancy(staff: Asking, context: With, wanted: Query_) -> Response:
    """How many vehicles were inside, by site and hour; at most 31 days."""
    return _answer(staff, context, REPORTS["occupancy"], wanted)


@router.get("/turnover", responses=_IS)
def turnover(staff: Asking, context: With, wanted: Query_) -> Response:
    """车位周转率: vehicles a space and day, by site."""
    return _answer(staff, context, REPORTS["turnover"], wanted)


@router.get("/stay-lengths", responses=_IS)
def stay_lengths(staff: Asking, context: With, wanted: Query_) -> Response:
    """How long vehicles stayed that left in the period, by site and band."""
    return _answer(staff, context, REPORTS["stay-lengths"], wanted)


@router.get("/income", responses=_IS)
def income(staff: Asking, context: With, wanted: Query_, by: SumBy = "day") -> Response:
    """What was earned, waived by each benefit, received, is owed and is disputed, out of the ledger."""
    return _answer(staff, context, REPORTS["income"], wanted, by)


@router.get("/free-passages", responses=_IS)
def free_passages(staff: Asking, context: With, wanted: Query_) -> Response:
    """How many vehicles of each free class left, and what they would have paid; small groups of a register stand together."""
    return _answer(staff, context, REPORTS["free-passages"], wanted)


@router.get("/unpaid", responses=_IS)
def unpaid(staff: Asking, context: With, wanted: Query_) -> Response:
    """Who left owing, by site and how it came about."""
    return _answer(staff, context, REPORTS["unpaid"], wanted)


@router.get("/openings", responses=_IS)
def openings(staff: Asking, context: With, wanted: Query_) -> Response:
    """Barriers raised by hand, by lane and person; without a person: by a button or a switch."""
    return _answer(staff, context, REPORTS["openings"], wanted)


@router.get("/uptime", responses=_IS)
def uptime(staff: Asking, context: With, wanted: Query_, by: UptimeBy = "device") -> Response:
    """How long devices were online of the time that they were watched, and how often they were away."""
    return _answer(staff, context, REPORTS["uptime"], wanted, by)


def made(staff: Staff, context: With, report: Report, wanted: Wanted, by: str = "") -> tuple[Asked, Rows]:
    """A report's rows for this person. Raises `Invalid`, `NotAllowed` for a site that is not theirs, `TooMany`, `TooLong`."""
    zone = context.parts.settings.zone
    now = context.parts.clock.now()
    days = period(wanted.first, wanted.last, now.astimezone(zone).date(), zone, report.steps(by))
    asked = Asked(days, by, staff.role, now, wanted.year_before)
    allowed = staff.only(wanted.site)
    with context.reports.reading() as connection:
        return asked, report.rows(connection, allowed, asked)


def file_of(sheet: Sheet, asked: Asked, rows: Rows, site: str | None, form: str) -> Response:
    """What is seen, as a file: CSV with the API's own names, or a workbook with Chinese headings."""
    days = asked.period
    # A header is Latin letters; a site that there is has no others in its name.
    name = f"{_UNSAFE.sub('_', site or 'street')}-{days.first}-{days.last}.{form}"
    content, media = (_xlsx(sheet, asked, rows), XLSX) if form == "xlsx" else (_csv(rows), "text/csv; charset=utf-8")
    return Response(content, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _answer(staff: Staff, context: With, report: Report, wanted: Wanted, by: str = "") -> Response:
    asked, rows = made(staff, context, report, wanted, by)
    if wanted.form != "json":
        return file_of(report, asked, rows, wanted.site, wanted.form)
    days = asked.period
    return json(
        context.parts,
        {"site": wanted.site, "from": days.first.isoformat(), "to": days.last.isoformat(), "items": list(rows)},
    )


def _xlsx(sheet: Sheet, asked: Asked, rows: Rows) -> bytes:
    from gateway.flows.export_workbook import xlsx_to  # noqa: PLC0415 - the library is for those who ask for it

    days = asked.period
    title = f"{sheet.title} {days.first}—{days.last}"
    ((_, write),) = xlsx_to(sheet.name, title, days.last, [sheet.table(asked, rows)], days.zone)
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _csv(rows: Rows) -> bytes:
    """UTF-8 with BOM, cells that a spreadsheet would take for a formula made safe, as exports are."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    return csv_bytes(columns, [[row.get(column) for column in columns] for row in flat])


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found |= {f"{key.removesuffix('_by_fen')}_{name}_fen": fen for name, fen in value.items()}
        else:
            found[key] = value
    return found
