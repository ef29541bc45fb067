"""A command that one bridge published and another held for expired: what the device says of it counts."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from controllers.events import Outcome
from gateway.flows.gather import gather
from gateway.flows.inbound import Inbound
from gateway.store import tables as t
from gateway.store.facts import FactLoader, Facts
from gateway.wiring import Parts
from tests.gateway.trade import Street, local


@pytest.fixture
def street(parts: Parts) -> Street:
    street = Street(parts)
    street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
    street.register("vehicles", {"household": "3-201", "plate": "浙A00001", "vehicle": "small"})
    street.register(
        "passes",
        {"plate": "浙A00001", "pass": "resident-monthly", "valid_from": "2026-01-01", "valid_to": "2026-12-31"},
    )
    return street


@pytest.mark.parametrize("lane", ["in-1", "in-2"])
def test_what_was_held_for_expired_was_done(street: Street, lane: str) -> None:
    opened = street.arrives(lane, "浙A00001", "09:00")
    assert opened is not None
    street.deliver(street.result(opened, Outcome.EXPIRED))
    assert street.situations() == {"command_not_confirmed": 1}
    street.deliver(street.result(opened, Outcome.DONE))
    assert street.situations() == {}
    if lane == "in-1":
        street.goes(lane, "09:00:05", after="e1")
    stay = street.stay("浙A00001")
    assert (stay.state, stay.entry_at) == ("inside", local("09:00"))


def test_an_expiry_that_is_told_late_takes_nothing_back(street: Street) -> None:
    opened = street.arrives("in-2", "浙A00001", "09:00")
    assert opened is not None
    street.deliver(street.result(opened, Outcome.DONE))
    street.deliver(street.result(opened, Outcome.EXPIRED))
    assert street.situations() == {}
    assert street.stay("浙A00001").state == "inside"


def asked_for(street: Street, message: Inbound) -> Facts:
    parts = street.parts
    with parts.store.deciding() as connection:
        estate = parts.estates.known(connection)
        now, zone = parts.clock.now(), parts.settings.zone
        facts = gather(FactLoader(connection), estate, [message], now, zone)
        connection.rollback()
    return facts


def test_an_opening_that_was_obeyed_asks_for_no_vehicle(street: Street) -> None:
    """On a lane with a passage sensor it changes its command only: no other bridge waits for it."""
    opened = street.arrives("in-1", "浙A00001", "09:00")
    assert opened is not None
    assert asked_for(street, street.result(opened, Outcome.DONE)).history == {}
    assert asked_for(street, street.result(opened, Outcome.FAULT)).history != {}
    street.clock.advance(seconds=7)
    assert (
        asked_for(street, street.result(opened, Outcome.DONE)).history != {}
    )  # another bridge may hold it for expired


def test_an_opening_after_one_that_failed_finds_its_vehicle(street: Street) -> None:
    opened = street.arrives("in-1", "浙A00001", "09:00")
    assert opened is not None
    street.deliver(street.result(opened, Outcome.FAULT))
    with street.parts.store.writing() as connection:
        connection.execute(update(t.CommandRow).values(state="sent"))  # as a second command for the same read
        connection.commit()
    assert asked_for(street, street.result(opened, Outcome.DONE)).history != {}


def test_without_a_passage_sensor_the_result_is_the_passage(street: Street) -> None:
    opened = street.arrives("in-2", "浙A00001", "09:00")
    assert opened is not None
    assert asked_for(street, street.result(opened, Outcome.DONE)).history != {}
