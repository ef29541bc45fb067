"""Fifty vehicles of two households leave at the same instant, on PostgreSQL: nothing is overdrawn, and every minute is on a bill."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from controllers.events import Kind, Opening
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import Inbound
from gateway.store import tables as t
from gateway.store.engine import Store, open_engine
from gateway.wiring import Parts
from tests.gateway.rules import PASS, Ruled, allowance, tariff
from tests.gateway.trade import local

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]

VEHICLES = 50
LIMIT = 1000
HOUSEHOLDS = ("household:3-201", "household:1-101")


class Bridge(threading.Thread):
    """A bridge of its own, with connections of its own: decides its batches one after the other, again after a conflict."""

    def __init__(self, parts: Parts, name: str, batches: Sequence[Sequence[Inbound]], start: threading.Barrier) -> None:
        super().__init__(name=name, daemon=True)
        self._store = Store(open_engine(parts.store.engine.url, pool_size=1))
        self._path = EventPath(replace(parts, store=self._store), planner=name)
        self._batches, self._start = batches, start
        self.conflicts: list[str] = []
        self.done = False

    def run(self) -> None:
        try:
            self._start.wait(60)
            for batch in self._batches:
                self._decide(batch)
            self.done = True
        finally:
            self._store.close()

    def _decide(self, batch: Sequence[Inbound]) -> None:
        for _ in range(20):
            try:
                self._path.run(batch)
            except DBAPIError as problem:
                self.conflicts.append(str(problem.orig).splitlines()[0])
                time.sleep(0.02)
            else:
                return
        raise AssertionError(self.conflicts)


def at_once(parts: Parts, work: Sequence[Sequence[Sequence[Inbound]]]) -> None:
    """Every bridge starts at the same instant."""
    start = threading.Barrier(len(work))
    bridges = [Bridge(parts, f"bridge-{number}", batches, start) for number, batches in enumerate(work)]
    for bridge in bridges:
        bridge.start()
    for bridge in bridges:
        bridge.join(120)
    assert all(bridge.done for bridge in bridges)
    # Locks are taken in the same order everywhere: nobody ever had to give way.
    assert not [conflict for bridge in bridges for conflict in bridge.conflicts]


def plate(number: int) -> str:
    return f"浙A4{number:04}"


@pytest.fixture
def street(parts: Parts) -> Ruled:
    """All are relatives of one household, every other one of a second as well; all have been inside for two hours."""
    street = Ruled(parts, tariff(), allowance(LIMIT))
    for number in range(VEHICLES):
        street.relative("3-201", plate(number), "child")
    street.clock.advance(minutes=5)
    for number in range(0, VEHICLES, 2):
        street.relative("1-101", plate(number), "child")
    street.clock.set(local("09:01"))
    street.deliver(
        *[street.read("in-1", plate(n), local("09:00"), id=f"in-{n}", buffered=True) for n in range(VEHICLES)]
    )
    street.clock.set(local("11:30"))
    return street


def exits(street: Ruled, number: int) -> list[Inbound]:
    read = street.read(
        "out-2", plate(number), local("11:00"), id=f"out-{number}", buffered=True, opening=Opening.OFFLINE_EXIT
    )
    return [
        read,
        street.mark("out-2", Kind.PASSED, local("11:00"), f"out-{number}", id=f"passed-{number}", buffered=True),
    ]


def nothing_is_overdrawn(street: Ruled) -> None:
    """Both households gave all they had, to the minute, and the bills show exactly that."""
    drawn = street.draws()
    assert drawn == {(holder, "2026-03"): LIMIT for holder in HOUSEHOLDS}
    shown = 0
    for stay in street.stays():
        assert stay.state == "left"
        bill = street.bill(stay)
        minutes = sum(line["minutes"] for line in bill.lines if line["kind"] == "relative_allowance")
        assert minutes == sum(bill.drawn.values())
        shown += minutes
    assert shown == sum(drawn.values())
    street.check()


def test_fifty_leave_at_once_through_fifty_bridges(parts: Parts, street: Ruled) -> None:
    at_once(parts, [[exits(street, number)] for number in range(VEHICLES)])
    nothing_is_overdrawn(street)


def test_two_workers_are_told_all_of_it_in_batches_of_their_own_and_twice(parts: Parts, street: Ruled) -> None:
    """Each hears every exit, in another order and other batches: repeats meet in the middle of what the other decides."""
    dice = Random(20261121)
    work: list[list[list[Inbound]]] = []
    for _ in range(2):
        told = [exits(street, number) for number in range(VEHICLES)]
        dice.shuffle(told)
        batches: list[list[Inbound]] = []
        while told:
            size = dice.randint(1, 9)
            batches.append([one for visit in told[:size] for one in visit])
            told = told[size:]
        work.append(batches)
    at_once(parts, work)
    nothing_is_overdrawn(street)


def test_fifty_of_a_household_with_three_spaces_never_stand_on_a_fourth(parts: Parts) -> None:
    """Each visit is told as a whole and at once with the others: nobody knew that another one was there."""
    street = Ruled(parts, tariff(), PASS.format(spaces=3))
    street.household("3-201", *[plate(number) for number in range(VEHICLES)], passes=True)
    street.clock.set(local("11:30"))
    came = [street.read("in-1", plate(n), local(f"08:{n:02}"), id=f"in-{n}", buffered=True) for n in range(VEHICLES)]
    at_once(parts, [[[came[number], *exits(street, number)]] for number in range(VEHICLES)])
    taken: dict[int, int] = {}
    for bill in bills(street):
        for start, end in bill.facts["space"]["held"]:
            for minute in range(start, end):
                taken[minute] = taken.get(minute, 0) + 1
    assert max(taken.values()) == 3
    street.check()


def bills(street: Ruled) -> list[Any]:
    with street.parts.store.reading() as connection:
        return list(connection.execute(select(t.Bill.__table__).where(t.Bill.kind == "exit")))
