"""包月: income by day, on its own day, exactly; what was changed past the program is named."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from billing.passes import Period, earned_on
from gateway.flows import pass_income, passes, passes_refund
from gateway.flows.charges_refusals import (
    NotAtThisDesk,
)
from gateway.flows.close import close_day
from gateway.flows.passes_terms import Wanted
from gateway.flows.refusals import AmountNotDue, Invalid
from gateway.flows.verify import verify
from gateway.store import tables as t
from tests.gateway.books import past_the_program
from tests.gateway.pass_office import MONTH_FEN, REGISTRAR, TILL, Office

MARCH = Period(date(2026, 3, 2), date(2026, 4, 2), MONTH_FEN)


def income_by_day(office: Office) -> dict[date, tuple[int, date, date | None]]:
    """Income of the runs: by the day it belongs to, with the business day it stands on."""
    ledger, run = t.LedgerTransaction, t.PassIncomeRun
    rows = office._all(
        select(run.day, run.income_fen, ledger.business_day, ledger.belongs_to)
        .join(ledger, (ledger.site_id == run.site_id) & (ledger.id == run.transaction_id))
        .order_by(run.day, run.sequence)
    )
    return {row.day: (row.income_fen, row.business_day, row.belongs_to) for row in rows}


def test_each_day_is_earned_on_its_own_day_and_catching_up_changes_nothing(office: Office) -> None:
    office.sells()
    office.earns()
    assert income_by_day(office) == {}, "today is not over"
    office.at("2026-03-04 00:30")
    office.earns()
    office.earns()
    assert income_by_day(office) == {
        day: (earned_on(MARCH, day), day, None) for day in (date(2026, 3, 2), date(2026, 3, 3))
    }
    office.at("2026-04-20 00:30")
    office.earns()
    found = income_by_day(office)
    assert len(found) == 31
    assert sum(fen for fen, _, _ in found.values()) == MONTH_FEN
    assert office.accounts()["income:pass"] == -MONTH_FEN
    office.books_hold()


def test_the_close_earns_its_day_whoever_closes(office: Office) -> None:
    office.sells()
    office.at("2026-03-03 02:00")
    office.closes_through(date(2026, 3, 2))
    fen = earned_on(MARCH, date(2026, 3, 2))
    assert income_by_day(office) == {date(2026, 3, 2): (fen, date(2026, 3, 2), None)}
    office.earns()
    office.books_hold()
    assert len(income_by_day(office)) == 1


def test_what_is_sold_for_closed_days_stands_on_the_next_open_one(office: Office) -> None:
    """Renewed within its grace, the days since its end are closed already."""
    sold = office.sells()
    office.at("2026-04-04 09:00")
    office.closes_through(date(2026, 4, 3))
    before = verify(office.parts)
    assert before.ok, before.first_failure
    office.renews(sold.id)
    report = verify(office.parts)
    assert report.first_failure is not None
    assert "is closed and not earned" in report.first_failure.why
    office.earns()
    found = income_by_day(office)
    today = date(2026, 4, 4)
    assert found[date(2026, 4, 2)][1:] == (today, date(2026, 4, 2))
    assert found[date(2026, 4, 3)][1:] == (today, date(2026, 4, 3))
    office.books_hold()
    office.at("2026-04-05 02:00")
    close_day(office.parts, today)
    office.books_hold()


def test_a_waived_pass_is_earned_gross_with_its_waiver_beside_it(office: Office) -> None:
    with pytest.raises(NotAtThisDesk):
        office.sells("浙A10201")
    with pytest.raises(NotAtThisDesk):
        passes.quote(office.parts, Wanted(site="xinyi", plate="浙A10201", offer="resident-monthly"), TILL)
    with pytest.raises(Invalid):
        office.sells("浙A10201", fen=None, months=2, by=REGISTRAR)
    sold = office.sells("浙A10201", fen=None, by=REGISTRAR)
    assert (sold.amount_fen, sold.payment) == (0, None)
    assert office.accounts() == {}
    office.at("2026-03-05 03:00")
    office.earns()
    three = MONTH_FEN * 3 // 31
    assert office.accounts() == {"income:pass": -three, "waived:low_income": three}
    assert office.gives_back(sold.id).amount_fen == 0
    with pytest.raises(AmountNotDue):
        passes_refund.pay_out(office.parts, passes_refund_id(office), "cash", TILL)
    office.at("2026-05-05 03:00")
    office.earns()
    four = MONTH_FEN * 4 // 31
    assert office.accounts() == {"income:pass": -four, "waived:low_income": four}
    office.books_hold()


def passes_refund_id(office: Office) -> str:
    (row,) = office._all(select(t.PassRefund.id))
    return str(row.id)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE pass_income SET income_fen = income_fen + 1 WHERE day = '2026-03-03'", "pass_period"),
        ("DELETE FROM pass_income WHERE day = '2026-03-03'", "pass_period"),
        ("UPDATE pass_income SET day = '2026-03-30' WHERE day = '2026-03-03'", "pass_period"),
        ("UPDATE pass_period SET gross_fen = gross_fen + 31", "pass_period"),
        ("UPDATE pass_period SET next_day = first_day", "pass_period"),
        ("UPDATE pass_income_run SET income_fen = income_fen - 1 WHERE day = '2026-03-03'", "pass_income_run"),
        ("UPDATE charge_payment SET amount_fen = amount_fen - 1", "pass_period"),
        ("UPDATE charge_payment SET channel = 'wechat'", "charge_payment"),
        ("DELETE FROM pass_income_run WHERE day = '2026-03-03'", "transaction"),
        ("DELETE FROM charge_payment", "transaction"),
        ("DELETE FROM pass_period", "pass_income"),
    ],
)
def test_verify_names_what_was_changed(office: Office, change: str, named: str) -> None:
    office.sells()
    office.at("2026-03-06 03:00")
    office.earns()
    office.closes_through(date(2026, 3, 5))
    office.books_hold()
    past_the_program(office.parts, change)
    failure = verify(office.parts).first_failure
    assert failure is not None
    assert failure.what == named, failure
    assert "浙" not in f"{failure}"


def test_income_only_ever_grows(office: Office) -> None:
    office.sells()
    office.at("2026-03-04 03:00")
    office.earns()
    for table in ("pass_income", "pass_income_run", "charge_payment"):
        with pytest.raises(Exception, match="only ever grows"), office.parts.store.writing() as connection:
            connection.exec_driver_sql(f"DELETE FROM {table}")


def test_a_pass_job_says_what_it_did(office: Office) -> None:
    office.sells()
    office.at("2026-03-04 03:00")
    assert pass_income.earn_due(office.parts) == f"2 site days earned, {MONTH_FEN * 2 // 31} fen, up to 2026-03-03"
    assert pass_income.earn_due(office.parts) == ""
