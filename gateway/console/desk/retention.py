"""到期删除: how long each kind of data is kept, and what the daily deletion did. Counts only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.api.access import SEES_LOW_INCOME
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.console.desk import door
from gateway.flows import retention_report
from gateway.flows.refusals import Invalid
from gateway.flows.retention import KINDS

router = APIRouter(include_in_schema=False)

WHERE: Final = "/personal-data/retention"
_DAYS: Final = 30
_DAYS_MAX: Final = retention_report.ROWS_SHOWN_MAX // len(KINDS)


@router.get(WHERE)
def retention(
    request: Request,
    context: With,
    since: Annotated[date | None, Query(alias="from", ge=date(2000, 1, 1), le=date(2199, 12, 31))] = None,
    until: Annotated[date | None, Query(alias="to", ge=date(2000, 1, 1), le=date(2199, 12, 31))] = None,
) -> Response:
    """By kind, and day by day; by default of the last thirty days."""
    staff = door.staff_at(request, context, ("GET", WHERE))
    last = until or context.parts.clock.now().astimezone(context.parts.settings.zone).date()
    first = since or last - timedelta(days=_DAYS - 1)
    if not 0 <= (last - first).days < _DAYS_MAX:
        raise Invalid(f"from: at most {_DAYS_MAX} days up to `to`")
    with context.parts.store.reading() as connection:
        rows = retention_report.runs(connection, first, last, retention_report.ROWS_SHOWN_MAX)
    seen = in_zone([row for row in rows if row["kind"] in _kinds(staff)], context.parts.settings.zone)
    return door.page(
        request,
        staff,
        "retention.html",
        here="retention",
        kinds=_by_kind(context, staff, seen),
        days=_by_day(seen),
        asked={"from": first.isoformat(), "to": last.isoformat()},
    )


def _kinds(staff: Staff) -> list[str]:
    """Certificates are named to who administers them alone."""
    return [kind for kind in KINDS if kind != "certificates" or staff.role in SEES_LOW_INCOME]


def _by_kind(context: Context, staff: Staff, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each kind with its newest run of these days, if there was one."""
    newest: dict[str, dict[str, Any]] = {}
    deleted: dict[str, int] = defaultdict(int)
    for row in rows:
        newest.setdefault(row["kind"], row)
        deleted[row["kind"]] += row["deleted"]
    return [
        {
            "kind": kind,
            "kept_days": getattr(context.parts.settings, KINDS[kind].setting),
            "deleted": deleted[kind],
            "last": newest.get(kind),
        }
        for kind in _kinds(staff)
    ]


def _by_day(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    days: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        days[row["day"]].append(row)
    return [
        {
            "day": day,
            "finished_at": max(row["finished_at"] for row in of),
            "deleted": [(row["kind"], row["deleted"]) for row in of if row["deleted"]],
            "unfinished": any(row["unfinished"] for row in of),
        }
        for day, of in days.items()
    ]
