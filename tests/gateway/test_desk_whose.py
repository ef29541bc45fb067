"""On the page of an exit without an entry: whose it may be, and how likely."""

from __future__ import annotations

import re

import pytest

from gateway.wiring import Parts
from tests.gateway.house import MORNING, House, a_house, a_stay, later
from tests.gateway.test_console import signed_in

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("kim", "console")
    return house


def gone(house: House, plate: str) -> str:
    read = {"exit_at": later(2), "exit_lane": "out-1", "exit_device": "d1", "exit_event": "e9"}
    return a_stay(
        house.parts, "xinyi.gone", plate, at=later(2), state="no_entry", entry_at=None, entry_lane=None, **read
    )


def test_whose_it_may_be_is_told_with_its_odds(house: House) -> None:
    a_stay(house.parts, "xinyi.here", "浙A12348", at=MORNING, state="inside")
    a_stay(house.parts, "xinyi.other", "浙B77777", at=MORNING, state="inside")
    page = signed_in(house).get(f"/stays/{gone(house, '浙A1234B')}").text
    assert '<a class="plate-text" href="/stays/xinyi.here">浙A12348</a>' in page
    assert "8→B" in page
    assert re.search(r"\d+ : 1<", page)
    assert "浙B77777" not in page


def test_where_nobody_has_a_plate_like_it_that_is_said(house: House) -> None:
    a_stay(house.parts, "xinyi.here", "浙B77777", at=MORNING, state="inside")
    assert "没有车牌相近的在场车辆" in signed_in(house).get(f"/stays/{gone(house, '浙A1234B')}").text


def test_of_any_other_stay_nothing_of_it_is_told(house: House) -> None:
    a_stay(house.parts, "xinyi.here", "浙A12348", at=MORNING, state="inside")
    assert "可能是谁的出场" not in signed_in(house).get("/stays/xinyi.here").text
