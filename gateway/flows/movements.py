"""发生额试算平衡: what every account took and gave on some business days, with what it stood at before and after where that is asked. Writes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from billing.breaks import SAFE_ACCOUNT
from billing.cash import CASH
from billing.exports.audience import merged_account, open_to_all
from billing.ledger import FiveSums, Posting, five_sums
from gateway.flows.reading import Sites, at_each
from gateway.flows.reports.asking import Period
from gateway.store import tables as t

_LEDGER, _LINE = t.LedgerTransaction.__table__.c, t.Posting.__table__.c
By = Literal["total", "site", "day", "month"]
# Each shift and each difference has an account of its own: here they are what their family is.
DRAWERS, UNDER_INVESTIGATION = "assets:cash", "suspense"
_SUSPENSE: Final = "suspense:"
_KEYS: Final = {"site": _LEDGER.site_id, "day": _LEDGER.business_day, "month": _LEDGER.business_day}


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

    What stood before is summed over all days before: a page asks for it only where somebody wants it. By day and by month there is none.
    """
    found: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)
    moved: Counter[str] = Counter()
    of_days = and_(_LEDGER.business_day >= days.first, _LEDGER.business_day <= days.last)
    for of, account, debit, credit in _postings(connection, allowed, by, of_days):
        one = found[of, _shown(account, role)]
        one.debit += debit
        one.credit -= credit
        moved[account] += debit + credit
    if balances:
        for of, account, debit, credit in _postings(connection, allowed, by, _LEDGER.business_day < days.first):
            found[of, _shown(account, role)].opening += debit + credit
    rows = [_row(of, account, one, balances=balances) for (of, account), one in sorted(found.items())]
    sums = five_sums(Posting(account, fen) for account, fen in moved.items())
    return Movements(
        rows=[one for one in rows if one.debit_fen or one.credit_fen or one.opening_fen],
        debit_fen=sum(one.debit_fen for one in rows),
        credit_fen=sum(one.credit_fen for one in rows),
        sums=sums,
        agrees=_agree(rows) and sums.add_up(),
    )


def _postings(
    connection: Connection, allowed: Sites, by: By, when: ColumnElement[bool]
) -> Iterator[tuple[str, str, int, int]]:
    """By part and account what was debited, and what was credited as a negative."""
    fen, key = _LINE.amount_fen, [_KEYS[by]] if by in _KEYS else []
    query: Any = (
        select(*key, _LINE.account, func.sum(case((fen > 0, fen), else_=0)), func.sum(case((fen < 0, fen), else_=0)))
        .select_from(t.LedgerTransaction.__table__)
        .join(t.Posting.__table__, and_(_LINE.site_id == _LEDGER.site_id, _LINE.transaction_id == _LEDGER.id))
        .where(at_each(t.LedgerTransaction.site_id, allowed), when)
        .group_by(*key, _LINE.account)
    )
    for *of, account, debit, credit in connection.execute(query):
        part = "".join(map(str, of))
        yield part[:7] if by == "month" else part, account, int(debit), int(credit)


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
