"""The worker: commands before receipts, nothing published while the broker is away, one bad message harms no other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from controllers.adapters import native
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.bridge.worker import Worker
from gateway.flows.inbound import EventIn
from gateway.runtime.laps import STAGES
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import Street, local
from tests.servers import PATIENCE_SECONDS


class WireTap:
    """Stands in for the link: remembers what was published, and can be away."""

    def __init__(self) -> None:
        self.connected = True
        self.connections = 1
        self.published: list[tuple[str, bytes]] = []
        self.acknowledged: list[int] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        if not self.connected:
            return None
        self.published.append((topic, payload))
        return len(self.published)

    def acknowledge(self, messages: list[Raw]) -> None:
        self.acknowledged += [message.mid for message in messages]

    def flush(self) -> None:
        pass

    def channels(self) -> list[str]:
        return [topic.rsplit("/", 1)[1] for topic, _ in self.published]


class Bench:
    """A worker with its queue, on a street."""

    def __init__(self, parts: Parts) -> None:
        self.street = Street(parts)
        self.parts = parts
        self.inbox: Inbox[Any] = Inbox(1_000)
        self.tap = WireTap()
        self.worker = Worker(parts, inbox=self.inbox, planner="bridge-1")
        self._mid = 0

    def start(self) -> None:
        self.worker.start(self.tap)  # type: ignore[arg-type]

    def sends(self, message: EventIn) -> None:
        self.raw(message.topic, message.payload)

    def raw(self, topic: str, payload: bytes) -> None:
        self._mid += 1
        self.inbox.put_nowait(Raw(topic, payload, False, self.parts.clock.now(), time.perf_counter(), self._mid, None))  # type: ignore[arg-type]

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < end, "it did not come to that"
            time.sleep(0.01)

    def commands(self) -> list[Any]:
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(t.CommandRow.__table__)))


@pytest.fixture
def bench(parts: Parts) -> Any:
    made = Bench(parts)
    yield made
    made.worker.stop()


def test_the_command_leaves_before_the_receipt_and_the_acknowledgement_comes_last(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bench.tap.acknowledged == [1])
    assert bench.tap.channels() == ["command", "receipt"]


def test_a_command_is_sent_once_the_broker_has_it(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bench.tap.channels().count("command") == 1)
    assert bench.commands()[0].state == "planned"
    bench.worker.acknowledged(1)
    bench.until(lambda: bench.commands()[0].state == "sent")
    assert bench.tap.channels().count("command") == 1


def test_an_acknowledgement_of_something_else_is_not_taken_for_a_later_commands(bench: Bench) -> None:
    """Message ids are used again after 65,535: one that a receipt once had says nothing of the command that has it now."""
    bench.street.clock.set(local("09:00"))
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bench.tap.acknowledged == [1])
    for receipt in range(2, 10):
        bench.worker.acknowledged(receipt)
    bench.sends(bench.street.read("out-1", None, local("09:00")))
    bench.until(lambda: bench.tap.acknowledged == [1, 2])
    bench.sends(bench.street.read("in-1", "浙A54321", local("09:00")))  # what was sent is noted with the next batch
    bench.until(lambda: bench.tap.acknowledged == [1, 2, 3])
    assert {command.state for command in bench.commands()} == {"planned"}


def test_an_acknowledgement_may_come_before_the_command_is_handed_over(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    publish = bench.tap.publish

    def at_once(topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        bench.worker.acknowledged(len(bench.tap.published) + 1)
        return publish(topic, payload, retain=retain)

    bench.tap.publish = at_once  # type: ignore[method-assign]
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bool(bench.commands()) and bench.commands()[0].state == "sent")


def test_while_the_broker_is_away_a_command_waits_and_goes_out_if_it_is_still_fresh(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.tap.connected = False
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bench.tap.acknowledged == [1])
    assert bench.tap.published == []
    bench.street.clock.set(local("09:00:05"))
    bench.tap.connections, bench.tap.connected = 2, True
    bench.until(lambda: bench.tap.channels() == ["command"])


def test_a_command_that_grew_stale_is_never_published_and_is_put_before_staff(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.tap.connected = False
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bench.tap.acknowledged == [1])
    bench.street.clock.set(local("09:00:09"))
    bench.tap.connections, bench.tap.connected = 2, True
    bench.until(lambda: bench.commands()[0].state == "expired")
    assert bench.tap.channels() == []
    assert bench.street.situations() == {"command_not_confirmed": 1}


def test_a_command_that_grew_stale_while_it_was_stored_is_not_published(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    run = bench.worker._path.run

    def slow(messages: Any, sent: Any = ()) -> Any:
        outcome = run(messages, sent)
        bench.street.clock.advance(seconds=9)
        return outcome

    bench.worker._path.run = slow  # type: ignore[method-assign]
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bool(bench.commands()) and bench.commands()[0].state == "expired")
    assert "command" not in bench.tap.channels()


def test_garbage_is_quarantined_with_its_bytes_and_the_street_goes_on(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.start()
    topic = native.topic("xinyi", "d1", "event")
    bench.raw(topic, b"\xff\xfe not json")
    bench.raw(topic, b'{"id": "broken-1", "at": 5}')
    bench.raw("parkgate/v1/xinyi/d1/command", b"{}")
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: len(bench.tap.acknowledged) == 4)
    assert sorted(bench.street.quarantine()) == ["bad_topic", "not_in_schema", "not_utf8"]
    receipts = [payload for name, payload in bench.tap.published if name.endswith("receipt")]
    assert any(b"broken-1" in payload for payload in receipts)
    assert bench.street.stay("浙A12345").state == "inside"


def test_what_cannot_be_stored_is_quarantined_alone(bench: Bench, parts: Parts) -> None:
    """A message that makes the database refuse its whole batch is found by taking the batch apart."""
    bench.street.clock.set(local("09:00"))
    run = bench.worker._path.run

    def poisoned(messages: Any, sent: Any = ()) -> Any:
        if any(isinstance(one, EventIn) and one.event.plate == "毒" for one in messages):
            raise ValueError("a bug of ours")
        return run(messages, sent)

    bench.worker._path.run = poisoned  # type: ignore[method-assign]
    for number, plate in enumerate(("浙A00001", "毒", "浙A00002")):
        bench.sends(bench.street.read("in-1", plate, local("09:00"), id=f"p{number}"))
    bench.start()
    bench.until(lambda: len(bench.tap.acknowledged) == 3)
    assert {stay.plate for stay in bench.street.stays()} == {"浙A00001", "浙A00002"}
    assert bench.street.quarantine() == ["internal"]


def test_a_database_that_is_away_is_waited_for_and_nothing_is_receipted_meanwhile(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    run, failures = bench.worker._path.run, iter([True, True, True])

    def away(messages: Any, sent: Any = ()) -> Any:
        if next(failures, False):
            assert bench.tap.published == []
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        return run(messages, sent)

    bench.worker._path.run = away  # type: ignore[method-assign]
    bench.start()
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.until(lambda: bench.tap.acknowledged == [1])
    assert bench.tap.channels() == ["command", "receipt"]


def stage_seconds(bench: Bench) -> dict[str, float]:
    counter = bench.parts.metrics.worker_seconds
    return {stage: counter.labels(stage)._value.get() for stage in STAGES}


def test_every_stage_of_a_batch_is_timed(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.worker.attach(bench.tap)  # type: ignore[arg-type]
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    before, began = stage_seconds(bench), time.perf_counter()
    bench.worker.turn()
    took, after = time.perf_counter() - began, stage_seconds(bench)
    spent = {stage: after[stage] - before[stage] for stage in STAGES}
    assert all(spent[stage] > 0 for stage in STAGES if stage != "again")
    assert spent["again"] == 0
    # Waiting counts from the worker's making, all else from the turn's beginning on.
    assert sum(spent.values()) - spent["idle"] <= took


def test_what_a_refusing_database_costs_is_a_stage_of_its_own(bench: Bench) -> None:
    bench.street.clock.set(local("09:00"))
    bench.worker.attach(bench.tap)  # type: ignore[arg-type]
    run, failures = bench.worker._path.run, iter([True])

    def away(messages: Any, sent: Any = ()) -> Any:
        if next(failures, False):
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        return run(messages, sent)

    bench.worker._path.run = away  # type: ignore[method-assign]
    bench.sends(bench.street.read("in-1", "浙A12345", local("09:00")))
    bench.worker.turn()
    assert bench.tap.acknowledged == [1]
    assert stage_seconds(bench)["again"] >= 0.02, "the pause at least"
