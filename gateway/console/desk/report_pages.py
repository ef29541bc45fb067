"""Reports: what is asked for in the address, a chart, the same figures in a table, and the file of what is seen."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from billing.exports import Column
from gateway.api.context import Staff, With
from gateway.api.reporting import Wanted, file_of, made
from gateway.console.desk import door, forms, report_charts
from gateway.console.desk.report_charts import Named
from gateway.console.rendering import language_of
from gateway.console.words import Language
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.reports.catalogue import REPORTS, Asked, Report, value_of
from gateway.flows.reports.crossed import Rows

router = APIRouter(include_in_schema=False)

ROWS_MAX = 400
"""Rows of a table on a page; the file has all of them."""

Name = Annotated[str, Path(max_length=20)]
Text = Annotated[str, Query(max_length=40)]
From = Annotated[str, Query(alias="from", max_length=40)]
To = Annotated[str, Query(alias="to", max_length=40)]
Form = Annotated[Literal["html", "csv", "xlsx"], Query(alias="format")]


@router.get("/reports")
def first(request: Request, context: With) -> Response:
    """The first report that this role may read."""
    staff = door.staff_at(request, context)
    found = next(one for one in REPORTS if door.may(staff, "GET", f"/reports/{one}"))
    return RedirectResponse(f"/reports/{found}", 303)


@router.get("/reports/{name}")
def report(
    request: Request,
    context: With,
    name: Name,
    *,
    site: Text = "",
    first: From = "",
    last: To = "",
    by: Text = "",
    compare: Text = "",
    form: Form = "html",
) -> Response:
    """One report. Without days, the last seven."""
    found = REPORTS.get(name)
    staff = door.staff_at(request, context, ("GET", f"/reports/{name}")) if found else door.staff_at(request, context)
    if found is None:
        raise NotFound("there is no such report")
    by = _by(found, by)
    wanted = Wanted(site=site or None, first=day_of("from", first), last=day_of("to", last), year_before=bool(compare))
    asked, rows = made(staff, context, found, wanted, by)
    if form != "html":
        return file_of(found, asked, rows, wanted.site, form)
    return _page(request, context, staff, found, wanted, asked, rows)


def _page(
    request: Request,
    context: With,
    staff: Staff,
    found: Report,
    wanted: Wanted,
    asked: Asked,
    rows: Rows,
) -> Response:
    with context.parts.store.reading() as connection:
        sites = forms.sites(connection, staff)
    lang = language_of(request)
    named = Named({one["id"]: one["name"] for one in sites}, lang)
    columns = found.columns_of(asked, rows)
    query = {
        "site": wanted.site or "",
        "from": asked.period.first.isoformat(),
        "to": asked.period.last.isoformat(),
        "by": asked.by,
        "compare": "year" if wanted.year_before else "",
    }
    return door.page(
        request,
        staff,
        "report.html",
        here=f"report.{found.name}",
        wide=True,
        report=found,
        asked=query,
        sites=sites,
        heads=[(_head(column, lang), column.kind) for column in columns],
        rows=[
            [(_cell(named, column.english, value_of(row, column)), column.kind) for column in columns]
            for row in rows[:ROWS_MAX]
        ],
        left=max(0, len(rows) - ROWS_MAX),
        chart=report_charts.drawn(found, asked, rows, named),
    )


def _by(found: Report, by: str) -> str:
    """Raises `Invalid`."""
    if by and by not in found.by:
        raise Invalid(f"by: one of {', '.join(found.by)}")
    return by or (found.by[0] if found.by else "")


def day_of(name: str, text: str) -> date | None:
    """A day as an address has it. Raises `Invalid`."""
    try:
        return date.fromisoformat(text) if text.strip() else None
    except ValueError:
        raise Invalid(f"{name}: not a day (YYYY-MM-DD)") from None


def _head(column: Column, lang: Language) -> str:
    return column.chinese if lang == "zh" else column.english.replace("_", " ")


def _cell(named: Named, name: str, value: Any) -> Any:
    """What a cell says: names and words in place of ids; amounts and counts are written by the page."""
    return (
        named.of(name, value) if isinstance(value, str) or (value is None and name in report_charts.NOBODY) else value
    )
