"""Invariant 2 on the real store: whatever is repeated, late, out of order or cut off by a crash, the stays come out the same.

`PARKGATE_EXAMPLES` multiplies the number of examples (1: as many, but a failing one is made small), and has the books
verified at every step of each.
A failing one prints its `@reproduce_failure` line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given

from controllers.events import Opening, PlateColour
from controllers.events import Outcome as Became
from gateway.flows import payment, quote, registers
from tests.property.event_runs import deliver_all, examples, run_buffered, run_live, run_paid
from tests.property.event_strategies import Step, told_and_delivered
from tests.property.event_told import (
    MOTHER,
    RESIDENT,
    SECOND,
    SON,
    VISITOR,
    Told,
    at,
    one_visit,
    passed,
    read,
    reversed_,
)
from tests.property.event_world import RULES, World
from tests.property.event_worlds import PostgresWorlds, SqliteWorlds
from tests.servers import Postgres

Drawn = tuple[list[Told], list[Step]]


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


@pytest.fixture
def world(small: SqliteWorlds) -> Iterator[World]:
    with small.fresh() as fresh:
        yield fresh


# ---------------------------------------------------------------------- any journey, any delivery


@examples(60)
@given(told_and_delivered(told_whole=True))
def test_told_whole_and_delivered_anyhow_the_stays_are_the_same(small: SqliteWorlds, drawn: Drawn) -> None:
    run_buffered(small, *drawn)


@examples(60)
@given(told_and_delivered())
def test_told_in_part_and_delivered_anyhow_the_stays_are_the_same(small: SqliteWorlds, drawn: Drawn) -> None:
    run_buffered(small, *drawn)


@examples(25)
@given(told_and_delivered(told_whole=True, sensors_only=True))
def test_what_was_decided_live_is_what_comes_of_the_same_events_kept(small: SqliteWorlds, drawn: Drawn) -> None:
    run_live(small, *drawn)


@examples(40)
@given(told_and_delivered(payments=True))
def test_money_that_comes_in_between_is_counted_once(small: SqliteWorlds, drawn: Drawn) -> None:
    run_paid(small, *drawn)


@pytest.mark.postgres
@examples(10)
@given(told_and_delivered(told_whole=True))
def test_the_same_on_postgresql(large: PostgresWorlds, drawn: Drawn) -> None:
    run_buffered(large, *drawn)


@pytest.mark.postgres
@examples(8)
@given(told_and_delivered(payments=True))
def test_money_is_counted_once_on_postgresql(large: PostgresWorlds, drawn: Drawn) -> None:
    run_paid(large, *drawn)


# ---------------------------------------------------------------------- rules that look beyond one stay


@pytest.fixture(scope="module")
def counting(sqlite_template: Path) -> Iterator[SqliteWorlds]:
    """Free minutes for the day's first stay; who comes back within a quarter of an hour goes on with its stay."""
    worlds = SqliteWorlds(
        sqlite_template,
        RULES.replace("free_minutes = 30", "free_minutes = 30\nfree_stays_per_day = 1\nreentry_minutes = 15"),
    )
    yield worlds
    worlds.close()


@pytest.fixture(scope="module")
def capped(sqlite_template: Path) -> Iterator[SqliteWorlds]:
    cap = 'cap = { per = "24h", fen = 2000 }'
    across = 'cap = { per = "calendar_day", fen = 500, across_stays = true }\nmonth_cap_fen = 700'
    worlds = SqliteWorlds(sqlite_template, RULES.replace(cap, across))
    yield worlds
    worlds.close()


@examples(40)
@given(told_and_delivered())
def test_stays_that_count_each_other_are_the_same_however_they_are_delivered(
    counting: SqliteWorlds, drawn: Drawn
) -> None:
    run_buffered(counting, *drawn)


@examples(25)
@given(told_and_delivered(payments=True))
def test_money_is_counted_once_where_stays_go_on(counting: SqliteWorlds, drawn: Drawn) -> None:
    run_paid(counting, *drawn)


@examples(40)
@given(told_and_delivered())
def test_a_cap_across_stays_is_never_exceeded_however_they_are_delivered(capped: SqliteWorlds, drawn: Drawn) -> None:
    told, steps = drawn
    with capped.fresh() as world:
        deliver_all(world, told, steps)
        world.hours_later()
        world.check()
        plates = {stay.id: (stay.plate, stay.vehicle) for stay in world.stay_rows()}
        charged: dict[tuple[str, str], int] = {}
        for bill in world.standing_bills():
            plate, vehicle = plates[bill.stay_id]
            for day, fen in bill.facts["charged"].items() if vehicle != "large" else ():
                for window in (day, day[:7]):
                    charged[plate, window] = charged.get((plate, window), 0) + fen
        assert all(fen <= (500 if len(window) == 10 else 700) for (_, window), fen in charged.items()), charged


# ---------------------------------------------------------------------- the smallest examples of what was found


def told_in(world: World, told: Sequence[Told], order: str) -> None:
    """Deliver by name: a blank between events of one batch, a bar between batches. All of it is long past."""
    by_name = {one.id: one for one in told}
    world.clock.set(max(one.at for one in told) + timedelta(hours=1))
    for batch in order.split("|"):
        world.deliver([by_name[name] for name in batch.split()])


def test_a_mark_before_its_read_in_one_batch_still_completes_it(world: World) -> None:
    told_in(world, one_visit(), "out-passed out in-passed in")
    assert [stay[3] for stay in world.stays()] == ["left"]


def test_a_mark_of_another_lane_means_nothing_whenever_it_comes(small: SqliteWorlds) -> None:
    told = [*one_visit()[:3], reversed_("wrong", "in-1", "out", at(60, 5))]
    found = []
    for order in ("in|in-passed|out|wrong", "wrong|out|in|in-passed"):
        with small.fresh() as world:
            told_in(world, told, order)
            world.hours_later()
            found.append(world.stays())
    assert found[0] == found[1]


def test_an_exit_of_which_no_more_is_told_ends_its_stay_in_any_order(small: SqliteWorlds) -> None:
    found = []
    for order in ("in|in-passed|out", "out|in|in-passed"):
        with small.fresh() as world:
            told_in(world, one_visit()[:3], order)
            world.hours_later()
            found.append(world.stays())
    assert found[0] == found[1]


def test_a_vehicle_that_waits_at_its_exit_longer_than_a_minute_leaves_once(small: SqliteWorlds) -> None:
    told = [
        *one_visit()[:2],
        read("waits", "out-1", VISITOR, at(60)),
        read("goes", "out-1", VISITOR, at(61, 15)),
        passed("gone", "out-1", "goes", at(61, 20)),
    ]
    found = []
    for order in ("in|in-passed|waits|goes|gone", "in|in-passed|goes|gone|waits"):
        with small.fresh() as world:
            told_in(world, told, order)
            found.append(world.stays())
    assert found[0] == found[1]


def test_the_entrys_vehicle_type_stands_for_the_stay_in_any_order(small: SqliteWorlds) -> None:
    told = [
        read("lorry", "in-1", VISITOR, at(0), colour=PlateColour.YELLOW),
        read("again", "in-1", VISITOR, at(0, 15)),
        passed("in-passed", "in-1", "again", at(0, 20)),
        *one_visit()[2:],
    ]
    found = []
    for order in ("lorry|again|in-passed|out|out-passed", "again|lorry|in-passed|out|out-passed"):
        with small.fresh() as world:
            told_in(world, told, order)
            found.append(world.stays())
    assert found[0] == found[1]


def test_a_read_that_comes_before_its_first_one_keeps_the_books_in_order(world: World) -> None:
    told = [read("again", "in-1", VISITOR, at(0, 15)), read("first", "in-1", VISITOR, at(0))]
    told_in(world, told, "again|first")
    world.check()


def test_a_late_entry_draws_on_the_month_of_its_exit_as_it_stands(world: World) -> None:
    told = [
        *(
            Told(f"son-{one.id}", one.lane, one.kind, one.at + timedelta(minutes=181), plate=one.plate,
                 completes=one.completes and f"son-{one.completes}")
            for one in [*one_visit(SON)[:2], read("out", "out-1", SON, at(180)), passed("out-passed", "out-1", "out", at(181))]
        ),
        *one_visit(MOTHER)[:2],
        read("out", "out-1", MOTHER, at(400)),
        passed("out-passed", "out-1", "out", at(400, 5)),
    ]  # fmt: skip
    told_in(world, told, "son-in|son-in-passed|son-out|son-out-passed|out|out-passed|in|in-passed")
    world.check()


def test_a_residents_entry_that_comes_after_the_exit_costs_nothing_all_the_same(world: World) -> None:
    told_in(world, one_visit(RESIDENT), "out|out-passed|in|in-passed")
    assert world.payable() == [(RESIDENT, "03-31 21:00:00", 0)]


def test_a_household_never_holds_more_spaces_than_it_has(world: World) -> None:
    world.clock.set(at(0))
    world.deliver([read("one", "in-1", RESIDENT, at(0))], buffered=False)
    world.clock.set(at(5))
    world.deliver([read("two", "in-1", SECOND, at(5))], buffered=False)
    world.deliver([world.result(world.commands[-1], Became.EXPIRED)])
    world.deliver([passed("by-hand", "in-1", "two", at(5), opening=Opening.HAND)], buffered=False)
    world.clock.set(at(180))
    inside = [stay for stay in world.stay_rows() if stay.state == "inside"]
    assert [quote.bill_document(world.parts, stay.id)["payable_fen"] > 0 for stay in inside] == [False, True]


def test_money_stays_with_the_stay_when_two_turn_out_to_be_one(world: World) -> None:
    told = [
        read("first", "in-1", VISITOR, at(0)),
        read("third", "in-1", VISITOR, at(0, 100)),
        passed("in-passed", "in-1", "third", at(0, 104)),
        read("second", "in-1", VISITOR, at(0, 50)),
    ]
    told_in(world, told, "first|third in-passed")
    inside = next(stay for stay in world.stay_rows() if stay.state == "inside")
    due = quote.bill_document(world.parts, inside.id)["payable_fen"]
    payment.take(world.parts, stay_id=inside.id, channel="wechat", amount_fen=due, idempotency_key="once")
    told_in(world, told, "second")
    assert [stay.paid_fen for stay in world.stay_rows() if stay.state == "inside"] == [due]


def test_a_vehicle_that_waited_for_an_hour_entered_when_it_came(world: World) -> None:
    refused = {"site": "xinyi", "plate": VISITOR, "reason": "damage", "valid_to": "2026-12-31"}
    assert registers.import_rows(world.parts, "blocklist", [refused]).ok
    reads = [read(f"r{number:03}", "in-1", VISITOR, at(number)) for number in range(75)]
    told = [*reads, passed("by-hand", "in-1", "r074", at(74, 5), opening=Opening.HAND)]
    told_in(world, told, "|".join(one.id for one in told))
    assert [stay[1] for stay in world.stays()] == ["03-31 21:00:00"]


def test_an_exit_without_an_entry_is_not_forgotten_for_a_later_stay(small: SqliteWorlds) -> None:
    told = [
        read("before", "out-1", VISITOR, at(0)),
        read("in", "in-1", VISITOR, at(190)),
        read("out", "out-1", VISITOR, at(400)),
    ]
    found = []
    for order in ("before|in|out", "out|before|in"):
        with small.fresh() as world:
            told_in(world, told, order)
            world.hours_later()
            found.append([stay[:3] for stay in world.stays()])
    assert found[0] == found[1]


def test_after_a_commit_that_failed_the_next_batch_is_stored(world: World) -> None:
    visit = one_visit()
    told_in(world, visit, "in")
    world.deliver(visit[1:2], dies="before")
    try:
        world.deliver(visit[1:2])
    finally:
        # Whatever the pool holds by now must not meet the next test.
        world.parts.store.engine.dispose()
    assert "in-passed" in world.receipted
