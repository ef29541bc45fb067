"""A virtual gate on a wire that may fail, with a clock that may be set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from controllers.adapters import native
from simulators.faults.network import Broker, Line, Packet
from simulators.faults.record import Chronicle, Record
from simulators.faults.schedule import Schedule
from simulators.gate import Gate, last_will
from simulators.street import LaneSpec

_BARELY_LATER = timedelta(milliseconds=1)


class Device:
    """One controller: the real `Gate`, pumped whenever something may have changed for it."""

    def __init__(
        self,
        site: str,
        device: str,
        lanes: Sequence[LaneSpec],
        *,
        schedule: Schedule,
        record: Record,
        broker: Broker,
        line: Line,
        status_every: timedelta,
        tells_time: bool,
    ) -> None:
        every = status_every if tells_time else None
        self.gate = Gate(site, device, lanes, boot="sim", status_every=every, status_on_change=False)
        self._tells_time = tells_time
        self.gate.journal = Chronicle(device, record)
        self.line = line
        self.offset_max = timedelta(0)
        self._prefix = native.topic(site, device, "event")[: -len("event")]
        self._schedule, self._record, self._broker = schedule, record, broker
        self._pump_at: datetime | None = None
        self._seen = 0

    @property
    def name(self) -> str:
        return self.gate.device

    # The network ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """The wire is whole again."""
        if self.gate.online:
            return
        self.line.restore()
        self.line.end()
        will = Packet(f"{self._prefix}status", last_will(), retained=True)
        self._broker.device_connects(self._prefix, self, self.line, will)
        self.tell_status()
        self._record.note(self._schedule.now(), f"{self.name} connected")
        self.pump()

    def cut(self, notices_after: float) -> None:
        """Nothing goes through any more; both ends notice some seconds later."""
        self.line.cut()
        self._schedule.after(notices_after, self.lost)

    def lost(self) -> None:
        """Both ends know that the connection has gone."""
        if not self.gate.online:
            return
        self._broker.device_lost(self._prefix)
        self.gate.disconnected(self._schedule.now())
        self._record.note(self._schedule.now(), f"{self.name} offline")
        self.pump()

    def delivered(self, packet: Packet) -> None:
        """From the broker."""
        now = self._schedule.now()
        channel = packet.topic[len(self._prefix) :]
        self._record.note(now, f"{self.name} hears {channel} {packet.payload.decode()}")
        self.gate.receive(channel, packet.payload, now)
        self.pump()

    def acknowledged(self, mid: int) -> None:
        """Devices wait for receipts, not for the broker."""

    def tell_status(self) -> None:
        """With what its clock shows, or without it."""
        self.gate.connected(self._schedule.now())
        if not self._tells_time:
            self.gate.want_status()

    # The clock --------------------------------------------------------------------------------------------------------

    def step_clock(self, by: timedelta) -> None:
        """Somebody sets it. Said with the next status."""
        self.gate.offset += by
        self.offset_max = max(self.offset_max, abs(self.gate.offset))
        if self.gate.online:
            self.tell_status()
            self.pump()

    # Work -------------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Let the gate do what is due, and publish what it wants to say."""
        now = self._schedule.now()
        self.gate.tick(now)
        for message in self.gate.take(now):
            packet = Packet(f"{self._prefix}{message.channel}", message.payload, retained=message.retain)
            self._record.note(now, f"{self.name} says {message.channel} {message.payload.decode()}")
            self.line.up.send(lambda packet=packet: self._broker.from_device(packet))  # type: ignore[misc]
        self._note_movements()
        self._again(now)

    def _note_movements(self) -> None:
        movements = self.gate.movements
        while self._seen < len(movements):
            movement = movements[self._seen]
            self._seen += 1
            self._record.note(movement.at, f"{self.name} barrier {movement}")

    def _again(self, now: datetime) -> None:
        due = self.gate.next_due(now)
        if due is None:
            return
        due = max(due, now + _BARELY_LATER)
        if self._pump_at is None or due < self._pump_at or self._pump_at <= now:
            self._pump_at = due
            self._schedule.at(due, self._pump_if_due)

    def _pump_if_due(self) -> None:
        if self._pump_at is not None and self._pump_at <= self._schedule.now():
            self._pump_at = None
            self.pump()
