"""试算平衡: what every account took and gave on some days, each part with the sums that must agree; and the same as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from billing.exports.days import month_of
from billing.exports.words import account_name
from gateway.api import trial_balance as api
from gateway.api.context import With
from gateway.api.reporting import Wanted
from gateway.console.desk import door, forms
from gateway.console.desk.report_pages import Form, From, Text, To, day_of
from gateway.console.rendering import language_of
from gateway.console.words import WORDS, Language
from gateway.flows.movements import DRAWERS, UNDER_INVESTIGATION, By, Moved, Movements
from gateway.flows.refusals import Invalid

router = APIRouter(include_in_schema=False)

HERE: Final = "trial_balance"
WHERE: Final = "/money/trial-balance"
_SEE: Final = ("GET", "/reports/movements")
_BY: Final = ("total", "site", "day", "month")
PARTS_MAX: Final = 31
"""Sites, days or months on a page; the file has all of them."""


@router.get(WHERE)
def shown(
    request: Request,
    context: With,
    *,
    site: Text = "",
    first: From = "",
    last: To = "",
    by: Text = "",
    balances: Text = "",
    form: Form = "html",
) -> Response:
    """Without days yesterday, as finance finds it in the morning."""
    staff = door.staff_at(request, context, _SEE)
    today = context.parts.clock.now().astimezone(context.parts.settings.zone).date()
    yesterday = today - timedelta(days=1)
    part = _by(by or "total")
    since, until = day_of("from", first), day_of("to", last)
    since = since or min(until or yesterday, yesterday)
    wanted = Wanted(site=site or None, first=since, last=until or max(since, yesterday), form=form)
    asked, found = api.movements_of(staff, context, wanted, part, balances=bool(balances))
    if form != "html":
        return api.file(asked, found, wanted, balances=bool(balances))
    with context.parts.store.reading() as connection:
        sites = forms.sites(connection, staff)
    parts = list(_parts(found, language_of(request)))
    return door.page(
        request,
        staff,
        "money_balance.html",
        here=HERE,
        asked={
            "site": site,
            "from": asked.period.first.isoformat(),
            "to": asked.period.last.isoformat(),
            "by": part,
            "balances": balances,
        },
        sites=sites,
        ways=_ways(today),
        choices=_BY,
        found=found,
        parts=parts[:PARTS_MAX],
        left=max(0, len(parts) - PARTS_MAX),
    )


def _by(text: str) -> By:
    """Raises `Invalid`."""
    if text not in _BY:
        raise Invalid(f"by: one of {', '.join(_BY)}")
    return cast("By", text)


def _ways(today: date) -> list[tuple[str, dict[str, str]]]:
    """The periods that are asked for most: their words, and their days."""
    month = month_of(today).first
    before = month_of(month - timedelta(days=1))
    yesterday = today - timedelta(days=1)
    days = (
        ("today", today, today),
        ("yesterday", yesterday, yesterday),
        ("this_month", month, today),
        ("last_month", before.first, before.last),
    )
    return [(name, {"from": first.isoformat(), "to": last.isoformat()}) for name, first, last in days]


def _parts(found: Movements, lang: Language) -> Iterator[dict[str, Any]]:
    """Each site, day or month with its accounts and their sums, which agree."""
    for of, rows in groupby(found.rows, key=lambda row: row.of):
        accounts = list(rows)
        opened = sum(one.opening_fen or 0 for one in accounts)
        debit, credit = sum(one.debit_fen for one in accounts), sum(one.credit_fen for one in accounts)
        yield {
            "of": of,
            "rows": [(_named(one.account, lang), one) for one in accounts],
            "debit_fen": debit,
            "credit_fen": credit,
            "opening": _sides(accounts, "opening_fen"),
            "closing": _sides(accounts, "closing_fen"),
            "difference_fen": debit - credit or opened,
        }


def _sides(rows: list[Moved], name: str) -> tuple[int, int]:
    """What stands on the debit and on the credit side."""
    values = [getattr(one, name) or 0 for one in rows]
    return sum(fen for fen in values if fen > 0), -sum(fen for fen in values if fen < 0)


def _named(account: str, lang: Language) -> str:
    """What an account is called: in Chinese as the exports call it, in English as it is written."""
    if account in {DRAWERS, UNDER_INVESTIGATION}:
        return WORDS[lang][f"balance.{account}"]
    return account_name(account) if lang == "zh" else account
