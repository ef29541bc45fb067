"""A command that one bridge published and another held for expired: what the device says of it counts."""

from __future__ import annotations

import pytest

from controllers.events import Outcome
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
