"""Virtual gates behind cameras that speak HTTP: against a whole bridge, as `simulate gates` and the demo's street have them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest

from controllers.events import PlateColour
from gateway.bridge.bridge import Bridge
from gateway.bridge.embedded import EmbeddedBroker
from gateway.cli.ports import free_port
from gateway.flows import estate
from gateway.runtime.settings import Broker
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.street import parse_street
from simulators.transport import Key
from simulators.yard import Unanswered, Yard
from tests.gateway.one_gate import PASSWORD, site_of
from tests.gateway.trade import Street
from tests.servers import PATIENCE_SECONDS

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NOW = datetime(2026, 10, 29, 8, 0, 2, tzinfo=UTC)
CAMERA = Key("xinyi", "cam")
VENDORS = {
    "hikvision": 'serial = "44:a6:42:00:00:01"\n  address = "{address}"\n  login_password = "secret-1"',
    "dahua": 'serial = "ITC-1"\n  address = "{address}"\n  login_password = "secret-1"',
    "vzenith": 'serial = "5e1f0a2b-7c3d4e5f"\n  features = ["http"]',
    "huaxia": 'serial = "aabbccddeeff"',
    "platerecognizer": 'serial = "camera-1"\n  features = ["shelly_relay"]',
    "openalpr": 'serial = "1414799424"\n  features = ["shelly_relay"]',
}
ONLY_READ = {"platerecognizer", "openalpr"}
"""They name no colour, and a relay at the broker opens."""


class Gates:
    """One camera at one way in. The clock stands."""

    def __init__(self, parts: Parts, vendor: str, stack: ExitStack, *, password: str = PASSWORD) -> None:
        more = VENDORS[vendor].format(address=f"http://127.0.0.1:{free_port()}")
        text = site_of({"in-1": "cam"}, {"cam": f"{vendor}\n{more}"})
        broker = f"{'embedded' if vendor in ONLY_READ else 'mqtt'}://127.0.0.1:{free_port()}"
        settings = parts.settings.model_copy(update={"devices_http": "127.0.0.1:0", "broker_url": broker})
        self.parts = Parts(settings=settings, clock=parts.clock, store=parts.store, metrics=parts.metrics)
        self.clock = Street(self.parts).clock
        self.clock.set(NOW)
        estate.apply(self.parts, text)
        at = self._broker(stack) if vendor in ONLY_READ else None
        bridge = Bridge(self.parts, at)
        bridge.start()
        stack.callback(bridge.stop)
        assert bridge.door is not None
        door = f"http://127.0.0.1:{bridge.door.port}"
        passwords = {CAMERA.username: password}
        sites = parse_street(text).with_gates()
        port = at.port if at is not None else 1
        self.yard = Yard(sites, self.clock, "127.0.0.1", port, boot="b1", passwords=passwords, live=True, door=door)
        stack.callback(self.yard.close)
        self.gate = self.yard.gates[CAMERA]

    def _broker(self, stack: ExitStack) -> Broker:
        broker = EmbeddedBroker(self.parts.settings)
        broker.start()
        stack.callback(broker.stop)
        return broker.for_bridge()

    def arrives(self, *, twice: bool = False) -> None:
        self.gate.vehicle_arrives("in-1", self.clock.now(), plate="粤B7K2M9", colour=PlateColour.YELLOW)
        self.yard.send(CAMERA, twice=twice)

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < end, "it did not come to that"
            self.yard.pump(0.01)

    def commands(self) -> list[str]:
        with self.parts.store.reading() as connection:
            return [one.state for one in connection.execute(t.CommandRow.__table__.select())]

    def events(self) -> list[tuple[str, str | None]]:
        with self.parts.store.reading() as connection:
            return [(one.event_id, one.plate_colour) for one in connection.execute(t.PlateEventRow.__table__.select())]


@contextmanager
def gates(parts: Parts, vendor: str) -> Iterator[Gates]:
    with ExitStack() as stack:
        made = Gates(parts, vendor, stack)
        made.yard.open()
        yield made


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_read_is_stored_as_its_bytes_name_it_and_raises_the_gates_barrier(parts: Parts, vendor: str) -> None:
    with gates(parts, vendor) as street:
        street.arrives()
        street.until(lambda: [one.up for one in street.gate.movements] == [True])
        street.until(lambda: not len(street.gate.journal))
        said = street.yard.names.of(CAMERA, "cam-b1-00000001")
        assert street.events() == [(said, None if vendor in ONLY_READ else "yellow")]
        street.clock.advance(seconds=1)  # and the arm is up
        done = ["done"] if vendor == "hikvision" else ["accepted"]
        street.until(lambda: street.commands() == done)


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_sent_twice_is_one_vehicle_and_one_opening(parts: Parts, vendor: str) -> None:
    with gates(parts, vendor) as street:
        street.arrives(twice=True)
        street.until(lambda: street.yard.links[CAMERA].pushed == 2)
        street.until(lambda: bool(street.gate.movements) and not len(street.gate.journal))
        assert (len(street.events()), len(street.commands())) == (1, 1)
        assert len(street.gate.movements) == 1


@pytest.mark.parametrize("vendor", sorted(ONLY_READ))
def test_who_makes_out_no_plate_says_none_and_raises_nothing(parts: Parts, vendor: str) -> None:
    with gates(parts, vendor) as street:
        street.gate.vehicle_arrives("in-1", street.clock.now(), plate=None)
        street.yard.send(CAMERA)
        street.until(lambda: not len(street.gate.journal))
        street.gate.vehicle_reverses("in-1", street.clock.now())
        street.arrives()
        street.until(lambda: bool(street.gate.movements))
        assert (len(street.events()), len(street.gate.movements)) == (1, 1)


@pytest.mark.parametrize("vendor", sorted(ONLY_READ))
def test_a_relay_that_says_no_opens_nothing(parts: Parts, vendor: str) -> None:
    with gates(parts, vendor) as street:
        street.yard.dialects[CAMERA].busy = True  # type: ignore[attr-defined]
        street.arrives()
        street.until(lambda: street.commands() == ["refused"])
        assert not street.gate.movements


def test_a_camera_that_is_busy_is_asked_again(parts: Parts) -> None:
    with gates(parts, "hikvision") as street:
        street.yard.links[CAMERA].camera.busy = 1
        street.arrives()
        street.until(lambda: bool(street.gate.movements))
        assert street.yard.links[CAMERA].camera.busy == 0


def test_who_is_not_let_in_is_named(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.yard.CONNECTING_SECONDS_MAX", 0.5)
    with ExitStack() as stack, pytest.raises(Unanswered, match=r"xinyi\.cam"):
        Gates(parts, "huaxia", stack, password="another").yard.open()
