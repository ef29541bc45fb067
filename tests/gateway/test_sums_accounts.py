"""Balances out of what is kept of closed days say what the ledger says: at any instant, over any days, whatever was booked late."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, delete, event, insert, select, update

from billing.ledger import Posting, Transaction
from gateway.flows import verify_sums
from gateway.flows.movements import movements
from gateway.flows.posting import book, business_day_for, closed_through
from gateway.flows.reports.asking import Period
from gateway.flows.sums.accounts import ends_of_months
from gateway.flows.sums.keeping import keep
from gateway.flows.trial_balance import trial_balance
from gateway.flows.verify_scope import Look, Scope
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.books import SHANGHAI, Books

FIRST, DAYS = date(2026, 1, 20), 75
SITES = ("mishixiang", "xinyi")
ACCOUNTS = ("assets:cash:s-1", "assets:cash:safe", "assets:channel:wechat", "suspense:b-1", "waived:low_income")


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), SHANGHAI)


class Ledger:
    """Two sites whose days are closed one after another while things are told late, up to three weeks."""

    def __init__(self, parts: Parts, chance: random.Random) -> None:
        self.parts, self.chance, self.number = parts, chance, 0
        Books(parts, SITES, opened_on=FIRST)

    def books(self, day: date) -> None:
        for site in SITES:
            for _ in range(self.chance.randrange(3)):
                late = timedelta(days=self.chance.choice([0, 0, 0, 1, 2, 20]), minutes=self.chance.randrange(1440))
                self._book(site, noon(day) - late)

    def _book(self, site: str, at: datetime) -> None:
        self.number += 1
        fen = self.chance.choice([-1, 1]) * self.chance.randrange(1, 900)
        with self.parts.store.writing() as connection:
            through = closed_through(connection, [site])[site]
            day, belongs_to = business_day_for(at, SHANGHAI, through)
            one = Transaction(
                id=f"t-{self.number}",
                site=site,
                business_day=day,
                belongs_to=belongs_to,
                at=at,
                kind="charge",
                reference_kind="stay",
                reference="-",
                operator=None,
                idempotency_key=str(self.number),
                reverses=None,
                postings=(Posting(self.chance.choice(ACCOUNTS), fen), Posting("income:parking", -fen)),
            )
            book(connection, [one])
            connection.commit()

    def closes(self, day: date, *sites: str) -> None:
        """Of its seal nothing is asked here."""
        with self.parts.store.writing() as connection:
            mine = t.SiteBooks.site_id.in_(sites or SITES)
            connection.execute(update(t.SiteBooks).where(mine).values(closed_through=day))
            connection.commit()


@pytest.fixture
def ledger(parts: Parts, request: pytest.FixtureRequest) -> Ledger:
    made = Ledger(parts, random.Random(getattr(request, "param", 0)))
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        parts.clock.set(noon(day))  # type: ignore[attr-defined]
        made.books(day)
        # One site is behind by a few days now and then.
        made.closes(day - timedelta(days=1), *(SITES if number % 5 else SITES[:1]))
        if number % 9 == 0:
            keep(parts)
    return made


def told(connection: Connection, instants: list[datetime], zone: ZoneInfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for sites in (None, frozenset({"xinyi"})):
        for at in instants:
            found[f"at {at} {sites}"] = trial_balance(connection, sites, at, None, "finance", zone)
            first = at.astimezone(SHANGHAI).date()
            for length in (0, 1, 12, 40):
                days = Period(first, first + timedelta(days=length), SHANGHAI)
                for by in ("total", "site", "day", "month"):
                    asked = by in {"total", "site"}
                    found[f"{by} {days} {sites}"] = movements(connection, sites, days, by, "auditor", balances=asked)
    return found


@pytest.mark.parametrize("ledger", [1, 2], indirect=True)
def test_what_is_kept_says_what_the_ledger_says(parts: Parts, ledger: Ledger) -> None:
    some = ledger.chance.sample(range(DAYS * 24 * 60), 12)
    instants = [noon(FIRST) + timedelta(minutes=one) for one in some] + [noon(FIRST) + timedelta(days=DAYS + 9)]
    for zone in (SHANGHAI, ZoneInfo("Pacific/Kiritimati")):
        with parts.store.writing() as connection:
            assert connection.execute(select(t.BalanceSum.day).distinct()).all(), "a month has ended"
            kept = told(connection, instants, zone)
            connection.execute(delete(t.Summed))
            for name, said in told(connection, instants, zone).items():
                assert kept[name] == said, name


def test_what_an_account_stands_at_is_the_sum_of_all_that_is_posted_up_to_then(parts: Parts, ledger: Ledger) -> None:
    """Said once more without any of the program's sums: posting by posting."""
    line, head = t.Posting.__table__.c, t.LedgerTransaction.__table__.c
    with parts.store.reading() as connection:
        mine = (line.site_id == head.site_id) & (line.transaction_id == head.id)
        rows = connection.execute(select(head.at, line.account, line.amount_fen).where(mine)).all()
        for number in range(0, DAYS, 7):
            at = noon(FIRST) + timedelta(days=number, minutes=ledger.chance.randrange(1440))
            ought: Counter[str] = Counter()
            for moment, account, fen in rows:
                ought[account] += fen if moment <= at else 0
            found = trial_balance(connection, None, at, None, "finance", SHANGHAI)
            stands = {one.account: one.debit_fen - one.credit_fen for one in found.accounts}
            assert (stands, found.balances) == ({name: fen for name, fen in ought.items() if fen}, True)


def test_of_closed_days_no_posting_is_read_and_of_late_ones_few(parts: Parts, ledger: Ledger) -> None:
    ledger.closes(FIRST + timedelta(days=DAYS - 1))
    keep(parts)
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    with parts.store.reading() as connection:
        event.listen(connection, "before_cursor_execute", note)
        days = Period(FIRST + timedelta(days=3), FIRST + timedelta(days=DAYS - 2), SHANGHAI)
        for by in ("total", "site", "day", "month"):
            movements(connection, None, days, by, "finance", balances=by in {"total", "site"})
        assert not [one for one, _ in seen if re.search(r"\b(?:FROM|JOIN) (?:ledger_transaction|posting)\b", one)]
        trial_balance(connection, None, noon(FIRST + timedelta(days=30)), None, "finance", SHANGHAI)
        event.remove(connection, "before_cursor_execute", note)
        if parts.store.postgres:
            return
        plans = [
            str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall())
            for statement, parameters in seen
            if "FROM ledger_transaction" in statement
        ]
    assert len(plans) == 2
    assert "ix_ledger_transaction_site_id_business_day (site_id=? AND business_day>? AND business_day<?)" in plans[0]
    assert "ix_ledger_transaction_late (site_id=? AND business_day>?)" in plans[1]


def test_whoever_meddles_with_an_accounts_sum_is_found(parts: Parts, ledger: Ledger) -> None:
    def named(connection: Connection) -> list[str]:
        look = Look(connection, Scope(None, None, SHANGHAI), Counter(), lambda _: None)
        return [one.id for one in verify_sums.failures(look)]

    with parts.store.reading() as connection:
        assert named(connection) == []
    february = date(2026, 2, 28)
    meddling: list[tuple[Any, str]] = [
        (update(t.AccountSum).where(t.AccountSum.debit_fen > 0).values(debit_fen=t.AccountSum.debit_fen + 1), "2026-"),
        (update(t.AccountSum).values(credit_fen=t.AccountSum.credit_fen + 1), "2026-"),
        (delete(t.AccountSum).where(t.AccountSum.account == "income:parking"), "2026-"),
        (update(t.BalanceSum).where(t.BalanceSum.day == february).values(fen=t.BalanceSum.fen + 1), "2026-02-28"),
        (delete(t.BalanceSum).where(t.BalanceSum.day == february), "2026-02-28"),
        (
            insert(t.BalanceSum).values(site_id="xinyi", day=february - timedelta(days=3), account="suspense:x", fen=1),
            "2026-02-25",
        ),
    ]
    for statement, day in meddling:
        with parts.store.writing() as connection:
            connection.execute(statement)
            assert any(name.startswith(f"{site}:{day}") for name in named(connection) for site in SITES), statement


def test_the_ends_of_months() -> None:
    found = ends_of_months(date(2027, 12, 31), date(2028, 3, 30))
    assert found == [date(2027, 12, 31), date(2028, 1, 31), date(2028, 2, 29)]
    assert ends_of_months(date(2028, 3, 1), date(2028, 3, 30)) == []
