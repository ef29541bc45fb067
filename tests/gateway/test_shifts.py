"""班次: a drawer's float, takings, counts, handovers and deposits; what is in it is always known, and the books balance."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from billing.close import read_document
from gateway.api import shifts_shapes
from gateway.flows import shifts_work
from gateway.flows.charges_books import By
from gateway.flows.charges_refusals import SecondPersonNeeded
from gateway.flows.close import close_day, close_site
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.shifts_books import Step
from gateway.flows.shifts_reading import ShiftState
from gateway.flows.shifts_refusals import (
    AmountNotCounted,
    DrawerTaken,
    NotCounted,
    NotInTheSafe,
    NotOffered,
    ShiftClosed,
    ShiftOpen,
)
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.books import past_the_program
from tests.gateway.pass_office import MONTH_FEN
from tests.gateway.till import BOSS, CHEN, LI, MONEY, WU, Till, pieces


@pytest.fixture
def till(parts: Parts) -> Till:
    return Till(parts)


def test_a_shift_from_its_float_to_the_safe(till: Till) -> None:
    shift = till.opens(fen=20_000)
    till.takes()
    assert till.lies(shift) == 20_000 + MONTH_FEN
    count = till.counts(shift, 40_000)
    assert (count.expected_fen, count.counted_fen, count.difference_fen) == (40_000, 40_000, 0)
    closed = till.closes(shift)
    assert (closed.amount_fen, closed.code, closed.by) == (40_000, None, "li")
    assert (till.lies(shift), till.lies("safe")) == (0, 120_000)
    row = till.shift(shift)
    assert (row.cashier, row.drawer, row.float_fen, row.closed_by) == ("li", "east", 20_000, "li")
    till.books_hold()


def test_the_next_cash_after_a_shift_opens_another_by_itself(till: Till) -> None:
    """As before: nobody is sent away because nobody opened a shift. It is counted and closed like any other."""
    till.takes()
    (own,) = till._all(select(t.Shift.__table__))
    assert (own.cashier, own.drawer, own.float_fen, till.lies(own.id)) == ("li", None, 0, MONTH_FEN)
    with pytest.raises(ShiftOpen):
        till.opens()
    till.counts(own.id, MONTH_FEN)
    till.closes(own.id)
    till.goes_on()
    till.takes()
    assert len(till._all(select(t.Shift.__table__))) == 2
    till.books_hold()


def test_what_a_drawer_holds_is_told_to_the_supervisor_and_to_the_cashier_only_once_it_is_counted(till: Till) -> None:
    shift = till.opens(fen=20_000)
    till.takes()
    assert till.shows(shift, MONEY, supervises=True).expected_fen == 40_000
    assert till.shows(shift, LI).expected_fen is None
    till.counts(shift, 39_000)
    seen = till.shows(shift, LI)
    assert (seen.expected_fen, seen.counted_fen, seen.difference_fen) == (40_000, 39_000, -1000)
    till.takes()
    assert till.shows(shift, LI).expected_fen is None
    assert till.shows(shift, MONEY, supervises=True).expected_fen == 60_000
    # A supervisor who has a drawer counts it blind, too.
    own = till.opens(MONEY, drawer="office")
    assert till.shows(own, MONEY, supervises=True).expected_fen is None


@pytest.mark.parametrize(("counted", "code"), [(40_100, "cash_over"), (39_900, "cash_short")])
def test_what_differs_stands_in_suspense_under_a_neutral_code(till: Till, counted: int, code: str) -> None:
    shift = till.opens(fen=20_000)
    till.takes()
    till.counts(shift, counted)
    closed = till.closes(shift, "bank")
    assert (closed.code, closed.expected_fen, closed.counted_fen) == (code, 40_000, counted)
    assert till.accounts()[f"suspense:{closed.break_id}"] == 40_000 - counted
    assert (till.lies(shift), till.accounts()["assets:bank"]) == (0, counted - 100_000)
    (booked,) = till._all(select(t.LedgerTransaction.__table__).where(t.LedgerTransaction.kind == code))
    assert (booked.reference_kind, booked.reference, booked.operator) == ("break", closed.break_id, "li")
    till.books_hold()


def test_a_count_that_money_has_overtaken_closes_nothing(till: Till) -> None:
    shift = till.opens()
    with pytest.raises(NotCounted):
        till.closes(shift)
    till.counts(shift, 20_000)
    till.takes()
    with pytest.raises(NotCounted):
        till.closes(shift)
    with pytest.raises(NotCounted):
        till.offers(shift)
    till.counts(shift, 40_000)
    till.closes(shift)
    for again in (lambda: till.closes(shift), lambda: till.counts(shift, 0), lambda: till.brings(shift, 100)):
        with pytest.raises(ShiftClosed):
            again()


def test_two_shifts_at_one_drawer_or_of_one_cashier_are_refused(till: Till) -> None:
    till.opens()
    with pytest.raises(DrawerTaken, match="li"):
        till.opens(WU)
    with pytest.raises(ShiftOpen):
        till.opens(LI, drawer="west")
    till.opens(WU, drawer="west")
    till.books_hold()


def test_a_float_out_of_a_safe_that_does_not_hold_it(till: Till) -> None:
    with pytest.raises(NotInTheSafe):
        till.opens(fen=100_100)
    till.opens(fen=100_100, source="bank")
    with pytest.raises(NotInTheSafe):
        shifts_work.move_safe(till.parts, "xinyi", "bank", 100_001, "存款", MONEY)
    shifts_work.move_safe(till.parts, "xinyi", "bank", 100_000, "存款", MONEY)
    assert till.accounts().get("assets:cash:safe") is None
    till.books_hold()


def test_money_brought_away_while_the_shift_goes_on(till: Till) -> None:
    shift = till.opens()
    till.takes()
    till.brings(shift, 30_000)
    assert (till.lies(shift), till.lies("safe")) == (10_000, 110_000)
    # More than there should be: it lies in the safe, so the books say so, and the count tells.
    till.brings(shift, 10_100)
    assert till.lies(shift) == -100
    till.counts(shift, 0)
    assert till.closes(shift).code == "cash_over"
    till.books_hold()


def test_what_is_paid_back_leaves_the_drawer(till: Till) -> None:
    shift = till.opens()
    back = till.pays_back(till.takes())
    assert back > 0
    assert till.lies(shift) == 20_000 + MONTH_FEN - back
    till.books_hold()


@pytest.mark.parametrize("wrong", [{"3": 1}, {"0100": 1}, {"100": -1}, {"100": 100_001}, {"1e2": 1}, {"": 1}])
def test_only_coins_and_notes_are_counted(till: Till, wrong: dict[str, int]) -> None:
    shift = till.opens()
    with pytest.raises(Invalid, match="pieces"):
        shifts_work.count(till.parts, shift, wrong, LI)


# ---------------------------------------------------------------------- handover


def test_a_handover_moves_the_drawer_by_both_names(till: Till) -> None:
    shift = till.opens()
    till.takes()
    till.counts(shift, 39_000)
    till.offers(shift)
    # The one who takes over sees whose drawer it is, and no amount: they count.
    seen = till.shows(shift, WU)
    assert (seen.offered_to, seen.counted_fen, seen.expected_fen, seen.float_fen) == ("wu", None, None, None)
    with pytest.raises(AmountNotCounted):
        till.takes_over(shift, 40_000)
    done = till.takes_over(shift, 39_000)
    assert (done.by, done.other, done.code, done.amount_fen) == ("wu", "li", "cash_short", 39_000)
    following = till.shift(done.next_shift or "")
    assert (following.cashier, following.drawer, following.from_shift) == ("wu", "east", shift)
    assert (till.lies(shift), till.lies(following.id), till.in_suspense()) == (0, 39_000, 1000)
    assert till.shift(shift).closed_by == "wu"
    (line,) = till.audited("shift.hand_over")
    assert (line.operator, line.detail["cashier"], line.detail["to"]) == ("wu", "li", "wu")
    till.counts(following.id, 39_000, WU)
    till.closes(following.id, by=WU)
    till.books_hold()


def test_only_the_one_named_takes_over_and_only_what_was_counted_last(till: Till) -> None:
    shift = till.opens()
    till.counts(shift, 20_000)
    with pytest.raises(NotOffered):
        till.takes_over(shift, 20_000)
    till.offers(shift)
    with pytest.raises(NotOffered):
        till.takes_over(shift, 20_000, CHEN)
    till.counts(shift, 20_000)
    with pytest.raises(NotOffered):
        till.takes_over(shift, 20_000)
    till.offers(shift)
    till.takes()
    with pytest.raises(NotCounted):
        till.takes_over(shift, 20_000)
    till.counts(shift, 40_000)
    till.offers(shift)
    till.opens(WU, 10_000, "west")
    with pytest.raises(ShiftOpen):
        till.takes_over(shift, 40_000)
    for nobody in (LI, BOSS, By(operator="nobody")):
        with pytest.raises(Invalid, match="to:"):
            till.offers(shift, nobody)
    till.books_hold()


def test_anothers_drawer_is_not_there(till: Till) -> None:
    shift = till.opens()
    for other in (
        lambda: till.counts(shift, 0, WU),
        lambda: till.brings(shift, 100, by=WU),
        lambda: till.closes(shift, by=WU),
        lambda: till.offers(shift, CHEN, WU),
        lambda: till.counts("xinyi.nothing", 0),
        lambda: till.counts("nothing", 0),
    ):
        with pytest.raises(NotFound):
            other()


def test_a_manager_closes_the_drawer_of_one_who_has_left(till: Till) -> None:
    shift = till.opens()
    till.takes()
    with pytest.raises(Invalid, match="reason"):
        till.forces(shift, 40_000, reason=" ", into="safe")
    with pytest.raises(SecondPersonNeeded):
        till.forces(shift, 40_000, By(operator="li", role="manager"), into="safe")
    for both in ({}, {"to": "wu", "into": "safe"}):
        with pytest.raises(Invalid, match="into"):
            till.forces(shift, 40_000, **both)
    done = till.forces(shift, 35_000, into="safe")
    assert (done.kind, done.by, done.other, done.code, done.reason) == ("close", "zhou", "li", "cash_short", "突然离岗")
    assert (till.lies(shift), till.lies("safe"), till.in_suspense()) == (0, 115_000, 5000)
    (line,) = till.audited("shift.force")
    assert (line.operator, line.reason, line.detail["cashier"]) == ("zhou", "突然离岗", "li")
    till.books_hold()


def test_a_manager_hands_it_on_and_the_next_cashier_confirms(till: Till) -> None:
    shift = till.opens()
    till.forces(shift, 20_000, to="wu")
    with pytest.raises(NotCounted):
        till.closes(shift)
    done = till.takes_over(shift, 20_000)
    assert (done.by, done.other) == ("wu", "li")
    assert till.shift(done.next_shift or "").cashier == "wu"
    till.books_hold()


# ---------------------------------------------------------------------- once


def test_the_same_key_is_the_same_step_and_another_content_is_refused(till: Till) -> None:
    shift = till.opens(key="o")
    assert till.opens(key="o") == shift
    assert till.counts(shift, 20_000, key="c") == till.counts(shift, 20_000, key="c")
    assert till.brings(shift, 100, key="d") == till.brings(shift, 100, key="d")
    assert till.lies(shift) == 19_900
    till.counts(shift, 19_900)
    assert till.offers(shift, key="h") == till.offers(shift, key="h")
    done = till.takes_over(shift, 19_900, key="t")
    assert till.takes_over(shift, 19_900, key="t") == done
    following = done.next_shift or ""
    forced = till.forces(following, 19_900, into="safe", idempotency_key="f")
    assert till.forces(following, 19_900, into="safe", idempotency_key="f") == forced
    for other in (
        lambda: till.opens(fen=100, key="o"),
        lambda: till.counts(shift, 100, key="c"),
        lambda: till.brings(shift, 200, key="d"),
        lambda: till.takes_over(shift, 100, key="t"),
        lambda: till.forces(following, 100, into="safe", idempotency_key="f"),
        lambda: till.counts(shift, 20_000, key="o"),
    ):
        with pytest.raises(KeyReused):
            other()
    assert till.lies("safe") == 100_000
    till.books_hold()


# ---------------------------------------------------------------------- days


def test_a_shift_over_midnight_closes_on_its_own_day_and_the_close_says_what_was_in_each_drawer(till: Till) -> None:
    till.at("2026-03-02 20:00")
    shift = till.opens()
    till.takes()
    till.at("2026-03-03 06:00")
    till.counts(shift, 39_000)
    till.closes(shift)
    till.at("2026-03-04 03:00")
    till.closes_through(date(2026, 3, 3))
    first, second = (
        read_document(close_site(till.parts, "xinyi", day).canonical) for day in (date(2026, 3, 2), date(2026, 3, 3))
    )
    # A shift counts what came in; floats and deposits are no income of a channel.
    assert (first.totals.shifts, first.totals.channels) == ({shift: MONTH_FEN}, {"cash": MONTH_FEN})
    said = {
        (one.shift, one.put_in_fen, one.taken_fen, one.brought_away_fen, one.difference_fen) for one in first.drawers
    }
    assert said == {(shift, 20_000, MONTH_FEN, 0, 0), ("safe", 100_000, 0, 20_000, 0)}
    said = {
        (one.shift, one.put_in_fen, one.taken_fen, one.brought_away_fen, one.difference_fen) for one in second.drawers
    }
    assert said == {(shift, 0, 0, 39_000, -1000), ("safe", 39_000, 0, 0, 0)}
    assert second.totals.sums.disputed_fen == 1000
    till.books_hold()


def test_a_closed_day_takes_nothing(till: Till) -> None:
    """A clock that goes wrong: what is dated into a closed day stands on the first open one and says so."""
    shift = till.opens()
    till.at("2026-03-03 03:00")
    close_day(till.parts, date(2026, 3, 1))
    close_day(till.parts, date(2026, 3, 2))
    till.at("2026-03-02 23:00")
    till.counts(shift, 20_000)
    till.closes(shift)
    (booked,) = till._all(
        select(t.LedgerTransaction.__table__).where(
            t.LedgerTransaction.kind == "deposit", t.LedgerTransaction.reference == shift
        )
    )
    assert (booked.business_day, booked.belongs_to) == (date(2026, 3, 3), date(2026, 3, 2))
    till.books_hold()


# ---------------------------------------------------------------------- what is seen to be wrong


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE shift SET closed_at = NULL, drawer = NULL WHERE closed_at IS NOT NULL", "shift_step"),
        ("UPDATE shift SET closed_by = 'chen' WHERE closed_at IS NOT NULL", "shift_step"),
        ("UPDATE shift SET float_fen = 1", "shift_step"),
        ("UPDATE shift SET from_shift = NULL", "shift_step"),
        ("UPDATE shift_step SET operator = 'chen' WHERE kind = 'handover'", "shift_step"),
        ("UPDATE shift_step SET other = 'chen' WHERE kind = 'offer'", "shift_step"),
        ("UPDATE shift_step SET amount_fen = amount_fen + 1 WHERE kind = 'deposit'", "shift_step"),
        ("UPDATE shift_step SET counted_fen = counted_fen + 1 WHERE kind = 'count'", "shift_step"),
        ("UPDATE shift_step SET expected_fen = counted_fen WHERE kind = 'handover'", "shift_step"),
        ("UPDATE shift_step SET code = 'cash_over' WHERE code IS NOT NULL", "shift_step"),
        ("UPDATE shift_step SET place = 'bank' WHERE kind = 'deposit'", "shift_step"),
        ("DELETE FROM shift_step WHERE kind = 'handover'", "shift"),
        ("DELETE FROM shift_step WHERE kind = 'deposit'", "transaction"),
        ("DELETE FROM shift", "shift"),
    ],
)
def test_verify_names_what_does_not_hold(till: Till, statement: str, what: str) -> None:
    shift = till.opens()
    till.takes()
    till.brings(shift, 10_000)
    till.counts(shift, 29_000)
    till.offers(shift)
    till.takes_over(shift, 29_000)
    till.books_hold()
    past_the_program(till.parts, statement)
    report = verify(till.parts)
    assert report.first_failure is not None
    assert report.first_failure.what in {what, "transaction"}, report.first_failure


def test_a_step_never_changes(till: Till) -> None:
    till.opens()
    for statement in ("UPDATE shift_step SET amount_fen = 1", "DELETE FROM shift_step"):
        with pytest.raises(DBAPIError, match="only ever grows"), till.parts.store.writing() as connection:
            connection.execute(text(statement))


def test_pieces_are_those_of_the_renminbi() -> None:
    assert pieces(38_860) == {"10000": 3, "5000": 1, "2000": 1, "1000": 1, "500": 1, "100": 3, "50": 1, "10": 1}


@pytest.mark.parametrize(("record", "model"), [(Step, shifts_shapes.Step), (ShiftState, shifts_shapes.Shift)])
def test_a_model_has_the_fields_of_its_record(record: Any, model: Any) -> None:
    assert [field.encode_name for field in msgspec.structs.fields(record)] == list(model.model_fields)
