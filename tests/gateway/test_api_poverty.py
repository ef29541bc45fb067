"""Invariant 10: a low-income status appears in no answer but to registrar and finance. Every answer is searched."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from gateway.api import access, masking
from gateway.flows.users import ROLES
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway import routes
from tests.gateway.house import MORNING, PASSWORD, Client, House, a_house, a_read, a_stay, an_exception, heard, later

TELLING = ("low_income", "low income", "low-income", "低保", "困难", "HZ-0042", "certificate", "pass-resident")


@pytest.fixture
def house(parts: Parts) -> House:
    """A low-income household's vehicle has entered and left, and everything about it is stored by its true name."""
    house = a_house(parts)
    routes.register_everything(parts)
    routes.apply_policy(parts)
    a_read(parts, "xinyi", "ev-1", "浙A12345", lane_id="out-1", reason="low_income")
    heard(parts, "xinyi", out_1="open")
    stay = a_stay(
        parts,
        "xinyi.a",
        household_id="101",
        exit_reason="low_income",
        exit_at=later(110),
        exit_lane="out-1",
        gross_fen=800,
        payable_fen=0,
    )
    an_exception(parts, "xinyi", "e1", stay_id=stay)
    with parts.store.writing() as connection:
        connection.execute(
            insert(t.CommandRow).values(
                site_id="xinyi", id=derive("c", "x"), device_id="d1", lane_id="out-1", event_id="ev-1", stay_id=stay,
                action="open", reason="resident", true_reason="low_income", payload=b"{}", planned_at=MORNING,
                expires_at=MORNING, state="sent",
            )
        )  # fmt: skip
        connection.commit()
    routes.trade_in_everything(parts)
    house.desk.lines = [
        {"from": MORNING, "to": MORNING, "kind": "unit", "minutes": 110, "fen": 800, "rule": "tariff 1"},
        {"from": MORNING, "to": MORNING, "kind": "low_income", "minutes": 110, "fen": -800, "rule": "low_income"},
    ]
    house.desk.due_fen = 0
    return house


def searched(text: str) -> list[str]:
    return [word for word in TELLING if word in text.lower() or word in text]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_answer_to_others_tells_it(house: House) -> None:
    everybody = house.one_of_each()
    reads = [path for method, path in access.MATRIX if method == "GET" and path not in routes.STREAMS]
    for role in ROLES:
        for path in reads:
            answer = everybody[role].call("GET", routes.filled(path))
            if role not in access.MATRIX["GET", path]:
                assert answer.status_code == 403, (role, path)
            elif routes.behind("GET", path) and not routes.of_doors_alone(role, "GET", path):
                assert answer.status_code == 200, (role, path, answer.text)
            if role not in access.SEES_LOW_INCOME:
                rules = path.removeprefix(routes.PREFIX) in routes.RULES
                told = [word for word in searched(answer.text) if not rules or word == routes.NUMBER]
                assert not told, (role, path)
        snapshot = house.app.state.context.hub.snapshot(None)
        assert not searched(str(snapshot))
    bill = everybody["guard"].get("/api/v1/stays/xinyi.a/bill").json()
    assert [(line["kind"], line["rule"]) for line in bill["lines"]] == [("unit", "tariff 1"), ("resident", "resident")]
    for role in access.SEES_LOW_INCOME:
        assert "low_income" in everybody[role].get("/api/v1/stays/xinyi.a/bill").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_page_and_no_metric_tells_it(house: House) -> None:
    for path in ("/pay/signed", "/metrics", "/healthz", "/readyz", "/login", "/open/xinyi/free-passages?month=2026-02"):
        answer = house.client.get(path)
        assert answer.status_code == 200, path
        assert not searched(answer.text), path
    # That there are certificates stands in the law and in the API's description; whose they are does not.
    described = house.client.get("/api/openapi.json").text
    assert not {"HZ-0042", "张三", "低保"} & {word for word in (*TELLING, "张三") if word in described}
    for role in ROLES:
        house.hires(role, role)
        browser = Client(house.app)
        form = browser.get("/login").text
        csrf = form.split('name="csrf" value="')[1].split('"')[0]
        assert browser.post("/login", data={"username": role, "password": PASSWORD, "csrf": csrf}).status_code == 303
        page = browser.get("/").text
        assert not searched(page), role
        if role in access.SEES_THE_BOARD:
            assert "登记住户" in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_export_is_made_for_the_role_that_asks(house: House) -> None:
    everybody = house.one_of_each()
    for role in access.MATRIX["GET", "/api/v1/days/{day}/export"]:
        assert everybody[role].get("/api/v1/days/2026-03-02/export").status_code == 200
        assert house.desk.asked[-1][-1] == role


@pytest.mark.parametrize("kind", ["low_income", "pass"])
@pytest.mark.parametrize("role", [*ROLES, None])
def test_a_pass_and_an_exemption_read_the_same(kind: str, role: str | None) -> None:
    line: dict[str, Any] = {"from": None, "to": None, "kind": kind, "minutes": 60, "fen": -400, "rule": f"{kind}-7"}
    shown = masking.bill({"payable_fen": 0, "lines": [line]}, role)
    if role in {"registrar", "finance"}:
        assert shown["lines"] == [line]
    else:
        # How many minutes were covered says which it is: a certificate covers the stay, not minutes.
        assert shown["lines"] == [{**line, "kind": "resident", "rule": "resident", "minutes": 0}]
    assert line["kind"] == kind, "the stored bill is as it was"
