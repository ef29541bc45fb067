"""The offline list of a camera that is told only in our answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.bridge import riding_lists
from gateway.flows.offline_list import Published
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.devices.http_answered import Vzenith
from tests.gateway.http_street import Fit, HttpStreet, http_street
from tests.gateway.test_http_upkeep import a_list

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CAMERA = Fit("in-1", "vzenith", Vzenith, features="http")
CARS = [f"粤B{number:05d}" for number in range(25)]


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riding_lists, "LOOK_EVERY_SECONDS", 0)


def wanted(street: HttpStreet, version: int, *plates: str) -> None:
    street.bridge.lists._lists = {"xinyi": Published("xinyi", a_list(version, *plates), None)}


def polls_until(street: HttpStreet, holds: Callable[[], bool]) -> None:
    def polled() -> bool:
        assert street.cameras["in-1"].polls()
        return holds()

    street.until(polled)


def versions(street: HttpStreet) -> list[int]:
    return [one.list_version for one in street.rows(t.DeviceState)]


def pieces(camera: Vzenith) -> list[tuple[int, list[str]]]:
    """What it is told from now on: 0 adds, 1 removes."""
    heard: list[tuple[int, list[str]]] = []
    listing = camera._list

    def listens(removes: bool, records: list[dict[str, str]]) -> None:
        heard.append((int(removes), [one["plate"] for one in records]))
        listing(removes, records)

    camera._list = listens  # type: ignore[method-assign]
    return heard


def test_it_is_told_in_pieces_and_then_what_changes(parts: Parts) -> None:
    with http_street(parts, CAMERA) as street:
        camera: Any = street.cameras["in-1"]
        heard = pieces(camera)
        wanted(street, 3, *CARS)
        polls_until(street, lambda: sorted(camera.listed) == CARS and versions(street) == [3])
        assert heard == [(0, CARS[:20]), (0, CARS[20:])]
        wanted(street, 4, *CARS[1:], "粤B99999")
        polls_until(street, lambda: sorted(camera.listed) == [*CARS[1:], "粤B99999"] and versions(street) == [4])
        assert heard[2:] == [(0, ["粤B99999"]), (1, CARS[:1])]


def test_pieces_ride_on_the_answers_to_reads_of_a_camera_that_never_polls(parts: Parts) -> None:
    with http_street(parts, CAMERA) as street:
        camera: Any = street.cameras["in-1"]
        heard = pieces(camera)
        wanted(street, 3, *CARS)

        def sees_another() -> bool:
            camera.sees(f"粤C{camera.numbers:05d}")
            assert camera.deliver() == 1
            return sorted(camera.listed) == CARS

        street.until(sees_another)
        assert len(camera.openings) == camera.numbers
        for _ in range(3):
            sees_another()
        assert heard == [(0, CARS[:20]), (0, CARS[20:])]


def test_one_that_was_set_back_is_told_the_whole_after_its_absence_or_by_the_morning(parts: Parts) -> None:
    with http_street(parts, CAMERA) as street:
        camera: Any = street.cameras["in-1"]
        wanted(street, 3, *CARS)
        polls_until(street, lambda: sorted(camera.listed) == CARS and versions(street) == [3])
        camera.listed.clear()
        street.clock.advance(hours=20)
        polls_until(street, lambda: sorted(camera.listed) == CARS and versions(street) == [3])
        camera.listed.clear()
        (one,) = street.bridge.riding_lists._devices.values()
        one.brought.away, one.brought.again_from = True, 0
        polls_until(street, lambda: sorted(camera.listed) == CARS and versions(street) == [3])
