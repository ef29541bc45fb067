"""A street of other vendors' cameras at a broker: virtual cameras on sockets, whole bridges before them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from gateway.bridge.bridge import Bridge
from gateway.bridge.embedded import EmbeddedBroker
from gateway.cli.ports import free_port
from gateway.flows import estate
from gateway.runtime.settings import Broker
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.gate import Gate
from simulators.street import parse_street
from simulators.transport import Key
from simulators.yard import Yard
from tests.gateway.one_gate import PASSWORD, site_of
from tests.gateway.trade import Street
from tests.servers import PATIENCE_SECONDS

NOW = datetime(2026, 10, 29, 8, 0, 2, tzinfo=UTC)
LANES = ("in-1", "out-1")


def cameras_of(vendor: str, *features: str) -> str:
    """The site file: a camera at each lane."""
    words = ", ".join(f'"{one}"' for one in features)
    return site_of(
        {lane: f"cam-{lane}" for lane in LANES},
        {f"cam-{lane}": f'{vendor}\nserial = "SN-{lane}"\n  features = [{words}]' for lane in LANES},
    )


class MqttStreet:
    """One camera a lane, all of one kind. The clock stands until it is moved on.

    `mosquitto`: the address of one, behind which two bridges share what comes; otherwise one stands at the embedded broker.
    """

    def __init__(
        self, parts: Parts, vendor: str, features: tuple[str, ...], stack: ExitStack, *, mosquitto: str = ""
    ) -> None:
        url = mosquitto or f"embedded://127.0.0.1:{free_port()}"
        # The door of HTTP beside it, which takes Vzenith for its own otherwise.
        door = {"devices_http": "127.0.0.1:0"} if vendor == "vzenith" else {}
        settings = parts.settings.model_copy(update={"broker_url": url, **door})
        self._parts = lambda settings: Parts(
            settings=settings, clock=parts.clock, store=parts.store, metrics=parts.metrics
        )
        self.parts = self._parts(settings)
        self.street = Street(self.parts)
        self.clock = self.street.clock
        self.clock.set(NOW)
        text = cameras_of(vendor, *features)
        estate.apply(self.parts, text)
        self.broker = settings.broker if mosquitto else self._embedded(stack)
        for number in range(2 if mosquitto else 1):
            of_bridge = {"bridge_id": str(number + 1), "share_group": "bridges" if mosquitto else ""}
            self.bridge = Bridge(self._parts(settings.model_copy(update=of_bridge)), self.broker)
            self.bridge.start()
            stack.callback(self.bridge.stop)
            self.bridge.link.wait_until_up(PATIENCE_SECONDS)
        self.sites = parse_street(text).with_gates()
        self.yard = Yard(
            self.sites,
            self.clock,
            self.broker.host,
            self.broker.port,
            boot="b1",
            passwords={f"xinyi.cam-{lane}": PASSWORD for lane in LANES},
            live=True,
        )
        stack.callback(self.yard.close)
        self.yard.open()

    def _embedded(self, stack: ExitStack) -> Broker:
        broker = EmbeddedBroker(self.parts.settings)
        broker.start()
        stack.callback(broker.stop)
        return broker.for_bridge()

    def camera(self, lane: str) -> Gate:
        return self.yard.gates[Key("xinyi", f"cam-{lane}")]

    def dialect(self, lane: str) -> Any:
        return self.yard.dialects[Key("xinyi", f"cam-{lane}")]

    def sees(self, lane: str, plate: str | None, *, twice: bool = False) -> None:
        """A vehicle stands in front of the camera, which says so."""
        self.camera(lane).vehicle_arrives(lane, self.clock.now(), plate=plate)
        self.yard.send(Key("xinyi", f"cam-{lane}"), twice=twice)

    def goes(self, lane: str) -> None:
        self.camera(lane).vehicle_passes(lane, self.clock.now())

    def later(self, **by: float) -> None:
        """Time passes, and the cameras notice."""
        self.clock.advance(**by)
        for key, gate in self.yard.gates.items():
            gate.tick(self.clock.now())
            self.yard.send(key)

    def brings_lists(self) -> None:
        """The bridge looks at the registers, and at what each camera has of them."""
        self.bridge.lists.turn()
        self.bridge.vendors.lists.look()

    def raised(self, lane: str) -> list[str | None]:
        """The commands that raised the barrier."""
        return [one.command for one in self.camera(lane).movements if one.up]

    def commands(self) -> list[tuple[str, str]]:
        return [(one.action, one.state) for one in self.rows(t.CommandRow)]

    def rows(self, table: Any) -> list[Any]:
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(table.__table__).order_by(*table.__table__.primary_key.columns)))

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < end, f"it did not come to that: {self.commands()}"
            self.yard.pump(0.01)


@contextmanager
def mqtt_street(parts: Parts, vendor: str, *features: str, mosquitto: str = "") -> Iterator[MqttStreet]:
    with ExitStack() as stack:
        yield MqttStreet(parts, vendor, features, stack, mosquitto=mosquitto)
