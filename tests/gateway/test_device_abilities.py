"""What a device's page says that it can do, and cannot."""

from __future__ import annotations

import pytest

from controllers.adapters.registry import ADAPTERS
from gateway.console.words import WORDS
from gateway.flows import device_abilities, estate
from gateway.wiring import Parts
from tests.gateway.one_gate import site_of

_SERIALS = {"vzenith": "led_board", "qianyi": "led_board", "frigate": "shelly_relay"}


def device(vendor: str) -> str:
    features = f'\n  features = ["{_SERIALS[vendor]}"]' if vendor in _SERIALS else ""
    return f'{vendor}\nserial = "s1"{features}'


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_vendors_devices_say_what_they_can_and_cannot_as_fitted(parts: Parts) -> None:
    vendors = list(ADAPTERS)
    lanes = {f"in-{number}": vendor for number, vendor in enumerate(vendors)}
    estate.apply(parts, site_of(lanes, {vendor: device(vendor) for vendor in vendors}))
    zone = parts.settings.zone
    with parts.store.reading() as connection:
        found = {one: device_abilities.of(connection, "xinyi", one, one, zone) for one in vendors}
        assert device_abilities.of(connection, "xinyi", "nobody", "vzenith", zone) is None
        assert device_abilities.of(connection, "xinyi", "native", "unheard-of", zone) is None
    for abilities in found.values():
        assert abilities is not None
        assert not set(abilities.can) & set(abilities.cannot)
        for words in WORDS.values():
            assert {f"ability.{one}" for one in (*abilities.can, *abilities.cannot)} <= words.keys()
            assert f"delivery.{abilities.delivery}" in words
    assert {"open", "display", "voice"} <= set(found["vzenith"].can)  # type: ignore[union-attr]
    assert {"display", "hold_open", "position"} <= set(found["dahua"].cannot)  # type: ignore[union-attr]
    assert {"open", "hold_open"} <= set(found["frigate"].can)  # type: ignore[union-attr]
    assert "open" in found["platerecognizer"].cannot  # type: ignore[union-attr]
    assert "offline_list" in found["vzenith"].can  # type: ignore[union-attr]
    assert found["huaxia"].delivery == "answer"  # type: ignore[union-attr]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_that_is_told_in_answers_is_told_its_list_there_too(parts: Parts) -> None:
    estate.apply(parts, site_of({"in-1": "cam"}, {"cam": 'vzenith\nserial = "s1"\n  features = ["http"]'}))
    with parts.store.reading() as connection:
        found = device_abilities.of(connection, "xinyi", "cam", "vzenith", parts.settings.zone)
    assert found is not None
    assert found.delivery == "answer"
    assert "offline_list" in found.can
