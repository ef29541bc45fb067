"""What stands beside ours in the benches: the ideal bridge is as durable and as orderly as ours, and the profile is the worker's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from sqlalchemy import text

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import CommandResult, Outcome
from gateway.cli.bench import events, ideal_store
from gateway.cli.bench.child import Child
from gateway.cli.bench.driver import Round
from gateway.cli.bench.ideal import Ideal
from gateway.cli.bench.profile import Profile
from gateway.cli.bench.servers import DidNotStart
from gateway.cli.bench.stand import Arrangement
from gateway.cli.bench.traffic import Vehicle, passed, read
from gateway.cli.common import metrics_of
from gateway.cli.ports import free_port
from gateway.runtime.laps import IDLE, STAGES, Laps
from gateway.wiring import Parts
from tests.deployment.test_metrics import showing

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
TABLES = ("ideal_event", "ideal_stay", "ideal_bill", "ideal_posting", "ideal_outbox")


class Broker:
    """Remembers what leaves, in its order, and how many rows were safe by then."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.left: list[tuple[str, Any]] = []
        self.safe: list[int] = []

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        assert qos == 1
        self.left.append((topic.rsplit("/", 1)[1], payload))
        self.safe.append(rows(self._parts)["ideal_event"])

    def ack(self, mid: int, qos: int) -> None:
        assert qos == 1
        self.left.append(("acknowledged", mid))

    def order(self) -> list[str]:
        return [what for what, _ in self.left]


def rows(parts: Parts) -> dict[str, int]:
    with parts.store.reading() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in TABLES}


def one(parts: Parts, statement: str) -> Any:
    with parts.store.reading() as connection:
        return connection.execute(text(statement)).scalar_one()


def message(mid: int, channel: native.Channel, payload: bytes) -> mqtt.MQTTMessage:
    made = mqtt.MQTTMessage(mid, native.topic("s00", "d0", channel).encode())
    made.payload, made.qos = payload, 1
    return made


def a_read(mid: int, name: str, lane: str) -> mqtt.MQTTMessage:
    return message(mid, "event", native.encode_event(read(name, AT, lane, Vehicle("浙A00001", "visitor"))))


@pytest.fixture
def ideal(parts: Parts, database_url: str) -> Iterator[Ideal]:
    with closing(ideal_store.open_store(database_url)) as store:
        yield Ideal(store, {"d0-0"}, parts.clock)


def test_it_answers_when_everything_is_safe_and_acknowledges_last(ideal: Ideal, parts: Parts) -> None:
    broker = Broker(parts)
    ideal.heard(a_read(1, "in", "d0-0"))
    ideal.work(broker)
    assert broker.order() == ["command", "receipt", "acknowledged"]
    assert broker.safe == [1, 1]
    command = native.decode_command(broker.left[0][1])
    assert (command.action, command.event, command.lane) == (Action.OPEN, "in", "d0-0")
    assert native.decode_receipt(broker.left[1][1]).events == ("in",)
    assert rows(parts) == dict(zip(TABLES, (1, 1, 0, 0, 1), strict=True))


def test_an_exit_has_a_bill_with_postings_that_sum_to_zero(ideal: Ideal, parts: Parts) -> None:
    for mid, (name, lane) in enumerate((("in", "d0-0"), ("out", "d0-1")), 1):
        ideal.heard(a_read(mid, name, lane))
        ideal.work(Broker(parts))
    assert rows(parts) == dict(zip(TABLES, (2, 1, 1, 2, 2), strict=True)), "one stay, ended"
    assert one(parts, "SELECT sum(fen) FROM ideal_posting") == 0
    assert one(parts, "SELECT entered_by || '-' || left_by FROM ideal_stay") == "in-out"


def test_a_passage_completes_its_read_and_a_result_its_command(ideal: Ideal, parts: Parts) -> None:
    broker = Broker(parts)
    ideal.heard(a_read(1, "in", "d0-0"))
    ideal.work(broker)
    command = native.decode_command(broker.left[0][1])
    broker.left = []
    result = CommandResult(command=command.id, outcome=Outcome.DONE, at=AT)
    ideal.heard(message(2, "event", native.encode_event(passed("in-p", AT, "d0-0", "in"))))
    ideal.heard(message(3, "result", native.encode(result)))
    ideal.work(broker)
    assert broker.order() == ["receipt", "acknowledged", "acknowledged"]
    receipt = native.decode_receipt(broker.left[0][1])
    assert (receipt.events, receipt.results) == (("in-p",), (command.id,))
    assert one(parts, "SELECT count(*) FROM ideal_event WHERE completed") == 1
    assert one(parts, "SELECT count(*) FROM ideal_outbox WHERE done") == 1


def test_what_it_has_seen_is_receipted_again_and_opens_nothing(ideal: Ideal, parts: Parts) -> None:
    broker = Broker(parts)
    for mid in (1, 2):
        ideal.heard(a_read(mid, "out", "d0-1"))
        ideal.work(broker)
    assert broker.order() == ["command", "receipt", "acknowledged", "receipt", "acknowledged"]
    assert rows(parts)["ideal_bill"] == 1


def test_a_process_that_does_not_start_is_said() -> None:
    with pytest.raises(DidNotStart, match=r"no\.module\.of\.ours"):
        Child("no.module.of.ours", "anything")


# --- the profile --------------------------------------------------------------------------------------------------


def test_no_time_is_lost_between_stages(parts: Parts) -> None:
    instants = iter([10.0, 10.5, 11.75, 12.0])
    laps = Laps(parts.metrics.worker_seconds, lambda: next(instants))
    for stage in (IDLE, "gather", "commit"):
        laps.done(stage)
    found = {stage: seconds for stage, seconds in seconds_of(parts).items() if seconds}
    assert found == {IDLE: 0.5, "gather": 1.25, "commit": 0.25}


def test_the_profile_is_of_the_stretch_and_leaves_waiting_out(parts: Parts) -> None:
    port = free_port()
    counter = parts.metrics.worker_seconds
    for stage in STAGES:
        counter.labels(stage).inc(100)
    with metrics_of(showing(parts, port)):
        profile = Profile([f"http://127.0.0.1:{port}/metrics"])
        profile.begin()
        for stage, seconds in ((IDLE, 50), ("gather", 3), ("commit", 1)):
            counter.labels(stage).inc(seconds)
        profile.end()
        counter.labels("decide").inc(100)
    assert {stage: share for stage, share in profile.shares().items() if share} == {"gather": 0.75, "commit": 0.25}
    assert IDLE not in profile.shares()


def seconds_of(parts: Parts) -> dict[str, float]:
    return {
        sample.labels["stage"]: sample.value
        for family in parts.metrics.worker_seconds.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


# --- what is printed ----------------------------------------------------------------------------------------------


def measured(ideal_reads: list[float]) -> events.Measured:
    profile = Profile([])
    profile._seconds |= {"gather": 3.0, "commit": 1.0, IDLE: 9.0}
    rounds = events._Rounds(profile)
    for many in (1, 50):
        rounds.echo[many].add(Round(latencies=[0.001], events=10, seconds=0.01))
        rounds.ours[many].add(Round(latencies=[0.006], events=10, seconds=0.04))
        if ideal_reads:
            rounds.ideal[many].add(Round(latencies=ideal_reads, events=10, seconds=0.01))
    rounds.commits, rounds.payments = [0.001], 1
    found = events.Measured()
    events._report(Arrangement(broker="mosquitto", database="sqlite"), rounds, found)
    return found


def test_ratios_to_the_ideal_and_shares_by_stage_are_printed() -> None:
    found = measured([0.002])
    _, ideal, stages = events.text(found).split("\n\n")
    assert " ".join(ideal.splitlines()[2].split()) == (
        "mosquitto sqlite 1 1 6.00 2.00 3.0 6.00 2.00 3.0 250.00 1,000 25 %"
    )
    assert len(ideal.splitlines()) == 4
    assert stages.splitlines()[2].split()[:4] == ["mosquitto", "sqlite", "1", "50"]
    assert stages.splitlines()[2].count("75 %") == 1
    assert len(stages.splitlines()) == 3, "at saturation only"


def test_details_are_added_to_the_documents_rows_and_change_none_of_its_keys() -> None:
    found = measured([0.002])
    assert not {"ideal_p50_ms", "echo_per_s", "stages"} & set(found.rows[0])
    first, last = found.detailed
    assert {key: first[key] for key in found.rows[0]} == found.rows[0]
    assert (first["ideal_p50_ms"], first["ideal_p99_ms"], first["ideal_per_s"]) == (2.0, 2.0, 1000.0)
    assert "stages" not in first
    assert last["stages"]["gather"] == 0.75
    json.dumps(found.detailed)


def test_without_the_ideal_its_table_is_left_out() -> None:
    assert len(events.text(measured([])).split("\n\n")) == 2
