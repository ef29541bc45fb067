"""The load: vehicles at lanes, a fixed number in flight or so many a second, over real MQTT on one thread.

In flight is an event that waits for its answer: a read for its command, a `passed` for its receipt; so that 1 in flight is alone, and
as many are in flight as messages of an echo. A lane serves one vehicle at a time, as in the trade: the next one is read when the one
before has passed, or has paid and passed. Results ride along, and whoever is about to pay is not in flight.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

import msgspec

from controllers.adapters import native
from controllers.commands import Action, Command, Receipt
from controllers.events import CommandResult, DeviceStatus, Kind, Outcome, PlateEvent
from gateway.cli.bench.street import LaneSpec, Layout
from gateway.cli.bench.traffic import Traffic, Vehicle, passed, read
from gateway.cli.main import CheckFailed
from gateway.runtime.clock import Clock
from simulators.gate import Message
from simulators.transport import Key, Listener, Transport

CONNECT_SECONDS_MAX = 60.0
# A read that has no command after this long gets none any more (the protocol's 12 s).
UNANSWERED_AFTER_SECONDS = 14.0
RECEIPTS_WITHIN_SECONDS = 40.0
TURN_SECONDS = 0.05
_LOOK_EVERY_SECONDS = 1.0
_BEHIND_SECONDS = 0.001


class Cashier(Protocol):
    """Who pays what a display asks, in a process of its own."""

    def pay(self, site: str, device: str, event_id: str, fen: int) -> None: ...


class Watcher(Protocol):
    """Somebody else who speaks for the same devices, and is told of every receipt."""

    def receipted(self, key: Key, receipt: Receipt) -> None: ...


@dataclass
class Round:
    """What one stretch of load brought. Latencies in seconds, from publishing a read to its first command.

    `tail`: events that were still in flight at its end, and in the database before anything else began.
    """

    latencies: list[float] = field(default_factory=list)
    events: int = 0
    tail: int = 0
    payments: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    shown: dict[str, int] = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0


@dataclass
class _Lane:
    spec: LaneSpec
    site: int
    vehicle: Vehicle | None = None
    read_id: str = ""
    read_at: float = 0.0
    answered: bool = True


class Driver:
    """Belongs to one thread. Raises `CheckFailed` where the service lets a device down."""

    def __init__(
        self,
        layout: Layout,
        traffic: Traffic,
        clock: Clock,
        *,
        host: str,
        port: int,
        passwords: Mapping[str, str] | None = None,
        cashier: Cashier | None = None,
    ) -> None:
        self._traffic, self._clock, self._cashier = traffic, clock, cashier
        self.transport = Transport(host, port, Listener(self._connected, lambda _: None, self._message))
        sites = {layout.site(index): index for index in range(layout.sites)}
        self._ready: dict[bool, deque[_Lane]] = {True: deque(), False: deque()}
        for spec in layout.lanes_of_all():
            self._ready[spec.inward].append(_Lane(spec, sites[spec.key.site]))
        self.keys = sorted({spec.key for spec in layout.lanes_of_all()})
        for key in self.keys:
            self.transport.add(key, passwords.get(key.username) if passwords else None)
        self._waiting: dict[str, _Lane] = {}
        self._flying: set[tuple[Key, str]] = set()
        self._inward = True
        self._owed: set[tuple[Key, str]] = set()
        self._count = 0
        self._round = Round()
        self._looked_at = 0.0
        self.watcher: Watcher | None = None
        self.between_turns: Callable[[], None] = lambda: None

    def connect(self) -> None:
        _connect(self.transport, self.keys)

    def close(self) -> None:
        self.transport.close()

    def closed_loop(self, reads: int, in_flight: int) -> Round:
        """So many reads, always `in_flight` events in flight. Ends when everything has its receipt."""
        began = self._begin()
        started = 0
        while len(self._round.latencies) + self._round.unanswered < reads:
            while started < reads and len(self._flying) < in_flight and self._start():
                started += 1
            self._turn(TURN_SECONDS)
        return self._end(began)

    def open_loop(self, reads_per_s: float, seconds: float, until: Callable[[], bool] | None = None) -> Round:
        """So many reads a second, whether or not those before have been answered; for so long, or `until` says so.

        A read that finds no free lane starts as soon as there is one: its waiting counts as latency.
        """
        began = self._begin()
        due, step = began, 1 / reads_per_s
        while (now := perf_counter()) - began < seconds and not (until is not None and until()):
            while due <= now and self._start(due):
                due += step
            # Behind, with every lane taken: whatever frees one wakes this up; spinning would take what is measured.
            self._turn(min(TURN_SECONDS, max(_BEHIND_SECONDS, due - perf_counter())))
        return self._end(began)

    # ------------------------------------------------------------------ a round

    def _begin(self) -> float:
        self._round = Round()
        self._looked_at = perf_counter()
        return perf_counter()

    def _end(self, began: float) -> Round:
        """The tail is served, too: the events of a round are all in the database before the next begins."""
        self._round.seconds = perf_counter() - began
        done, self._round.events = self._round.events, 0
        deadline = perf_counter() + RECEIPTS_WITHIN_SECONDS
        while self._owed or self._waiting:
            if perf_counter() > deadline:
                raise CheckFailed(
                    f"{len(self._owed)} events and results without a receipt after {deadline - began:.0f} s"
                )
            self._turn(TURN_SECONDS)
        self._round.events, self._round.tail = done, self._round.events
        return self._round

    def _turn(self, timeout: float) -> None:
        self.between_turns()
        self.transport.turn(timeout)
        now = perf_counter()
        if now - self._looked_at > _LOOK_EVERY_SECONDS:
            self._looked_at = now
            for lane in [one for one in self._waiting.values() if now - one.read_at > UNANSWERED_AFTER_SECONDS]:
                self._give_up(lane)

    def _start(self, due: float | None = None) -> bool:
        """The next vehicle stands at a barrier. False if every lane is taken."""
        inward = self._inward if self._ready[self._inward] else not self._inward
        lanes = self._ready[inward]
        for _ in range(len(lanes)):
            lane = lanes.popleft()
            vehicle = self._traffic.arrives(lane.site) if inward else self._traffic.leaves(lane.site)
            if vehicle is not None:
                break
            lanes.append(lane)
        else:
            if not inward and self._ready[True]:  # nobody is inside anywhere: let somebody in
                self._inward = True
                return self._start(due)
            return False
        self._inward = not inward
        lane.vehicle, lane.answered = vehicle, False
        event = read(self._next_id(), self._clock.now(), lane.spec.lane, vehicle)
        lane.read_id = event.id
        self._waiting[event.id] = lane
        lane.read_at = due if due is not None else perf_counter()
        self._publish(lane.spec.key, event)
        return True

    def _publish(self, key: Key, event: PlateEvent) -> None:
        self._owed.add((key, event.id))
        self._flying.add((key, event.id))
        self.transport.publish(key, Message("event", native.encode_event(event)))

    # ------------------------------------------------------------------ what comes back

    def _connected(self, key: Key) -> None:
        status = DeviceStatus(online=True, at=self._clock.now(), firmware="bench")
        self.transport.publish(key, Message("status", native.encode(status), retain=True))

    def _message(self, key: Key, channel: str, payload: bytes) -> None:
        if channel == "command":
            self._command(key, native.decode_command(payload))
        elif channel == "receipt":
            receipt = native.decode_receipt(payload)
            for one in receipt.events:
                if (key, one) in self._owed:
                    self._owed.discard((key, one))
                    self._round.events += 1
                if one not in self._waiting:
                    self._flying.discard((key, one))
            for one in receipt.results:
                self._owed.discard((key, one))
            if self.watcher is not None:
                self.watcher.receipted(key, receipt)

    def _command(self, key: Key, command: Command) -> None:
        lane = self._waiting.get(command.event or "")
        self._result(key, command)
        if lane is None:
            return
        if not lane.answered:
            lane.answered = True
            self._flying.discard((key, lane.read_id))
            self._round.latencies.append(perf_counter() - lane.read_at)
        self._round.shown[command.reason] = self._round.shown.get(command.reason, 0) + 1
        if command.action is Action.OPEN:
            self._passes(lane)
        elif command.pay is not None and self._cashier is not None:
            self._round.payments += 1
            self._cashier.pay(key.site, key.device, lane.read_id, command.pay.fen)
        else:
            self._backs_away(lane)

    def _result(self, key: Key, command: Command) -> None:
        result = CommandResult(command=command.id, outcome=Outcome.DONE, at=self._clock.now())
        self._owed.add((key, command.id))
        self.transport.publish(key, Message("result", native.encode(result)))

    def _passes(self, lane: _Lane) -> None:
        self._publish(lane.spec.key, passed(self._next_id(), self._clock.now(), lane.spec.lane, lane.read_id))
        assert lane.vehicle is not None
        if lane.spec.inward:
            self._traffic.entered(lane.site, lane.vehicle)
        else:
            self._traffic.left(lane.site, lane.vehicle)
        self._free(lane)

    def _backs_away(self, lane: _Lane) -> None:
        event = passed(self._next_id(), self._clock.now(), lane.spec.lane, lane.read_id)
        self._publish(lane.spec.key, msgspec.structs.replace(event, kind=Kind.REVERSED))
        assert lane.vehicle is not None
        if lane.spec.inward:
            self._traffic.left(lane.site, lane.vehicle)
        else:
            self._traffic.entered(lane.site, lane.vehicle)
        self._free(lane)

    def _give_up(self, lane: _Lane) -> None:
        """No command came, or none after the payment."""
        lane.answered = True
        self._flying.discard((lane.spec.key, lane.read_id))
        self._round.unanswered += 1
        self._backs_away(lane)

    def _free(self, lane: _Lane) -> None:
        del self._waiting[lane.read_id]
        self._ready[lane.spec.inward].append(lane)

    def _next_id(self) -> str:
        self._count += 1
        return f"b-{self._count:08d}"


class Echoed:
    """The floor of the same road: the same client sends the same event, and an echo sends it back as it is."""

    def __init__(
        self, layout: Layout, clock: Clock, *, host: str, port: int, passwords: Mapping[str, str] | None = None
    ) -> None:
        self._clock = clock
        self._transport = Transport(host, port, Listener(lambda _: None, lambda _: None, self._message))
        self._lanes = layout.lanes_of_all()
        self._keys = sorted({spec.key for spec in self._lanes})
        for key in self._keys:
            self._transport.add(key, passwords.get(key.username) if passwords else None)
        self._sent: dict[str, float] = {}
        self._latencies: list[float] = []
        self._count = 0

    def connect(self) -> None:
        _connect(self._transport, self._keys)

    def run(self, messages: int, in_flight: int) -> Round:
        """So many messages there and back. The round's events are messages."""
        self._latencies = []
        began = perf_counter()
        started = 0
        vehicle = Vehicle("浙A00000", "visitor")
        while len(self._latencies) < messages:
            while started < messages and len(self._sent) < in_flight:
                started, self._count = started + 1, self._count + 1
                spec = self._lanes[self._count % len(self._lanes)]
                event = read(f"e-{self._count:08d}", self._clock.now(), spec.lane, vehicle)
                self._sent[event.id] = perf_counter()
                self._transport.publish(spec.key, Message("event", native.encode_event(event)))
            self._transport.turn(TURN_SECONDS)
            if self._sent and perf_counter() - min(self._sent.values()) > RECEIPTS_WITHIN_SECONDS:
                raise CheckFailed("the broker does not bring an echo back")
        return Round(latencies=self._latencies, events=messages, seconds=perf_counter() - began)

    def close(self) -> None:
        self._transport.close()

    def _message(self, _key: Key, channel: str, payload: bytes) -> None:
        if channel == "command":
            sent = self._sent.pop(json.loads(payload)["id"], None)
            if sent is not None:
                self._latencies.append(perf_counter() - sent)


def _connect(transport: Transport, keys: Sequence[Key]) -> None:
    """Until all are let in. Raises `CheckFailed` naming one that is not."""
    end = perf_counter() + CONNECT_SECONDS_MAX
    while late := [key for key in keys if not transport.ready(key)]:
        if perf_counter() > end:
            raise CheckFailed(f"{late[0].username} cannot connect: {transport.refusal(late[0]) or 'no answer'}")
        transport.turn(TURN_SECONDS)
