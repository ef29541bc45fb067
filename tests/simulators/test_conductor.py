"""Whole days over real MQTT, against a stand-in for the service: the seed decides, not the network, not the speed."""

import itertools
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import paho.mqtt.client as mqtt
import pytest

from simulators.clock import SimulatedClock
from simulators.conductor import Conductor
from simulators.journeys import DayPlan, Journey, Outage, Vehicle
from simulators.replay import Replay, read_stays, replay_site
from simulators.street import parse_street
from simulators.world import FIRST_DAY, World
from simulators.yard import Unanswered, Yard

ROOT = Path(__file__).parents[2]
STREET = parse_street((ROOT / "rules" / "hushu-street.toml").read_text(encoding="utf-8"))
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


class Payer:
    """Pays by a message to the stand-in; keeps what it paid."""

    def __init__(self, client):
        self.client, self.paid = client, []

    def pay(self, site, device, event_id, fen, channel, at):
        self.paid.append((site, event_id, fen, channel, at))
        self.client.publish("fake/pay", f"{site}|{device}|{event_id}|{at.isoformat()}", qos=1)
        return True

    def pay_early(self, site, plate, channel, at):
        self.paid.append((site, plate, 0, channel, at))


class Housekeeping:
    def __init__(self):
        self.instants = []

    def advanced(self, now):
        self.instants.append(now)


@pytest.fixture(scope="module")
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("echo_service.py")), "both", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service:
        try:
            said = {service.stdout.readline().strip(), service.stdout.readline().strip()}
            assert said == {"BROKER READY", "BRIDGE READY"}
            yield port
        finally:
            service.kill()


@pytest.fixture
def payer(port):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    yield Payer(client)
    client.disconnect()
    client.loop_stop()


def a_yard(port, sites, start, **settings):
    return Yard(sites, SimulatedClock(start), "127.0.0.1", port, boot="t", **settings)


def conduct(port, payer, plan, *, speed=None, sites=None, **settings):
    yard = a_yard(port, sites or STREET.with_gates(), plan.start, **settings)
    steps = Housekeeping()
    try:
        conductor = Conductor(yard, seed="7", payer=payer, steps=steps, speed=speed)
        conductor.open()
        conductor.add(plan)
        assert conductor.run(plan.end)
        log = [(key, move) for key in sorted(yard.gates) for move in yard.gates[key].movements]
        assert not any(len(gate.journal) for gate in yard.gates.values())
        assert not any(gate.undecodable for gate in yard.gates.values())
        return conductor, log, steps
    finally:
        yard.close()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_day_every_time(port, payer):
    world = World(STREET, 7, households=400)
    plan = world.plan(FIRST_DAY)
    first, first_log, steps = conduct(port, payer, plan, offsets=world.clock_offsets())
    paid, payer.paid = payer.paid, []
    second, second_log, _ = conduct(port, payer, plan, offsets=world.clock_offsets())
    assert first.truth.passages == second.truth.passages
    assert first_log == second_log
    assert paid == payer.paid
    assert paid
    assert len(first.truth.stays) > 100
    assert all(later > earlier for earlier, later in zip(steps.instants, steps.instants[1:], strict=False))
    for key, move in first_log:
        assert move.up or not move.occupied, (key, move)


def a_journey(name, enters, leaves, *, site="xinyifang", plate="浙A12345", **more):
    return Journey(
        id=name, site=site, vehicle=Vehicle(plate, None, "visitor"), lane_in="in-1", lane_out="out-1",
        enter_at=NOON + timedelta(seconds=enters), leave_at=NOON + timedelta(seconds=leaves),
        read_in=plate, read_out=plate, **more,
    )  # fmt: skip


def a_plan(*journeys, outages=()):
    return DayPlan(NOON.date(), NOON - timedelta(seconds=1), NOON + timedelta(hours=1), journeys, tuple(outages))


def test_the_speed_changes_nothing(port, payer):
    plan = a_plan(*(a_journey(f"j{n}", 40 * n, 1200 + 40 * n, plate=f"浙A0000{n}") for n in range(5)))
    fast, fast_log, _ = conduct(port, payer, plan)
    slow, slow_log, _ = conduct(port, payer, plan, speed=2000)
    assert fast.truth.passages == slow.truth.passages
    assert fast_log == slow_log
    assert len(fast.truth.stays) == 5


def test_an_outage_is_told_afterwards_and_nobody_is_trapped(port, payer):
    """The main gate is staffed: a guard raises the barrier for those whom it does not know."""
    cut, back = NOON + timedelta(minutes=10), NOON + timedelta(minutes=30)
    plan = a_plan(a_journey("j", 0, 900), outages=[Outage("xinyifang", "d1", cut, back)])
    conductor, _, _ = conduct(port, payer, plan)
    (stay,) = conductor.truth.stays
    assert (stay.entry.raised_by, stay.exit.raised_by) == ("command", "hand")


def test_vehicles_queue_at_a_barrier(port, payer):
    plan = a_plan(*(a_journey(f"j{n}", n / 10, 1200, plate=f"浙A0000{n}") for n in range(4)))
    conductor, log, _ = conduct(port, payer, plan)
    entries = [passage for passage in conductor.truth.passages if passage.direction == "in"]
    assert [passage.journey for passage in entries] == ["j0", "j1", "j2", "j3"]
    assert all(later.read_at > earlier.passed_at for earlier, later in itertools.pairwise(entries))
    assert all(move.up or not move.occupied for _, move in log)


def test_an_unreadable_vehicle_is_let_through_by_hand_or_turns_back(port, payer):
    plan = a_plan(a_journey("j", 0, 900, plate=None))
    conductor, _, _ = conduct(port, payer, plan)
    first = conductor.truth.passages[0]
    assert first.event != first.last_event, "it was read again while it waited"
    assert first.raised_by in {"hand", "nobody"}


def test_a_service_that_does_not_answer_is_named_with_what_it_owes(payer):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        yard = a_yard(deaf.getsockname()[1], STREET.with_gates()[:1], NOON)
        try:
            yard.transport.turn(0)
            assert yard.transport.refusal(next(iter(yard.gates)))
        finally:
            yard.close()


def test_an_unanswered_event_stops_the_clock_and_is_named(port, payer):
    class Deaf(Payer):
        def pay(self, *_):
            return True  # and no command will ever come

    plan = a_plan(*(a_journey(f"j{n}", 60 * n, 1800 + 60 * n, plate=f"浙A1000{n}") for n in range(12)))
    with pytest.raises(Unanswered, match="open for d1-t-"):
        conduct(port, Deaf(payer.client), plan, answer_seconds_max=0.3)


def test_a_requested_stop_ends_the_run_between_windows(port, payer):
    stop = threading.Event()
    stop.set()
    yard = a_yard(port, STREET.with_gates()[:1], NOON)
    try:
        conductor = Conductor(yard, seed="7", payer=payer, stop=stop, seen_online=lambda *_: True)
        conductor.open()
        conductor.add_journey(a_journey("j", 0, 60))
        assert conductor.run(NOON + timedelta(hours=1)) is False
        assert not conductor.truth.passages
    finally:
        yard.close()


def test_recorded_stays_are_read_at_their_times_and_double_entries_stay_double(port, payer):
    text = """plate,entry,exit
A1,2026-03-02T09:00:00,2026-03-02T11:00:00
A1,2026-03-02T10:00:00,2026-03-02T12:00:00
B2,2026-03-02T09:00:00,2026-03-02T09:00:00
C3,2026-03-02T09:00:02,2026-03-02T11:00:00
"""
    recorded = list(read_stays(text.splitlines(keepends=True), ZoneInfo("Asia/Shanghai")))
    replay = Replay(recorded, "replay")
    yard = a_yard(port, [replay_site("replay")], replay.start)
    try:
        conductor = replay.conductor(yard, payer)
        conductor.open()
        assert conductor.run(replay.end)
    finally:
        yard.close()
    passages = conductor.truth.passages
    reads = {passage.event: passage for passage in passages}
    for result in replay.results():
        assert reads[result.entry_event].read_at == result.stay.entry
        assert reads[result.exit_event].read_at == result.stay.exit
        assert reads[result.entry_event].passed_at <= reads[result.entry_event].read_at + timedelta(seconds=5)
    assert len(reads) == 8
    first_c3 = next(passage for passage in passages if passage.vehicle == "C3")
    assert first_c3.passed_at == first_c3.read_at + timedelta(seconds=5)
