"""The virtual gate keeps the native protocol, sentence by sentence."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from controllers.adapters import native
from controllers.commands import Action, Command, ListDelta, ListEntry, Reason, Receipt, WholeList
from controllers.events import BarrierState, Kind, Opening, Outcome
from simulators.barrier import Cause
from simulators.gate import Gate, last_will
from simulators.journal import BUFFERED_UNRECEIPTED_MAX
from simulators.street import LaneSpec

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
PLATE = "浙A12345"


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def a_gate(*, online=True, loop=True, passage_sensor=True, offline_exit=True, offset=0.0, **settings):
    lanes = [
        LaneSpec(id="in-1", direction="in", device="d1", loop=loop, passage_sensor=passage_sensor, offline_exit=False),
        LaneSpec(
            id="out-1",
            direction="out",
            device="d1",
            loop=loop,
            passage_sensor=passage_sensor,
            offline_exit=offline_exit,
        ),
    ]
    settings = {"status_every": None, "status_on_change": False, **settings}
    gate = Gate("xinyi", "d1", lanes, boot="t", offset=timedelta(seconds=offset), **settings)
    if online:
        gate.connected(NOON)
        gate.take(NOON)
    return gate


def a_command(event, *, id="c1", action=Action.OPEN, lane="in-1", reason=Reason.TEMPORARY, expires=8.0, ttl_ms=8000):  # noqa: A002
    return Command(
        id=id, action=action, lane=lane, reason=reason, expires_at=at(expires), ttl_ms=ttl_ms,
        event=event.id if event is not None else None,
    )  # fmt: skip


def tell(gate, message, seconds, **more):
    channel = {"Command": "command", "Receipt": "receipt", "WholeList": "list", "ListDelta": "list/delta"}
    gate.receive(channel[type(message).__name__], native.encode(message), at(seconds), **more)


def events_of(messages):
    address = native.Address("xinyi", "d1", "event")
    return [native.decode_event(address, message.payload) for message in messages if message.channel == "event"]


def results_of(messages):
    return [native.decode_result(message.payload) for message in messages if message.channel == "result"]


def a_list(version, *plates):
    until = NOON + timedelta(days=1)
    return WholeList(version=version, entries=tuple(ListEntry(plate=plate, until=until) for plate in plates))


def test_an_opened_vehicle_passes_and_the_barrier_comes_down_behind_it():
    gate = a_gate()
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    tell(gate, a_command(event), 0.1)
    passed = gate.vehicle_passes("in-1", at(5))
    assert (passed.kind, passed.for_event, passed.opening) == (Kind.PASSED, event.id, None)
    assert [(move.up, move.cause, move.occupied) for move in gate.movements] == [
        (True, Cause.COMMAND, True),
        (False, Cause.AUTOMATIC, False),
    ]
    assert [result.outcome for result in results_of(gate.take(at(5)))] == [Outcome.DONE]


@pytest.mark.parametrize(
    ("received", "acts", "offset", "limits", "outcome"),
    [
        (0.1, 0.1, 0, {}, Outcome.DONE),
        (7.9, 7.9, 0, {}, Outcome.DONE),
        (8.0, 8.0, 0, {}, Outcome.EXPIRED),
        (7.5, 7.5, 1, {}, Outcome.EXPIRED),  # its own clock runs ahead
        (8.5, 8.5, -1, {"ttl_ms": 100}, Outcome.DONE),  # behind, and only just received
        (0.1, 2.2, 0, {"ttl_ms": 2000}, Outcome.EXPIRED),  # acted on too long after reception
    ],
)
def test_an_open_obeys_both_of_its_limits(received, acts, offset, limits, outcome):
    gate = a_gate(offset=offset)
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    gate.receive("command", native.encode(a_command(event, **limits)), at(acts), received=at(received))
    assert results_of(gate.take(at(acts)))[0].outcome is outcome
    assert len(gate.movements) == (outcome is Outcome.DONE)


def test_a_show_is_never_too_late():
    gate = a_gate()
    event = gate.vehicle_arrives("in-1", at(0), plate=None)
    tell(gate, a_command(event, action=Action.SHOW, reason=Reason.UNREADABLE), 60)
    assert results_of(gate.take(at(60)))[0].outcome is Outcome.DONE
    assert not gate.movements


def test_an_open_for_an_event_that_is_not_the_newest_or_is_over_is_refused():
    gate = a_gate()
    first = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    gate.vehicle_reverses("in-1", at(2))
    tell(gate, a_command(first, id="reversed"), 3)
    second = gate.vehicle_arrives("in-1", at(4), plate="浙A54321")
    tell(gate, a_command(first, id="older"), 5)
    tell(gate, a_command(second, id="right"), 5)
    gate.vehicle_passes("in-1", at(7))
    tell(gate, a_command(second, id="passed"), 7.5)
    outcomes = {result.command: result.outcome for result in results_of(gate.take(at(7.5)))}
    refused = Outcome.REFUSED
    assert outcomes == {"reversed": refused, "older": refused, "right": Outcome.DONE, "passed": refused}


def test_the_same_command_twice_is_executed_once_and_answered_twice():
    gate = a_gate()
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    tell(gate, a_command(event), 1)
    tell(gate, a_command(event), 1)
    first = results_of(gate.take(at(1)))
    tell(gate, a_command(event), 7)
    second = results_of(gate.take(at(7)))
    assert len(first) == 2
    assert second == first[:1]
    assert len(gate.movements) == 1


def test_a_barrier_is_never_lowered_onto_a_vehicle():
    gate = a_gate()
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    tell(gate, a_command(event), 1)
    tell(gate, a_command(None, id="close", action=Action.CLOSE, reason=Reason.STAFF), 2)
    gate.tick(at(60))
    assert [move.up for move in gate.movements] == [True]
    assert {result.command: result.outcome for result in results_of(gate.take(at(60)))}["close"] is Outcome.REFUSED


def test_a_vehicle_under_a_falling_arm_raises_it_at_once():
    gate = a_gate()
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    tell(gate, a_command(event), 1)
    gate.vehicle_passes("in-1", at(5))
    gate.vehicle_arrives("in-1", at(6), plate="浙A54321")
    assert [(move.up, move.cause) for move in gate.movements][-1] == (True, Cause.SAFETY)


def test_without_a_loop_only_a_person_lowers_it():
    gate = a_gate(loop=False)
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    tell(gate, a_command(event), 1)
    gate.vehicle_passes("in-1", at(4))
    gate.tick(at(100))
    tell(gate, a_command(None, id="ours", action=Action.CLOSE, expires=200, reason=Reason.TEMPORARY), 101)
    assert gate.lanes["in-1"].barrier.up
    tell(gate, a_command(None, id="person", action=Action.CLOSE, expires=200, reason=Reason.STAFF), 102)
    assert not gate.lanes["in-1"].barrier.up


def test_held_open_stays_up_until_released():
    gate = a_gate()
    tell(gate, a_command(None, id="hold", action=Action.HOLD_OPEN, reason=Reason.STAFF), 1)
    event = gate.vehicle_arrives("in-1", at(2), plate=PLATE)
    tell(gate, a_command(event), 3)
    gate.vehicle_passes("in-1", at(5))
    gate.tick(at(100))
    assert gate.lanes["in-1"].barrier.up
    tell(gate, a_command(None, id="release", action=Action.RELEASE, reason=Reason.STAFF, expires=200), 101)
    assert not gate.lanes["in-1"].barrier.up


def test_an_event_is_sent_again_after_five_seconds_and_then_less_and_less_often():
    gate = a_gate()
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    assert len(gate.take(at(0))) == 1
    ticks = (tenth / 10 for tenth in range(1, 2500))
    sent = [0.0, *(second for second in ticks if any(message.id == event.id for message in gate.take(at(second))))]
    assert [later - earlier for earlier, later in itertools.pairwise(sent)] == [5, 10, 20, 40, 60, 60]
    tell(gate, Receipt(events=(event.id,)), 250)
    assert len(gate.journal) == 0


def test_after_an_outage_live_events_go_first_and_at_most_32_buffered_ones_wait_for_their_receipt():
    gate = a_gate(online=False)
    for n in range(40):
        gate.vehicle_arrives("in-1", at(n), plate=f"浙A{n:05}")
        gate.vehicle_reverses("in-1", at(n) + timedelta(milliseconds=500))
    gate.connected(at(60))
    live = gate.vehicle_arrives("in-1", at(60), plate=PLATE)
    sent = events_of(gate.take(at(60)))
    assert sent[0].id == live.id
    assert not sent[0].buffered
    assert len(sent) == 1 + BUFFERED_UNRECEIPTED_MAX
    assert all(event.buffered for event in sent[1:])
    assert [event.at for event in sent[1:]] == sorted(event.at for event in sent[1:])
    tell(gate, Receipt(events=tuple(event.id for event in sent[:11])), 61)
    assert len(events_of(gate.take(at(61)))) == 10


def test_a_gate_alone_opens_for_the_listed_and_lets_the_others_only_out():
    gate = a_gate()
    tell(gate, a_list(3, PLATE), 0)
    gate.disconnected(at(1))
    listed = gate.vehicle_arrives("in-1", at(2), plate="浙a·12345")
    gate.vehicle_passes("in-1", at(4))
    stranger = gate.vehicle_arrives("in-1", at(5), plate="沪B99999")
    leaving = gate.vehicle_arrives("out-1", at(6), plate="沪B99999")
    assert [event.opening for event in (listed, stranger, leaving)] == [Opening.LIST, None, Opening.OFFLINE_EXIT]
    assert listed.buffered
    assert gate.lanes["in-1"].waiting


def test_a_staffed_exit_keeps_strangers_in_while_alone():
    gate = a_gate(online=False, offline_exit=False)
    assert gate.vehicle_arrives("out-1", at(0), plate=PLATE).opening is None


@pytest.mark.parametrize("passage_sensor", [True, False])
def test_ten_seconds_without_a_receipt_are_as_good_as_no_connection(passage_sensor):
    gate = a_gate(passage_sensor=passage_sensor)
    tell(gate, a_list(1, PLATE), 0)
    first = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    gate.take(at(0))
    assert gate.next_due(at(0)) == at(5)
    gate.tick(at(9.9))
    assert not gate.movements
    gate.tick(at(10))
    assert [(move.up, move.cause) for move in gate.movements] == [(True, Cause.LIST)]
    passed = gate.vehicle_passes("in-1", at(14))
    told = events_of(gate.take(at(14)))
    if passage_sensor:
        assert (passed.for_event, passed.opening) == (first.id, Opening.LIST)
    else:  # another read tells how it rose
        assert passed is None
        assert [event.opening for event in told if event.id != first.id] == [Opening.LIST]


def test_a_waiting_vehicle_is_read_again_every_fifteen_seconds_with_a_new_id():
    gate = a_gate()
    first = gate.vehicle_arrives("out-1", at(0), plate=PLATE)
    tell(gate, Receipt(events=(first.id,)), 0.1)
    reads = []
    for second in range(1, 46):
        gate.tick(at(second))
        new = events_of(gate.take(at(second)))
        reads += [(second, event.id) for event in new]
        tell(gate, Receipt(events=tuple(event.id for event in new)), second)
    assert [second for second, _ in reads] == [15, 30, 45]
    assert len({first.id, *(event_id for _, event_id in reads)}) == 4


def test_opened_by_hand_is_told_and_so_is_how_the_vehicle_came_through():
    gate = a_gate()
    event = gate.vehicle_arrives("out-1", at(0), plate=PLATE)
    assert gate.opened_by_hand("out-1", at(60)).kind is Kind.OPENED_BY_HAND
    passed = gate.vehicle_passes("out-1", at(65))
    assert (passed.for_event, passed.opening) == (event.id, Opening.HAND)


def test_tailgating_is_a_second_passage_for_no_read():
    gate = a_gate()
    event = gate.vehicle_arrives("in-1", at(0), plate=PLATE)
    tell(gate, a_command(event), 1)
    gate.vehicle_passes("in-1", at(5))
    assert gate.vehicle_follows_through("in-1", at(6)).for_event is None


def test_an_emergency_opens_everything_and_says_so():
    gate = a_gate()
    assert [event.kind for event in gate.emergency(at(0))] == [Kind.ALARM, Kind.ALARM]
    gate.tick(at(600))
    assert all(lane.barrier.up for lane in gate.lanes.values())


def test_a_change_of_the_list_holds_only_for_the_version_it_was_made_to():
    gate = a_gate()
    tell(gate, a_list(4, PLATE), 0)
    entry = ListEntry(plate="沪B99999", until=NOON + timedelta(days=1))
    tell(gate, ListDelta(version=6, from_version=5, add=(entry,)), 1)
    assert gate.list.version == 4
    status = native.decode_status(next(m.payload for m in gate.take(at(1)) if m.channel == "status"))
    assert status.list_version == 4  # asks for the whole list by naming what it has
    tell(gate, ListDelta(version=5, from_version=4, add=(entry,), remove=(PLATE,)), 2)
    assert gate.list.version == 5
    assert (gate.list.holds("沪B99999", NOON), gate.list.holds(PLATE, NOON)) == (True, False)


def test_health_is_told_on_connecting_on_change_and_every_thirty_seconds():
    gate = a_gate(online=False, status_every=timedelta(seconds=30), status_on_change=True)
    gate.connected(at(0))
    told = []
    for second in range(65):
        if second == 10:
            gate.opened_by_hand("in-1", at(10))
        gate.tick(at(second))
        told += [(second, message) for message in gate.take(at(second)) if message.channel == "status"]
    assert all(message.retain for _, message in told)
    states = [(second, native.decode_status(message.payload).barrier["in-1"]) for second, message in told]
    assert states == [
        (0, BarrierState.CLOSED),
        (10, BarrierState.MOVING),
        (11, BarrierState.OPEN),
        (30, BarrierState.MOVING),
        (32, BarrierState.CLOSED),
        (60, BarrierState.CLOSED),
    ]
    assert not native.decode_status(last_will()).online


def test_what_cannot_be_read_is_counted_and_ignored():
    gate = a_gate()
    for channel in ("command", "receipt", "list", "list/delta"):
        gate.receive(channel, b"\xff{", NOON)
    assert gate.undecodable == 4
