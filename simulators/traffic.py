"""What vehicles, drivers and guards do at the barriers, in answer to what the barriers do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from controllers.commands import Action as CommandAction
from controllers.commands import Command, Reason
from controllers.events import PlateEvent
from simulators.agenda import FOLLOW_UP, PLANNED, Action, Agenda, Weight
from simulators.barrier import Cause
from simulators.gate import READ_AGAIN_AFTER, Answered, Gate
from simulators.journeys import Direction, Journey, Passage, Raised, Truth
from simulators.manners import Manners, seconds
from simulators.transport import Key
from simulators.yard import Yard

QUEUE_MAX = 30
REFUSED_AT_ENTRY = frozenset({Reason.FULL, Reason.BLOCKED, Reason.NOT_REGISTERED})
STAYS_AT_LEAST = seconds(60)
# A result leaves with the gate's next event, usually the passage, or after this long: one receipt answers both.
RESULT_AFTER = seconds(45)
FOLLOWS_AFTER = seconds(2)
RAISED: dict[Cause, Raised] = {
    Cause.COMMAND: "command",
    Cause.HAND: "hand",
    Cause.LIST: "list",
    Cause.OFFLINE_EXIT: "offline_exit",
}


class Payer(Protocol):
    """Pays into the service. Both are called on the conductor's thread, at the simulated `at`."""

    def pay(self, site: str, device: str, event_id: str, fen: int, channel: str, at: datetime) -> bool:
        """Pay what a barrier shows; True if an open command will follow at the lane."""
        ...

    def pay_early(self, site: str, plate: str, channel: str, at: datetime) -> int | None:
        """Pay by phone before leaving: the fen paid, or None if nothing is due."""
        ...


class Booth(Protocol):
    """At a gate whose device shows no sums and tells nobody what a hand has done: what the driver's phone and the guard's console are there for.

    `event`: as the service has it, None for what nobody could read.
    """

    def asked(self, key: Key, event: str) -> int:
        """The fen that stand behind the code at the lane; 0: nothing is asked for."""
        ...

    def opens(self, key: Key, lane: str, event: str | None, at: datetime) -> bool:
        """A guard opens at the console; True if an open command will follow at the lane."""
        ...


class Turn:
    """One vehicle's turn at one lane."""

    def __init__(self, journey: Journey, direction: Direction, key: Key, manners: Manners) -> None:
        self.journey, self.direction, self.key, self.manners = journey, direction, key, manners
        self.lane = journey.lane_in if direction == "in" else journey.lane_out
        self.read = journey.read_in if direction == "in" else journey.read_out
        self.first: PlateEvent | None = None
        self.read_at: datetime | None = None
        self.leaving = False  # the barrier is up for it, or it is about to back away
        self.plan_made = False  # it, or a guard, will do something about the closed barrier
        self.reads_again_at: datetime | None = None
        self.shown: Reason | None = None
        self.fen = 0
        self.paid_fen = 0


class Traffic:
    """Carries journeys out on the gates of a yard, writing what comes next into the agenda."""

    def __init__(
        self,
        yard: Yard,
        agenda: Agenda,
        payer: Payer | None,
        manners: Callable[[Journey, Direction], Manners],
        booth: Booth | None = None,
    ) -> None:
        self.truth = Truth()
        self._booth = booth
        self._yard, self._agenda, self._payer, self._manners = yard, agenda, payer, manners
        self._devices = {(key.site, lane): key for key, gate in yard.gates.items() for lane in gate.lanes}
        self._turns: dict[tuple[str, str], Turn] = {}
        self._queues: dict[tuple[str, str], deque[Turn]] = {}
        self.active: dict[tuple[str, str], Turn] = {}  # lanes on which something happened in this window, in order
        self._results_planned: set[Key] = set()
        self.listeners: list[Callable[[Turn], None]] = []  # told when a vehicle has been read for the first time
        self.watchers: list[Callable[[Key, Answered], None]] = []  # told of every command that a gate has heard

    def plan(self, journey: Journey) -> None:
        """Put a journey on the agenda."""
        if journey.enter_at is not None:
            self._write_entry(journey)
        elif journey.leave_at is not None:
            self._write_exit(journey, journey.leave_at)

    def react(self, now: datetime) -> None:
        """Everything of the window is answered: decide what the vehicles do next, lane by lane in the window's order."""
        touched = sorted(self._yard.touched)  # never in the order in which the network brought their commands
        self._yard.touched.clear()
        for key in touched:
            gate = self._yard.gates[key]
            for answered in gate.answered:
                self._shown(key, answered.command)
                for watcher in self.watchers:
                    watcher(key, answered)
            gate.answered.clear()
            if key not in self._results_planned and key not in self._yard.names:
                self._results_planned.add(key)
                self._write(now + RESULT_AFTER, key, self._results_of(key), weight=Weight.HELD)
            for lane in gate.lanes:
                if (turn := self._turns.get((key.site, lane))) is not None:
                    self.active.setdefault((key.site, lane), turn)
        turns, self.active = list(self.active.values()), {}
        for turn in turns:
            if self._turns.get((turn.key.site, turn.lane)) is turn:
                self._decide(turn, now)

    # Planned -----------------------------------------------------------------------------------------------------------

    def _write_entry(self, journey: Journey) -> None:
        assert journey.enter_at is not None
        key = self._devices[journey.site, journey.lane_in]
        if journey.slips_in or journey.waved_in:
            self._write(journey.enter_at, key, lambda at: self._unread(journey, "in", at), PLANNED)
        else:
            self._write(journey.enter_at, key, lambda at: self._arrive(journey, "in", at), PLANNED)

    def _write_exit(self, journey: Journey, leave_at: datetime) -> None:
        key = self._devices[journey.site, journey.lane_out]
        if journey.slips_out or journey.waved_out:
            self._write(leave_at, key, lambda at: self._unread(journey, "out", at), PLANNED)
        else:
            self._write(leave_at, key, lambda at: self._arrive(journey, "out", at), PLANNED)

    def _write(
        self,
        at: datetime,
        key: Key,
        run: Callable[[datetime], None],
        rank: int = FOLLOW_UP,
        weight: Weight = Weight.PLATE,
    ) -> None:
        self._agenda.write(at, Action(key, run, weight), rank)

    def _arrive(self, journey: Journey, direction: Direction, at: datetime) -> None:
        key = self._devices[journey.site, journey.lane_in if direction == "in" else journey.lane_out]
        turn = Turn(journey, direction, key, self._manners(journey, direction))
        if turn.manners.queues and (direction == "out") != self.truth.is_inside(journey.site, journey.vehicle.name):
            return  # turned away at the entry, or still inside: there is nobody to arrive
        place = (journey.site, turn.lane)
        if place not in self._turns:
            self._at_barrier(turn, at)
        elif len(queue := self._queues.setdefault(place, deque())) < QUEUE_MAX:
            queue.append(turn)

    def _at_barrier(self, turn: Turn, at: datetime) -> None:
        place = (turn.key.site, turn.lane)
        self._turns[place] = self.active[place] = turn
        vehicle = turn.journey.vehicle
        turn.read_at = at
        turn.first = self._yard.gates[turn.key].vehicle_arrives(
            turn.lane,
            at,
            plate=turn.read,
            colour=vehicle.colour,
            confidence=0.97 if turn.read == vehicle.plate and turn.read is not None else 0.71 if turn.read else None,
            vehicle=vehicle.vehicle,
        )
        for listener in self.listeners:
            listener(turn)
        self._yard.send(turn.key, twice=turn.journey.sent_twice)

    def _unread(self, journey: Journey, direction: Direction, at: datetime) -> None:
        """Through without a read: on another's bumper, or waved through by a guard."""
        lane = journey.lane_in if direction == "in" else journey.lane_out
        key = self._devices[journey.site, lane]
        vehicle = journey.vehicle
        if (direction == "out") != self.truth.is_inside(journey.site, vehicle.name):
            return
        if (journey.site, lane) in self._turns:
            self._write(at + seconds(10), key, lambda later: self._unread(journey, direction, later), PLANNED)
            return
        gate = self._yard.gates[key]
        waved = journey.waved_in if direction == "in" else journey.waved_out
        if waved:
            gate.opened_by_hand(lane, at)
        passed_at = at + FOLLOWS_AFTER
        self._write(passed_at, key, lambda later: self._through_unread(key, lane, later))
        self.truth.left_lane(
            Passage(
                journey=journey.id, site=journey.site, device=key.device, lane=lane, direction=direction,
                vehicle=vehicle.name, kind=vehicle.kind, event=None, last_event=None, read=None, read_at=at,
                passed_at=passed_at, raised_by="hand" if waved else "nobody",
            )
        )  # fmt: skip
        self._yard.send(key)
        if direction == "in":
            self._after_entry(journey, passed_at)

    def _through_unread(self, key: Key, lane: str, at: datetime) -> None:
        gate = self._yard.gates[key]
        gate.vehicle_follows_through(lane, at)
        if not gate.lanes[lane].spec.loop:
            gate.lowered_by_hand(lane, at)
        self._yard.send(key)

    # Answers -----------------------------------------------------------------------------------------------------------

    def _results_of(self, key: Key) -> Callable[[datetime], None]:
        def run(_at: datetime) -> None:
            self._results_planned.discard(key)
            self._yard.send(key)

        return run

    def _shown(self, key: Key, command: Command) -> None:
        turn = self._turns.get((key.site, command.lane))
        if key in self._yard.names:
            return  # lines of text: see `_scanned`
        if turn is not None and command.action is CommandAction.SHOW and command.event is not None:
            turn.shown, turn.fen = command.reason, command.pay.fen if command.pay is not None else 0

    def _decide(self, turn: Turn, now: datetime) -> None:
        if turn.first is None:
            return  # it is still closing up to the barrier
        state = self._gate(turn).lanes[turn.lane]
        if state.opened:
            if not turn.leaving:
                turn.leaving = True
                backs_out = turn.journey.backs_out and turn.direction == "in"
                leave = self._reverse if backs_out else self._pass
                self._follow(turn, now + turn.manners.drives_on(), leave)
            return
        if not turn.plan_made:
            turn.plan_made = True
            self._plan_for_closed_barrier(turn, now)
        if turn.manners.queues and state.read_at is not None:
            again = max(state.read_at + READ_AGAIN_AFTER, now)
            if turn.reads_again_at is None or turn.reads_again_at < again:
                turn.reads_again_at = again
                self._follow(turn, again, self._read_again)

    def _plan_for_closed_barrier(self, turn: Turn, now: datetime) -> None:
        manners = turn.manners
        if turn.direction == "out" and turn.shown is not Reason.PAYMENT_DUE and (fen := self._scanned(turn)) > 0:
            turn.shown, turn.fen = Reason.PAYMENT_DUE, fen
        if turn.shown is Reason.PAYMENT_DUE and self._payer is not None:
            channel = manners.pays_by()
            if manners.phone_fails():
                self._follow(
                    turn, now + manners.pays_after() + manners.fumbles_after(), self._pay("cash"), Weight.ALONE
                )
            else:
                self._follow(turn, now + manners.pays_after(), self._pay(channel), Weight.ALONE)
        elif (
            manners.queues
            and turn.direction == "in"
            and (turn.shown in REFUSED_AT_ENTRY or not manners.guard_helps_at_entry())
        ):
            self._follow(turn, now + manners.gives_up_after(), self._reverse_if_closed)
        else:
            self._follow(turn, now + manners.guard_comes_after(), self._by_hand, self._weight_of_hand(turn))

    def _scanned(self, turn: Turn) -> int:
        """Other vendors' boards show lines of text: what they ask for stands behind the code at the lane."""
        newest = self._gate(turn).lanes[turn.lane].newest
        if newest is None or self._booth is None or turn.key not in self._yard.names:
            return 0
        name = self._yard.names.of(turn.key, newest.id)
        return 0 if name is None else self._booth.asked(turn.key, name)

    def _follow(
        self, turn: Turn, at: datetime, act: Callable[[Turn, datetime], None], weight: Weight = Weight.PLATE
    ) -> None:
        def run(when: datetime) -> None:
            if self._turns.get((turn.key.site, turn.lane)) is turn:
                act(turn, when)
                self.active.setdefault((turn.key.site, turn.lane), turn)
                self._yard.send(turn.key)

        self._write(at, turn.key, run, weight=weight)

    def _pay(self, channel: str) -> Callable[[Turn, datetime], None]:
        def act(turn: Turn, at: datetime) -> None:
            state = self._gate(turn).lanes[turn.lane]
            if turn.leaving or state.opened or state.newest is None or self._payer is None:
                return
            turn.fen = self._scanned(turn) or turn.fen
            online, name = self._gate(turn).online, self._yard.names.of(turn.key, state.newest.id)
            if online and name and self._payer.pay(turn.key.site, turn.key.device, name, turn.fen, channel, at):
                turn.paid_fen = turn.fen
                self._yard.expect_open(turn.key, state.newest.id)
            elif channel != "cash":
                self._follow(turn, at + turn.manners.fumbles_after(), self._pay("cash"), Weight.ALONE)
            else:
                self._follow(turn, at + turn.manners.guard_comes_after(), self._by_hand, self._weight_of_hand(turn))

        return act

    def _read_again(self, turn: Turn, at: datetime) -> None:
        self._gate(turn).tick(at)

    def _at_console(self, turn: Turn) -> bool:
        """What a hand does at its barrier is done at the console, since its device would tell nobody."""
        return self._booth is not None and turn.key in self._yard.names

    def _weight_of_hand(self, turn: Turn) -> Weight:
        return Weight.ALONE if self._at_console(turn) else Weight.PLATE

    def _by_hand(self, turn: Turn, at: datetime) -> None:
        state = self._gate(turn).lanes[turn.lane]
        if state.opened:
            return
        if self._booth is None or not self._at_console(turn) or state.newest is None:
            self._gate(turn).opened_by_hand(turn.lane, at)
        elif self._booth.opens(turn.key, turn.lane, self._yard.names.of(turn.key, state.newest.id), at):
            self._yard.expect_open(turn.key, state.newest.id)

    def _reverse_if_closed(self, turn: Turn, at: datetime) -> None:
        if not turn.leaving and not self._gate(turn).lanes[turn.lane].opened:
            self._reverse(turn, at)

    def _pass(self, turn: Turn, at: datetime) -> None:
        raised = self._raised_by(turn)
        gate = self._gate(turn)
        last = gate.lanes[turn.lane].newest
        gate.vehicle_passes(turn.lane, at)
        self._gone(turn, at, last, raised, passed=True)
        if turn.direction == "in":
            self._after_entry(turn.journey, at)

    def _reverse(self, turn: Turn, at: datetime) -> None:
        raised = self._raised_by(turn)
        gate = self._gate(turn)
        last = gate.lanes[turn.lane].newest
        gate.vehicle_reverses(turn.lane, at)
        self._gone(turn, at, last, raised, passed=False)

    def _gone(self, turn: Turn, at: datetime, last: PlateEvent | None, raised: Raised, *, passed: bool) -> None:
        gate, place, vehicle = self._gate(turn), (turn.key.site, turn.lane), turn.journey.vehicle
        if not gate.lanes[turn.lane].spec.loop:
            gate.lowered_by_hand(turn.lane, at)
        assert turn.first is not None
        assert turn.read_at is not None
        self.truth.left_lane(
            Passage(
                journey=turn.journey.id, site=turn.key.site, device=turn.key.device, lane=turn.lane,
                direction=turn.direction, vehicle=vehicle.name, kind=vehicle.kind, event=turn.first.id,
                last_event=last.id if last is not None else None, read=turn.read, read_at=turn.read_at,
                passed_at=at if passed else None, raised_by=raised, paid_fen=turn.paid_fen,
            )
        )  # fmt: skip
        del self._turns[place]
        queue = self._queues.get(place)
        if queue:
            following = queue.popleft()
            self._turns[place] = following  # it holds the lane while it closes up
            self._write(at + turn.manners.closes_up_after(), turn.key, lambda later: self._at_barrier(following, later))

    def _after_entry(self, journey: Journey, entered_at: datetime) -> None:
        if journey.pays_early_at is not None:
            key = self._devices[journey.site, journey.lane_out]
            self._write(
                max(journey.pays_early_at, entered_at + STAYS_AT_LEAST),
                key,
                lambda at: self._pay_early(journey, at),
                PLANNED,
            )
        if journey.leave_at is not None and self._manners(journey, "out").queues:
            self._write_exit(journey, max(journey.leave_at, entered_at + STAYS_AT_LEAST))

    def _pay_early(self, journey: Journey, at: datetime) -> None:
        plate = journey.vehicle.plate
        if self._payer is None or plate is None or not self.truth.is_inside(journey.site, plate):
            return
        fen = self._payer.pay_early(journey.site, plate, self._manners(journey, "out").pays_by(), at)
        if fen is not None:
            self.truth.paid_early(journey.site, plate, fen)

    def _raised_by(self, turn: Turn) -> Raised:
        state = self._gate(turn).lanes[turn.lane]
        return RAISED.get(state.raised_by, "nobody") if state.opened and state.raised_by is not None else "nobody"

    def _gate(self, turn: Turn) -> Gate:
        return self._yard.gates[turn.key]
