"""A door's decision and its hours, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.commands import Action, Reason
from controllers.doors import (
    DAYS,
    OPENS,
    TRIES_A_DAY_MAX,
    TRIES_MAX,
    AtDoor,
    BadHours,
    Membership,
    Passage,
    action,
    at_door,
    day_of,
    hours_of,
    is_open,
    normalised,
    reason,
    shown,
)

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
GUESSED = [AT - timedelta(minutes=one) for one in range(TRIES_MAX)]
CARD = Membership(member="m", by="card", valid_to=AT + timedelta(days=1))
CODE = Membership(member="m", by="code", valid_to=AT + timedelta(days=1))


@pytest.mark.parametrize(
    ("facts", "passage"),
    [
        ({"member": CARD}, "member"),
        ({"member": CODE}, "member"),
        ({}, "not_a_member"),
        ({"member": Membership(member="m", by="card", valid_to=AT)}, "expired"),
        ({"member": Membership(member="m", by="card", valid_to=AT, blocked=True)}, "blocked"),
        ({"member": CARD, "open_now": False}, "outside_hours"),
        ({"member": CODE, "tries": GUESSED}, "tried_too_often"),
        ({"tries": GUESSED}, "tried_too_often"),
        ({"member": CARD, "tries": GUESSED}, "member"),
        ({"member": CODE, "tries": GUESSED[1:]}, "member"),
        ({"member": CODE, "tries": [AT - timedelta(minutes=15 + one) for one in range(TRIES_MAX)]}, "member"),
        ({"member": CODE, "tries": [AT - timedelta(hours=1)] * TRIES_A_DAY_MAX}, "tried_too_often"),
        ({"inward": False}, "leaving"),
        ({"inward": False, "open_now": False, "tries": GUESSED}, "leaving"),
        ({"inward": False, "member": Membership(member="m", by="card", valid_to=AT, blocked=True)}, "leaving"),
        ({"emergency": True, "open_now": False}, "emergency"),
        ({"member": CARD, "late": True}, "too_late"),
        ({"inward": False, "late": True}, "too_late"),
    ],
)
def test_who_may_pass(facts: dict[str, Any], passage: str) -> None:
    assert at_door(AtDoor(**{"inward": True, "at": AT, **facts})) == passage


def test_a_display_tells_a_stranger_nothing() -> None:
    """Whoever tries is told the same of a card that is not known, was blocked, or has ended; the wire makes no difference either."""
    quiet = [Passage.NOT_A_MEMBER, Passage.BLOCKED, Passage.EXPIRED]
    assert len({shown(one) for one in quiet}) == 1
    assert {reason(one) for one in Passage if one not in OPENS} == {Reason.NOT_REGISTERED}
    assert {one for one in Passage if action(one) is Action.OPEN} == OPENS


def test_the_same_card_is_written_in_many_ways() -> None:
    assert normalised("04:a2-3f 9c") == normalised("04A23F9C") == "04A23F9C"


def hours(**days: list[list[str]]) -> Any:
    return hours_of({day: days.get(f"d{day}", []) for day in DAYS})


@pytest.mark.parametrize(
    ("today", "yesterday", "at", "there"),
    [
        ("1", "7", "06:00", True),
        ("1", "2", "05:59", False),
        ("1", "7", "22:59", True),
        ("1", "7", "23:00", False),
        ("5", "4", "23:59", True),
        ("6", "5", "01:59", True),
        ("6", "5", "02:00", False),
        ("5", "5", "01:00", True),
        ("holiday", "3", "12:00", False),
        ("7", "6", "07:59", False),
        ("7", "6", "08:00", True),
        ("1", "7", "03:00", True),  # Sunday from 08:00 all round the clock
    ],
)
def test_hours_cross_midnight_and_holidays_have_their_own(today: str, yesterday: str, at: str, there: bool) -> None:
    said = hours(d1=[["06:00", "23:00"]], d5=[["20:00", "02:00"]], d7=[["08:00", "08:00"]])
    minute = int(at[:2]) * 60 + int(at[3:])
    assert is_open(said, today, yesterday, minute) is there


def test_a_day_of_work_in_a_weekend_is_a_monday() -> None:
    assert [day_of(6, "workday"), day_of(6, "weekend"), day_of(3, "holiday"), day_of(7, None)] == [
        "1",
        "6",
        "holiday",
        "7",
    ]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "1: the days"),
        ({**dict.fromkeys(DAYS, ()), "8": ()}, "8: the days"),
        ({**dict.fromkeys(DAYS, ()), "2": [["06:00"]]}, "2: a time is"),
        ({**dict.fromkeys(DAYS, ()), "2": [["6:00", "7:00"]]}, "2: a time is"),
        ({**dict.fromkeys(DAYS, ()), "2": [["24:00", "07:00"]]}, "2: a time begins"),
        ({**dict.fromkeys(DAYS, ()), "2": [["06:00", "07:00"]] * 5}, "2: at most"),
    ],
)
def test_hours_that_cannot_be_used_are_said(document: dict[str, Any], said: str) -> None:
    with pytest.raises(BadHours, match=said):
        hours_of(document)


@given(minute=st.integers(0, 1439), start=st.integers(0, 1439), end=st.integers(0, 1440))
def test_one_time_every_day_is_open_just_then(minute: int, start: int, end: int) -> None:
    said = dict.fromkeys(DAYS, ((start, end),))
    inside = start <= minute < end if end > start else minute >= start or minute < end
    assert is_open(said, "2", "1", minute) is inside
