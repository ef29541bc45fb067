"""一位多车 on both databases: a household's vehicles share its spaces, and who waits takes over when one leaves (ADR 0013)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from controllers.commands import Reason
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.rules import PASS, Ruled, tariff
from tests.gateway.trade import local

HERS, HIS, THEIRS = "浙A00001", "浙A00002", "浙A00009"


@pytest.fixture
def street(parts: Parts) -> Ruled:
    return a_street(parts)


def a_street(parts: Parts, spaces: int = 1, *plates: str, rules: str = "") -> Ruled:
    street = Ruled(parts, tariff(), PASS.format(spaces=spaces) + rules)
    street.household("3-201", *(plates or (HERS, HIS, THEIRS)), passes=True)
    return street


def held(street: Ruled, stay: Any) -> list[tuple[str, str]]:
    """When it stood on a space, as its bill says, on the clock of the first day."""
    first = int(local("00:00").timestamp()) // 60
    said = street.bill(stay).facts["space"]["held"]
    return [tuple(f"{(at - first) // 60:02}:{(at - first) % 60:02}" for at in piece) for piece in said]  # type: ignore[misc]


def test_who_waits_takes_the_space_from_the_minute_it_is_free(street: Ruled) -> None:
    assert street.enters(HERS, "08:00").reason is Reason.RESIDENT
    assert street.enters(HIS, "09:00").reason is Reason.TEMPORARY
    hers = street.leaves(HERS, "12:00:40")
    his = street.leaves(HIS, "15:00")
    assert (hers.payable_fen, held(street, hers)) == (0, [("08:00", "12:00")])
    # 400 and ten half hours; the six after noon are waived, and what is left is under the cap.
    assert (his.gross_fen, his.payable_fen, held(street, his)) == (2000, 1200, [("12:00", "15:00")])
    street.check()


def test_who_came_second_and_leaves_first_paid_as_temporary(street: Ruled) -> None:
    street.enters(HERS, "08:00")
    street.enters(HIS, "09:00")
    his = street.leaves(HIS, "11:00")
    hers = street.leaves(HERS, "12:00")
    assert (his.payable_fen, held(street, his)) == (800, [])
    assert (hers.payable_fen, held(street, hers)) == (0, [("08:00", "12:00")])
    street.check()


def test_after_the_swap_a_third_one_is_a_visitor(street: Ruled) -> None:
    street.enters(HERS, "08:00")
    street.enters(HIS, "09:00")
    street.leaves(HERS, "12:00")
    assert street.enters(THEIRS, "13:00").reason is Reason.TEMPORARY
    assert held(street, street.leaves(THEIRS, "14:00")) == []
    assert held(street, street.leaves(HIS, "15:00")) == [("12:00", "15:00")]
    street.check()


def test_of_two_who_wait_the_one_that_came_first_takes_over(street: Ruled) -> None:
    street.enters(HERS, "08:00")
    street.enters(HIS, "09:00")
    street.enters(THEIRS, "09:30")
    street.leaves(HERS, "10:00")
    assert held(street, street.leaves(THEIRS, "12:00")) == []
    assert held(street, street.leaves(HIS, "13:00")) == [("10:00", "13:00")]
    street.check()


def test_two_spaces_serve_two_at_once(parts: Parts) -> None:
    street = a_street(parts, 2)
    street.enters(HERS, "08:00")
    assert street.enters(HIS, "09:00").reason is Reason.RESIDENT
    assert street.enters(THEIRS, "10:00").reason is Reason.TEMPORARY
    assert street.leaves(HIS, "11:00").payable_fen == 0
    assert held(street, street.leaves(THEIRS, "13:00")) == [("11:00", "13:00")]
    street.check()


def test_a_late_exit_raises_nobodys_bill_and_no_space_serves_two(street: Ruled) -> None:
    street.clock.set(local("08:01"))
    hers = street.told("hers", HERS, "08:00", "10:00")
    street.deliver(*hers[:2])
    street.enters(HIS, "09:00")
    told = street.leaves(HIS, "12:00")
    assert (told.payable_fen, held(street, told)) == (1200, [])
    street.clock.set(local("18:00"))
    street.deliver(*hers[2:])
    assert street.newest(HERS).payable_fen == 0
    assert (street.newest(HIS).payable_fen, street.newest(HIS).bills) == (1200, told.bills)
    street.check()


def test_a_late_entry_finds_the_space_taken_by_who_was_told_so(street: Ruled) -> None:
    his = street.visit(HIS, "09:00", "12:00")
    assert (his.payable_fen, held(street, his)) == (0, [("09:00", "12:00")])
    street.clock.set(local("18:00"))
    street.deliver(*street.told("hers", HERS, "08:00", "13:00"))
    hers = street.newest(HERS)
    assert held(street, hers) == [("08:00", "09:00"), ("12:00", "13:00")]
    assert (hers.gross_fen, hers.payable_fen) == (2000, 1200)
    assert street.newest(HIS).bills == his.bills
    street.check()


def test_what_was_paid_early_was_for_the_minutes_without_a_space(street: Ruled) -> None:
    street.enters(HERS, "08:00")
    street.enters(HIS, "09:00")
    street.clock.set(local("11:00"))
    street.pays(HIS, 800)
    street.leaves(HERS, "12:00")
    his = street.leaves(HIS, "15:00")
    assert (his.payable_fen, his.paid_fen, held(street, his)) == (1200, 1200, [("12:00", "15:00")])
    street.check()


def test_whose_pass_has_ended_keeps_no_space(parts: Parts) -> None:
    street = Ruled(parts, tariff(), PASS.format(spaces=1))
    street.household("3-201", HERS, passes=True, valid_to="2026-03-02T10:00:00+08:00")
    street.household("3-201", HIS, passes=True)
    street.enters(HERS, "08:00")
    street.enters(HIS, "09:00")
    assert held(street, street.leaves(HIS, "12:00")) == [("10:00", "12:00")]
    hers = street.leaves(HERS, "13:00")
    assert held(street, hers) == [("08:00", "10:00")]
    street.check()


def test_who_has_no_household_has_the_space_that_it_paid_for(street: Ruled) -> None:
    street.register(
        "passes",
        {"plate": "浙A77777", "pass": "resident-monthly", "valid_from": "2026-01-01", "valid_to": "2026-12-31"},
    )
    street.enters(HERS, "08:00")
    assert street.visit("浙A77777", "09:00", "12:00").payable_fen == 0
    assert "space" not in street.bill(street.newest("浙A77777")).facts


def test_in_one_batch_both_leave_and_the_minutes_still_add_up(street: Ruled) -> None:
    street.clock.set(local("18:00"))
    hers, his = street.told("hers", HERS, "08:00", "12:00"), street.told("his", HIS, "09:00", "15:00")
    street.deliver(*hers[:2], *his[:2], *hers[2:], *his[2:])
    assert held(street, street.newest(HERS)) == [("08:00", "12:00")]
    assert held(street, street.newest(HIS)) == [("12:00", "15:00")]
    street.check()


def test_verify_names_a_household_with_more_vehicles_than_spaces(street: Ruled) -> None:
    street.enters(HERS, "08:00")
    street.enters(HIS, "09:00")
    street.leaves(HERS, "12:00")
    his = street.leaves(HIS, "15:00")
    bill = t.Bill.__table__
    facts = street.bill(his).facts
    facts["space"]["held"] = [[start - 10, end] for start, end in facts["space"]["held"]]
    with street.parts.store.writing() as connection:
        connection.execute(update(bill).where(bill.c.stay_id == his.id).values(facts=facts))
        connection.commit()
    found = verify(street.parts).first_failure
    assert found is not None
    assert (found.what, found.id) == ("household", "xinyi:3-201")
