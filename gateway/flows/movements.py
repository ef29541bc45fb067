"""发生额试算平衡: what every account took and gave on some business days, with what it stood at before and after where that is asked. Writes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection

from billing.breaks import SAFE_ACCOUNT
from billing.cash import CASH
from billing.exports.audience import merged_account, open_to_all
from billing.ledger import FiveSums, Posting, five_sums
from gateway.flows.reading import Sites, named
from gateway.flows.reports.asking import Period
from gateway.flows.sums.accounts import moved, stood_before

By = Literal["total", "site", "day", "month"]
# Each shift and each difference has an account of its own: here they are what their family is.
DRAWERS, UNDER_INVESTIGATION = "assets:cash", "suspense"
_SUSPENSE: Final = "suspense:"
_KEYS: Final[dict[By, tuple[str, ...]]] = {
    "total": (),
    "site": ("site_id",),
    "day": ("business_day",),
    "month": ("business_day",),
}


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """An account in one part of what was asked: `of` is the site, day or month, empty of the total. In fen; balances are a debit positive.

    `opening_fen`, `closing_fen`: what it stood at before the first day and after the last; None where that is not asked.
    """

    of: str
    account: str
    opening_fen: int | None
    debit_fen: int
    credit_fen: int
    closing_fen: int | None


class Movements(msgspec.Struct, frozen=True, kw_only=True):
    """By part and account. `sums`: the five of what moved. `agrees`: in every part debits are credits, and the five add up."""

    rows: list[Moved]
    debit_fen: int
    credit_fen: int
    sums: FiveSums
    agrees: bool


class _Sum:
    def __init__(self) -> None:
        self.opening = self.debit = self.credit = 0


def movements(connection: Connection, allowed: Sites, days: Period, by: By, role: str, *, balances: bool) -> Movements:
    """Of these business days. Who does not administer certificates sees low-income waivers and passes as one.

    Closed days as they are kept, others out of the ledger. What stood before is asked of the total or by site alone.
    """
    found: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)
    posted: Counter[str] = Counter()
    sites = named(connection, allowed)
    for *of, account, debit, credit in moved(connection, sites, days.first, days.last, days.zone, *_KEYS[by]):
        part = "".join(map(str, of))
        one = found[part[:7] if by == "month" else part, _shown(account, role)]
        one.debit += debit
        one.credit += credit
        posted[account] += debit - credit
    if balances:
        for (site, account), fen in stood_before(connection, sites, days.first, days.zone).items():
            found[site if by == "site" else "", _shown(account, role)].opening += fen
    rows = [_row(of, account, one, balances=balances) for (of, account), one in sorted(found.items())]
    sums = five_sums(Posting(account, fen) for account, fen in posted.items())
    return Movements(
        rows=[one for one in rows if one.debit_fen or one.credit_fen or one.opening_fen],
        debit_fen=sum(one.debit_fen for one in rows),
        credit_fen=sum(one.credit_fen for one in rows),
        sums=sums,
        agrees=_agree(rows) and sums.add_up(),
    )


def _shown(account: str, role: str) -> str:
    if account.startswith(CASH) and account != SAFE_ACCOUNT:
        return DRAWERS
    if account.startswith(_SUSPENSE):
        return UNDER_INVESTIGATION
    return merged_account(account) if open_to_all(role) else account


def _row(of: str, account: str, one: _Sum, *, balances: bool) -> Moved:
    return Moved(
        of=of,
        account=account,
        opening_fen=one.opening if balances else None,
        debit_fen=one.debit,
        credit_fen=one.credit,
        closing_fen=one.opening + one.debit - one.credit if balances else None,
    )


def _agree(rows: list[Moved]) -> bool:
    parts: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    for one in rows:
        parts[one.of] += one.debit_fen - one.credit_fen
        opened[one.of] += one.opening_fen or 0
    return not any(parts.values()) and not any(opened.values())
