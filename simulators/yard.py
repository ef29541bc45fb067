"""All virtual gates of a street, each with its connection; driven by the one thread that turns it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from controllers.commands import Action
from simulators.clock import Clock, monotonic
from simulators.devices.dialect import Dialect
from simulators.devices.speaking import dialect_of
from simulators.gate import Gate
from simulators.street import SiteSpec
from simulators.transport import Key, Listener, Transport

CONNECTING_SECONDS_MAX = 30.0
TURN_SECONDS = 0.5
STREET_ZONE = ZoneInfo("Asia/Shanghai")


class Unanswered(TimeoutError):
    """The service has not answered within the real time allowed; the message names what is missing."""


class Yard:
    """Gates of every device of `sites` that speaks over MQTT: ours, and those whose dialect there is.

    `passwords` by user name ("{site}.{device}"); `offsets` are clock errors by the same name. With `live` False results
    are held back until `send` takes them along, and the gates report their health only on connecting. `heard` is told of
    every payload that comes from the service.
    """

    def __init__(
        self,
        sites: Iterable[SiteSpec],
        clock: Clock,
        host: str,
        port: int,
        *,
        boot: str,
        passwords: Mapping[str, str] | None = None,
        offsets: Mapping[str, timedelta] | None = None,
        protocol: Literal["3.1.1", "5"] = "3.1.1",
        tls: ssl.SSLContext | None = None,
        live: bool = False,
        heard: Callable[[bytes], None] | None = None,
        answer_seconds_max: float = 60.0,
        zone: tzinfo = STREET_ZONE,
    ) -> None:
        self.clock = clock
        self.live = live
        self._heard = heard
        self._answer_seconds_max = answer_seconds_max
        self.transport = Transport(
            host, port, Listener(self._connected, self._disconnected, self._message), protocol=protocol, tls=tls
        )
        self.gates: dict[Key, Gate] = {}
        self.dialects: dict[Key, Dialect] = {}
        self.touched: dict[Key, None] = {}  # gates that heard a command since somebody last looked, in order
        self._unsettled: set[Key] = set()
        self._expected: set[tuple[Key, str]] = set()
        for site in sites:
            for device in site.device:
                dialect = dialect_of(site, device, zone)
                if dialect is None:
                    continue
                key = Key(site.id, device.id)
                self.gates[key] = Gate(
                    site.id,
                    device.id,
                    site.lanes_of(device.id),
                    boot=boot,
                    offset=(offsets or {}).get(key.username, timedelta(0)),
                    status_every=timedelta(seconds=30) if live else None,
                    status_on_change=live,
                )
                self.dialects[key] = dialect
                self.transport.add(key, (passwords or {}).get(key.username), dialect)

    def open(self) -> None:
        """Connect every gate. Raises `Unanswered` naming those that the broker does not let in."""
        self._until(lambda: all(gate.online for gate in self.gates.values()), CONNECTING_SECONDS_MAX, self._away)

    def close(self) -> None:
        self.transport.close()

    def send(self, key: Key, *, twice: bool = False, results: bool = True) -> None:
        """Hand what a gate has to say to its connection."""
        gate = self.gates[key]
        for message in gate.take(self.clock.now(), results=results):
            if message.id:
                self._unsettled.add(key)
            self.transport.publish(key, message)
            if twice and message.channel == "event":
                self.transport.publish(key, message)

    def expect_open(self, key: Key, event: str) -> None:
        """An `open` for this event has been promised: `settle` waits until the gate has it."""
        self._expected.add((key, event))

    def settle(self) -> None:
        """Turn until every event and result sent has its receipt and every promised open has come.

        Raises `Unanswered` naming the ids still waited for.
        """
        if self._unsettled or self._expected:
            self._until(lambda: not self._unsettled and not self._expected, self._answer_seconds_max, self._missing)

    def pump(self, seconds: float) -> None:
        """Serve the connections for at most one turn."""
        self.transport.turn(seconds)

    def cut(self, key: Key) -> None:
        """The network of this gate goes down."""
        self.transport.cut(key)

    def restore(self, key: Key) -> None:
        """The network of this gate comes back: waits until it is connected and has told what it buffered."""
        self.transport.restore(key)
        self._until(lambda: self.gates[key].online, CONNECTING_SECONDS_MAX, self._away)

    # ------------------------------------------------------------------------------------------------------------------

    def _until(self, done: Callable[[], bool], seconds: float, missing: Callable[[], str]) -> None:
        deadline = monotonic() + seconds
        while not done():
            if monotonic() > deadline:
                raise Unanswered(missing())
            self.transport.turn(TURN_SECONDS if self.transport.connected_all() else 0.02)

    def _away(self) -> str:
        away = [
            f"{key.username} ({self.transport.refusal(key) or 'no answer'})"
            for key, gate in self.gates.items()
            if not gate.online
        ]
        return f"{len(away)} gates have no connection: {', '.join(away[:10])}"

    def _missing(self) -> str:
        ids = [
            f"{key.username} {entry.drawer} {entry.id}"
            for key in sorted(self._unsettled)
            for entry in self.gates[key].journal
            if entry.sent_at is not None
        ]
        ids += [f"{key.username} open for {event}" for key, event in sorted(self._expected)]
        return f"no answer after {self._answer_seconds_max:.0f} s of real time: {', '.join(ids[:20])}"

    def _connected(self, key: Key) -> None:
        self.gates[key].connected(self.clock.now())
        self.send(key)

    def _disconnected(self, key: Key) -> None:
        self.gates[key].disconnected(self.clock.now())
        if not self.transport.wanted(key):
            self._unsettled.discard(key)

    def _message(self, key: Key, channel: str, payload: bytes) -> None:
        if self._heard is not None:
            self._heard(payload)
        gate = self.gates[key]
        last = gate.answered[-1] if gate.answered else None
        gate.receive(channel, payload, self.clock.now())
        if gate.answered and (answered := gate.answered[-1]) is not last:
            self.touched[key] = None
            command = answered.command
            if command.action is Action.OPEN and command.event is not None:
                self._expected.discard((key, command.event))
        self.send(key, results=self.live)
        if key in self._unsettled and not gate.journal.awaits_receipt():
            self._unsettled.discard(key)
