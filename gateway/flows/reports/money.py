"""What was earned, waived, received and is owed, out of the ledger; and who left without paying."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, literal, literal_column, select

from billing.exports.audience import merge_benefits, open_to_all
from billing.ledger import WAIVED, Posting, five_sums
from gateway.flows.reading import Sites
from gateway.flows.reports.asking import Period, gates_of, sites_of
from gateway.flows.sums.income import counted
from gateway.flows.sums.standing import books_standing
from gateway.store.tables import IncomeSum, Stay
from gateway.store.tables.movement import LET_GO

_SUM, _STAY = IncomeSum.__table__.c, Stay.__table__.c
BySum = Literal["site", "gate", "day", "month"]
# 未付离场: how somebody left who owes. `pay_later` is by agreement.
_LEFT_OWING = ("unpaid", "hand", "staff", "emergency", "offline", "late_event", "pay_later")

Document = dict[str, Any]


def income(connection: Connection, allowed: Sites, asked: Period, by: BySum, role: str) -> list[Document]:
    """The five sums of the ledger in fen by site, gate, business day or month, and what each benefit waived as this role may see it.

    By gate: where the stay had left when it was posted. What was posted before, and what is about no stay, stands at the site itself.
    """
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sites = sites_of(connection, allowed)
    gates = gates_of(connection, sites) if by == "gate" else {}
    if by == "site":
        for site in sites:
            sums[site]
    for site, day, lane, account, fen in _postings(connection, sites, asked, by):
        match by:
            case "site":
                key = site
            case "gate":
                gate = gates.get((site, lane))
                key = f"{site}.{gate}" if gate else site
            case "day" | "month":
                key = day.isoformat()[: 10 if by == "day" else 7]
        sums[key][account] += fen
    return [_summed(by, key, accounts, role) for key, accounts in sorted(sums.items())]


def _postings(
    connection: Connection, sites: Iterable[str], asked: Period, by: BySum
) -> Iterator[tuple[str, date, str, str, int]]:
    """Site, business day, lane, account and fen: of closed days as they are kept, of others out of the ledger. What is not asked for says nothing."""
    now = books_standing(connection, sites, asked.zone, by_lane=by == "gate")
    columns = {"site": (_SUM.site_id,), "gate": (_SUM.site_id, _SUM.lane)}.get(by, (_SUM.day,))
    place = [column if column in columns else literal(None) for column in (_SUM.site_id, _SUM.day, _SUM.lane)]
    rows: Any = connection.execute(
        select(*place, _SUM.account, func.sum(_SUM.fen))
        .where(now.kept(_SUM, asked.first, asked.last))
        .group_by(*columns, _SUM.account)
    )
    yield from ((site, day, lane, account, int(fen)) for site, day, lane, account, fen in rows)
    for first, last, some in now.open(asked.first, asked.last):
        found = counted(connection, some, first, last, by_lane=by == "gate")
        yield from ((site, day, lane, account, fen) for (site, day, lane, account), fen in found.items())


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
            # In the words of the index of those few.
            literal_column(LET_GO),
            _STAY.exit_reason.in_(_LEFT_OWING),
        )
        .group_by(_STAY.site_id, _STAY.exit_reason)
        .order_by(_STAY.site_id, _STAY.exit_reason)
    )
    return [
        {"site": site, "reason": reason, "stays": count, "payable_fen": int(payable or 0), "paid_fen": int(paid or 0)}
        for site, reason, count, payable, paid in rows
    ]
