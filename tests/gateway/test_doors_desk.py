"""A residents' committee at its small gates, over HTTP and in the console; nobody else, and nowhere else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from gateway.flows import estate
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import LANES, House, a_house, heard, site_file
from tests.gateway.test_console import csrf_of, signed_in
from tests.gateway.test_small_gates import CLOSED, EVERY_DAY

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
GARDEN = """
  [[site.gate]]
  id = "garden"
  tier = "small"
    [[site.gate.lane]]
    id = "garden-in"
    direction = "in"
    device = "d1"
"""
MEMBER = {"site": "xinyi", "name": "王阿姨", "valid_to": "2026-12-31T00:00:00+08:00"}
OPEN = {"action": "open", "reason": "快递"}


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    estate.apply(
        parts, site_file("xinyi", "archive", lanes=LANES.replace("  [[site.device]]", GARDEN + "  [[site.device]]"))
    )
    parts.estates.forget()
    heard(parts, "xinyi", in_1="closed")
    house.hires("chen", "committee", "xinyi")
    return house


def test_a_committee_looks_after_its_own_site_and_no_other(house: House) -> None:
    chen = house.as_("chen")
    assert [one["id"] for one in chen.get("/api/v1/doors").json()["items"]] == ["xinyi.garden"]
    made = chen.post("/api/v1/door-members", {**MEMBER, "code": True, "card": "04:A2:3F:9C"})
    assert made.status_code == 201, made.text
    member, code = made.json()["id"], made.json()["new_code"]
    assert re.fullmatch(r"\d{8}", code)
    assert code not in chen.get(f"/api/v1/door-members/{member}").text
    assert chen.post("/api/v1/door-members", {**MEMBER, "card": "04a23f9c"}).status_code == 409
    assert chen.get("/api/v1/door-members", site="archive").status_code == 403
    assert chen.post("/api/v1/door-members", {**MEMBER, "site": "archive", "code": True}).status_code == 404
    hours = {"hours": EVERY_DAY, "reason": "夜里关门"}
    assert chen.call("PUT", "/api/v1/doors/xinyi.garden/hours", hours).json()["hours"] == EVERY_DAY
    assert chen.call("PUT", "/api/v1/doors/archive.garden/hours", hours).status_code == 404
    assert chen.call("PUT", "/api/v1/doors/xinyi.east/hours", hours).status_code == 404
    wrong = {**hours, "hours": {**EVERY_DAY, "2": [["26:00", "27:00"]]}}
    assert chen.call("PUT", "/api/v1/doors/xinyi.garden/hours", wrong).status_code == 422
    assert chen.post(f"/api/v1/door-members/{member}/erasure", {"reason": "搬走"}).status_code == 204
    assert chen.get(f"/api/v1/door-members/{member}").status_code == 404


def test_nobody_who_watches_barriers_sees_who_passes_a_door(house: House) -> None:
    for role, staff in house.one_of_each().items():
        for path in ("/door-members", "/door-passages"):
            assert staff.get(f"/api/v1{path}").status_code == (200 if role == "committee" else 403), role


def test_a_committee_opens_its_door_by_hand_and_nothing_else(house: House) -> None:
    chen = house.as_("chen")
    given = chen.post("/api/v1/lanes/xinyi.garden-in/commands", OPEN)
    assert (given.status_code, given.json()["operator"], given.json()["reason"]) == (201, "chen", "快递")
    assert [one["id"] for one in chen.get("/api/v1/lanes/xinyi.garden-in/commands").json()["items"]] == [
        given.json()["id"]
    ]
    for lane, asked in (("in-1", OPEN), ("garden-in", {**OPEN, "action": "hold_open"})):
        assert chen.post(f"/api/v1/lanes/xinyi.{lane}/commands", asked).status_code == 403, lane
    assert chen.get("/api/v1/lanes/xinyi.in-1/commands").status_code == 404
    assert chen.post("/api/v1/lanes/archive.garden-in/commands", OPEN).status_code == 404


def test_the_console_shows_a_code_once_and_never_a_card(house: House, parts: Parts) -> None:
    chen = signed_in(house, "chen")
    page = chen.get("/doors/members/new")
    asked: dict[str, Any] = {"name": "王阿姨", "valid_to": "2026-12-30", "card": "04:A2:3F:9C", "code": "yes"}
    sent = {"csrf": csrf_of(page.text), "once": "k", "site": "xinyi", **asked}
    made = chen.request("POST", "/doors/members", data=sent)
    assert made.status_code == 200, made.text
    code = re.search(r"<strong[^>]*>(\d{8})<", made.text)
    assert code is not None
    assert made.headers["cache-control"] == "no-store"
    (member,) = [one.id for one in rows(parts, t.DoorMember)]
    for where in ("/doors", "/doors/members", f"/doors/members/{member}"):
        shown = chen.get(where)
        assert (shown.status_code, code[1] in shown.text, "3F:9C" in shown.text) == (200, False, False)
    assert "2026-12-30" in chen.get("/doors/members").text
    # The page that was sent twice is one member; a card that is taken is said at its field.
    again = chen.request("POST", "/doors/members", data=sent)
    assert again.status_code == 303
    other = chen.request("POST", "/doors/members", data={**sent, "once": "other"})
    assert (other.status_code, "未登记给本小区的他人" in other.text) == (409, True)
    said = {"csrf": csrf_of(page.text), "once": "c", "blocked": "yes", "drop_card": "yes", "reason": "卡丢了"}
    assert chen.request("POST", f"/doors/members/{member}", data=said).status_code == 303
    assert [one.kind for one in rows(parts, t.DoorCredential)] == ["code"]
    gone = {"csrf": csrf_of(page.text), "reason": "搬走"}
    assert chen.request("POST", f"/doors/members/{member}/erasure", data=gone).status_code == 303
    assert rows(parts, t.DoorMember) == rows(parts, t.DoorCredential) == []


def test_hours_are_typed_as_people_write_them(house: House, parts: Parts) -> None:
    chen = signed_in(house, "chen")
    page = chen.get("/doors/xinyi.garden/hours")
    sent = {
        "csrf": csrf_of(page.text),
        "mode": "hours",
        "reason": "试行",
        "day_1": "06:00–12:00，14:00-23:00",
        "day_5": "20:00-02:00",
    }
    assert chen.request("POST", "/doors/xinyi.garden/hours", data=sent).status_code == 303
    (kept,) = [one.hours for one in rows(parts, t.Gate) if (one.site_id, one.id) == ("xinyi", "garden")]
    assert kept == {
        **CLOSED,
        "1": [["06:00", "12:00"], ["14:00", "23:00"]],
        "5": [["20:00", "02:00"]],
    }
    wrong = chen.request("POST", "/doors/xinyi.garden/hours", data={**sent, "day_5": "8-9"})
    assert (wrong.status_code, 'id="day_5-error"' in wrong.text) == (422, True)
    assert chen.request("POST", "/doors/xinyi.garden/hours", data={**sent, "mode": "always"}).status_code == 303
    assert [one.hours for one in rows(parts, t.Gate) if one.id == "garden"] == [None, None]


def rows(parts: Parts, table: type[t.Base]) -> list[Any]:
    with parts.store.reading() as connection:
        return list(connection.execute(select(table.__table__)))
