"""The worker under too much: said when it begins and when it ends, shown in the metrics, and a bounded quarantine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from controllers.adapters import native
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.bridge.load_watch import LoadWatch
from gateway.runtime.metrics import Metrics
from gateway.wiring import Parts
from tests.gateway.test_worker import Bench
from tests.gateway.trade import local

DEVICES = {("xinyi", "d1"), ("xinyi", "d2")}


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Watched:
    """An inbox of ten places with its watch."""

    def __init__(self) -> None:
        self.metrics, self.clock = Metrics(), Hands()
        self.inbox: Inbox[Any] = Inbox(10, rate=1, burst=3)
        self.watch = LoadWatch(self.inbox, self.metrics, self.clock, self.clock)

    def arrives(self, device: str = "d1", payload: bytes = b"{}") -> None:
        topic = native.topic("xinyi", device, "event")
        self.inbox.put_nowait(Raw(topic, payload, False, local("09:00"), self.clock.seconds, 1, None))  # type: ignore[arg-type]

    def after(self, seconds: float) -> list[str]:
        """What is said when somebody looks then."""
        self.clock.seconds += seconds
        with capture_logs() as logs:
            self.watch.look(DEVICES)
        return [str(one["event"]).split(":")[0] for one in logs]

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_an_overload_is_said_once_when_it_begins_and_once_when_it_ends(watched: Watched) -> None:
    for _ in range(12):
        watched.arrives()
    assert watched.after(1) == ["overload", "messages stay with a device, which sends them again"]
    assert (watched.watch.overloaded, watched.value("parkgate_overloaded")) == (True, 1)
    watched.arrives()
    assert watched.after(1) == []
    while watched.inbox.take(100):
        pass
    assert watched.after(5) == []
    assert watched.after(6) == ["the overload is over"]
    assert (watched.watch.overloaded, watched.value("parkgate_overloaded")) == (False, 0)


def test_waiting_too_long_is_an_overload_as_well(watched: Watched) -> None:
    watched.arrives()
    assert watched.after(1.5) == []
    assert watched.after(1) == ["overload"]
    assert watched.value("parkgate_queue_oldest_seconds") == 2.5
    assert watched.value("parkgate_queue_depth", rank="live") == 1


def test_a_device_over_its_allowance_has_a_line_a_minute_and_is_no_overload(watched: Watched) -> None:
    for _ in range(10):
        watched.inbox.admits(native.topic("xinyi", "d1", "event").encode(), b"{}", 0.0)
    assert watched.after(1) == ["messages stay with a device, which sends them again"]
    watched.inbox.admits(native.topic("xinyi", "d1", "event").encode(), b"{}", 0.0)
    assert watched.after(30) == []
    assert watched.after(31) == ["messages stay with a device, which sends them again"]
    assert watched.value("parkgate_shed_total", site="xinyi", device="d1", reason="allowance") == 8
    assert not watched.watch.overloaded


def test_names_that_nobody_has_configured_make_no_labels(watched: Watched) -> None:
    for number in range(50):
        watched.arrives(f"invented-{number}")
    watched.after(1)
    assert watched.value("parkgate_shed_total", site="", device="", reason="room") == 40


@pytest.fixture
def bench(parts: Parts) -> Iterator[Bench]:
    few = parts.settings.model_copy(update={"quarantine_per_hour": 5})
    made = Bench(replace(parts, settings=few))
    yield made
    made.worker.stop()


def test_garbage_without_end_does_not_fill_the_quarantine(bench: Bench) -> None:
    """What finds no room is neither stored nor receipted, whatever made it garbage; an hour later there is room again."""
    bench.street.clock.set(local("09:00"))
    bench.start()
    for number in range(20):
        bench.raw(native.topic("xinyi", "d1", "event"), b"garbage %d" % number)
        bench.sends(bench.street.read("in-1", "浙A12345", local("09:30"), id=f"f{number}"))  # from the future
    bench.sends(bench.street.read("in-2", "浙A12345", local("09:00"), id="good"))
    bench.until(lambda: len(bench.tap.acknowledged) == 41)
    assert len(bench.street.quarantine()) == 5
    receipted = b"".join(payload for topic, payload in bench.tap.published if topic.endswith("receipt"))
    assert b'"good"' in receipted
    assert receipted.count(b'"f') == bench.street.quarantine().count("from_the_future") < 20
    bench.street.clock.set(local("09:20"))
    bench.raw(native.topic("xinyi", "d1", "event"), b"garbage again")
    bench.until(lambda: len(bench.street.quarantine()) == 6)


def test_one_that_makes_the_database_decide_again_uses_its_allowance_once(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    path = bench.worker._path
    refused = path._quarantine.room({("xinyi", "d1")}, local("09:00"))
    from gateway.flows.inbound import Rejected

    one = Rejected(
        site="xinyi", device="d1", topic="", payload=b"x" * 100, code="not_json", detail="", received_at=local("09:00")
    )
    assert [refused.takes(one) for _ in range(6)] == [True] * 5 + [False]
    again = path._quarantine.room({("xinyi", "d1")}, local("09:00"))
    assert again.takes(one)  # the first room was never stored
    again.stored()
    last = path._quarantine.room({("xinyi", "d1")}, local("09:00"))
    assert [last.takes(one) for _ in range(6)] == [True] * 4 + [False] * 2


def test_what_arrives_while_it_stops_is_left_with_the_broker(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.start()
    bench.worker.stop()
    bench.inbox.put_nowait(
        Raw(native.topic("xinyi", "d1", "event"), b"{}", False, local("09:00"), time.perf_counter(), 7, None)  # type: ignore[arg-type]
    )
    assert (bench.inbox.qsize(), bench.tap.acknowledged) == (0, [])
