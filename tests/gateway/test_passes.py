"""包月: sold, renewed, moved, given back; what gates read of it; income by day, on its own day, exactly."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from billing.passes import Period, earned_on
from billing.policy import parse
from gateway.flows import pass_income, passes, passes_changes, passes_reading, passes_refund
from gateway.flows.charges_books import By, Money
from gateway.flows.charges_refusals import (
    AlreadyDecided,
    AlreadyProposed,
    NotAtThisDesk,
    OtherHousehold,
    PassNotValid,
    PassOverlaps,
    SecondPersonNeeded,
    SpacesTaken,
    VehicleNotServed,
)
from gateway.flows.close import close_day
from gateway.flows.passes_terms import Wanted
from gateway.flows.pricing import standing
from gateway.flows.refusals import AmountNotDue, ChannelClosed, Invalid, KeyReused, NotFound
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.store.facts import FactLoader
from gateway.wiring import Parts
from tests.gateway.books import Books
from tests.gateway.pass_office import FINANCE, MONTH_FEN, REGISTRAR, TILL, Office
from tests.gateway.trade import POLICY, local

MARCH = Period(date(2026, 3, 2), date(2026, 4, 2), MONTH_FEN)


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts)


def test_sold_for_cash_it_is_prepaid_and_the_gates_know(office: Office) -> None:
    sold = office.sells()
    assert (sold.first_day, sold.last_day, sold.amount_fen) == (date(2026, 3, 2), date(2026, 4, 1), MONTH_FEN)
    assert office.drawer() == MONTH_FEN
    assert office.accounts()["liability:prepaid"] == -MONTH_FEN
    assert office.held() == [("浙A10101", "03-02 00:00", "04-02 00:00", False)]
    out = office.passes("in-1", "浙A10101", "09:00")
    assert out.reason == "resident"
    assert office.passes("out-1", "浙A10101", "19:00").reason == "resident"
    assert office.stay("浙A10101").payable_fen == 0
    office.books_hold()


def test_the_same_key_is_the_same_sale(office: Office) -> None:
    first = office.sells(key="k1")
    assert office.sells(key="k1") == first
    with pytest.raises(KeyReused):
        office.sells(key="k1", months=2, fen=2 * MONTH_FEN)
    assert office.accounts()["liability:prepaid"] == -MONTH_FEN
    assert office.renews(first.id).first_day == date(2026, 4, 2)


@pytest.mark.parametrize(
    ("wanted", "fen", "refusal"),
    [
        ({}, MONTH_FEN - 1, AmountNotDue),
        ({}, MONTH_FEN + 1, AmountNotDue),
        ({}, None, AmountNotDue),
        ({"months": 3}, MONTH_FEN, AmountNotDue),
        ({"months": 0}, MONTH_FEN, Invalid),
        ({"months": 25}, 25 * MONTH_FEN, Invalid),
        ({"offer": "nothing"}, MONTH_FEN, Invalid),
        ({"first_day": date(2026, 3, 1)}, MONTH_FEN, Invalid),
        ({"first_day": date(2026, 9, 1)}, MONTH_FEN, Invalid),
        ({"plate": "？"}, MONTH_FEN, Invalid),
        ({"plate": "浙B77777", "vehicle": "large"}, MONTH_FEN, VehicleNotServed),
    ],
)
def test_what_is_not_sold(office: Office, wanted: dict[str, Any], fen: int | None, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        office.sells(**{"plate": "浙A10101", **wanted}, fen=fen)
    assert office.accounts() == {}
    assert office.held() == []


def test_outside_test_mode_only_cash_and_nothing_at_an_unknown_site(office: Office) -> None:
    real = Parts(
        settings=office.parts.settings.model_copy(update={"test": False}),
        clock=office.clock,
        store=office.parts.store,
        metrics=office.parts.metrics,
    )
    wanted = Wanted(site="xinyi", plate="浙A10101", offer="resident-monthly")
    with pytest.raises(ChannelClosed):
        passes.sell(real, wanted, Money(channel="wechat", amount_fen=MONTH_FEN), TILL)
    for site in ("atlantis", ""):
        with pytest.raises(NotFound):
            passes.sell(office.parts, Wanted(site=site, plate="浙A10101", offer="x"), None, TILL)


def test_a_household_has_as_many_passes_as_spaces_and_its_second_vehicle_shares_one(office: Office) -> None:
    sold = office.sells()
    with pytest.raises(PassOverlaps):
        office.sells()
    with pytest.raises(NotAtThisDesk):
        office.sells("浙A10102")
    with pytest.raises(SpacesTaken):
        office.sells("浙A10102", by=REGISTRAR)
    passes_changes.share(office.parts, sold.id, "浙A10102", "second car", REGISTRAR)
    assert [row[0] for row in office.held()] == ["浙A10101", "浙A10102"]
    assert office.passes("in-1", "浙A10101", "09:00").reason == "resident"
    assert office.passes("in-1", "浙A10102", "09:30").reason == "temporary"
    office.books_hold()


def test_an_imported_pass_is_in_the_way(office: Office) -> None:
    office.register(
        "passes",
        {"plate": "浙A10101", "pass": "resident-monthly", "valid_from": "2026-03-20", "valid_to": "2026-05-01"},
    )
    with pytest.raises(PassOverlaps):
        office.sells()


def test_renewed_before_its_end_or_within_its_grace_it_goes_on_and_later_it_begins_today(office: Office) -> None:
    sold = office.sells()
    assert office.renews(sold.id).first_day == date(2026, 4, 2)
    assert office.held() == [("浙A10101", "03-02 00:00", "05-02 00:00", False)]
    office.at("2026-05-04 12:00")
    renewed = office.renews(sold.id)
    assert (renewed.first_day, renewed.last_day) == (date(2026, 5, 2), date(2026, 6, 1))
    office.at("2026-06-05 12:00")
    late = office.renews(sold.id, months=2, fen=2 * MONTH_FEN)
    assert (late.first_day, late.last_day) == (date(2026, 6, 5), date(2026, 8, 4))
    assert [row[1:3] for row in office.held()] == [("03-02 00:00", "06-02 00:00"), ("06-05 00:00", "08-05 00:00")]
    office.books_hold()


def covers(office: Office, plate: str, at: datetime) -> bool:
    """Whether the vehicle has a pass at an instant, as the corridor judges it: days of grace included."""
    with office.parts.store.reading() as connection:
        found = FactLoader(connection, locking=False).registrations({("xinyi", plate)})()
    return standing(parse(POLICY.format(mode="pay_first")), plate, None, found["xinyi", plate], at).has_pass


def test_moved_to_another_vehicle_both_are_never_valid_at_once(office: Office) -> None:
    sold = office.sells()
    office.at("2026-03-10 15:30")
    office.transfers(sold.id, "浙A10102")
    assert office.held() == [
        ("浙A10101", "03-02 00:00", "03-10 15:30", True),
        ("浙A10102", "03-10 15:30", "04-02 00:00", False),
    ]
    office.at("2026-03-20 08:00")
    office.transfers(sold.id, "浙A10101")
    office.renews(sold.id)
    start = local("2026-03-01 00:00")
    for step in range(24 * 70):
        at = start + timedelta(hours=step, minutes=30)
        assert covers(office, "浙A10101", at) + covers(office, "浙A10102", at) <= 1, at
    assert covers(office, "浙A10101", local("2026-05-04 23:59")), "three days of grace after the end"
    assert not covers(office, "浙A10101", local("2026-05-05 00:00"))
    with office.parts.store.reading() as connection:
        found = passes_reading.sold_pass(office.parts, connection, None, sold.id)
    assert [one["plate"] for one in found["vehicles"]] == ["浙A10101", "浙A10102", "浙A10101"]
    assert found["plates"] == ["浙A10101"]
    office.books_hold()


def test_it_moves_only_within_a_household_and_only_while_it_holds(office: Office) -> None:
    sold = office.sells()
    for plate in ("浙A10201", "浙B99999"):
        with pytest.raises(OtherHousehold):
            office.transfers(sold.id, plate)
    with pytest.raises(Invalid):
        passes_changes.transfer(office.parts, sold.id, "浙A10102", " ", REGISTRAR)
    office.at("2026-04-02 00:30")
    with pytest.raises(PassNotValid):
        office.transfers(sold.id, "浙A10102")
    stranger = office.sells("浙B12345")
    with pytest.raises(OtherHousehold):
        office.transfers(stranger.id, "浙A10102")


def test_a_pass_of_no_household_moves_to_another_vehicle_of_none(office: Office) -> None:
    sold = office.sells("浙B12345")
    other = office.sells("浙B99999")
    office.at("2026-03-10 15:30")
    with pytest.raises(PassOverlaps):
        office.transfers(sold.id, "浙B99999")
    with pytest.raises(VehicleNotServed):
        passes_changes.transfer(office.parts, sold.id, "浙B54321", "a new car", REGISTRAR, vehicle="large")
    office.transfers(sold.id, "浙B54321")
    assert [row for row in office.held() if row[0] != "浙B99999"] == [
        ("浙B12345", "03-02 00:00", "03-10 15:30", True),
        ("浙B54321", "03-10 15:30", "04-02 00:00", False),
    ]
    assert not covers(office, "浙B12345", local("2026-03-10 15:30"))
    with pytest.raises(OtherHousehold, match="one vehicle at a time"):
        passes_changes.share(office.parts, sold.id, "浙B77777", "a second car", REGISTRAR)
    office.renews(sold.id)
    assert covers(office, "浙B54321", local("2026-04-20 12:00"))
    office.gives_back(other.id)
    office.books_hold()


# ---------------------------------------------------------------------- giving back


def test_given_back_by_day_with_a_second_person(office: Office) -> None:
    sold = office.sells()
    office.at("2026-03-11 10:00")
    proposed = passes_refund.propose(office.parts, sold.id, "moved away", REGISTRAR)
    assert (proposed.state, proposed.from_day) == ("proposed", date(2026, 3, 12))
    assert proposed.amount_fen == MONTH_FEN - MONTH_FEN * 10 // 31
    with pytest.raises(AlreadyProposed):
        passes_refund.propose(office.parts, sold.id, "again", FINANCE)
    for same in (REGISTRAR, By(operator="WANG ", role="finance")):
        with pytest.raises(SecondPersonNeeded):
            passes_refund.approve(office.parts, proposed.id, proposed.amount_fen, same)
    with pytest.raises(AmountNotDue):
        passes_refund.approve(office.parts, proposed.id, proposed.amount_fen + 1, FINANCE)
    approved = passes_refund.approve(office.parts, proposed.id, proposed.amount_fen, FINANCE)
    assert (approved.state, approved.decided_by) == ("approved", "zhao")
    with pytest.raises(AlreadyDecided):
        passes_refund.approve(office.parts, proposed.id, proposed.amount_fen, FINANCE)
    assert office.accounts()["liability:refund"] == -proposed.amount_fen
    assert office.held() == [("浙A10101", "03-02 00:00", "03-12 00:00", True)]
    assert covers(office, "浙A10101", local("2026-03-11 23:59"))
    assert not covers(office, "浙A10101", local("2026-03-12 00:00")), "what was given back has no days of grace"
    paid = passes_refund.pay_out(office.parts, proposed.id, "cash", TILL)
    assert passes_refund.pay_out(office.parts, proposed.id, "cash", TILL) == paid
    assert office.drawer() == MONTH_FEN * 10 // 31
    office.at("2026-04-20 03:00")
    office.earns()
    assert "liability:prepaid" not in office.accounts()
    assert office.accounts()["income:pass"] == -(MONTH_FEN * 10 // 31)
    with pytest.raises(PassNotValid):
        office.renews(sold.id)
    office.books_hold()


def test_what_is_to_come_is_given_back_whole_and_a_refused_one_goes_on(office: Office) -> None:
    sold = office.sells(first_day=date(2026, 3, 20))
    office.renews(sold.id)
    proposed = passes_refund.propose(office.parts, sold.id, "a mistake", REGISTRAR)
    assert proposed.amount_fen == 2 * MONTH_FEN
    with pytest.raises(SecondPersonNeeded):
        passes_refund.refuse(office.parts, proposed.id, "no", REGISTRAR)
    assert passes_refund.refuse(office.parts, proposed.id, "the driver stays", FINANCE).state == "refused"
    with pytest.raises(AlreadyDecided):
        passes_refund.pay_out(office.parts, proposed.id, "cash", TILL)
    assert office.gives_back(sold.id).amount_fen == 2 * MONTH_FEN
    assert office.held() == []
    assert office.accounts() == {
        "liability:refund": -2 * MONTH_FEN,
        next(name for name in office.accounts() if name.startswith("assets:cash")): 2 * MONTH_FEN,
    }
    office.books_hold()


def test_an_approver_who_comes_a_day_later_must_look_again(office: Office) -> None:
    sold = office.sells()
    proposed = passes_refund.propose(office.parts, sold.id, "moved away", REGISTRAR)
    office.goes_on()
    with pytest.raises(AmountNotDue, match="look again"):
        passes_refund.approve(office.parts, proposed.id, proposed.amount_fen, FINANCE)


# ---------------------------------------------------------------------- income by day


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


def test_nothing_that_is_audited_tells_of_a_certificate(office: Office) -> None:
    office.sells("浙A10201", fen=None, by=REGISTRAR)
    office.sells("浙A10101")
    rows = [row for row in office._all(select(t.AuditEntry.__table__)) if row.action == "pass.sell"]
    assert len({frozenset(row.detail) for row in rows}) == 1
    assert all("fen" not in name for row in rows for name in row.detail)


def test_who_is_to_be_reminded(office: Office) -> None:
    sold = office.sells()

    def ending(days: int = 7) -> list[tuple[int, str | None]]:
        with office.parts.store.reading() as connection:
            found = passes_reading.ending(office.parts, connection, None, days)
        return [(one["days_left"], one["grace_until"]) for one in found]

    assert ending() == []
    assert ending(31) == [(31, "2026-04-04")]
    office.at("2026-03-30 09:00")
    assert ending() == [(3, "2026-04-04")]
    office.at("2026-04-04 09:00")
    assert ending() == [(-2, "2026-04-04")]
    office.renews(sold.id)
    assert ending() == []


# ---------------------------------------------------------------------- what was changed past the program


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
    Books.change(_At(office), change)
    failure = verify(office.parts).first_failure
    assert failure is not None
    assert failure.what == named, failure
    assert "浙" not in f"{failure}"


class _At:
    """What `Books.change` asks of its books."""

    def __init__(self, office: Office) -> None:
        self.parts = office.parts


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
