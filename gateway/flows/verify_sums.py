"""What reports keep of days that are over, made once more from the stays and the ledger, but for days that are marked as changed since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, func, select

from gateway.flows.sums import accounts, counting, income
from gateway.flows.sums.standing import Standing, books_standing, standing
from gateway.flows.verify_scope import Failure, Look
from gateway.store import tables as t

WHAT = "sum"
_STAY, _LEDGER = t.Stay.__table__.c, t.LedgerTransaction.__table__.c
_DAY, _LANE, _INCOME = t.DaySum.__table__.c, t.LaneSum.__table__.c, t.IncomeSum.__table__.c
_ACCOUNT, _BALANCE = t.AccountSum.__table__.c, t.BalanceSum.__table__.c
# So many days of a site at a time.
_A_STRETCH = timedelta(days=31)
_A_DAY = timedelta(days=1)

Sums = dict[date, Any]
Made = Callable[[Look, str, date, date], Sums]


def failures(look: Look) -> Iterator[Failure]:
    """By site and day: first what passed, then what the ledger has, by lane and by account."""
    look.checked["sums"] += 0
    sites = look.connection.execute(select(t.Summed.site_id).order_by(t.Summed.site_id)).scalars().all()
    passed = standing(look.connection, sites, look.scope.zone)
    booked = books_standing(look.connection, sites, look.scope.zone, by_lane=True)
    posted = books_standing(look.connection, sites, look.scope.zone, by_lane=False)
    for site in sites:
        yield from _failures(look, site, passed, _traffic_kept, _traffic)
        yield from _failures(look, site, booked, _income_kept, _income)
        yield from _failures(look, site, posted, _accounts_kept, _accounts)


def _failures(look: Look, site: str, now: Standing, kept: Made, made: Made) -> Iterator[Failure]:
    through = now.through.get(site)
    first = None if through is None else _first(look, site)
    if first is None or through is None:
        return
    first, last = max(first, look.scope.from_day or first), min(through, look.scope.to_day or through)
    while first <= last:
        until = min(first + _A_STRETCH - _A_DAY, last)
        stand, ought = kept(look, site, first, until), made(look, site, first, until)
        for day in sorted(stand.keys() | ought.keys()):
            if (site, day) in now.stale:
                continue
            if stand.get(day) != ought.get(day):
                yield Failure(WHAT, f"{site}:{day}", "it is not what the stays of that day, or its ledger, come to")
            look.count("sums")
        first = until + _A_DAY


def _first(look: Look, site: str) -> date | None:
    """The first day of which there is a stay, something posted, or a sum."""
    began = look.connection.execute(select(func.min(_STAY.started_at)).where(_STAY.site_id == site)).scalar()
    days = [None if began is None else began.astimezone(look.scope.zone).date()]
    days += [
        look.connection.execute(select(func.min(column)).where(table == site)).scalar()
        for table, column in (
            (_LEDGER.site_id, _LEDGER.business_day),
            (_DAY.site_id, _DAY.day),
            (_LANE.site_id, _LANE.day),
            (_INCOME.site_id, _INCOME.day),
            (_ACCOUNT.site_id, _ACCOUNT.day),
            (_BALANCE.site_id, _BALANCE.day),
        )
    ]
    return min((day for day in days if day is not None), default=None)


def _within(table: Any, site: str, first: date, last: date) -> Any:
    return and_(table.site_id == site, table.day >= first, table.day <= last)


def _traffic_kept(look: Look, site: str, first: date, last: date) -> Sums:
    days = look.connection.execute(
        select(_DAY.day, _DAY.came, _DAY.went, _DAY.quarters, _DAY.lengths).where(_within(_DAY, site, first, last))
    )
    found: Sums = {
        day: [(came, went, bytes(quarters), bytes(lengths)), {}] for day, came, went, quarters, lengths in days
    }
    lanes = look.connection.execute(
        select(_LANE.day, _LANE.lane, _LANE.entries, _LANE.exits).where(_within(_LANE, site, first, last))
    )
    for day, lane, entries, exits in lanes:
        found.setdefault(day, [None, {}])[1][lane] = [entries, exits]
    return found


def _traffic(look: Look, site: str, first: date, last: date) -> Sums:
    days = counting.counted(look.connection, [site], first, last, look.scope.zone)
    return {day: [(found.came, found.went, *found.packed()), found.lanes] for (_, day), found in days.items()}


def _income_kept(look: Look, site: str, first: date, last: date) -> Sums:
    found: defaultdict[date, dict[tuple[str, str], int]] = defaultdict(dict)
    query = select(_INCOME.day, _INCOME.lane, _INCOME.account, _INCOME.fen).where(_within(_INCOME, site, first, last))
    for day, lane, account, fen in look.connection.execute(query):
        found[day][lane, account] = fen
    return found


def _income(look: Look, site: str, first: date, last: date) -> Sums:
    found: defaultdict[date, dict[tuple[str, str], int]] = defaultdict(dict)
    for (_, day, lane, account), fen in income.counted(look.connection, [site], first, last, by_lane=True).items():
        if fen:
            found[day][lane, account] = fen
    return found


def _accounts_kept(look: Look, site: str, first: date, last: date) -> Sums:
    found: Sums = defaultdict(lambda: ({}, {}))
    moved = select(_ACCOUNT.day, _ACCOUNT.account, _ACCOUNT.debit_fen, _ACCOUNT.credit_fen)
    for day, account, debit, credit in look.connection.execute(moved.where(_within(_ACCOUNT, site, first, last))):
        found[day][0][account] = (debit, credit)
    stood = select(_BALANCE.day, _BALANCE.account, _BALANCE.fen).where(_within(_BALANCE, site, first, last))
    for day, account, fen in look.connection.execute(stood):
        found[day][1][account] = fen
    return found


def _accounts(look: Look, site: str, first: date, last: date) -> Sums:
    """What the ledger has of each day; and at an end of a month what stood at the one before, with the days since, each of which is looked at."""
    found: Sums = defaultdict(lambda: ({}, {}))
    days = _LEDGER.business_day.between(first, last)
    for day, account, debit, credit in accounts.of_ledger(look.connection, [site], days, "business_day"):
        found[day][0][account] = (debit, credit)
    for ended in accounts.ends_of_months(first, last):
        stood = accounts.stood_after(look.connection, [site], accounts.month_before(ended), ended)
        for (_, account), fen in stood.items():
            if fen:
                found[ended][1][account] = fen
    return found
