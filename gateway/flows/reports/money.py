"""What was earned, waived, received and is owed, out of the ledger; and who left without paying."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from billing.exports.audience import merge_benefits, open_to_all
from billing.ledger import WAIVED, Posting, five_sums
from gateway.flows.reading import Sites
from gateway.flows.reports.asking import Period, sites_of
from gateway.store.tables import LedgerTransaction, Stay
from gateway.store.tables import Posting as Line

_LEDGER, _LINE, _STAY = LedgerTransaction.__table__.c, Line.__table__.c, Stay.__table__.c
BySum = Literal["site", "day", "month"]
# 未付离场: how somebody left who owes. `pay_later` is by agreement.
_LEFT_OWING = ("unpaid", "hand", "staff", "emergency", "offline", "late_event", "pay_later")

Document = dict[str, Any]


def income(connection: Connection, allowed: Sites, asked: Period, by: BySum, role: str) -> list[Document]:
    """The five sums of the ledger in fen by site, business day or month, and what each benefit waived as this role may see it."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sites = sites_of(connection, allowed)
    rows = connection.execute(
        select(_LEDGER.site_id, _LEDGER.business_day, _LINE.account, func.sum(_LINE.amount_fen))
        .join(LedgerTransaction, (_LEDGER.site_id == _LINE.site_id) & (_LEDGER.id == _LINE.transaction_id))
        .where(
            _LEDGER.site_id.in_(sorted(sites)),
            _LEDGER.business_day >= asked.first,
            _LEDGER.business_day <= asked.last,
        )
        .group_by(_LEDGER.site_id, _LEDGER.business_day, _LINE.account)
    )
    for site, day, account, fen in rows:
        key = {"site": site, "day": day.isoformat(), "month": f"{day:%Y-%m}"}[by]
        sums[key][account] += int(fen)
    if by == "site":
        for site in sites:
            sums[site]
    return [_summed(by, key, accounts, role) for key, accounts in sorted(sums.items())]


def _summed(by: str, key: str, accounts: Counter[str], role: str) -> Document:
    five = five_sums([Posting(account, fen) for account, fen in accounts.items() if fen])
    waived = {
        account.removeprefix(WAIVED): fen for account, fen in accounts.items() if account.startswith(WAIVED) and fen
    }
    shown = merge_benefits(waived) if open_to_all(role) else waived
    return {
        by: key,
        **msgspec.to_builtins(five),
        "waived_by_fen": dict(sorted(shown.items())),
    }


def unpaid(connection: Connection, allowed: Sites, asked: Period) -> list[Document]:
    """Who left owing, by site and by how it came about: how many, what they owed then, and what has come in since."""
    sites = sites_of(connection, allowed)
    rows = connection.execute(
        select(
            _STAY.site_id,
            _STAY.exit_reason,
            func.count(),
            func.sum(_STAY.payable_fen),
            func.sum(_STAY.paid_fen),
        )
        .where(
            _STAY.site_id.in_(sorted(sites)),
            _STAY.exit_at >= asked.start,
            _STAY.exit_at < asked.end,
            _STAY.state == "left",
            _STAY.exit_reason.in_(_LEFT_OWING),
        )
        .group_by(_STAY.site_id, _STAY.exit_reason)
        .order_by(_STAY.site_id, _STAY.exit_reason)
    )
    return [
        {"site": site, "reason": reason, "stays": count, "payable_fen": int(payable or 0), "paid_fen": int(paid or 0)}
        for site, reason, count, payable, paid in rows
    ]
