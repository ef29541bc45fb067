"""All virtual gates of a street, each with its connection; driven by the one thread that turns it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from controllers.adapters.port import Message, Posted, Published
from controllers.commands import Action
from controllers.events import BarrierState
from simulators.clock import Clock, monotonic
from simulators.devices.dialect import Dialect, Wire, receipted
from simulators.devices.http_camera import AskedCamera, Push
from simulators.devices.http_dahua import Dahua
from simulators.devices.http_link import HttpLink, Reach, camera_of, speaks_http
from simulators.devices.http_recognisers import PlateRecognizer
from simulators.devices.mqtt_frigate import FrigateDialect
from simulators.devices.naming import Names
from simulators.devices.speaking import dialect_of
from simulators.gate import Gate
from simulators.gate import Message as Said
from simulators.street import DeviceSpec, SiteSpec
from simulators.transport import Key, Listener, Transport

CONNECTING_SECONDS_MAX = 30.0
TURN_SECONDS = 0.5
STREET_ZONE = ZoneInfo("Asia/Shanghai")


class Unanswered(TimeoutError):
    """The service has not answered within the real time allowed; the message names what is missing."""


class Yard:
    """Gates of every device of `sites`: ours, those whose dialect there is at the broker, and where there is a `door`, those that speak HTTP.

    `passwords` by user name ("{site}.{device}"); `offsets` are clock errors by the same name. `door`: where devices that speak HTTP come in, without
    `/devices/…`; `logins`: the passwords with which devices are asked, where the site file does not have them. With `live` False results
    are held back until `send` takes them along, and the gates report their health only on connecting. `heard` is told of
    every payload that comes from the service.

    `stored(key, events)`: whether the service has these events of a device of another vendor, and no order for it under way. Such a device is not told that;
    where nobody else is either, whoever settles does not wait for it.
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
        door: str = "",
        logins: Mapping[str, str] | None = None,
        stored: Callable[[Key, frozenset[str]], bool] | None = None,
    ) -> None:
        """Raises `OSError` where a device that is asked by HTTP cannot listen at its address."""
        self.clock = clock
        self.live = live
        self._heard = heard or (lambda _: None)
        self._answer_seconds_max = answer_seconds_max
        self.transport = Transport(
            host,
            port,
            Listener(self._connected, self._disconnected, self._message, self._told, self._heard),
            protocol=protocol,
            tls=tls,
        )
        self.names = Names(zone)
        self.links: dict[Key, HttpLink] = {}
        self._stored = stored
        self._told_now: dict[Key, dict[str, str]] = {}
        self.gates: dict[Key, Gate] = {}
        self.dialects: dict[Key, Dialect] = {}
        self.touched: dict[Key, None] = {}  # gates that heard a command since somebody last looked, in order
        self._unsettled: set[Key] = set()
        self._expected: set[tuple[Key, str]] = set()
        for site in sites:
            for device in site.device:
                key = Key(site.id, device.id)
                dialect, at_door = dialect_of(site, device, zone), speaks_http(site, device)
                if not door if at_door else dialect is None:
                    continue
                self.gates[key] = Gate(
                    site.id,
                    device.id,
                    site.lanes_of(device.id),
                    boot=boot,
                    offset=(offsets or {}).get(key.username, timedelta(0)),
                    status_every=timedelta(seconds=30) if live else None,
                    status_on_change=live,
                )
                password = (passwords or {}).get(key.username)
                if device.vendor != "native":
                    self.names.fit(key, site, device)
                if at_door:
                    login = (logins or {}).get(key.username, device.login_password)
                    self.links[key] = self._link(key, site, device, Reach(door, password or "", login))
                if dialect is not None:
                    self.dialects[key] = dialect
                    self.transport.add(key, password, dialect)

    def _link(self, key: Key, site: SiteSpec, device: DeviceSpec, reach: Reach) -> HttpLink:
        gate, lane = self.gates[key], site.lanes_of(device.id)[0]
        camera = camera_of(device, site.id, reach, self.clock.now)
        barrier = gate.lanes[lane.id].barrier

        def where() -> BarrierState:
            """A clock that stands between two instants lets no arm come to rest: it is where it is going."""
            return (
                barrier.state(self.clock.now())
                if self.live
                else BarrierState.OPEN
                if barrier.up
                else BarrierState.CLOSED
            )

        camera.barrier_is, camera.hears = where, self._heard
        return HttpLink(
            camera,
            site.id,
            device,
            lane,
            wake=self.transport.wake,
            hears=lambda inward: self._message(key, inward.channel, inward.payload),
            connected=lambda: self._connected(key),
            says=lambda event, push: self._said(key, event.id, _posted(push)),
        )

    def shows(self, key: Key) -> bool:
        """Whether its device has a display."""
        return key in self.dialects and self.dialects[key].shows

    def waits(self, key: Key, event: str) -> bool:
        """Whether an event has not been taken yet, as far as its device can know."""
        return key in self.links and self.links[key].holds(event)

    def open(self) -> None:
        """Connect every gate. Raises `Unanswered` naming those that are not let in."""
        for link in self.links.values():
            link.open()
        self._until(lambda: all(gate.online for gate in self.gates.values()), CONNECTING_SECONDS_MAX, self._away)

    def close(self) -> None:
        for link in self.links.values():
            link.close()
        self.transport.close()

    def present(self) -> list[Key]:
        """Who says by itself that it is there. Cameras of Frigate and of Plate Recognizer say what they read, and nothing else; Dahua's is known to be there by a clock that is looked at once a minute."""
        silent = {key for key, one in self.dialects.items() if isinstance(one, FrigateDialect)}
        silent |= {key for key, link in self.links.items() if isinstance(link.camera, (Dahua, PlateRecognizer))}
        return [key for key in self.gates if key not in silent]

    def keep_time(self) -> None:
        """From now on the clock moves by leaps: who asks a device what it shows would hear of another instant."""
        for link in self.links.values():
            if isinstance(link.camera, AskedCamera):
                link.camera.tells_time = False

    def send(self, key: Key, *, twice: bool = False, results: bool = True) -> None:
        """Hand what a gate has to say to its connection."""
        gate = self.gates[key]
        for message in gate.take(self.clock.now(), results=results):
            if message.id:
                self._unsettled.add(key)
            self._publish(key, message)
            if twice and message.channel == "event":
                self._publish(key, message)

    def expect_open(self, key: Key, event: str) -> None:
        """An `open` for this event has been promised: `settle` waits until the gate has it."""
        self._expected.add((key, event))
        self._watch(key)

    def settle(self) -> None:
        """Turn until every event and result sent has its receipt and every promised open has come.

        Raises `Unanswered` naming the ids still waited for.
        """
        if self._unsettled or self._expected or self._told_now:
            self._until(self._settled, self._answer_seconds_max, self._missing)

    def pump(self, seconds: float) -> None:
        """Serve the connections for at most one turn."""
        for link in self.links.values():
            link.heard()
        self.transport.turn(seconds)
        for link in self.links.values():
            link.heard()

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
            self.pump(0.002 if self._told_now else TURN_SECONDS if self.transport.connected_all() else 0.02)

    def _settled(self) -> bool:
        for key, _ in self._expected:
            if key in self.links:
                self.links[key].ask()  # what it is told waits for its next question
        if self._unsettled - self._told_now.keys() or self._expected:
            return False
        for key, told in list(self._told_now.items()):
            if key in self.links and not self.links[key].quiet():
                return False
            if self._stored is not None and not self._stored(key, frozenset(told.values())):
                return False
            del self._told_now[key]
            self.gates[key].receive("receipt", receipted(events=tuple(told)).payload, self.clock.now())
            if not self.gates[key].journal.awaits_receipt():
                self._unsettled.discard(key)
        return not self._unsettled and not self._told_now

    def _watch(self, key: Key) -> dict[str, str]:
        """Whoever is told nothing is looked after from outside, if somebody can. Returns its events, by whose name the service has them."""
        if self._stored is None or key not in self.names:
            return {}
        return self._told_now.setdefault(key, {})

    def _told(self, key: Key, message: Said, wires: tuple[Wire, ...]) -> None:
        """A dialect has made these of what a gate says."""
        if message.channel == "event" and wires:
            self._said(key, message.id, Published(topic=wires[0].topic, payload=wires[0].payload))

    def _said(self, key: Key, event: str, message: Message) -> None:
        name = self.names.learn(key, event, message, self.clock.now())
        if name is not None:
            self._watch(key)[event] = name

    def _publish(self, key: Key, message: Said) -> None:
        if key in self.dialects:
            self.transport.publish(key, message)
        if key in self.links:
            self.links[key].say(message)

    def _away(self) -> str:
        away = [
            f"{key.username} ({(key in self.dialects and self.transport.refusal(key)) or 'no answer'})"
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
        ids += [
            f"{key.username}, as the service has it: {sorted(told.values())}"
            for key, told in sorted(self._told_now.items())
        ]
        return f"no answer after {self._answer_seconds_max:.0f} s of real time: {', '.join(ids[:20])}"

    def _connected(self, key: Key) -> None:
        if key in self.links and key in self.dialects and not (self.links[key].there and self.transport.ready(key)):
            return  # the other half of it is still to come
        self.gates[key].connected(self.clock.now())
        self.send(key)

    def _disconnected(self, key: Key) -> None:
        self.gates[key].disconnected(self.clock.now())
        if not self.transport.wanted(key):
            self._unsettled.discard(key)

    def _message(self, key: Key, channel: str, payload: bytes) -> None:
        gate = self.gates[key]
        last = gate.answered[-1] if gate.answered else None
        gate.receive(channel, payload, self.clock.now())
        if gate.answered and (answered := gate.answered[-1]) is not last:
            command = answered.command
            # When lines of text reach another vendor's board, nobody waits for: it must decide nothing.
            if self.live or key not in self.names or command.action is not Action.SHOW:
                self.touched[key] = None
            if command.action is Action.OPEN and command.event is not None:
                self._expected.discard((key, command.event))
            self._watch(key)
        # Whoever asked a camera from outside waits for its answer.
        self.send(key, results=self.live or key in self.names)
        if key in self._unsettled and not gate.journal.awaits_receipt():
            self._unsettled.discard(key)


def _posted(push: Push) -> Posted:
    return Posted(
        method="POST",
        path=push.path,
        query="",
        headers={name.lower(): value for name, value in push.headers.items()},
        body=push.body,
    )
