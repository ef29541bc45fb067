"""差异月报: differences month by month and by kind, settled and not, how old the open ones are, and what repeats; and the same as a file."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.api import breaks_months as api
from gateway.api.context import Context, Staff, With
from gateway.api.passes import plain
from gateway.api.reporting import Wanted
from gateway.console.chart import Series, chart
from gateway.console.desk import door, forms
from gateway.console.desk.report_pages import Form, From, Text, To, day_of
from gateway.console.rendering import language_of
from gateway.console.words import WORDS
from gateway.flows import breaks_repeats
from gateway.flows.breaks_months import BANDS, summed

router = APIRouter(include_in_schema=False)

HERE: Final = "breaks_months"
WHERE: Final = "/money/breaks-by-month"
_SEE: Final = ("GET", "/reports/breaks/months")
_REPEATS_MAX: Final = 50
Month = Annotated[str, Query(max_length=7, pattern=r"^(\d{4}-\d{2})?$")]


@router.get(WHERE)
def shown(
    request: Request,
    context: With,
    *,
    site: Text = "",
    first: From = "",
    last: To = "",
    month: Month = "",
    form: Form = "html",
) -> Response:
    """The last twelve months; of the newest, or of `month`, each kind and what repeats."""
    staff = door.staff_at(request, context, _SEE)
    since, until = day_of("from", first), day_of("to", last)
    wanted = Wanted(site=site or None, first=since, last=until, form=form)
    asked, found = api.months_of(staff, context, wanted)
    if form != "html":
        return api.file(asked, found, wanted)
    looked = month or (found[0].month if found else asked.period.last.isoformat()[:7])
    repeats = _repeats(context, staff, wanted.site, looked)
    with context.parts.store.reading() as connection:
        sites = forms.sites(connection, staff)
    months = [summed(list(rows), month=name) for name, rows in groupby(found, key=lambda one: one.month)]
    words = WORDS[language_of(request)]
    oldest_first = months[::-1]
    return door.page(
        request,
        staff,
        "money_breaks_months.html",
        here=HERE,
        wide=True,
        asked={"site": site, "from": asked.period.first.isoformat(), "to": asked.period.last.isoformat()},
        sites=sites,
        months=months,
        kinds=[one for one in found if one.month == looked],
        month=looked,
        total=summed(months),
        bands=BANDS,
        repeats=repeats,
        chart=chart(
            [one.month for one in oldest_first],
            [
                Series(words["breaks.settled"], [one.count - one.open for one in oldest_first]),
                Series(words["breaks.open"], [one.open for one in oldest_first]),
            ],
        ),
    )


def _repeats(context: Context, staff: Staff, site: str | None, month: str) -> list[dict[str, Any]]:
    with context.reports.reading() as connection:
        found = breaks_repeats.month_of(connection, staff.only(site), month, context.parts.settings.zone)
    return [plain(one) for one in found.items[:_REPEATS_MAX]]
