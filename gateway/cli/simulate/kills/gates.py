"""The virtual gates of a run in a process of their own, which may be killed at any moment.

Over standard input come its orders, a JSON document a line: first what it serves, then what the vehicles do. On standard output
it says what the vehicles see. What its controllers know is on the disk; when standard input ends, so does the process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from pathlib import Path
from typing import Literal

import msgspec

from controllers.commands import Action, Command
from controllers.events import Outcome
from simulators.clock import WallClock
from simulators.flash import FlashJournal, KeptList
from simulators.gate import Answered, Gate
from simulators.street import LaneSpec
from simulators.transport import Key, Listener, Transport

_TURN_SECONDS = 0.25
_BACK_OFF_SECONDS = (0.2, 0.5)


class DeviceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A device that this process plays."""

    site: str
    device: str
    password: str | None
    lanes: tuple[LaneSpec, ...]


class Serve(msgspec.Struct, frozen=True, kw_only=True):
    """The first order: where the broker is, where the flash memories are, and which devices."""

    host: str
    port: int
    folder: str
    devices: tuple[DeviceOrder, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a vehicle does at a lane (`site.lane`), or a question: how much is in the journals?"""

    do: Literal["arrive", "pass", "reverse", "count"]
    lane: str = ""
    plate: str | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What there is to see.

    `booted` (each lane's last event before), `online` and `offline` of a device, `opened` for the vehicle at a lane, `shown`
    with the plate event and the sum, `answered` with the action, `passed` and `reversed`, and `journal` with what is in it.
    """

    what: Literal["booted", "online", "offline", "opened", "shown", "answered", "passed", "reversed", "journal"]
    lane: str = ""
    device: str = ""
    event: str = ""
    action: str = ""
    outcome: str = ""
    fen: int = 0
    entries: int = 0
    last: dict[str, str] = {}


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """A command that came in, and what the controller made of it. One line of a device's `.commands` file."""

    command: str
    action: Action
    lane: str
    event: str | None
    outcome: Outcome
    at: str
    late_ms: int
    rose: bool


class _Controller:
    """One device: its gate, its flash memory, and who watches it."""

    def __init__(self, order: DeviceOrder, folder: Path, clock: WallClock) -> None:
        self.key = Key(order.site, order.device)
        journal = FlashJournal(folder / f"{self.key.username}.journal")
        self.gate = Gate(order.site, order.device, order.lanes, boot=str(journal.boot))
        self.gate.journal = self.journal = journal
        self.list = KeptList(folder / f"{self.key.username}.list")
        for channel, payload in self.list.messages():
            self.gate.receive(channel, payload, clock.now())
        self._commands = os.open(
            folder / f"{self.key.username}.commands", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        self._risen: set[str] = set()

    def lane(self, name: str) -> str:
        return f"{self.key.site}.{name}"

    def watch(self) -> None:
        """Say what has happened since the last look."""
        acted = set()
        while self.gate.movements:
            moved = self.gate.movements.popleft()
            if moved.up and moved.command is not None:
                acted.add(moved.command)
        while self.gate.answered:
            self._witness(self.gate.answered.popleft(), acted)
        for name, lane in self.gate.lanes.items():
            if not lane.opened:
                self._risen.discard(name)
            elif lane.occupied and name not in self._risen:
                self._risen.add(name)
                say(Said(what="opened", lane=self.lane(name)))

    def _witness(self, one: Answered, acted: set[str]) -> None:
        command = one.command
        seen = Witness(
            command=command.id,
            action=command.action,
            lane=command.lane,
            event=command.event,
            outcome=one.outcome,
            at=one.at.isoformat(),
            late_ms=int((one.at - command.expires_at).total_seconds() * 1000),
            rose=command.id in acted,
        )
        os.write(self._commands, msgspec.json.encode(seen) + b"\n")
        say(
            Said(
                what="answered",
                lane=self.lane(command.lane),
                event=command.event or "",
                action=command.action.value,
                outcome=one.outcome.value,
            )
        )
        if command.action is Action.SHOW:
            self._shown(command)

    def _shown(self, command: Command) -> None:
        fen = command.pay.fen if command.pay is not None else 0
        if command.event is not None and fen:
            say(Said(what="shown", lane=self.lane(command.lane), device=self.key.device, event=command.event, fen=fen))


class Gates:
    """All controllers of this process, on one thread."""

    def __init__(self, serve: Serve, clock: WallClock) -> None:
        self._clock = clock
        folder = Path(serve.folder)
        self._all = {one.key: one for one in (_Controller(order, folder, clock) for order in serve.devices)}
        self._lanes = {one.lane(name): one for one in self._all.values() for name in one.gate.lanes}
        listener = Listener(self._connected, self._disconnected, self._heard)
        self._transport = Transport(serve.host, serve.port, listener, back_off_seconds=_BACK_OFF_SECONDS)
        for order in serve.devices:
            self._transport.add(Key(order.site, order.device), order.password)
        last = {one.lane(lane): kind.value for one in self._all.values() for lane, kind in one.journal.last.items()}
        say(Said(what="booted", last=last))

    def run(self, orders: queue.SimpleQueue[bytes | None]) -> None:
        """Until there are no more orders to come."""
        while True:
            while not orders.empty():
                line = orders.get()
                if line is None:
                    self._transport.close()
                    return
                self._obey(msgspec.json.decode(line, type=Order))
            now = self._clock.now()
            for controller in self._all.values():
                controller.gate.tick(now)
                for message in controller.gate.take(now):
                    self._transport.publish(controller.key, message)
                controller.watch()
            self._transport.turn(_TURN_SECONDS if orders.empty() else 0)

    def wake(self) -> None:
        """An order has come. Thread-safe."""
        self._transport.wake()

    def _obey(self, order: Order) -> None:
        now = self._clock.now()
        if order.do == "count":
            say(Said(what="journal", entries=sum(len(one.gate.journal) for one in self._all.values())))
            return
        controller = self._lanes[order.lane]
        lane = order.lane.partition(".")[2]
        occupied = controller.gate.lanes[lane].occupied
        if order.do == "arrive" and not occupied:
            controller.gate.vehicle_arrives(lane, now, plate=order.plate)
        elif order.do == "pass" and occupied:
            controller.gate.vehicle_passes(lane, now)
            say(Said(what="passed", lane=order.lane))
        elif order.do == "reverse" and occupied:
            controller.gate.vehicle_reverses(lane, now)
            say(Said(what="reversed", lane=order.lane))

    def _connected(self, key: Key) -> None:
        self._all[key].gate.connected(self._clock.now())
        say(Said(what="online", device=key.username))

    def _disconnected(self, key: Key) -> None:
        self._all[key].gate.disconnected(self._clock.now())
        say(Said(what="offline", device=key.username))

    def _heard(self, key: Key, channel: str, payload: bytes) -> None:
        controller = self._all[key]
        controller.list.heard(channel, payload)
        controller.gate.receive(channel, payload, self._clock.now())


def say(said: Said) -> None:
    """One line on standard output. A reader that has gone is noticed on standard input."""
    try:
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        return


def main() -> None:
    """The process that `Box` starts."""
    serve = msgspec.json.decode(sys.stdin.buffer.readline(), type=Serve)
    gates = Gates(serve, WallClock())
    orders: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin.buffer:
            orders.put(line)
            gates.wake()
        orders.put(None)
        gates.wake()

    threading.Thread(target=read, daemon=True).start()
    gates.run(orders)
    os._exit(0)  # the reading thread holds standard input, and Python would wait for its lock
