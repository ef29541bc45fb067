"""更正 survives whatever is told later: a correction and any delivery come to the same stays, and the books hold.

`PARKGATE_EXAMPLES` multiplies the number of examples (1: as many, but a failing one is made small).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, currently_in_test_context, event, given
from hypothesis import strategies as st
from sqlalchemy import select

from controllers.events import Opening, PlateColour
from gateway.flows import corrections
from gateway.flows.charges_books import By
from gateway.flows.refusals import Refused
from gateway.store import tables as t
from tests.property.event_runs import examples, pay_something
from tests.property.event_strategies import Step, told_and_delivered
from tests.property.event_told import PLATES, RESIDENT, VISITOR, Told, at, in_order, passed, read
from tests.property.event_world import World
from tests.property.event_worlds import PostgresWorlds, SqliteWorlds
from tests.servers import Postgres

Worlds = SqliteWorlds | PostgresWorlds
STRANGER = "浙A7X777"


@dataclass(frozen=True)
class Right:
    """What staff says of one stay's entry, or of its exit: which of them, and what is right of it."""

    which: int
    way: str
    plate: str | None
    minutes: int | None


def note(what: str) -> None:
    """For `--hypothesis-show-statistics`."""
    if currently_in_test_context():
        event(what)


def stays_of(world: World) -> list[str]:
    """As `World.stays`, also where two stays of one plate begin at one instant."""
    return sorted(
        f"{row.plate} {row.entry_at} {row.exit_at} {row.state} {row.gross_fen or 0}"
        for row in world.stay_rows()
        if row.state != "void"
    )


def rights() -> st.SearchStrategy[Right]:
    plates = st.sampled_from([*PLATES, STRANGER, STRANGER])
    ways = st.sampled_from(["entry", "entry", "exit"])
    minutes = st.sampled_from([-600, -40, -3, 2, 25])
    both = st.builds(Right, st.integers(0, 7), st.just("entry"), plates, minutes)
    return st.one_of(
        st.builds(Right, st.integers(0, 7), ways, plates, st.none()),
        both,
        st.builds(Right, st.integers(0, 7), st.just("entry"), st.none(), minutes),
    )


def say(world: World, event_id: str, right: Right, entry_at: Any) -> bool:
    """One member of staff corrects, another one agrees where that is needed. Whether it was taken."""
    field = f"{right.way}_event"
    found = [one for one in world.stay_rows() if getattr(one, field) == event_id and one.state != "void"]
    if not found:
        return False
    part: Any = right.way
    wanted = corrections.Wanted(plate=right.plate, entry_at=entry_at, part=part)
    try:
        made = corrections.correct(world.parts, found[0].id, wanted, "misread", By(operator="mei"))
        if made.state == "proposed":
            made = corrections.approve(world.parts, made.id, By(operator="fang"))
    except Refused as refused:
        note(type(refused).__name__)
        return False
    assert made.state == "made"
    return True


def as_it_should_be(worlds: Worlds, told: Sequence[Told], right: Right) -> tuple[str, Any, list[Any], list[Any]]:
    """Every event once, in order, then the correction: which read it was about, the instant, stays and payables."""
    with worlds.fresh() as world:
        world.clock.set(max(one.at for one in told) + timedelta(hours=1))
        for one in in_order(told):
            world.deliver([one])
        world.hours_later()
        known = [one for one in world.stay_rows() if one.state != "void" and getattr(one, f"{right.way}_event")]
        assume(known)
        stay = known[right.which % len(known)]
        entry_at = stay.entry_at + timedelta(minutes=right.minutes) if right.minutes is not None else None
        about = str(getattr(stay, f"{right.way}_event"))
        assume(say(world, about, right, entry_at))
        world.check()
        return about, entry_at, stays_of(world), sorted(world.payable(), key=repr)


def run_corrected(worlds: Worlds, told: Sequence[Told], steps: Sequence[Step], right: Right, when: int) -> None:
    """As soon as the stay is there, from the given delivery on; before that, and after it, whatever comes comes."""
    about, entry_at, stays, payable = as_it_should_be(worlds, told, right)
    with worlds.fresh() as world:
        world.clock.set(max(one.at for one in told) + timedelta(minutes=1))
        taken = False
        for place, step in enumerate(steps):
            world.clock.advance(seconds=step.seconds)
            if not taken and place >= when:
                taken = say(world, about, right, entry_at)
            world.deliver([told[which] for which in step.batch], dies=step.dies)
        note("in between" if taken else "at the end")
        for one in told:
            if one.id not in world.receipted:
                world.deliver([one])
        world.check()
        world.hours_later()
        assert taken or say(world, about, right, entry_at), "it was taken in order and is refused in another"
        world.check()
        assert world.commands == []
        assert stays_of(world) == stays, f"{stays_of(world)} and not {stays}"
        assert sorted(world.payable(), key=repr) == payable, f"{sorted(world.payable(), key=repr)} and not {payable}"
        # Everything once more: nothing changes.
        world.deliver(list(told))
        world.check()
        assert stays_of(world) == stays


@pytest.fixture(scope="module")
def small(sqlite_template: Path) -> Iterator[SqliteWorlds]:
    worlds = SqliteWorlds(sqlite_template)
    yield worlds
    worlds.close()


@pytest.fixture(scope="module")
def large(postgres: Postgres) -> Iterator[PostgresWorlds]:
    worlds = PostgresWorlds(postgres.url)
    yield worlds
    worlds.close()


Drawn = tuple[list[Told], list[Step]]


@examples(40)
@given(told_and_delivered(told_whole=True), rights(), st.integers(0, 6))
def test_a_correction_and_any_delivery_come_to_the_same_stays(
    small: SqliteWorlds, drawn: Drawn, right: Right, when: int
) -> None:
    run_corrected(small, *drawn, right, when)


@pytest.mark.postgres
@examples(8)
@given(told_and_delivered(told_whole=True), rights(), st.integers(0, 6))
def test_the_same_on_postgresql(large: PostgresWorlds, drawn: Drawn, right: Right, when: int) -> None:
    run_corrected(large, *drawn, right, when)


def test_a_read_that_joins_what_was_corrected_with_another_stay(small: SqliteWorlds) -> None:
    """Two stays, of which one was moved and the other was billed, turn out to be one passage."""
    told = [
        read("a", "in-1", VISITOR, at(0, 38)),
        read("c", "in-1", VISITOR, at(1, 53)),
        read("out", "out-1", VISITOR, at(90)),
        passed("gone", "out-1", "out", at(90, 5)),
        read("b", "in-1", VISITOR, at(0, 53)),
    ]
    with small.fresh() as world:
        world.clock.set(at(200))
        world.deliver(told[:2])
        [first, _] = world.stay_rows()
        assert say(world, "a", Right(0, "entry", None, -600), first.entry_at - timedelta(minutes=600))
        world.deliver(told[2:4])
        world.deliver(told[4:])
        world.check()
        [one] = [one for one in world.stay_rows() if one.state != "void"]
        assert (one.id, one.entry_at, one.exit_event) == (first.id, at(-600, 38), "out")


@examples(20)
@given(told_and_delivered(payments=True), st.lists(rights(), min_size=1, max_size=4))
def test_money_and_minutes_are_counted_once_whatever_is_corrected(
    small: SqliteWorlds, drawn: Drawn, said: list[Right]
) -> None:
    """Corrections upon corrections, between payments and late events: the books hold after each."""
    correct_meanwhile(small, drawn, said)


def test_two_stays_of_one_vehicle_that_were_corrected_stand_on_one_space(small: SqliteWorlds) -> None:
    """One was paid for before a later read of the same vehicle showed that its exit is missing."""
    correct_meanwhile(small, (FOUND, DELIVERED), SAID)


BEGAN = datetime(2026, 3, 31, 15, 58, tzinfo=UTC)
FOUND = [
    read("e00", "in-2", RESIDENT, BEGAN + timedelta(seconds=0), colour=PlateColour.BLUE),
    read("e01", "in-2", RESIDENT, BEGAN + timedelta(seconds=61), colour=PlateColour.YELLOW),
    read("e02", "in-2", RESIDENT, BEGAN + timedelta(seconds=120)),
    read("e03", "in-1", RESIDENT, BEGAN + timedelta(seconds=42125)),
    read("e04", "in-1", RESIDENT, BEGAN + timedelta(seconds=42186), colour=PlateColour.BLUE),
    read("e05", "in-1", RESIDENT, BEGAN + timedelta(seconds=42247)),
    passed("e06", "in-1", "e05", BEGAN + timedelta(seconds=42255)),
    read("e07", "out-2", RESIDENT, BEGAN + timedelta(seconds=53360)),
    read("e08", "out-2", RESIDENT, BEGAN + timedelta(seconds=53400), colour=PlateColour.YELLOW),
    read(
        "e09",
        "out-2",
        RESIDENT,
        BEGAN + timedelta(seconds=55205),
        opening=Opening.OFFLINE_EXIT,
        colour=PlateColour.BLUE,
    ),
    read("e10", "in-1", RESIDENT, BEGAN + timedelta(seconds=66310)),
    read("e11", "in-1", RESIDENT, BEGAN + timedelta(seconds=66325), colour=PlateColour.BLUE),
    read("e12", "in-1", RESIDENT, BEGAN + timedelta(seconds=66385), colour=PlateColour.BLUE),
]
DELIVERED = [
    Step((9,), 0, "after", 1),
    Step((4, 4, 2, 7), 1, None, None),
    Step((12, 6, 9, 0), 4000, None, 1),
    Step((2, 10, 9), 200, None, 3),
    Step((11, 3, 5, 8, 1), 1, "before", None),
]
SAID = [
    Right(4, "entry", "浙A00003", -600),
    Right(1, "entry", "浙A7X777", -600),
    Right(6, "entry", "浙A7X777", -40),
    Right(5, "entry", "浙A00001", None),
]


def correct_meanwhile(small: SqliteWorlds, drawn: Drawn, said: list[Right]) -> None:
    told, steps = drawn
    with small.fresh() as world:
        world.clock.set(max(one.at for one in told) + timedelta(minutes=1))
        for place, step in enumerate([*steps, *[None] * len(said)]):
            if step is not None:
                world.clock.advance(seconds=step.seconds)
                if step.pays is not None:
                    pay_something(world, step.pays)
                world.deliver([told[which] for which in step.batch])
            right = said[place % len(said)]
            known = [one for one in world.stay_rows() if one.state != "void" and getattr(one, f"{right.way}_event")]
            if known:
                stay = known[right.which % len(known)]
                moved = stay.entry_at + timedelta(minutes=right.minutes) if right.minutes is not None else None
                say(world, str(getattr(stay, f"{right.way}_event")), right, moved)
                world.check()
        world.hours_later()
        for which in range(3):
            pay_something(world, which)
        world.check()


@examples(12)
@given(told_and_delivered(told_whole=True, sensors_only=True), st.lists(rights(), min_size=1, max_size=4))
def test_vehicles_at_the_barrier_are_corrected_and_no_gate_opens_by_it(
    small: SqliteWorlds, drawn: Drawn, said: list[Right]
) -> None:
    """As it happens, a correction after every event: commands go out only with events, each once, and the books hold."""
    told, _ = drawn
    with small.fresh() as world:
        for place, one in enumerate(in_order(told)):
            world.clock.set(max(world.clock.now(), one.at + timedelta(seconds=1)))
            world.deliver([one], buffered=False)
            commands = len(world.all(select(t.CommandRow.id)))
            right = said[place % len(said)]
            field = f"{right.way}_event"
            known = [one for one in world.stay_rows() if one.state != "void" and getattr(one, field)]
            if known and right.minutes is None:
                stay = known[right.which % len(known)]
                if say(world, str(getattr(stay, field)), right, None):
                    world.check()
            assert len(world.all(select(t.CommandRow.id))) == commands
        world.hours_later()
        world.check()
