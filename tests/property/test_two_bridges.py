"""Two bridges at once on PostgreSQL: the database, not luck, keeps the invariants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError

from controllers.events import Opening
from controllers.events import Outcome as Became
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import Inbound
from gateway.store import tables as t
from tests.property.event_runs import deliver_all, examples
from tests.property.event_told import MOTHER, RESIDENT, SECOND, SON, VISITOR, Told, at, one_visit, read, reversed_
from tests.property.event_world import World
from tests.property.event_worlds import PostgresWorlds
from tests.servers import PATIENCE_SECONDS, Postgres

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def large(postgres: Postgres) -> Iterator[PostgresWorlds]:
    worlds = PostgresWorlds(postgres.url)
    yield worlds
    worlds.close()


class Bridge(threading.Thread):
    """One batch in a thread of its own, decided again after a conflict as the worker does."""

    def __init__(self, world: World, name: str, messages: Sequence[Inbound]) -> None:
        super().__init__(name=name, daemon=True)
        self._path = EventPath(world.parts, planner=name)
        self._messages = messages
        self.problems: list[Exception] = []
        self.done = False

    def run(self) -> None:
        for _ in range(20):
            try:
                self._path.run(self._messages)
            except DBAPIError as problem:
                self.problems.append(problem)
                time.sleep(0.02)
            else:
                self.done = True
                return


def at_once(world: World, first: Sequence[Inbound], second: Sequence[Inbound]) -> None:
    """The first stands before its commit while the second loads its facts and goes as far as locks let it."""
    before_commit, go_on = threading.Event(), threading.Event()

    def hold(_connection: object) -> None:
        if threading.current_thread().name == "one":
            before_commit.set()
            go_on.wait(PATIENCE_SECONDS)

    engine = world.parts.store.by_index
    event.listen(engine, "commit", hold)
    one, two = Bridge(world, "one", first), Bridge(world, "two", second)
    try:
        one.start()
        assert before_commit.wait(PATIENCE_SECONDS)
        two.start()
        two.join(0.3)
        go_on.set()
        one.join(PATIENCE_SECONDS)
        two.join(PATIENCE_SECONDS)
    finally:
        go_on.set()
        event.remove(engine, "commit", hold)
    assert one.done, one.problems
    assert two.done, two.problems


def said(world: World, *told: Told, buffered: bool = True) -> list[Inbound]:
    return [one.message(world.clock.now(), buffered=buffered) for one in told]


def test_two_relatives_leave_at_once_and_the_allowance_is_not_overdrawn(large: PostgresWorlds) -> None:
    with large.fresh() as world:
        world.clock.set(at(300))
        for plate, lane in ((MOTHER, "in-1"), (SON, "in-2")):
            world.deliver([read(f"in-{plate}", lane, plate, at(0), opening=Opening.LIST)])
        mother = said(world, read("m", "out-1", MOTHER, at(150), opening=Opening.OFFLINE_EXIT))
        son = said(world, read("s", "out-2", SON, at(150), opening=Opening.OFFLINE_EXIT))
        at_once(world, mother, son)
        world.check()
        assert [stay[3] for stay in world.stays()] == ["left", "left"]
        assert world.drawn()["2026-03"][0] > 150


def test_an_entry_its_exit_and_their_repeats_at_two_bridges_are_one_stay(large: PostgresWorlds) -> None:
    visit = one_visit()
    with large.fresh() as world:
        world.clock.set(at(300))
        at_once(world, said(world, visit[0], visit[1]), said(world, visit[0], visit[2], visit[3]))
        at_once(world, said(world, *visit), said(world, *reversed(visit)))
        world.check()
        assert [stay[3] for stay in world.stays()] == ["left"]


def test_a_read_and_its_mark_at_two_bridges_find_each_other(large: PostgresWorlds) -> None:
    visit = one_visit()
    with large.fresh() as world:
        world.clock.set(at(300))
        world.deliver(visit[:2])
        at_once(world, said(world, visit[2]), said(world, reversed_("back", "out-1", "out", at(60, 5))))
        assert [(stay[2], stay[3]) for stay in world.stays()] == [(None, "inside")]


def test_what_another_bridge_learned_of_a_read_is_not_overlooked(large: PostgresWorlds) -> None:
    with large.fresh() as world:
        world.clock.set(at(0, 3))
        waits = read("in", "in-2", VISITOR, at(0))
        world.deliver([waits], buffered=False)
        never_opened = world.result(world.commands[-1], Became.EXPIRED)
        world.clock.set(at(100))
        leaves = read("out", "out-1", VISITOR, at(60))
        at_once(world, [never_opened], said(world, waits, leaves))
        assert [(stay[1], stay[3]) for stay in world.stays()] == [(None, "no_entry")]


def test_two_vehicles_of_a_household_that_enter_at_once_share_its_one_space(large: PostgresWorlds) -> None:
    with large.fresh() as world:
        world.clock.set(at(0, 3))
        first = said(world, read("one", "in-1", RESIDENT, at(0)), buffered=False)
        second = said(world, read("two", "in-2", SECOND, at(0)), buffered=False)
        at_once(world, first, second)
        reads = world.all(select(t.PlateEventRow.reason).where(t.PlateEventRow.kind == "plate"))
        assert sorted(row.reason for row in reads) == ["resident", "temporary"]


@examples(3)
@given(st.lists(st.integers(0, 7), min_size=2, max_size=10), st.lists(st.integers(0, 7), min_size=2, max_size=10))
def test_two_bridges_fed_with_anything_lose_nothing(large: PostgresWorlds, first: list[int], second: list[int]) -> None:
    """Each bridge in its own order and with repeats; one event a batch, so that only whole reads and marks meet."""
    events = [*one_visit(MOTHER), *(_renamed(one) for one in one_visit(SON))]
    with large.fresh() as world:
        world.clock.set(at(300))
        feeds = [[EventFeed(world, f"{name}-{i}", events[which]) for i, which in enumerate(order)]
                 for name, order in (("one", first), ("two", second))]  # fmt: skip
        threads = [threading.Thread(target=_feed, args=(feed,), daemon=True) for feed in feeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert all(one.done for feed in feeds for one in feed)
        deliver_all(world, events, [])
        world.check()


class EventFeed(Bridge):
    def __init__(self, world: World, name: str, one: Told) -> None:
        super().__init__(world, name, said(world, one))


def _feed(feed: Sequence[Bridge]) -> None:
    for one in feed:
        one.run()


def _renamed(one: Told) -> Told:
    completes = f"son-{one.completes}" if one.completes else None
    return Told(f"son-{one.id}", one.lane, one.kind, one.at, plate=one.plate, completes=completes)
