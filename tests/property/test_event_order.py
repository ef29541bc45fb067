"""The smallest examples of orders in which what one stay holds, or goes on from, was once forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from controllers.events import Opening, PlateColour
from tests.property.event_told import RESIDENT, VISITOR, Told, at, passed, read, reversed_
from tests.property.event_world import RULES, World
from tests.property.event_worlds import SqliteWorlds, as_it_should_be


@pytest.fixture(scope="module")
def worlds(sqlite_template: Path) -> Iterator[SqliteWorlds]:
    made = SqliteWorlds(sqlite_template)
    yield made
    made.close()


@pytest.fixture(scope="module")
def going_on(sqlite_template: Path) -> Iterator[SqliteWorlds]:
    """Who comes back within a quarter of an hour goes on with its stay."""
    made = SqliteWorlds(
        sqlite_template,
        RULES.replace("free_minutes = 30", "free_minutes = 30\nfree_stays_per_day = 1\nreentry_minutes = 15"),
    )
    yield made
    made.close()


def same_in(worlds: SqliteWorlds, told: Sequence[Told], order: str) -> World:
    """Deliver by name, each in a batch of its own: what comes of it is what comes of it in order."""
    expected = as_it_should_be(worlds, told)
    by_name = {one.id: one for one in told}
    with worlds.fresh() as world:
        world.clock.set(max(one.at for one in told) + timedelta(hours=1))
        for name in order.split():
            world.deliver([by_name[name]])
        world.hours_later()
        world.check()
        assert (world.stays(), world.payable()) == expected
        return world


def test_an_entry_that_was_none_takes_no_space_from_the_true_one(worlds: SqliteWorlds) -> None:
    told = [
        read("in", "in-1", RESIDENT, at(0)),
        read("ghost", "in-1", RESIDENT, at(31)),
        reversed_("no-ghost", "in-1", "ghost", at(31, 3)),
        read("out", "out-1", RESIDENT, at(270)),
        passed("gone", "out-1", "out", at(270, 5), opening=Opening.LIST),
    ]
    world = same_in(worlds, told, "ghost out gone in no-ghost")
    assert world.payable() == [(RESIDENT, "03-31 21:00:00", 0)]


def lorry_that_was_none(colour: PlateColour | None) -> list[Told]:
    """A visitor leaves owing and comes back five minutes later. `colour`: as which its entry was read first."""
    return [
        read("first", "in-1", VISITOR, at(0), colour=colour),
        read("again", "in-1", VISITOR, at(0, 55), colour=PlateColour.YELLOW),
        passed("in", "in-1", "again", at(1)),
        read("out", "out-1", VISITOR, at(100)),
        passed("gone", "out-1", "out", at(100, 5), opening=Opening.HAND),
        read("back", "in-1", VISITOR, at(105)),
        passed("is-back", "in-1", "back", at(105, 5)),
    ]


@pytest.mark.parametrize(
    "order",
    [
        "again in out gone back is-back first",
        "first again in back is-back out gone",
        "back is-back out gone in again first",
        "first in again gone is-back back out",
    ],
)
def test_a_stay_that_goes_on_owes_what_its_first_part_cost(going_on: SqliteWorlds, order: str) -> None:
    world = same_in(going_on, lorry_that_was_none(PlateColour.BLUE), order)
    (stay,) = world.stay_rows()
    assert (stay.state, stay.vehicle, stay.gross_fen > 0) == ("inside", "small", True)


def test_an_exit_that_was_earlier_than_known_is_the_one_that_its_bill_says(going_on: SqliteWorlds) -> None:
    told = [*lorry_that_was_none(None), read("before-out", "out-1", VISITOR, at(99, 30))]
    same_in(going_on, told, "first again in out gone back is-back before-out")


def test_a_stay_still_goes_on_after_an_entry_that_was_none(going_on: SqliteWorlds) -> None:
    told = [
        read("in", "in-2", VISITOR, at(0), opening=Opening.HAND),
        read("out", "out-2", VISITOR, at(1), opening=Opening.HAND),
        read("back", "in-1", VISITOR, at(2)),
        passed("is-back", "in-1", "back", at(2, 5)),
        read("ghost", "in-1", VISITOR, at(4)),
        reversed_("no-ghost", "in-1", "ghost", at(4, 5)),
        read("leaves", "out-1", VISITOR, at(6)),
        passed("left", "out-1", "leaves", at(6, 5)),
    ]
    world = same_in(going_on, told, "in out back is-back ghost no-ghost leaves left")
    assert [stay[1:3] for stay in world.stays()] == [("03-31 21:00:00", "03-31 21:06:00")]
    world = same_in(going_on, told, "back is-back ghost leaves left no-ghost out in")
    assert [stay[1:3] for stay in world.stays()] == [("03-31 21:00:00", "03-31 21:06:00")]


def test_who_was_no_entry_after_all_gives_its_exit_to_the_stay_before(worlds: SqliteWorlds) -> None:
    told = [
        read("in", "in-1", VISITOR, at(0)),
        read("out", "out-2", VISITOR, at(0, 38)),
        read("ghost", "in-1", VISITOR, at(1, 48)),
        read("ghost-again", "in-1", VISITOR, at(2, 48)),
        reversed_("no-ghost", "in-1", "ghost-again", at(2, 51)),
        read("leaves", "out-2", VISITOR, at(3, 26)),
        read("back", "in-1", VISITOR, at(4, 16)),
        passed("is-back", "in-1", "back", at(4, 21)),
    ]
    world = same_in(worlds, told, "in ghost out back is-back no-ghost leaves ghost-again")
    assert [stay[1:3] for stay in world.stays()] == [
        ("03-31 21:00:00", "03-31 21:03:26"),
        ("03-31 21:04:16", None),
    ]
