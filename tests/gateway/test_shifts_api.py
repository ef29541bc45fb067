"""Shifts over HTTP: who may do what at whose drawer, and what of it who may see."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.flows import users
from gateway.wiring import Parts
from tests.gateway.house import House, Staff
from tests.gateway.till import PASSWORD, Till

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FLOAT = {"10000": 1, "5000": 2}


class Office(House):
    """The application with the till's staff; money is taken by its flows."""

    def __init__(self, parts: Parts) -> None:
        self.till = Till(parts)
        super().__init__(parts)

    def opened(self, who: Staff) -> str:
        answer = who.post("/api/v1/shifts", {"site": "xinyi", "drawer": "east", "pieces": FLOAT})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["shift"])


@pytest.fixture
def office(parts: Parts) -> Office:  # type: ignore[override]
    return Office(parts)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, str(answer.json().get("type", "")).removeprefix("/problems/")


def test_a_shift_from_open_to_handover_to_close(office: Office) -> None:
    li, wu, boss = (office.as_(name) for name in ("li", "wu", "zhou"))
    shift = office.opened(li)
    where = f"/api/v1/shifts/{shift}"
    office.till.takes()
    assert li.get(where).json()["expected_fen"] is None
    assert boss.get(where).json()["expected_fen"] == 40_000
    count = li.post(f"{where}/counts", {"pieces": {"10000": 4}}).json()
    assert (count["expected_fen"], count["difference_fen"], count["code"]) == (40_000, 0, None)
    assert li.get(where).json()["expected_fen"] == 40_000
    assert refused(wu.post(f"{where}/handover/confirmation", {"amount_fen": 40_000})) == (409, "not-offered")
    assert li.post(f"{where}/handover", {"to": "wu"}).json()["other"] == "wu"
    shown = wu.get(where).json()
    assert (shown["cashier"], shown["expected_fen"], shown["counted_fen"], shown["steps"]) == ("li", None, None, [])
    (listed,) = wu.get("/api/v1/shifts", state="open").json()["items"]
    assert (listed["id"], listed["offered_to"], listed["float_fen"]) == (shift, "wu", None)
    assert refused(wu.post(f"{where}/handover/confirmation", {"amount_fen": 1})) == (409, "amount-not-counted")
    done = wu.post(f"{where}/handover/confirmation", {"amount_fen": 40_000}).json()
    assert (done["by"], done["other"]) == ("wu", "li")
    mine = f"/api/v1/shifts/{done['next_shift']}"
    wu.post(f"{mine}/counts", {"pieces": {"10000": 4}})
    assert wu.post(f"{mine}/close", {}).json()["place"] == "safe"
    assert [step["kind"] for step in boss.get(where).json()["steps"]] == ["open", "count", "offer", "handover"]
    states = boss.get("/api/v1/shifts").json()["items"]
    assert {(one["cashier"], one["state"], one["closed_by"]) for one in states} == {
        ("li", "closed", "wu"),
        ("wu", "closed", "wu"),
    }
    office.till.books_hold()


def test_the_same_key_over_http(office: Office) -> None:
    li = office.as_("li")
    asked = {"site": "xinyi", "drawer": "east", "pieces": FLOAT}
    answers = [li.post("/api/v1/shifts", asked, **{"Idempotency-Key": "open-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    again = li.post("/api/v1/shifts", {**asked, "pieces": {}}, **{"Idempotency-Key": "open-1"})
    assert refused(again) == (409, "idempotency-key-reused")


def test_who_is_away_is_taken_over_by_a_manager_only(office: Office) -> None:
    li, wu, boss = (office.as_(name) for name in ("li", "wu", "zhou"))
    where = f"/api/v1/shifts/{office.opened(li)}/forced-handover"
    asked = {"pieces": FLOAT, "reason": "突然离岗", "to": "wu"}
    assert wu.post(where, asked).status_code == 403
    assert boss.post(where, {**asked, "reason": ""}).status_code == 422
    assert refused(boss.post(where, {**asked, "into": "safe"}))[0] == 422
    done = boss.post(where, asked).json()
    assert (done["kind"], done["by"], done["other"], done["reason"]) == ("force", "zhou", "wu", "突然离岗")
    office.till.books_hold()


def test_another_sites_staff_find_no_shift_and_no_safe(office: Office) -> None:
    shift = office.opened(office.as_("li"))
    users.add(office.parts, "sun", "cashier", ["moganshan"], PASSWORD, operator="test")
    users.add(office.parts, "qian", "finance", ["moganshan"], PASSWORD, operator="test")
    sun, qian = office.as_("sun"), office.as_("qian")
    for who in (sun, qian):
        assert who.get(f"/api/v1/shifts/{shift}").status_code == 404
        assert who.post(f"/api/v1/shifts/{shift}/counts", {"pieces": {}}).status_code == 404
        assert who.get("/api/v1/shifts").json()["items"] == []
    assert sun.post("/api/v1/shifts", {"site": "xinyi", "drawer": "west", "pieces": {}}).status_code == 404
    assert [one["site"] for one in qian.get("/api/v1/safes").json()["items"]] == ["moganshan"]
    moved = {"to": "safe", "amount_fen": 100, "reason": "换零钱"}
    assert qian.post("/api/v1/safes/xinyi/moves", moved).status_code == 404


def test_finance_brings_the_safe_to_the_bank(office: Office) -> None:
    money = office.as_("zhao")
    assert money.get("/api/v1/safes", site="xinyi").json()["items"] == [{"site": "xinyi", "amount_fen": 100_000}]
    asked = {"to": "bank", "amount_fen": 60_000, "reason": "存款"}
    moved = money.post("/api/v1/safes/xinyi/moves", asked)
    assert (moved.status_code, moved.json()["amount_fen"]) == (201, -60_000)
    assert refused(money.post("/api/v1/safes/xinyi/moves", asked)) == (409, "not-in-the-safe")
    assert office.as_("zhou").get("/api/v1/safes", site="xinyi").json()["items"][0]["amount_fen"] == 40_000
    assert office.as_("li").get("/api/v1/safes").status_code == 403
    office.till.books_hold()


def test_what_is_no_count_is_refused(office: Office) -> None:
    li = office.as_("li")
    where = f"/api/v1/shifts/{office.opened(li)}/counts"
    for pieces in ({"3": 1}, {"100": -1}, {"100": 1.5}, {"100": "1"}, {"100": 10**9}, [], None):
        answer = li.post(where, {"pieces": pieces})
        assert answer.status_code == 422, (pieces, answer.text)


def test_pages_of_shifts(office: Office) -> None:
    li, boss = office.as_("li"), office.as_("zhou")
    for _ in range(3):
        where = f"/api/v1/shifts/{office.opened(li)}"
        li.post(f"{where}/counts", {"pieces": FLOAT})
        assert li.post(f"{where}/close", {"to": "safe"}).status_code == 200
        office.till.clock.advance(minutes=1)
    first = boss.get("/api/v1/shifts", limit=2).json()
    rest = boss.get("/api/v1/shifts", limit=2, cursor=first["next"]).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert [one["cashier"] for one in boss.get("/api/v1/shifts", cashier="wu").json()["items"]] == []
    assert len(boss.get("/api/v1/shifts", state="closed", cashier="li").json()["items"]) == 3
