"""一位多车, whatever is billed in whatever order: a space never serves two vehicles in one minute, and none stands empty for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import Posted
from gateway.flows import spaces
from gateway.store.facts import Facts
from gateway.store.records import BillRecord, StayRecord
from tests.property.event_runs import examples

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
FIRST = int(NOON.timestamp()) // 60
Visit = tuple[int, int]

visits = st.lists(
    st.tuples(st.integers(0, 120), st.integers(1, 120)).map(lambda one: (one[0], one[0] + one[1])),
    min_size=1,
    max_size=7,
)


def a_stay(number: int, since: int) -> StayRecord:
    at = NOON + timedelta(minutes=since)
    nothing: list[None] = [None] * 7
    return StayRecord(
        *("xinyi", f"s{number}", f"p{number}", "small", None, "inside", at, at, *nothing, False, None, "3-201", True),
        *("hushu", 1, None, None, 0, 0, 0, 0, Posted()),
    )


def billed(facts: Facts, stay: StayRecord, until: int, count: int) -> list[Visit]:
    """Its bill is fixed and the others' follow from it."""
    at = NOON + timedelta(minutes=until)
    pieces = spaces.held(facts, stay, at, count, timedelta(0))
    stay.state, stay.exit_at = "left", at
    said = {"space": {"until": FIRST + until, "held": [list(piece) for piece in pieces]}}
    bill = BillRecord("xinyi", stay.id, 1, "exit", at, at, None, None, said)  # type: ignore[arg-type]
    spaces.note(facts, stay, bill)
    return [(start - FIRST, end - FIRST) for start, end in pieces]


def minutes(pieces: list[Visit]) -> set[int]:
    return {minute for start, end in pieces for minute in range(start, end)}


@examples(150)
@given(visits, st.integers(1, 3), st.randoms(use_true_random=False))
def test_no_minute_has_more_vehicles_than_spaces_in_any_order(told: list[Visit], count: int, dice: object) -> None:
    facts = Facts()
    stays = [a_stay(number, since) for number, (since, _) in enumerate(told)]
    order = list(range(len(told)))
    dice.shuffle(order)  # type: ignore[attr-defined]
    held: dict[int, set[int]] = {}
    for number in order:
        # Whoever is not billed yet may be known already, or may come to light later.
        if dice.random() < 0.7:  # type: ignore[attr-defined]
            spaces.note(facts, stays[number], None)
    for number in order:
        held[number] = minutes(billed(facts, stays[number], told[number][1], count))
        assert held[number] <= set(range(*told[number]))
    for minute in range(241):
        assert sum(minute in mine for mine in held.values()) <= count


@examples(150)
@given(visits, st.integers(1, 3))
def test_where_all_is_told_in_order_every_space_is_used_and_the_first_go_first(told: list[Visit], count: int) -> None:
    """Entries as they happen, bills in the order of exits: at each minute those stand on spaces that came first."""
    facts = Facts()
    stays = [a_stay(number, since) for number, (since, _) in enumerate(told)]
    for stay in stays:
        spaces.note(facts, stay, None)
    held: dict[int, set[int]] = {}
    for number in sorted(range(len(told)), key=lambda one: (told[one][1], one)):
        held[number] = minutes(billed(facts, stays[number], told[number][1], count))
    for minute in range(241):
        there = sorted((told[n][0], n) for n in range(len(told)) if told[n][0] <= minute < told[n][1])
        assert {n for n, mine in held.items() if minute in mine} == {n for _, n in there[:count]}
