"""对账差异 month by month over HTTP: by kind, settled and not, with their age and amounts."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from billing.exports import Column
from billing.exports.cells import Kind
from billing.exports.days import month_of
from gateway.api.answers import json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.reporting import XLSX, Query_, ReportOf, Wanted, file_of
from gateway.flows.breaks_months import KindMonth, by_month
from gateway.flows.reports.asking import Period, period
from gateway.flows.reports.catalogue import Asked, Sheet

router = APIRouter(tags=["breaks"])

_MONTHS: Final = 12
_COUNTS: Final = {
    "count": "笔数",
    "cleared": "自行消除",
    "matched": "核对相符",
    "adjusted": "调账",
    "written_off": "核销",
    "open": "未处理",
    "open_up_to_7": "未处理0–7天",
    "open_up_to_30": "未处理8–30天",
    "open_up_to_90": "未处理31–90天",
    "open_older": "未处理>90天",
    "oldest_days": "最久（天）",
}
_AMOUNTS: Final = {"amount_fen": "金额", "written_off_fen": "核销金额", "open_fen": "未处理金额"}


def _column(name: str) -> Column:
    kind: Kind = "fen" if name in _AMOUNTS else "count" if name in _COUNTS else "text"
    called = {"month": "月份", "kind": "类型", **_COUNTS, **_AMOUNTS}[name]
    return Column(called, name.removesuffix("_fen"), kind)


_SHEET: Final = Sheet(
    name="breaks",
    title="对账差异",
    columns=tuple(_column(name) for name in KindMonth.__struct_fields__),
)


@router.get("/reports/breaks/months", responses={200: {"model": ReportOf, "content": {"text/csv": {}, XLSX: {}}}})
def months(staff: Asking, context: With, wanted: Query_) -> Response:
    """Breaks by month and kind, by their business days; without days those of the last twelve months."""
    asked, found = months_of(staff, context, wanted)
    if wanted.form != "json":
        return file(asked, found, wanted)
    days = asked.period
    rows = [msgspec.to_builtins(one) for one in found]
    return json(
        context.parts,
        {"site": wanted.site, "from": days.first.isoformat(), "to": days.last.isoformat(), "items": rows},
    )


def months_of(staff: Staff, context: Context, wanted: Wanted) -> tuple[Asked, list[KindMonth]]:
    """For this person. Raises `Invalid`, `NotAllowed` for a site that is not theirs, `TooMany`, `TooLong`."""
    now = _now(context)
    today = now.date()
    last = wanted.last or max(wanted.first or today, today)
    days: Period = period(wanted.first or _begins(last), last, today, context.parts.settings.zone)
    allowed = staff.only(wanted.site)
    with context.reports.reading() as connection:
        return Asked(days, "", staff.role, now), by_month(connection, allowed, days, today)


def file(asked: Asked, found: list[KindMonth], wanted: Wanted) -> Response:
    """The same as a file."""
    rows: list[dict[str, Any]] = [msgspec.to_builtins(one) for one in found]
    return file_of(_SHEET, asked, rows, wanted.site, wanted.form)


def _begins(last: date) -> date:
    """The first day of the twelve months that end with this day's."""
    first = month_of(last).first
    for _ in range(_MONTHS - 1):
        first = month_of(first - timedelta(days=1)).first
    return first


def _now(context: Context) -> datetime:
    return context.parts.clock.now().astimezone(context.parts.settings.zone)
