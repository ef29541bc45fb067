"""One drawer, two people, the same moment: one of them does it, and no fen is lost, on PostgreSQL and on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from gateway.flows.refusals import Refused
from gateway.flows.shifts_books import Step
from gateway.flows.shifts_refusals import DrawerTaken, NotCounted, ShiftClosed, ShiftOpen
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.pass_office import MONTH_FEN
from tests.gateway.test_vouchers_races import all_at_once
from tests.gateway.till import BOSS, CHEN, LI, WU, Till

AT_ONCE = 6


@pytest.fixture
def till(parts: Parts) -> Till:
    return Till(parts)


def won(answers: list[Any]) -> list[Any]:
    return [one for one in answers if not isinstance(one, Refused)]


def test_many_close_the_same_shift(till: Till) -> None:
    shift = till.opens()
    till.counts(shift, 20_000)
    answers = all_at_once(*[lambda: till.closes(shift)] * AT_ONCE)
    assert len(won(answers)) == 1
    assert all(isinstance(one, (Step, ShiftClosed)) for one in answers), answers
    assert (till.lies(shift), till.lies("safe")) == (0, 100_000)
    till.books_hold()


def test_the_same_request_many_times_is_one(till: Till) -> None:
    shift = till.opens()
    till.counts(shift, 20_000)
    answers = all_at_once(*[lambda: till.closes(shift, key="k")] * AT_ONCE)
    assert all(one == answers[0] for one in answers), answers
    assert till.lies("safe") == 100_000
    till.books_hold()


def test_closed_handed_over_and_forced_at_once(till: Till) -> None:
    """Whoever is first: the drawer is emptied once, into one place."""
    for number in range(4):
        shift = till.opens(drawer=f"d-{number}")
        till.counts(shift, 20_000)
        till.offers(shift)
        works: list[Callable[[], Any]] = [
            lambda: till.closes(shift),  # noqa: B023 - done within this round
            lambda: till.takes_over(shift, 20_000),  # noqa: B023
            lambda: till.forces(shift, 20_000, BOSS, into="safe"),  # noqa: B023
        ]
        (done,) = won(all_at_once(*works))
        assert till.lies(shift) == 0
        if done.next_shift:
            assert till.lies(done.next_shift) == 20_000
            till.forces(done.next_shift, 20_000, into="safe")
        assert till.lies("safe") == 100_000
    till.books_hold()


def test_two_open_one_drawer(till: Till) -> None:
    answers = all_at_once(*(lambda by=by: till.opens(by, 1000) for by in (LI, WU, CHEN)))  # type: ignore[misc]
    assert len(won(answers)) == 1
    assert sum(isinstance(one, DrawerTaken) for one in answers) == 2
    till.books_hold()


def test_one_cashier_opens_two_drawers(till: Till) -> None:
    answers = all_at_once(*(lambda at=at: till.opens(fen=1000, drawer=at) for at in ("a", "b", "c")))  # type: ignore[misc]
    assert sum(isinstance(one, ShiftOpen) for one in answers) == 2
    till.books_hold()


def test_money_is_taken_while_the_drawer_is_closed(till: Till) -> None:
    """Taken before, the count is overtaken; taken after, it is in a shift of its own. Never in a closed drawer."""
    for number in range(4):
        shift = till.opens(drawer=f"d-{number}")
        till.counts(shift, 20_000)
        taken, closed = all_at_once(till.takes, lambda: till.closes(shift))  # noqa: B023 - done within this round
        assert isinstance(taken, str)
        if isinstance(closed, NotCounted):
            till.counts(shift, 40_000)
            till.closes(shift)
        else:
            (other,) = till._all(select(t.Shift.__table__).where(t.Shift.closed_at.is_(None)))
            till.counts(other.id, MONTH_FEN)
            till.closes(other.id)
        assert till.lies(shift) == 0
        till.goes_on()
    till.books_hold()
