"""包月: sold, renewed, moved, given back; what gates read of it, and who is to be reminded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from billing.policy import parse
from gateway.flows import passes, passes_changes, passes_reading, passes_refund
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
from gateway.flows.passes_terms import Wanted
from gateway.flows.pricing import standing
from gateway.flows.refusals import AmountNotDue, ChannelClosed, Invalid, KeyReused, NotFound
from gateway.store import tables as t
from gateway.store.facts import FactLoader
from gateway.wiring import Parts
from tests.gateway.pass_office import FINANCE, MONTH_FEN, REGISTRAR, TILL, Office
from tests.gateway.trade import POLICY, local


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


def covers(office: Office, plate: str) -> Callable[[datetime], bool]:
    """Whether the vehicle has a pass at an instant, as the corridor judges it: days of grace included."""
    policy = parse(POLICY.format(mode="pay_first"))
    with office.parts.store.reading() as connection:
        found = FactLoader(connection, locking=False).registrations({("xinyi", plate)})()
    return lambda at: standing(policy, plate, None, found["xinyi", plate], at).has_pass


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
    start, one, other = local("2026-03-01 00:00"), covers(office, "浙A10101"), covers(office, "浙A10102")
    for step in range(24 * 70):
        at = start + timedelta(hours=step, minutes=30)
        assert one(at) + other(at) <= 1, at
    assert one(local("2026-05-04 23:59")), "three days of grace after the end"
    assert not one(local("2026-05-05 00:00"))
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
    assert not covers(office, "浙B12345")(local("2026-03-10 15:30"))
    with pytest.raises(OtherHousehold, match="one vehicle at a time"):
        passes_changes.share(office.parts, sold.id, "浙B77777", "a second car", REGISTRAR)
    office.renews(sold.id)
    assert covers(office, "浙B54321")(local("2026-04-20 12:00"))
    office.gives_back(other.id)
    office.books_hold()


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
    assert covers(office, "浙A10101")(local("2026-03-11 23:59"))
    assert not covers(office, "浙A10101")(local("2026-03-12 00:00")), "what was given back has no days of grace"
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
