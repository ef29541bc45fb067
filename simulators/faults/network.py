"""A lossy wire and a broker between it: sessions, redelivery of what was not acknowledged, last wills, retained messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import NamedTuple, Protocol

from simulators.faults.mix import Mix
from simulators.faults.record import Record
from simulators.faults.schedule import Action, Schedule

_SHORTEST_SECONDS, _USUAL_SECONDS = 0.001, 0.02


class Packet(NamedTuple):
    """A message on its way. `mid` is 0 where nobody acknowledges it."""

    topic: str
    payload: bytes
    retained: bool = False
    mid: int = 0


class Peer(Protocol):
    """An end of a connection, as the broker sees it."""

    def delivered(self, packet: Packet) -> None: ...
    def acknowledged(self, mid: int) -> None: ...


class Leg:
    """One direction of one connection: messages keep their order unless they are made to lose it."""

    def __init__(self, name: str, schedule: Schedule, record: Record, mix: Mix, random: Random) -> None:
        self.name = name
        self.cut = False
        self.epoch = 0
        self.calm = False
        self._schedule, self._record, self._mix, self._random = schedule, record, mix, random
        self._last = schedule.now()

    def send(self, arrives: Action) -> None:
        """Perhaps never, perhaps twice, perhaps late. What is under way when the connection ends never arrives."""
        if self.cut:
            return
        mix, random = self._mix, self._random
        copies = 1
        if not self.calm:
            if random.random() < mix.loss:
                self._record.fault(self._schedule.now(), "loss", self.name)
                return
            if random.random() < mix.duplication:
                self._record.fault(self._schedule.now(), "duplication", self.name)
                copies = 2
        for _ in range(copies):
            self._one(arrives)

    def end(self) -> None:
        """The connection has ended; the next one begins empty."""
        self.epoch += 1
        self._last = self._schedule.now()

    def _one(self, arrives: Action) -> None:
        mix, random = self._mix, self._random
        seconds = random.uniform(_SHORTEST_SECONDS, _USUAL_SECONDS)
        if not self.calm and random.random() < mix.delay:
            self._record.fault(self._schedule.now(), "delay", self.name)
            seconds += random.uniform(0, mix.delay_seconds_max)
        epoch = self.epoch

        def arrive() -> None:
            if epoch == self.epoch and not self.cut:
                arrives()

        if not self.calm and random.random() < mix.reordering:
            self._record.fault(self._schedule.now(), "reordering", self.name)
            self._schedule.after(seconds, arrive)
            return
        self._last = max(self._last, self._schedule.now() + timedelta(seconds=seconds))
        self._schedule.at(self._last, arrive)


class Line:
    """A client's connection to the broker: two legs that are cut and restored together."""

    def __init__(self, name: str, schedule: Schedule, record: Record, mix: Mix, seed: int) -> None:
        self.up = Leg(f"{name} up", schedule, record, mix, Random(f"{seed}:{name}:up"))
        self.down = Leg(f"{name} down", schedule, record, mix, Random(f"{seed}:{name}:down"))

    def cut(self) -> None:
        self.up.cut = self.down.cut = True

    def restore(self) -> None:
        self.up.cut = self.down.cut = False

    def end(self) -> None:
        self.up.end()
        self.down.end()

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.up.calm = self.down.calm = True
        self.restore()


class Broker:
    """Knows one bridge with a lasting session, and devices with clean ones. Acknowledges from memory."""

    def __init__(self, schedule: Schedule, record: Record, upward: Callable[[str], bool]) -> None:
        self._schedule, self._record, self._upward = schedule, record, upward
        self._bridge: tuple[Peer, Line] | None = None
        self._owed: OrderedDict[int, Packet] = OrderedDict()  # to the bridge, until it acknowledges
        self._mid = 0
        self._devices: dict[str, tuple[Peer, Line, Packet]] = {}  # by the prefix of their topics
        self._retained: dict[str, Packet] = {}

    # The bridge -------------------------------------------------------------------------------------------------------

    def bridge_connects(self, peer: Peer, line: Line) -> None:
        """Its session goes on: what it never acknowledged comes again, and every retained status."""
        self._bridge = (peer, line)
        for packet in self._owed.values():
            self._send_to_bridge(packet)
        for packet in list(self._retained.values()):
            if self._upward(packet.topic):
                self._to_bridge(packet._replace(retained=True, mid=self._next_mid()))

    def bridge_leaves(self) -> None:
        if self._bridge is not None:
            self._bridge[1].end()
        self._bridge = None

    def from_bridge(self, packet: Packet) -> None:
        """Published: forwarded to a device that is there, forgotten for one that is not."""
        if packet.retained:
            self._retained[packet.topic] = packet
        for prefix, (peer, line, _) in self._devices.items():
            if packet.topic.startswith(prefix):
                line.down.send(lambda peer=peer: peer.delivered(packet._replace(retained=False)))  # type: ignore[misc]
        if self._bridge is not None:
            peer, line = self._bridge
            line.down.send(lambda: peer.acknowledged(packet.mid))

    def bridge_acknowledges(self, mid: int) -> None:
        self._owed.pop(mid, None)

    # Devices ----------------------------------------------------------------------------------------------------------

    def device_connects(self, prefix: str, peer: Peer, line: Line, will: Packet) -> None:
        self._devices[prefix] = (peer, line, will)
        for packet in self._retained.values():
            if packet.topic.startswith(prefix) and not self._upward(packet.topic):
                line.down.send(lambda packet=packet: peer.delivered(packet))  # type: ignore[misc]

    def device_lost(self, prefix: str) -> None:
        """Without a goodbye: its last will is published."""
        found = self._devices.pop(prefix, None)
        if found is not None:
            found[1].end()
            self.from_device(found[2])

    def from_device(self, packet: Packet) -> None:
        if packet.retained:
            self._retained[packet.topic] = packet
        self._to_bridge(packet._replace(retained=False, mid=self._next_mid()))

    # Itself -----------------------------------------------------------------------------------------------------------

    def forgets(self) -> list[str]:
        """Killed and started again: what it held in memory is gone, and so is every connection. Whose they were."""
        self._owed.clear()
        gone = list(self._devices)
        for _, line, _ in self._devices.values():
            line.end()
        self._devices.clear()
        self.bridge_leaves()
        return gone

    def _next_mid(self) -> int:
        self._mid += 1
        return self._mid

    def _to_bridge(self, packet: Packet) -> None:
        self._owed[packet.mid] = packet
        self._send_to_bridge(packet)

    def _send_to_bridge(self, packet: Packet) -> None:
        if self._bridge is not None:
            peer, line = self._bridge
            line.down.send(lambda: peer.delivered(packet))
