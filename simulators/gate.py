"""The virtual gate: one controller that follows the native gate protocol to the letter, as a pure state machine.

It has no socket and no clock. Instants that come in are real ones (UTC); what it writes on the wire is in its own clock,
which runs `offset` ahead. What it wants to say lies ready in `take`; what it physically did stands in `movements`.

Source of every rule: docs/gate-protocol.md.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from controllers.adapters import native
from controllers.commands import Action, Command
from controllers.events import (
    BarrierState,
    CommandResult,
    DeviceStatus,
    Kind,
    Opening,
    Outcome,
    PlateColour,
    PlateEvent,
    VehicleType,
)
from controllers.plate import normalise
from simulators.barrier import Cause, Movement
from simulators.journal import Drawer, Entry, Journal
from simulators.lane import Lane, Reading
from simulators.offline_list import OfflineList
from simulators.street import LaneSpec

FIRMWARE = "virtual-1"
READ_AGAIN_AFTER = timedelta(seconds=15)
ALONE_AFTER = timedelta(seconds=10)
IDLE_LOWERING_AFTER = timedelta(seconds=20)
COMMANDS_REMEMBERED_MAX = 1_000
MOVEMENTS_MAX = 200_000


class Message(NamedTuple):
    """To be published below the device's own topic. `id` is the journal's, empty for a status."""

    channel: native.Channel
    payload: bytes
    retain: bool = False
    id: str = ""


class Answered(NamedTuple):
    """A command that came in and what the gate made of it."""

    command: Command
    outcome: Outcome
    at: datetime


class Gate:
    """One controller and its lanes.

    `boot` makes event ids unique for 90 days: they are "{device}-{boot}-{n}". `status_every` is the period of the
    health report (None: only on connecting and on change); `status_on_change` False leaves out the barriers' movements.
    """

    def __init__(
        self,
        site: str,
        device: str,
        lanes: Sequence[LaneSpec],
        *,
        boot: str,
        offset: timedelta = timedelta(0),
        status_every: timedelta | None = timedelta(seconds=30),
        status_on_change: bool = True,
    ) -> None:
        self.site, self.device = site, device
        self.offset = offset
        self.online = False
        self.journal = Journal()
        self.list = OfflineList()
        self.movements: deque[Movement] = deque(maxlen=MOVEMENTS_MAX)  # what it physically did, for the invariants
        self.answered: deque[Answered] = deque(maxlen=COMMANDS_REMEMBERED_MAX)  # for whoever watches the lanes
        self.lanes = {spec.id: Lane(spec, self.movements) for spec in lanes}
        self.undecodable = 0
        self._boot, self._count = boot, 0
        self._status_every, self._status_on_change = status_every, status_on_change
        self._status_due: datetime | None = None
        self._told: dict[str, BarrierState] = {}  # barriers, as in the last status
        self._results: OrderedDict[str, CommandResult] = OrderedDict()
        self._status_wanted = False
        self._tells_clock = True

    # What happens at the barrier -------------------------------------------------------------------------------------

    def vehicle_arrives(
        self,
        lane: str,
        at: datetime,
        *,
        plate: str | None,
        colour: PlateColour | None = None,
        confidence: float | None = None,
        vehicle: VehicleType | None = None,
        image: str | None = None,
    ) -> PlateEvent:
        """A vehicle is at the trigger line; `plate` is as the camera reads it. Raises `ValueError` if one is there already."""
        if self.lanes[lane].occupied:
            raise ValueError(f"{self.site}/{lane}: a vehicle is at the barrier already")
        reading = Reading(plate, colour, confidence, vehicle, image)
        opening = self._own_opening(self.lanes[lane], reading, at)
        event = self._plate_event(self.lanes[lane], reading, at, opening)
        self.lanes[lane].arrive(event, reading, at)
        self._open_alone(self.lanes[lane], opening, at)
        return event

    def vehicle_passes(self, lane: str, at: datetime) -> PlateEvent | None:
        """It drove through. None where the lane cannot feel it."""
        return self._leaves(self.lanes[lane], Kind.PASSED, at)

    def vehicle_reverses(self, lane: str, at: datetime) -> PlateEvent | None:
        """It backed away. None where the lane cannot feel it."""
        return self._leaves(self.lanes[lane], Kind.REVERSED, at)

    def vehicle_follows_through(self, lane: str, at: datetime) -> PlateEvent | None:
        """A vehicle without a read of its own, so `for` is null: on another's bumper, or waved through by hand."""
        state = self.lanes[lane]
        by_hand = Opening.HAND if state.barrier.up and state.idle_since is not None else None
        event = None
        if state.spec.passage_sensor:
            event = PlateEvent(id=self._next_id(), at=self._clock(at), lane=lane, kind=Kind.PASSED, opening=by_hand)
            event = self._write(event)
        if not state.occupied and not state.held and state.spec.loop:
            state.fall(Cause.AUTOMATIC, None, at)
        return event

    def opened_by_hand(self, lane: str, at: datetime) -> PlateEvent:
        """Remote, button or wall switch: never for a command."""
        state = self.lanes[lane]
        state.rise(Cause.HAND, None, at)
        if state.occupied:
            state.opening = Opening.HAND
        return self._write(PlateEvent(id=self._next_id(), at=self._clock(at), lane=lane, kind=Kind.OPENED_BY_HAND))

    def credential_shown(self, lane: str, at: datetime, credential: str) -> PlateEvent:
        """A card or a code at a small gate. Without the service it opens to nobody: from inside its button does."""
        shown = PlateEvent(id=self._next_id(), at=self._clock(at), lane=lane, kind=Kind.DOOR, credential=credential)
        return self._write(shown)

    def lowered_by_hand(self, lane: str, at: datetime) -> None:
        """A person who watches lowers it: the only way down on a lane without a loop. Says nothing on the wire."""
        if not self.lanes[lane].occupied:
            self.lanes[lane].fall(Cause.HAND, None, at)

    def emergency(self, at: datetime) -> list[PlateEvent]:
        """Fire or power loss: every barrier rises and stays up, without us."""
        events = []
        for state in self.lanes.values():
            state.held = True
            state.rise(Cause.ALARM, None, at)
            event = PlateEvent(id=self._next_id(), at=self._clock(at), lane=state.spec.id, kind=Kind.ALARM)
            events.append(self._write(event))
        return events

    def power_returns(self, at: datetime) -> None:
        """It starts again with what its journal, its list and its answers kept, and knows no read any more: no order from before opens.

        No arm comes down by that: an empty loop lowers it in its time, and without a loop a person does. Who waits is read again.
        """
        self.disconnected(at)
        for state in self.lanes.values():
            state.starts_again(at)
            if state.occupied:
                self._read_again(state, at)

    # The connection --------------------------------------------------------------------------------------------------

    def connected(self, at: datetime) -> None:
        """The broker has accepted us and the subscriptions stand."""
        self.online = True
        self._status_wanted = True
        self._tells_clock = True
        self._status_due = at + self._status_every if self._status_every is not None else None

    def disconnected(self, at: datetime) -> None:
        del at
        if self.online:
            self.online = False
            self.journal.connection_lost()

    def want_status(self) -> None:
        """Say with the next `take` how it is, but not what its clock shows: the message may be read at another instant."""
        self._status_wanted = True
        self._tells_clock = False

    def receive(self, channel: str, payload: bytes, now: datetime, received: datetime | None = None) -> None:
        """A message from the service. `received` is when it came in, where the controller only acts on it `now`."""
        try:
            if channel == "command":
                self._command(native.decode_command(payload), now, received or now)
            elif channel == "receipt":
                receipt = native.decode_receipt(payload)
                self.journal.receipt(receipt.events, receipt.results)
            elif channel == "list":
                self.list.replace(native.decode_list(payload))
            elif channel == "list/delta" and not self.list.change(native.decode_delta(payload)):
                self._status_wanted = True  # it names our version, and the service sends the whole list again
        except msgspec.MsgspecError:
            self.undecodable += 1

    def take(self, now: datetime, *, results: bool = True) -> list[Message]:
        """What is to be published now; it counts as sent. Nothing while there is no connection.

        `results=False` leaves results for the next time, so that they ride with the next events.
        """
        if not self.online:
            return []
        messages = [self._status(now)] if self._status_wanted or self.changed(now) else []
        for entry in self.journal.due(now):
            if entry.drawer == "result" and not results:
                continue
            messages += [self._message(entry)] * entry.copies
            entry.sent(now)
        return messages

    def tick(self, now: datetime) -> None:
        """Time has passed: read waiting vehicles again, fall back on the list, lower idle barriers, report health."""
        for state in self.lanes.values():
            if state.waiting and self.online and self._alone(now):
                self._fall_back(state, now)
            if state.waiting and state.read_at is not None and now >= state.read_at + READ_AGAIN_AFTER:
                self._read_again(state, now)
            if self._idle(state) and state.idle_since is not None and now >= state.idle_since + IDLE_LOWERING_AFTER:
                state.fall(Cause.AUTOMATIC, None, now)
        if self._status_due is not None and self._status_every is not None and now >= self._status_due:
            self._status_wanted = True
            self._status_due = now + self._status_every

    def next_due(self, now: datetime) -> datetime | None:
        """When `tick` or `take` next has something to do, or None if nothing is under way."""
        instants = (
            [at for at in (self._status_due, self.journal.next_due_at()) if at is not None] if self.online else []
        )
        if self.online and (since := self.journal.silent_since()) is not None and not self._alone(now):
            instants.append(since + ALONE_AFTER)
        for state in self.lanes.values():
            if state.waiting and state.read_at is not None:
                instants.append(state.read_at + READ_AGAIN_AFTER)
            if self._idle(state) and state.idle_since is not None:
                instants.append(state.idle_since + IDLE_LOWERING_AFTER)
            if self._status_on_change and (settles := state.barrier.settles_at(now)) is not None:
                instants.append(settles)
        return min(instants, default=None)

    # Commands --------------------------------------------------------------------------------------------------------

    def _command(self, command: Command, now: datetime, received: datetime) -> None:
        result = self._results.get(command.id)
        if result is None:
            outcome, detail = self._act(command, now, received)
            result = CommandResult(command=command.id, outcome=outcome, at=self._clock(now), detail=detail)
            self.answered.append(Answered(command, outcome, now))
            self._results[command.id] = result
            while len(self._results) > COMMANDS_REMEMBERED_MAX:
                self._results.popitem(last=False)
        self.journal.write("result", command.id, result, buffered=False)

    def _act(self, command: Command, now: datetime, received: datetime) -> tuple[Outcome, str | None]:
        if command.action is Action.SHOW:
            return Outcome.DONE, None
        if self._clock(now) >= command.expires_at:
            return Outcome.EXPIRED, "past expires_at"
        if now - received >= timedelta(milliseconds=command.ttl_ms):
            return Outcome.EXPIRED, "past ttl_ms"
        state = self.lanes.get(command.lane)
        if state is None:
            return Outcome.REFUSED, "no such lane"
        if command.action is Action.OPEN:
            return state.open(command, now)
        if command.action is Action.HOLD_OPEN:
            state.held = True
            state.rise(Cause.COMMAND, command.id, now)
            return Outcome.DONE, None
        return state.lower(command, now)

    # Alone ------------------------------------------------------------------------------------------------------------

    def _alone(self, now: datetime) -> bool:
        """No connection, or a live event has had no receipt for 10 s."""
        if not self.online:
            return True
        since = self.journal.silent_since()
        return since is not None and now >= since + ALONE_AFTER

    def _own_opening(self, state: Lane, reading: Reading, now: datetime) -> Opening | None:
        if not self._alone(now):
            return None
        if self.list.holds(normalise(reading.plate), self._clock(now)):
            return Opening.LIST
        return Opening.OFFLINE_EXIT if state.spec.direction == "out" and state.spec.offline_exit else None

    def _open_alone(self, state: Lane, opening: Opening | None, now: datetime) -> None:
        if opening is not None:
            state.rise(Cause(opening.value), None, now)

    def _fall_back(self, state: Lane, now: datetime) -> None:
        """The service has gone silent on a vehicle that is waiting: its plate event went out without an opening."""
        assert state.reading is not None
        opening = self._own_opening(state, state.reading, now)
        if opening is None:
            return
        if state.spec.passage_sensor:
            state.opening = opening
        else:  # nothing but another read can say how the barrier rose
            state.read(self._plate_event(state, state.reading, now, opening), now)
        self._open_alone(state, opening, now)

    def _read_again(self, state: Lane, now: datetime) -> None:
        assert state.reading is not None
        opening = self._own_opening(state, state.reading, now)
        state.read(self._plate_event(state, state.reading, now, opening), now)
        self._open_alone(state, opening, now)

    # Writing ----------------------------------------------------------------------------------------------------------

    def _leaves(self, state: Lane, kind: Kind, at: datetime) -> PlateEvent | None:
        if not state.occupied:
            raise ValueError(f"{self.site}/{state.spec.id}: nobody is at the barrier")
        event = None
        if state.spec.passage_sensor:
            event = PlateEvent(
                id=self._next_id(),
                at=self._clock(at),
                lane=state.spec.id,
                kind=kind,
                for_event=state.newest.id if state.newest is not None else None,
                opening=state.opening if kind is Kind.PASSED else None,
            )
            event = self._write(event)
        if state.spec.passage_sensor or state.spec.loop:
            state.finished = True
        state.clear(at)
        return event

    def _plate_event(self, state: Lane, reading: Reading, at: datetime, opening: Opening | None) -> PlateEvent:
        event = PlateEvent(
            id=self._next_id(),
            at=self._clock(at),
            lane=state.spec.id,
            kind=Kind.PLATE,
            plate=normalise(reading.plate),
            plate_raw=reading.plate,
            plate_colour=reading.colour,
            confidence=reading.confidence,
            vehicle=reading.vehicle,
            opening=opening,
            image=reading.image,
        )
        return self._write(event)

    def _write(self, event: PlateEvent) -> PlateEvent:
        written = event if self.online else _buffered(event)
        self.journal.write("event", written.id, written, buffered=written.buffered)
        return written

    def _message(self, entry: Entry) -> Message:
        drawer: Drawer = entry.drawer
        if isinstance(entry.content, CommandResult):
            return Message(drawer, native.encode(entry.content), id=entry.id)
        event = entry.content if entry.buffered == entry.content.buffered else _buffered(entry.content)
        return Message(drawer, native.encode_event(event), id=entry.id)

    def _status(self, now: datetime) -> Message:
        self._status_wanted = False
        self._told = self._barriers(now)
        status = DeviceStatus(
            online=True,
            at=self._clock(now) if self._tells_clock else None,
            barrier=self._told,
            buffered=self.journal.buffered(),
            list_version=self.list.version,
            firmware=FIRMWARE,
        )
        self._tells_clock = True
        return Message("status", native.encode(status), retain=True)

    def _barriers(self, now: datetime) -> dict[str, BarrierState]:
        return {lane: state.barrier.state(now) for lane, state in self.lanes.items()}

    def changed(self, now: datetime) -> bool:
        """Whether a barrier is not any more as the last status said."""
        return self.online and self._status_on_change and self._barriers(now) != self._told

    def _idle(self, state: Lane) -> bool:
        return state.barrier.up and state.spec.loop and not state.held and not state.occupied

    def _next_id(self) -> str:
        self._count += 1
        # Padded: of two reads at one instant the earlier one sorts first, also past the ninth.
        return f"{self.device}-{self._boot}-{self._count:08d}"

    def _clock(self, at: datetime) -> datetime:
        return at + self.offset


def last_will() -> bytes:
    """What the broker says for a device that has gone."""
    return native.encode(DeviceStatus(online=False))


def _buffered(event: PlateEvent) -> PlateEvent:
    return msgspec.structs.replace(event, buffered=True)
