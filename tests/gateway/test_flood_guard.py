"""Who counts as flooding: far more than its allowance, at once or for long, and only devices that there are."""

from __future__ import annotations

import pytest

from controllers.adapters import native
from gateway.bridge.inbox import Inbox
from gateway.bridge.senders import FLOOD_BURST, FLOOD_RATE
from gateway.runtime.allowance import WEIGHT_BYTES

RATE, BURST = 50, 500
PAYLOAD = b"{}"


class Crowd:
    """An inbox, and whom it has called a flood."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.inbox: Inbox[None] = Inbox(10_000, rate=RATE, burst=BURST)
        self.inbox.floods = lambda *who: self.said.append(who)
        self.inbox.configured({("xinyi", "d1"), ("xinyi", "d2")})
        self.now = 0.0

    def sends(
        self, messages: int, seconds: float, *, device: str = "d1", payload: bytes = PAYLOAD, beside: int = 0
    ) -> None:
        topic = native.topic("xinyi", device, "event").encode()
        for _ in range(messages):
            self.now += seconds / messages
            self.inbox.admits(topic, payload, self.now, beside=beside)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


def test_a_flood_is_said_as_soon_as_it_is_one_and_again_while_it_lasts(crowd: Crowd) -> None:
    crowd.sends(BURST + FLOOD_BURST, 0.1)
    assert crowd.said == []
    crowd.sends(100, 0.01)
    assert crowd.said == [("xinyi", "d1")]
    crowd.sends(2 * FLOOD_BURST, 0.1)
    assert set(crowd.said) == {("xinyi", "d1")}
    assert 2 <= len(crowd.said) <= 3


def test_long_and_steady_is_one_as_well(crowd: Crowd) -> None:
    crowd.sends(round(20 * (RATE + FLOOD_RATE * 1.2)), 20)
    assert crowd.said[:1] == [("xinyi", "d1")]


def test_a_burst_and_what_is_hardly_too_much_are_none(crowd: Crowd) -> None:
    crowd.sends(BURST + FLOOD_BURST, 0)
    crowd.sends(round(60 * (RATE + FLOOD_RATE * 0.9)), 60)
    assert crowd.said == []


def test_what_is_large_weighs(crowd: Crowd) -> None:
    """A picture uses up as much of an allowance as a read, and a broker's queue by its bytes."""
    crowd.sends(BURST, 0.1, beside=200 * WEIGHT_BYTES)
    assert crowd.said == []
    crowd.sends(20, 0.1, beside=200 * WEIGHT_BYTES)
    assert crowd.said[0] == ("xinyi", "d1")


def test_nobody_is_shut_out_for_those_whom_nobody_knows(crowd: Crowd) -> None:
    crowd.sends(10 * FLOOD_BURST, 0.1, device="nobody")
    assert crowd.said == []
    crowd.sends(10, 0.1, device="d2")
    assert crowd.said == []
