"""What is done for devices that are asked beside orders: their list, and their clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from controllers.commands import ListEntry, WholeList
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.devices.http_dahua import Dahua
from simulators.devices.http_hikvision import Hikvision
from tests.gateway.http_street import NOW, Fit, http_street

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HIKVISION = (Fit("in-1", "hikvision", Hikvision),)
DAHUA = (Fit("in-1", "dahua", Dahua),)


def a_list(version: int, *plates: str) -> WholeList:
    until = NOW + timedelta(days=30)
    return WholeList(version=version, entries=tuple(ListEntry(plate=plate, until=until) for plate in plates))


@on_one_database
@pytest.mark.parametrize("fit", [*HIKVISION, *DAHUA], ids=["hikvision", "dahua"])
def test_a_device_has_the_list_that_the_registers_have(parts: Parts, fit: Fit) -> None:
    with http_street(parts, fit) as street:
        camera, lists = street.cameras["in-1"], {"xinyi": a_list(1, "粤B00001", "粤B00002")}
        camera.listed["粤B99999"] = "left by somebody"
        street.upkeep(lists)
        street.until(lambda: set(camera.listed) == {"粤B00001", "粤B00002"})
        before = len(camera.told)
        lists["xinyi"] = a_list(2, "粤B00002", "粤B00003")
        street.until(lambda: set(camera.listed) == {"粤B00002", "粤B00003"})
        brought = [one for one in camera.told[before:] if b"B00002" in one.query.encode() + one.body]
        assert brought == [], "what had not changed is not brought again"


@on_one_database
def test_a_list_that_was_not_taken_begins_anew(parts: Parts) -> None:
    with http_street(parts, *DAHUA) as street:
        camera, lists = street.cameras["in-1"], {"xinyi": a_list(1, "粤B00001")}
        street.upkeep(lists)
        street.until(lambda: set(camera.listed) == {"粤B00001"})
        camera.mute = True
        lists["xinyi"] = a_list(2, "粤B00002")
        camera.listed["粤B99999"] = "left by somebody"
        street.until(lambda: street.kept().failures > 0)
        camera.mute = False
        street.until(lambda: set(camera.listed) == {"粤B00002"})


@on_one_database
@pytest.mark.parametrize("fit", [*HIKVISION, *DAHUA], ids=["hikvision", "dahua"])
def test_a_device_that_was_away_is_brought_the_whole_again_and_never_emptied_for_it(parts: Parts, fit: Fit) -> None:
    with http_street(parts, fit) as street:
        camera, lists = street.cameras["in-1"], {"xinyi": a_list(1, "粤B00001", "粤B00002")}
        street.upkeep(lists, away=0.2)
        street.until(lambda: set(camera.listed) == {"粤B00001", "粤B00002"} and street.kept().has is lists["xinyi"])
        street.until(lambda: street.kept().silent_seconds() >= 0.2)
        del camera.listed["粤B00001"]
        camera.listed["粤B00003"] = "not ours"
        street.looks_at_clock()
        street.until(lambda: set(camera.listed) == {"粤B00001", "粤B00002", "粤B00003"})


@on_one_database
def test_a_list_that_somebody_emptied_is_right_by_the_morning(parts: Parts) -> None:
    with http_street(parts, *DAHUA) as street:
        camera, lists = street.cameras["in-1"], {"xinyi": a_list(1, "粤B00001")}
        street.upkeep(lists)
        street.until(lambda: street.kept().has is lists["xinyi"])
        camera.listed.clear()
        street.clock.advance(hours=20)
        street.until(lambda: set(camera.listed) == {"粤B00001"})


class FastHikvision(Hikvision):
    fast = timedelta(seconds=42)


class SlowDahua(Dahua):
    fast = timedelta(seconds=-42)


@on_one_database
@pytest.mark.parametrize(("vendor", "kind"), [("hikvision", FastHikvision), ("dahua", SlowDahua)])
def test_a_clock_that_is_wrong_is_put_right_once(parts: Parts, vendor: str, kind: type[Any]) -> None:
    with http_street(parts, Fit("in-1", vendor, kind)) as street:
        camera = street.cameras["in-1"]
        street.until(lambda: camera.fast == timedelta(0))
        told = [one for one in camera.told if b"localTime" in one.body or "setCurrentTime" in one.query]
        assert len(told) == 1
        street.until(lambda: [one.clock_offset_ms for one in street.rows(t.DeviceState)] == [0])
