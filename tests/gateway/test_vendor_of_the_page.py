"""The vendor that docs/adapters.md makes up, all the way: its adapter in the service, its virtual device at the broker, a site file with two of them."""

from __future__ import annotations

import sys

import pytest

from controllers.adapters import registry
from gateway.flows import estate_file
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators import yard
from tests.controllers.test_adapters_page import DEVICE, linden, run
from tests.gateway.mqtt_street import mqtt_street
from tests.servers import Mosquitto

PLATE = "浙B77777"


@pytest.fixture
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its line in the registry and its case in `dialect_of` would do it."""
    known = registry.ADAPTERS
    everybody = {**known, "linden": linden()}
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get("ADAPTERS") is known:
            monkeypatch.setattr(module, "ADAPTERS", everybody)
    monkeypatch.setattr(estate_file, "VENDORS", tuple(everybody))
    dialect = run(DEVICE).LindenDialect
    monkeypatch.setattr(
        yard, "dialect_of", lambda site, device, zone: dialect(site.id, device, site.lanes_of(device.id), zone)
    )


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_vendor_of_the_page_is_served(parts: Parts, mosquitto: Mosquitto) -> None:
    """Not at the embedded broker: that is a process of its own, which knows the registry as it is."""
    with mqtt_street(parts, "linden", mosquitto=mosquitto.url) as street:
        street.sees("in-1", PLATE, twice=True)
        street.until(lambda: street.commands() == [("open", "accepted")])
        street.until(lambda: len(street.raised("in-1")) == 1)
        assert [(one.plate, one.state) for one in street.street.stays()] == [(PLATE, "inside")]
        street.goes("in-1")
        street.later(minutes=5)
        street.sees("out-1", PLATE)
        street.until(lambda: street.commands() == [("open", "accepted")] * 2)
        street.until(lambda: len(street.raised("out-1")) == 1)
        assert [(one.plate, one.state) for one in street.street.stays()] == [(PLATE, "left")]
        assert (len(street.rows(t.PlateEventRow)), street.rows(t.Quarantine)) == (2, [])
        street.dialect("in-1").busy = True
        street.sees("in-1", "浙B77778")
        street.until(lambda: street.commands()[-1] == ("open", "refused"))
        assert [one.kind for one in street.rows(t.ExceptionItem)] == ["command_not_confirmed"]
