"""What passes earn, day by day: from `liability:prepaid` to `income:pass`, gross, with what is waived beside it.

A day is earned when it is over. The close earns a site's day before it seals it, whoever closes, so that a closed day holds its own
income; the job earns every day that is over, in order, whether it is closed or not. What is sold for days that are over (a renewal
within the days of grace) is earned by a further run of each, which stands on the first open day and says to which day it belongs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from billing.ledger import WAIVED, Posting
from billing.passes import earned_on
from gateway.flows.charges_books import PREPAID, Books, By, Desk, hold
from gateway.flows.charges_posting import LOW_INCOME
from gateway.flows.passes_records import SoldPeriod, sold_period
from gateway.flows.posting import day_bounds
from gateway.runtime.ids import derive_in_site
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts

_PERIOD = t.PassPeriod.__table__.c
_UNTIL = func.coalesce(_PERIOD.ended_day, _PERIOD.end_day)
_LAST_INSTANT = timedelta(microseconds=1)
# Catching up after a long outage goes on in further runs.
DAYS_AT_A_TIME = 400
_JOB = By(operator="parkgate")


@dataclass(frozen=True, slots=True)
class EarnedDay:
    """A day of a site that was earned: how many periods, and how much, in fen."""

    site: str
    day: date
    periods: int
    income_fen: int


def earn_due(parts: Parts) -> str:
    """Earn every day that is over, at every site, in order. One transaction a site and day. Returns what was done."""
    yesterday = parts.clock.now().astimezone(parts.settings.zone).date() - timedelta(days=1)
    with parts.store.reading() as connection:
        sites = list(books.enabled_sites(connection))
    done = [earned for site in sites for earned in earn_site(parts, site, yesterday)]
    fen = sum(one.income_fen for one in done)
    return f"{len(done)} site days earned, {fen} fen, up to {yesterday}" if done else ""


def earn_site(parts: Parts, site: str, through: date) -> Iterator[EarnedDay]:
    """Earn a site's days up to one that is over, in order, at most `DAYS_AT_A_TIME` of them."""
    for _ in range(DAYS_AT_A_TIME):
        with parts.store.reading() as connection:
            day = _first_unearned(connection, site, through)
        if day is None:
            return
        with parts.store.writing() as connection:
            earned = _earn(hold(parts, connection, site, _JOB), day)
            connection.commit()
        if earned is not None:
            yield earned


def earn_before_close(
    parts: Parts, connection: Connection, site: str, day: date, held: tuple[date, date | None]
) -> None:
    """Earn a day, and what is unearned before it, in the transaction of the close that holds the site's books."""
    desk = Desk(parts, connection, site, _JOB, parts.clock.now(), Books(*held))
    while (first := _first_unearned(connection, site, day)) is not None:
        _earn(desk, first)


def _first_unearned(connection: Connection, site: str, through: date) -> date | None:
    found: date | None = connection.execute(
        select(func.min(_PERIOD.next_day)).where(
            _PERIOD.site_id == site, _PERIOD.next_day <= through, _PERIOD.next_day < _UNTIL
        )
    ).scalar()
    return found


def _earn(desk: Desk, day: date) -> EarnedDay | None:
    """One day: a row for each period that holds on it, one transaction for all of them. The books are held."""
    rows = desk.connection.execute(
        select(*_PERIOD)
        .where(_PERIOD.site_id == desk.site, _PERIOD.next_day == day, _PERIOD.next_day < _UNTIL)
        .order_by(_PERIOD.id)
    )
    periods = [sold_period(row) for row in rows]
    if not periods:
        return None
    sequence = _runs_of(desk, day)
    run_id = derive_in_site(desk.site, "pass-income", day.isoformat(), str(sequence))
    income = [(one, earned_on(one.gross(), day), earned_on(one.waived(), day)) for one in periods]
    gross, waived = sum(fen for _, fen, _ in income), sum(fen for _, _, fen in income)
    postings = [
        Posting(PREPAID, gross - waived),
        Posting(WAIVED + LOW_INCOME, waived),
        Posting("income:pass", -gross),
    ]
    transaction = desk.post("pass_income", ("charge", run_id), f"pass-income:{run_id}", postings, at=_end_of(desk, day))
    desk.connection.execute(
        insert(t.PassIncomeRun).values(
            site_id=desk.site,
            id=run_id,
            day=day,
            sequence=sequence,
            periods=len(periods),
            income_fen=gross,
            waived_fen=waived,
            transaction_id=transaction,
        )
    )
    desk.connection.execute(
        insert(t.PassIncome),
        [
            {
                "site_id": desk.site,
                "period_id": period.id,
                "day": day,
                "run_id": run_id,
                "income_fen": fen,
                "waived_fen": waived_fen,
            }
            for period, fen, waived_fen in income
        ],
    )
    _go_on(desk, periods, day)
    return EarnedDay(desk.site, day, len(periods), gross)


def _go_on(desk: Desk, periods: list[SoldPeriod], day: date) -> None:
    period = cast("Table", t.PassPeriod.__table__)
    desk.connection.execute(
        update(period)
        .where(period.c.site_id == bindparam("of_site"), period.c.id == bindparam("of_id"))
        .values(next_day=bindparam("is_next_day")),
        [{"of_site": desk.site, "of_id": one.id, "is_next_day": day + timedelta(days=1)} for one in periods],
    )


def _runs_of(desk: Desk, day: date) -> int:
    run = t.PassIncomeRun
    count: int = desk.connection.execute(
        select(func.count()).select_from(run).where(run.site_id == desk.site, run.day == day)
    ).scalar_one()
    return count


def _end_of(desk: Desk, day: date) -> datetime:
    """The last instant of a day: earned when it is over, and still its own."""
    return day_bounds(day, desk.zone)[1] - _LAST_INSTANT
