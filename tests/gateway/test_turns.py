"""Whose turn it is: the live always, the others when nobody else waits and not all the time; and nobody for ever."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.inbox import Inbox
from gateway.bridge.turns import REST_SECONDS_MAX, STARVED_AFTER_SECONDS, Turns


@dataclass
class Hands:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_who_has_caught_up_with_something_rests_as_long_and_not_longer() -> None:
    clock = Hands()
    turns = Turns(clock)
    assert turns.rest() == 0
    assert turns.others(live=0)
    began, clock.seconds = clock.seconds, clock.seconds + 0.02
    turns.served(began)
    assert 0.019 < turns.rest() < 0.021
    assert not turns.others(live=0)
    clock.seconds += 0.021
    assert turns.rest() == 0
    assert turns.others(live=0)


def test_a_long_wait_for_the_database_is_not_waited_again() -> None:
    clock = Hands()
    turns = Turns(clock)
    began, clock.seconds = clock.seconds, clock.seconds + 600
    turns.served(began)
    assert turns.rest() <= REST_SECONDS_MAX


def test_a_clock_that_stands_gives_no_rest() -> None:
    clock = Hands()
    turns = Turns(clock)
    turns.served(clock())
    assert turns.rest() == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.001, 0.1)), max_size=200))
def test_however_busy_the_barriers_are_nobody_waits_for_ever(rounds: list[tuple[int, float]]) -> None:
    """Longest without a turn: until somebody is starved, one more batch, and a rest."""
    clock = Hands()
    turns = Turns(clock)
    last = clock.seconds
    for live, takes in rounds:
        if not live:
            clock.seconds += turns.rest()
        began = clock.seconds
        others = turns.others(live)
        assert others or began - last < STARVED_AFTER_SECONDS
        clock.seconds += takes
        if others:
            turns.served(began)
            last = clock.seconds


@dataclass(frozen=True)
class Said:
    payload: bytes
    topic: str = "parkgate/v1/xinyi/d1/event"
    arrived: float = 0.0


KEPT, LIVE = Said(b'{"buffered":true}'), Said(b"{}")


def test_who_rests_is_woken_by_what_is_live_and_by_nothing_else() -> None:
    inbox: Inbox[Any] = Inbox(100)
    inbox.put_nowait(KEPT)
    assert not inbox.wait(0.001, live=True)
    heard: list[bool] = []
    rests = threading.Thread(target=lambda: heard.append(inbox.wait(60, live=True)))
    rests.start()
    inbox.put_nowait(KEPT)
    rests.join(0.05)
    assert rests.is_alive()
    inbox.put_nowait(LIVE)
    rests.join(60)
    assert heard == [True]
    assert inbox.take(10, others=False) == [LIVE]
    assert inbox.take(10, others=False) == []
    assert inbox.take(10) == [KEPT, KEPT]


def test_who_rests_is_woken_by_whoever_wakes_the_worker() -> None:
    inbox: Inbox[Any] = Inbox(100)
    heard: list[bool] = []
    rests = threading.Thread(target=lambda: heard.append(inbox.wait(60, live=True)))
    rests.start()
    inbox.put_nowait(None)
    rests.join(60)
    assert heard == [True]
