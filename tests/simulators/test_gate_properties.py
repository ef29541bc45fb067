"""Whatever happens in whatever order: the promises of a controller hold."""

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from controllers.adapters import native
from controllers.commands import Action, Command, Reason, Receipt
from controllers.events import Outcome
from simulators.barrier import Cause
from simulators.gate import Gate
from simulators.journal import BUFFERED_UNRECEIPTED_MAX
from simulators.street import LaneSpec

LANES = ("in-1", "out-1", "bare")
lanes = st.sampled_from(LANES)
plates = st.sampled_from([None, "浙A12345", "浙AD12345", "沪B99999"])


class GateMachine(RuleBasedStateMachine):
    events = Bundle("events")

    def __init__(self):
        super().__init__()
        self.now = datetime(2026, 3, 2, tzinfo=UTC)
        self.offset = timedelta(seconds=0.7)
        specs = [
            LaneSpec(id="in-1", direction="in", device="d1", offline_exit=False),
            LaneSpec(id="out-1", direction="out", device="d1", offline_exit=True),
            LaneSpec(id="bare", direction="out", device="d1", loop=False, passage_sensor=False, offline_exit=True),
        ]
        self.gate = Gate("xinyi", "d1", specs, boot="t", offset=self.offset)
        self.commands, self.executed, self.answers = {}, {}, {}
        self.owed = set()  # written, and not receipted

    def note(self):
        self.owed |= {(entry.drawer, entry.id) for entry in self.gate.journal}

    @rule(seconds=st.floats(0.05, 20))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.gate.tick(self.now)
        self.note()

    @rule(target=events, lane=lanes, plate=plates)
    def a_vehicle_arrives(self, lane, plate):
        if self.gate.lanes[lane].occupied:
            return self.gate.lanes[lane].newest.id
        event = self.gate.vehicle_arrives(lane, self.now, plate=plate)
        self.note()
        return event.id

    @rule(lane=lanes, back=st.booleans())
    def the_vehicle_leaves(self, lane, back):
        if self.gate.lanes[lane].occupied:
            (self.gate.vehicle_reverses if back else self.gate.vehicle_passes)(lane, self.now)
            self.note()

    @rule(lane=lanes)
    def a_guard_opens(self, lane):
        self.gate.opened_by_hand(lane, self.now)
        self.note()

    @rule(alarm=st.booleans())
    def the_power_goes_and_returns(self, alarm):
        if alarm:  # it falls up: an arm without power stands open
            self.gate.emergency(self.now)
        lowered = sum(not move.up for move in self.gate.movements)
        self.gate.power_returns(self.now)
        assert not self.gate.online
        assert sum(not move.up for move in self.gate.movements) == lowered, "power that returns lowers nothing"
        self.note()

    @rule()
    def the_connection_comes(self):
        if not self.gate.online:
            self.gate.connected(self.now)

    @rule()
    def the_connection_goes(self):
        self.gate.disconnected(self.now)

    @rule(
        event=st.one_of(st.none(), events),
        number=st.integers(0, 30),
        lane=lanes,
        action=st.sampled_from(list(Action)),
        reason=st.sampled_from([Reason.TEMPORARY, Reason.STAFF]),
        expires=st.floats(-3, 9),
        ttl_ms=st.integers(0, 9000),
        late=st.floats(0, 5),
    )
    def a_command_comes(self, event, number, lane, action, reason, expires, ttl_ms, late):  # noqa: PLR0917
        new = Command(
            id=f"c{number}", action=action, lane=lane, reason=reason, event=event, ttl_ms=ttl_ms,
            expires_at=self.now + timedelta(seconds=expires),
        )  # fmt: skip
        command = self.commands.setdefault(new.id, new)  # the same id is the same command
        received, self.now = self.now, self.now + timedelta(seconds=late)
        moved, answered = len(self.gate.movements), len(self.gate.answered)
        newest = self.gate.lanes[command.lane].newest
        finished = self.gate.lanes[command.lane].finished
        self.gate.receive("command", native.encode(command), self.now, received=received)
        self.note()
        assert ("result", command.id) in self.gate.journal
        moves = [move for move in list(self.gate.movements)[moved:] if move.command == command.id]
        repeated = command.id in self.executed
        self.executed[command.id] = self.executed.get(command.id, 0) + len(moves)
        assert self.executed[command.id] <= 1
        assert (len(self.gate.answered) == answered) == repeated
        if moves:
            assert not repeated
            assert self.now + self.offset < command.expires_at
            assert late * 1000 < command.ttl_ms
            if command.action is Action.OPEN and command.event is not None:
                assert newest is not None
                assert newest.id == command.event
                assert not finished
            assert self.gate.answered[-1].outcome is Outcome.DONE

    @rule(share=st.floats(0, 1))
    def some_receipts_come(self, share):
        entries = list(self.gate.journal)
        chosen = entries[: round(len(entries) * share)]
        events = tuple(entry.id for entry in chosen if entry.drawer == "event")
        results = tuple(entry.id for entry in chosen if entry.drawer == "result")
        self.gate.receive("receipt", native.encode(Receipt(events=events, results=results)), self.now)
        self.owed -= {(entry.drawer, entry.id) for entry in chosen}

    @rule()
    def it_sends(self):
        sent = self.gate.take(self.now)
        assert self.gate.online or not sent
        assert all(not message.id or (message.channel, message.id) in self.gate.journal for message in sent)
        unreceipted = sum(entry.buffered and entry.attempts > 0 for entry in self.gate.journal)
        assert unreceipted <= BUFFERED_UNRECEIPTED_MAX
        assert not self.gate.take(self.now), "what was just sent is not sent again at once"

    @invariant()
    def no_barrier_was_lowered_onto_a_vehicle(self):
        falls = [move for move in self.gate.movements if not move.up and move.occupied]
        assert all(move.lane == "bare" and move.cause is Cause.COMMAND for move in falls)
        for move in falls:  # without a loop: only at the word of a person who watches
            assert self.commands[move.command].reason is Reason.STAFF

    @invariant()
    def the_journal_keeps_what_has_no_receipt(self):
        assert {(entry.drawer, entry.id) for entry in self.gate.journal} == self.owed


GateMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestGate = GateMachine.TestCase
