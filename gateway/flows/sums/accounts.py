"""What each account took and gave: of closed business days as it is kept, of others out of the ledger; and what it stood at before a day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, select

from gateway.flows.sums.standing import books_standing
from gateway.store import tables as t

_LEDGER, _LINE = t.LedgerTransaction.__table__.c, t.Posting.__table__.c
_SUM, _BALANCE = t.AccountSum.__table__.c, t.BalanceSum.__table__.c
_A_DAY = timedelta(days=1)

Balances = Counter[tuple[str, str]]
"""Fen by site and account, a debit positive."""


def of_ledger(
    connection: Connection, sites: Collection[str], when: ColumnElement[bool], *by: str
) -> Iterator[tuple[Any, ...]]:
    """Of transactions that hold this: site or day (`by`, columns of the ledger), account, debits and credits."""
    fen, keys = _LINE.amount_fen, [_LEDGER[one] for one in by]
    debit, credit = (func.sum(case((side, fen), else_=0)) for side in (fen > 0, fen < 0))
    query: Any = (
        select(*keys, _LINE.account, debit, credit)
        .select_from(t.LedgerTransaction.__table__)
        .join(t.Posting.__table__, and_(_LINE.site_id == _LEDGER.site_id, _LINE.transaction_id == _LEDGER.id))
        .where(_LEDGER.site_id.in_(sorted(sites)), when)
        .group_by(*keys, _LINE.account)
    )
    for *of, debits, credits_ in connection.execute(query):
        yield (*of, int(debits), -int(credits_))


def moved(
    connection: Connection, sites: Sequence[str], first: date, last: date, zone: ZoneInfo, *by: str
) -> Iterator[tuple[Any, ...]]:
    """The same of these business days; some accounts more than once."""
    now = books_standing(connection, sites, zone, by_lane=False)
    keys = [_SUM[_KEPT[one]] for one in by]
    kept: Any = (
        select(*keys, _SUM.account, func.sum(_SUM.debit_fen), func.sum(_SUM.credit_fen))
        .where(now.kept(_SUM, first, last))
        .group_by(*keys, _SUM.account)
    )
    for *of, debits, credits_ in connection.execute(kept):
        yield (*of, int(debits), int(credits_))
    for since, until, some in now.open(first, last):
        yield from of_ledger(connection, some, _LEDGER.business_day.between(since, until), *by)


_KEPT = {"site_id": "site_id", "business_day": "day"}


def stood_before(connection: Connection, sites: Sequence[str], day: date, zone: ZoneInfo) -> Balances:
    """What every account stood at before a business day: from the last end of a month that is kept, and the days since."""
    through = books_standing(connection, sites, zone, by_lane=False).through
    alike: defaultdict[date | None, list[str]] = defaultdict(list)
    for site in sites:
        alike[min(through[site], day - _A_DAY) if site in through else None].append(site)
    found: Balances = Counter()
    for last, some in alike.items():
        if last is not None:
            found.update(stood_after(connection, some, ended_by(last), last))
        if last is None or last < day - _A_DAY:
            open_ = _LEDGER.business_day < day
            when = open_ if last is None else and_(open_, _LEDGER.business_day > last)
            for site, account, debits, credits_ in of_ledger(connection, some, when, "site_id"):
                found[site, account] += debits - credits_
    return found


def stood_after(connection: Connection, sites: Collection[str], ended: date, last: date) -> Balances:
    """What is kept of the end of a month, and of the days after it up to the last."""
    found: Balances = Counter()
    then = select(_BALANCE.site_id, _BALANCE.account, _BALANCE.fen)
    since: Any = select(_SUM.site_id, _SUM.account, func.sum(_SUM.debit_fen - _SUM.credit_fen))
    mine = (_SUM.site_id.in_(sites), _SUM.day > ended, _SUM.day <= last)
    for query in (
        then.where(_BALANCE.site_id.in_(sites), _BALANCE.day == ended),
        since.where(*mine).group_by(_SUM.site_id, _SUM.account),
    ):
        for site, account, fen in connection.execute(query):
            found[site, account] += int(fen)
    return found


def ended_by(day: date) -> date:
    """The last end of a month that is not after a day."""
    return day if (day + _A_DAY).day == 1 else month_before(day)


def write(connection: Connection, site: str, first: date, until: date) -> None:
    """Sum the next closed days, in place of what stands there, and what stood when a month among them ended."""
    for table, model in ((_SUM, t.AccountSum), (_BALANCE, t.BalanceSum)):
        connection.execute(delete(model).where(table.site_id == site, table.day >= first, table.day <= until))
    days = _LEDGER.business_day.between(first, until)
    rows = [
        {"site_id": site, "day": day, "account": account, "debit_fen": debits, "credit_fen": credits_}
        for day, account, debits, credits_ in of_ledger(connection, [site], days, "business_day")
    ]
    if rows:
        connection.execute(insert(t.AccountSum), rows)
    for ended in ends_of_months(first, until):
        stood = [
            {"site_id": site, "day": ended, "account": account, "fen": fen}
            for (_, account), fen in stood_after(connection, [site], month_before(ended), ended).items()
            if fen
        ]
        if stood:
            connection.execute(insert(t.BalanceSum), stood)


def ends_of_months(first: date, until: date) -> list[date]:
    """The last days of months among these, in order."""
    found: list[date] = []
    day = ended_by(until)
    while day >= first:
        found.insert(0, day)
        day = month_before(day)
    return found


def month_before(day: date) -> date:
    """The end of the month before a day's."""
    return day.replace(day=1) - _A_DAY
