"""Devices' clocks, and statuses that waited on their way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.store.estate import Estates
from gateway.wiring import Parts
from tests.gateway.trade import Street, local


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def street(parts: Parts) -> Street:
    street = Street(parts)
    street.clock.set(local("09:00"))
    return street


def entry_seconds(street: Street, *, clock_ms: int = 0) -> float:
    """How far from the true instant the entry of a vehicle is booked that comes now; the device's clock shows `clock_ms` more."""
    now = street.clock.now()
    street.deliver(street.read("in-1", "浙A12345", now + timedelta(milliseconds=clock_ms)))
    return float((street.stay("浙A12345").entry_at - now).total_seconds())


def test_a_status_that_waited_while_the_bridge_was_away_says_nothing_of_the_clock(street: Street) -> None:
    street.deliver(*(street.status(offset_ms=-seconds * 1000) for seconds in (600, 570, 540, 16, 15)))
    assert entry_seconds(street) == 0
    assert street.commands[0].expires_at == street.clock.now() + timedelta(seconds=8)


def test_neither_after_a_restart(street: Street, parts: Parts) -> None:
    street.deliver(street.status(offset_ms=-2_400))
    again = Street(replace(parts, estates=Estates()))
    again.clock.set(local("09:01"))
    assert entry_seconds(again) == 0


def test_a_clock_that_is_behind_is_believed_the_second_time(street: Street) -> None:
    street.deliver(street.status(offset_ms=-60_000))
    street.clock.advance(seconds=30)
    street.deliver(street.status(offset_ms=-60_300))
    assert entry_seconds(street, clock_ms=-60_300) == 0


def test_what_came_together_does_not_confirm_itself(street: Street) -> None:
    street.deliver(street.status(offset_ms=-9_000))
    street.clock.advance(seconds=1)
    street.deliver(street.status(offset_ms=-9_000))
    assert entry_seconds(street) == 0


def test_two_different_stories_confirm_nothing(street: Street) -> None:
    for seconds in (60, 20):
        street.deliver(street.status(offset_ms=-seconds * 1000))
        street.clock.advance(seconds=30)
    assert entry_seconds(street) == 0


def test_a_clock_that_was_set_right_is_believed_at_once(street: Street) -> None:
    street.deliver(street.status(offset_ms=60_000))
    street.deliver(street.status(offset_ms=100))
    assert entry_seconds(street) == 0


def test_a_retained_status_says_nothing_of_the_clock(street: Street, parts: Parts) -> None:
    street.deliver(street.status(offset_ms=60_000))
    street.deliver(street.status(offset_ms=None))
    again = Street(replace(parts, estates=Estates()))
    again.clock.set(local("09:01"))
    assert entry_seconds(again, clock_ms=60_000) == 0
