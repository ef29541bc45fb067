"""Which vehicle inside is at the exit, when its plate was misread: what is proposed, and what may be decided without a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.events import PlateColour
from controllers.plate_match import (
    CANDIDATES_MAX,
    LEAD_MIN,
    Change,
    Inside,
    Read,
    Wrong,
    alone,
    differences,
    propose,
)
from simulators.vehicles import Plates, misread

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BLUE, GREEN = PlateColour.BLUE, PlateColour.GREEN


def read(plate: str, **more: Any) -> Read:
    return Read(plate=plate, at=NOW, **more)


def inside(plate: str, *, hours: float = 2, overnight: bool = False, waits: bool = False, **more: Any) -> Inside:
    entry = Read(plate=plate, at=NOW - timedelta(hours=hours), **more)
    return Inside(stay=plate, read=entry, overnight=overnight, waits=waits)


OTHERS = [inside(f"浙B{number}") for number in range(70000, 70040)]


def test_a_look_alike_is_found_and_needs_no_person() -> None:
    exit_ = read("浙A1234B", colour=BLUE)
    found = propose(exit_, [*OTHERS, inside("浙A12348", colour=BLUE)])
    assert [one.plate for one in found] == ["浙A12348"]
    assert found[0].changes == (Change(6, "8", "B", similar=True),)
    assert found[0].score == found[0].lead > LEAD_MIN
    assert alone(found, exit_, LEAD_MIN) is found[0]


def test_a_twin_inside_leaves_it_to_a_person() -> None:
    exit_ = read("浙A1234B")
    found = propose(exit_, [inside("浙A12348"), inside("浙A123408"[:6] + "8"), inside("浙A1284B"), inside("浙A1Z34B")])
    assert len(found) > 1
    assert alone(found, exit_, LEAD_MIN) is None
    assert found[0].lead < LEAD_MIN
    assert [one.lead for one in found[1:]] == [round(one.score - found[0].score, 3) for one in found[1:]]


def test_a_character_that_was_not_read_is_anybodys() -> None:
    exit_ = read("浙A1234?")
    assert alone(propose(exit_, [*OTHERS, inside("浙A12348")]), exit_, LEAD_MIN) is not None
    assert alone(propose(exit_, [*OTHERS, inside("浙A12348"), inside("浙A12341")]), exit_, LEAD_MIN) is None


@pytest.mark.parametrize(
    ("exit_", "one"),
    [
        # The plate that was read exists here: this vehicle may well stand there, and its entry was missed.
        (read("浙A1234B", known=True), inside("浙A12348")),
        # Rather the entry was misread: the bill would be another vehicle's.
        (read("浙A1234B", confidence=0.99), inside("浙A12348", confidence=0.4)),
        (read("浙A1234B"), inside("浙A1234")),
        # It is at an exit already.
        (read("浙A1234B"), inside("浙A12348", waits=True)),
        # Of another colour.
        (read("浙A1234B", colour=GREEN), inside("浙A12348", colour=BLUE)),
    ],
)
def test_what_speaks_for_another_story_leaves_it_to_a_person(exit_: Read, one: Inside) -> None:
    found = propose(exit_, [*OTHERS, one])
    assert [each.plate for each in found] == [one.read.plate]
    assert alone(found, exit_, LEAD_MIN) is None


def test_a_lead_below_the_least_counts_as_the_least() -> None:
    exit_ = read("浙A12945")
    many = [inside(f"浙B{number}") for number in range(70000, 70400)]
    found = propose(exit_, [*many, inside("浙A12345")])  # no look-alike: 3 is not taken for 9
    assert 0 < found[0].lead < LEAD_MIN
    assert alone(found, exit_, 0) is None


def test_evidence_counts() -> None:
    def score(exit_: Read, one: Inside) -> float:
        return propose(exit_, [one])[0].score

    plain = score(read("浙A1234B"), inside("浙A12348"))
    assert score(read("浙A1234B", colour=BLUE), inside("浙A12348", colour=BLUE)) > plain
    assert score(read("浙A1234B", colour=GREEN), inside("浙A12348", colour=BLUE)) < plain - 1
    assert score(read("浙A1234B"), inside("浙A12348", overnight=True)) < plain
    # The camera itself doubts that very character; or another one.
    doubts_it = (0.99,) * 6 + (0.5,)
    doubts_another = (0.99, 0.99, 0.5, 0.99, 0.99, 0.99, 0.999)
    assert score(read("浙A1234B", certainties=doubts_it), inside("浙A12348")) > plain
    assert score(read("浙A1234B", certainties=doubts_another), inside("浙A12348")) < plain
    assert score(read("浙A1234C"), inside("浙A12348")) < plain, "8 is not taken for C"


def test_which_end_was_misread() -> None:
    def wrong(exit_: Read, one: Inside) -> Wrong:
        return propose(exit_, [one])[0].wrong

    assert wrong(read("浙A1234B"), inside("浙A12348", known=True)) is Wrong.EXIT
    assert wrong(read("浙A1234B", known=True), inside("浙A12348")) is Wrong.ENTRY
    assert wrong(read("浙A12345"), inside("浙A12?45")) is Wrong.ENTRY
    assert wrong(read("浙A1234B", confidence=0.9), inside("浙A12348", confidence=0.8)) is Wrong.ENTRY


@pytest.mark.parametrize(
    ("stands", "read_", "count"),
    [
        ("浙A12345", "浙A12345", 0),
        ("浙A12345", "浙A12346", 1),
        ("浙A12345", "浙A1245", 1),
        ("浙A12345", "浙A123455", 1),
        ("浙AD12345", "浙A12345", 1),
        ("浙A12345", "浙A?2?45", 2),
        ("浙A12345", "浙B99945", None),
        ("浙A12345", "浙A123", None),
        ("浙A12345", "浙B6789", None),
    ],
)
def test_differences_are_few_or_it_is_another_plate(stands: str, read_: str, count: int | None) -> None:
    found = differences(stands, read_)
    assert (None if found is None else len(found)) == count


def test_only_those_who_come_into_question_need_be_handed_in() -> None:
    exit_, one = read("浙A1234B"), inside("浙A12348")
    assert propose(exit_, [one], 1 + len(OTHERS)) == propose(exit_, [*OTHERS, one])
    assert propose(exit_, [one], 3000)[0].score < propose(exit_, [one])[0].score - 3


def test_who_came_later_or_has_the_very_plate_is_no_candidate() -> None:
    exit_ = read("浙A1234B")
    assert propose(exit_, [inside("浙A12348", hours=-1), inside("浙A1234B")]) == ()
    assert propose(exit_, []) == ()


@given(st.randoms(use_true_random=False), st.integers(min_value=1, max_value=60))
def test_it_does_not_matter_in_which_order_they_are_asked(random: Random, count: int) -> None:
    book = Plates()
    everybody = [inside(book.civil(random)[0]) for _ in range(count)]
    exit_ = read(misread(everybody[0].read.plate, random))
    found = propose(exit_, everybody)
    random.shuffle(everybody)
    assert propose(exit_, everybody) == found
    assert len(found) <= CANDIDATES_MAX
    assert all(one.score == pytest.approx(one.characters + one.colour + one.time, abs=0.002) for one in found)
