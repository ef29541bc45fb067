"""Lanes, emergencies and the queue over HTTP: who may, at which site, and what an answer looks like."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wiring import Parts
from tests.gateway.house import House, a_house, an_exception

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
OPEN = {"action": "open", "reason": "消防车", "note": "无法读牌"}


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("lee", "guard", "xinyi")
    return house


def test_a_guard_opens_a_lane_of_the_own_site_by_name(house: House) -> None:
    lee = house.as_("lee")
    answer = lee.post("/api/v1/lanes/xinyi.in-1/commands", OPEN)
    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert (given["lane"], given["action"], given["operator"], given["state"]) == (
        "xinyi.in-1",
        "open",
        "lee",
        "planned",
    )
    assert (given["reason"], given["note"], given["event"], given["stay"]) == ("消防车", "无法读牌", None, None)
    assert lee.get(f"/api/v1/lanes/xinyi.in-1/commands/{given['id']}").json() == given
    assert lee.get("/api/v1/lanes/xinyi.in-1/commands").json() == {"items": [given]}
    assert lee.post("/api/v1/lanes/archive.in-1/commands", OPEN).status_code == 404
    assert lee.post("/api/v1/lanes/xinyi.in-7/commands", OPEN).status_code == 404
    assert lee.get(f"/api/v1/lanes/xinyi.out-1/commands/{given['id']}").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"action": "open"},
        {"action": "open", "reason": ""},
        {"action": "open", "reason": " "},
        {"action": "explode", "reason": "x"},
        {"action": "show", "reason": "x"},
        {"action": "open", "reason": "x", "plate": "浙A12345"},
    ],
)
def test_what_is_asked_wrongly_is_said_and_opens_nothing(house: House, wrong: dict[str, Any]) -> None:
    lee = house.as_("lee")
    answer = lee.post("/api/v1/lanes/xinyi.in-1/commands", wrong)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert lee.get("/api/v1/lanes/xinyi.in-1/commands").json() == {"items": []}


def test_who_takes_money_at_a_barrier_does_not_hold_it_open(house: House) -> None:
    staff = house.one_of_each()
    for role, hold in (("guard", 201), ("console", 201), ("cashier", 403), ("finance", 403), ("auditor", 403)):
        asked = {"action": "hold_open", "reason": "x"}
        assert staff[role].post("/api/v1/lanes/xinyi.in-1/commands", asked).status_code == hold, role
    assert staff["cashier"].post("/api/v1/lanes/xinyi.in-1/commands", OPEN).status_code == 201


def test_the_same_key_is_one_command(house: House) -> None:
    lee = house.as_("lee")
    first = lee.post("/api/v1/lanes/xinyi.in-1/commands", OPEN, **{"Idempotency-Key": "tap"})
    again = lee.post("/api/v1/lanes/xinyi.in-1/commands", OPEN, **{"Idempotency-Key": "tap"})
    assert first.json() == again.json()
    other = lee.post("/api/v1/lanes/xinyi.in-1/commands", {**OPEN, "note": ""}, **{"Idempotency-Key": "tap"})
    assert other.status_code == 409


def test_an_emergency_is_declared_for_ones_own_sites_and_ended_by_who_may(house: House) -> None:
    house.hires("kim", "console")
    lee, kim = house.as_("lee"), house.as_("kim")
    assert lee.post("/api/v1/emergencies", {"site": "archive", "reason": "火"}).status_code == 404
    answer = lee.post("/api/v1/emergencies", {"reason": "火"})
    assert answer.status_code == 201
    assert [(one["site"], one["declared_by"], one["ended_at"]) for one in answer.json()["items"]] == [
        ("xinyi", "lee", None)
    ]
    assert [one["site"] for one in kim.get("/api/v1/emergencies").json()["items"]] == ["xinyi"]
    street = kim.post("/api/v1/emergencies", {"reason": "整条街"})
    assert [(one["site"], one["reason"]) for one in street.json()["items"]] == [("archive", "整条街"), ("xinyi", "火")]
    assert kim.post("/api/v1/emergencies", {"reason": "again"}).status_code == 409
    assert lee.post("/api/v1/emergencies/end", {"reason": "over"}).status_code == 403
    ended = kim.post("/api/v1/emergencies/end", {"reason": "已解除"})
    assert {one["ended_by"] for one in ended.json()["items"]} == {"kim"}
    assert kim.get("/api/v1/emergencies").json() == {"items": []}
    assert len(kim.get("/api/v1/emergencies", all="true").json()["items"]) == 2
    assert kim.post("/api/v1/emergencies/end", {"reason": "again"}).status_code == 404


def test_an_item_is_claimed_and_resolved(house: House) -> None:
    house.hires("kim", "console")
    lee, kim = house.as_("lee"), house.as_("kim")
    an_exception(house.parts, "xinyi", "a", "no_entry")
    an_exception(house.parts, "archive", "b", "no_entry")
    items = {one["site"]: one["id"] for one in kim.get("/api/v1/exceptions").json()["items"]}
    mine = f"/api/v1/exceptions/{items['xinyi']}"
    assert lee.post(f"/api/v1/exceptions/{items['archive']}/claim").status_code == 404
    assert lee.post(f"{mine}/claim").json()["claimed_by"] == "lee"
    assert kim.post(f"{mine}/claim").status_code == 409
    assert kim.post(f"{mine}/resolution", {"resolution": "x"}).status_code == 409
    assert lee.post(f"{mine}/resolution", {}).status_code == 422
    done = lee.post(f"{mine}/resolution", {"resolution": "已登记", "note": "车主出示行驶证"})
    assert done.status_code == 200, done.text
    assert (done.json()["state"], done.json()["resolution"]) == ("resolved", "已登记: 车主出示行驶证")
    assert [one["id"] for one in kim.get("/api/v1/exceptions").json()["items"]] == [items["archive"]]
