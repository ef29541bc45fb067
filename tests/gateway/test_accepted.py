"""A device that has taken a command is not yet a barrier that moved; and one read that comes in parts is one event."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from controllers.commands import Command
from controllers.events import Outcome, PlateColour
from gateway.flows.inbound import ResultIn
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import Street, local

RESIDENT = "浙B77777"
NO_SENSOR = "in-2"
"""Where nothing but the command's result says that somebody drove through."""


@pytest.fixture
def street(parts: Parts) -> Street:
    street = Street(parts)
    street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
    street.register("vehicles", {"household": "3-201", "plate": RESIDENT, "vehicle": "small"})
    return street


@pytest.fixture
def opened(street: Street) -> Command:
    command = street.arrives(NO_SENSOR, RESIDENT, "09:00")
    assert command is not None
    return command


@pytest.fixture
def accepted(street: Street) -> Callable[..., ResultIn]:
    return lambda command, *, moves: replace(street.result(command), accepted=True, moves=moves)


def state(street: Street) -> str:
    with street.parts.store.reading() as connection:
        return str(connection.execute(select(t.CommandRow.state)).scalar_one())


def confirmed(street: Street) -> bool:
    with street.parts.store.reading() as connection:
        return bool(connection.execute(select(t.PlateEventRow.completed)).scalar_one())


def test_where_nobody_sees_the_barrier_accepted_is_the_last_word(
    street: Street, opened: Command, accepted: Callable[..., ResultIn]
) -> None:
    street.deliver(accepted(opened, moves=False))
    assert (state(street), confirmed(street)) == ("accepted", True)
    assert street.stay(RESIDENT).state == "inside"


def test_where_the_barrier_is_seen_only_its_movement_counts(
    street: Street, opened: Command, accepted: Callable[..., ResultIn]
) -> None:
    street.deliver(accepted(opened, moves=True))
    assert (state(street), confirmed(street)) == ("accepted", False)
    street.deliver(street.result(opened))
    assert (state(street), confirmed(street)) == ("done", True)
    street.deliver(accepted(opened, moves=True), street.result(opened, Outcome.FAULT))
    assert (state(street), confirmed(street), street.situations()) == ("done", True, {})


def test_accepted_and_never_moved_is_a_fault_before_staff(
    street: Street, opened: Command, accepted: Callable[..., ResultIn]
) -> None:
    street.deliver(accepted(opened, moves=True))
    street.deliver(street.result(opened, Outcome.FAULT))
    assert (state(street), confirmed(street)) == ("fault", False)
    assert street.situations() == {"barrier_fault": 1}


def test_what_was_held_for_expired_was_accepted_after_all(
    street: Street, opened: Command, accepted: Callable[..., ResultIn]
) -> None:
    street.deliver(street.result(opened, Outcome.EXPIRED))
    street.deliver(accepted(opened, moves=False))
    assert (state(street), confirmed(street), street.situations()) == ("accepted", True, {})


def test_parts_of_a_read_that_two_bridges_hear_are_one_event(street: Street) -> None:
    quick = street.read(NO_SENSOR, RESIDENT, local("09:00"), id="r1")
    full = replace(
        quick, event=replace(quick.event, plate_colour=PlateColour.BLUE, confidence=0.98), part=True
    )  # what another bridge makes of the second message
    unread = replace(quick, event=replace(quick.event, plate=None, plate_raw=None), part=True)
    another = replace(quick, event=replace(quick.event, plate="浙B77771"), part=True)
    street.clock.set(local("09:00"))
    street.deliver(quick)
    decided = street.deliver(full, unread)
    assert (decided.repeats, decided.events, decided.rejected) == (2, [], [])
    assert [one.code for one in street.deliver(another).rejected] == ["other_content"]
