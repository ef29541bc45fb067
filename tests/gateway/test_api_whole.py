"""The API on the real flows: a visitor's bill and payment, a low-income resident's bill, the driver's page, the close."""

from __future__ import annotations

import pytest

from gateway.api.app import create_app
from gateway.flows import users
from gateway.flows.pay_token import token
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.trade import Street, local

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def desk(street: Street, role: str) -> Staff:
    users.add(street.parts, role, role, [], PASSWORD, operator="test")
    client = Client(create_app(street.parts))
    answer = client.post("/api/v1/token", data={"username": role, "password": PASSWORD})
    return Staff(client, answer.json()["access_token"])


def test_a_visitor_is_told_what_is_due_pays_and_is_let_out(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.arrives("out-1", "浙A12345", "11:10")
    till = desk(street, "cashier")
    (stay,) = till.get("/api/v1/stays", plate="12345").json()["items"]
    assert (stay["state"], stay["payable_fen"], stay["paid_fen"]) == ("inside", 1000, 0)
    bill = till.get(f"/api/v1/stays/{stay['id']}/bill").json()
    assert (bill["minutes"], bill["gross_fen"], bill["payable_fen"]) == (130, 1000, 1000)
    assert sum(line["fen"] for line in bill["lines"]) == 1000
    assert (bill["policy"], bill["version"]) == ("hushu-residential", 1)
    where = f"/api/v1/stays/{stay['id']}/payments"
    assert till.post(where, {"channel": "cash", "amount_fen": 999, "reference": ""}).status_code == 409
    taken = [
        till.post(where, {"channel": "cash", "amount_fen": 1000, "reference": ""}, **{"Idempotency-Key": "till-1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in taken] == [201, 201]
    assert taken[0].json() == taken[1].json()
    assert set(taken[0].json()) == {"id", "stay", "channel", "amount_fen"}
    other = till.post(where, {"channel": "cash", "amount_fen": 999, "reference": ""}, **{"Idempotency-Key": "till-1"})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/idempotency-key-reused")
    assert till.get(f"/api/v1/stays/{stay['id']}").json()["paid_fen"] == 1000


def test_an_unknown_stay_cannot_be_paid(street: Street) -> None:
    till = desk(street, "console")
    for stay in ("no-such-stay", "xinyi.nothing", "atlantis.nothing", "..", "%00"):
        for answer in (
            till.post(f"/api/v1/stays/{stay}/payments", {"channel": "cash", "amount_fen": 100}),
            till.get(f"/api/v1/stays/{stay}/bill"),
        ):
            assert answer.status_code in {404, 405}, (stay, answer.text)


def test_a_low_income_resident_reads_as_a_resident_to_all_but_registrar_and_finance(street: Street) -> None:
    street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
    street.register("vehicles", {"household": "101", "plate": "浙A20001", "vehicle": "small"})
    street.register("certificates", {"household": "101", "number": "HZ-1", "issuer": "x"})
    street.passes("in-1", "浙A20001", "09:00")
    street.passes("out-1", "浙A20001", "11:10")
    guard, finance = desk(street, "guard"), desk(street, "finance")
    (stay,) = guard.get("/api/v1/stays").json()["items"]
    assert (stay["gross_fen"], stay["payable_fen"]) == (1000, 0)
    where = f"/api/v1/stays/{stay['id']}/bill"
    assert [line["kind"] for line in finance.get(where).json()["lines"]][-1] == "low_income"
    shown = guard.get(where)
    assert [line["kind"] for line in shown.json()["lines"]][-1] == "resident"
    assert "low_income" not in shown.text
    signed = token(street.parts.settings.secret(), stay["id"])
    for page in (guard.client.get(f"/pay/{signed}").text, guard.client.get(f"/pay/{signed}?lang=en").text):
        assert "浙A···01" in page
        assert "浙A20001" not in page
        assert "low" not in page.lower().replace("allow", "")
        assert "低" not in page


def test_a_drivers_page_cannot_be_guessed(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    stay = street.stay("浙A12345").id
    client = Client(create_app(street.parts))
    signed = token(street.parts.settings.secret(), stay)
    assert client.get(f"/pay/{signed}").status_code == 200
    for forged in (stay, f"{stay}~", f"{stay}~aaaaaaaaaaaaaaaaaaaa", signed[:-1], "x" * 200, "~"):
        assert client.get(f"/pay/{forged}").status_code == 404, forged


def test_finance_closes_the_day_and_the_same_again(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.passes("out-1", "浙A12345", "09:20")
    finance = desk(street, "finance")
    street.clock.set(local("23:00"))
    refused = finance.post("/api/v1/days/2026-03-02/close")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-closable")
    street.clock.advance(hours=4)
    day = local("09:00").date().isoformat()
    first = finance.post("/api/v1/days/2026-03-01/close")
    assert first.status_code == 200, first.text
    closed = [finance.post(f"/api/v1/days/{day}/close").json() for _ in range(2)]
    assert closed[0] == closed[1]
    assert [site["site"] for site in closed[0]["sites"]] == ["xinyi"]
    shown = finance.get(f"/api/v1/days/{day}").json()
    assert shown["sites"][0]["state"] == "closed"
    assert shown["sites"][0]["hash"] == closed[0]["sites"][0]["hash"]
    assert shown["street_hash"] == closed[0]["street_hash"]
    exported = finance.get(f"/api/v1/days/{day}/export", format="json")
    assert exported.json()[0]["hash"] == closed[0]["sites"][0]["hash"]
