"""Passes and charges over HTTP: who may, what a till is told, the whole way of a pass; races at the till on PostgreSQL."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gateway.api.app import create_app
from gateway.flows import charges_money, passes, users
from gateway.flows.board import board
from gateway.flows.charges_books import Money
from gateway.flows.passes_terms import Wanted
from gateway.flows.refusals import Refused
from gateway.wiring import Parts
from tests.gateway.asking import is_a_problem
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.pass_office import FINANCE, MONTH_FEN, TILL, Office

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PASS = {"site": "xinyi", "plate": "浙A10101", "offer": "resident-monthly"}


def desk(office: Office, role: str, name: str = "", *sites: str) -> Staff:
    users.add(office.parts, name or role, role, list(sites), PASSWORD, operator="test")
    client = Client(create_app(office.parts))
    answer = client.post("/api/v1/token", data={"username": name or role, "password": PASSWORD})
    return Staff(client, answer.json()["access_token"])


@on_sqlite
def test_the_whole_way_of_a_pass(office: Office) -> None:
    till, registrar, finance = desk(office, "cashier"), desk(office, "registrar"), desk(office, "finance")
    quoted = till.post("/api/v1/passes/quote", PASS).json()
    assert (quoted["amount_fen"], quoted["first_day"], quoted["last_day"]) == (MONTH_FEN, "2026-03-02", "2026-04-01")
    assert "waived_fen" not in quoted
    paid = {"channel": "cash", "amount_fen": MONTH_FEN}
    is_a_problem(till.post("/api/v1/passes", {**PASS, "amount_fen": MONTH_FEN}), 422, "invalid")
    is_a_problem(till.post("/api/v1/passes", {**PASS, **paid, "amount_fen": 1}), 409, "amount-not-due")
    is_a_problem(till.post("/api/v1/passes", {**PASS, **paid, "colour": "red"}), 422, "invalid")
    sold = [till.post("/api/v1/passes", {**PASS, **paid}, **{"Idempotency-Key": "s1"}) for _ in range(2)]
    assert [one.status_code for one in sold] == [201, 201]
    pass_id = sold[0].json()["id"]
    assert sold[0].json() == sold[1].json()
    assert till.post("/api/v1/passes/quote", PASS).json()["renews"] == pass_id
    assert till.post(f"/api/v1/sold-passes/{pass_id}/renewals", {"months": 1, **paid}).status_code == 201
    is_a_problem(till.get(f"/api/v1/sold-passes/{pass_id}"), 403)
    moved = registrar.post(f"/api/v1/sold-passes/{pass_id}/transfers", {"to_plate": "浙A10102", "reason": "new car"})
    assert moved.json()["plates"] == ["浙A10102"]
    assert [one["paid_fen"] for one in moved.json()["periods"]] == [MONTH_FEN, MONTH_FEN]
    (listed,) = registrar.get("/api/v1/sold-passes", plate="浙A·10101").json()["items"]
    assert (listed["id"], listed["valid"]) == (pass_id, True)
    assert registrar.get("/api/v1/pass-reminders", days=90).json()["items"][0]["days_left"] == 61
    other = office.sells("浙B12345")
    moved = {"to_plate": "浙B54321", "reason": "a new car", "vehicle": "large"}
    where = f"/api/v1/sold-passes/{other.id}/transfers"
    is_a_problem(registrar.post(where, moved), 409, "vehicle-not-served")
    assert registrar.post(where, {**moved, "vehicle": "small"}).json()["plates"] == ["浙B54321"]
    refund = registrar.post(f"/api/v1/sold-passes/{pass_id}/refunds", {"reason": "moved away"}).json()
    where = f"/api/v1/pass-refunds/{refund['id']}"
    is_a_problem(registrar.post(f"{where}/approval", {"amount_fen": refund["amount_fen"]}), 409, "second-person-needed")
    assert finance.post(f"{where}/approval", {"amount_fen": refund["amount_fen"]}).json()["state"] == "approved"
    assert till.post(f"{where}/payout", {"channel": "cash"}).json()["state"] == "paid"
    whole = finance.get(f"/api/v1/sold-passes/{pass_id}").json()
    assert (whole["state"], whole["refunds"][0]["paid_by"]) == ("ended", "cashier")
    office.books_hold()


@on_sqlite
def test_a_pass_of_another_site_is_not_there(office: Office) -> None:
    sold = office.sells()
    other = desk(office, "registrar", "he", "moganshan")
    assert other.get("/api/v1/sold-passes").json()["items"] == []
    is_a_problem(other.get(f"/api/v1/sold-passes/{sold.id}"), 404)
    is_a_problem(other.post(f"/api/v1/sold-passes/{sold.id}/refunds", {"reason": "x"}), 404)
    is_a_problem(other.post("/api/v1/passes", {**PASS, "channel": "cash", "amount_fen": MONTH_FEN}), 404)


@on_sqlite
def test_a_till_is_told_nothing_of_a_certificate(office: Office) -> None:
    till, registrar = desk(office, "cashier"), desk(office, "registrar")
    body = {**PASS, "plate": "浙A10201", "channel": "cash", "amount_fen": MONTH_FEN}
    first = is_a_problem(till.post("/api/v1/passes", body), 409, "not-at-this-desk")
    office.sells("浙A10101")
    second = is_a_problem(till.post("/api/v1/passes", {**body, "plate": "浙A10102"}), 409, "not-at-this-desk")
    assert first == second, "a full household and a certificate are refused in the same words"
    assert registrar.post("/api/v1/passes", {**PASS, "plate": "浙A10201"}).status_code == 201


@on_sqlite
def test_a_month_is_charged_paid_and_reversed(office: Office) -> None:
    till, finance = desk(office, "cashier"), desk(office, "finance")
    is_a_problem(till.post("/api/v1/charges/runs", {"month": "2026-03"}), 403)
    preview = finance.post("/api/v1/charges/runs", {"month": "2026-03", "preview": True}).json()
    assert finance.get("/api/v1/charges").json()["items"] == []
    done = finance.post("/api/v1/charges/runs", {"month": "2026-03"}).json()
    assert done["sites"] == preview["sites"]
    assert len(finance.get("/api/v1/charges", month="2026-03").json()["items"]) == 2
    (due,) = till.get("/api/v1/charges").json()["items"]
    assert set(due) & {"gross_fen", "waived_fen", "lines"} == set()
    where = f"/api/v1/charges/{due['id']}"
    paid = till.post(f"{where}/payments", {"channel": "cash", "amount_fen": 1000})
    assert (paid.status_code, paid.json()["due_fen"]) == (201, due["due_fen"] - 1000)
    assert [one["id"] for one in till.get("/api/v1/charges").json()["items"]] == [due["id"]]
    rest = till.post(f"{where}/payments", {"channel": "cash", "amount_fen": due["due_fen"] - 1000})
    assert (rest.status_code, rest.json()["due_fen"]) == (201, 0)
    assert till.get("/api/v1/charges").json()["items"] == [], "whoever has paid looks like whoever pays nothing"
    is_a_problem(till.post(f"{where}/reversal", {"reason": "x"}), 403)
    assert finance.post(f"{where}/reversal", {"reason": "wrong size"}).status_code == 204
    assert [one["id"] for one in till.get("/api/v1/charges").json()["items"]] == [due["id"]]
    assert till.post(f"{where}/payback", {"channel": "cash"}).json()["amount_fen"] == due["due_fen"]
    told = is_a_problem(finance.post("/api/v1/charges/runs", {"month": "2026-13"}), 422, "invalid")
    assert told["detail"] == "body.month: not a month such as 2026-03"
    office.books_hold()


def at_once(*work: Any) -> list[Any]:
    """Runs all of it in threads; returns what each returned or was refused."""
    found: list[Any] = [None] * len(work)
    gate = threading.Barrier(len(work))

    def run(place: int) -> None:
        gate.wait()
        try:
            found[place] = work[place]()
        except Refused as refusal:
            found[place] = refusal

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def refused(found: list[Any]) -> int:
    return sum(isinstance(one, Refused) for one in found)


def test_one_space_is_sold_once_also_at_the_same_instant(office: Office) -> None:
    money = Money(channel="cash", amount_fen=MONTH_FEN)
    wanted = [Wanted(site="xinyi", plate=plate, offer="resident-monthly") for plate in ("浙A10101", "浙A10102") * 4]
    found = at_once(*[lambda one=one: passes.sell(office.parts, one, money, TILL) for one in wanted])
    assert refused(found) == 7
    assert office.drawer() == MONTH_FEN
    office.books_hold()


def test_the_same_sale_sent_many_times_is_one(office: Office) -> None:
    found = at_once(*[lambda: office.sells(key="k") for _ in range(6)])
    assert len({one.id for one in found}) == 1
    assert office.drawer() == MONTH_FEN
    office.books_hold()


def test_a_charge_is_never_paid_twice_and_a_month_never_charged_twice(office: Office) -> None:
    runs = at_once(*[office.charges for _ in range(4)])
    assert sorted(len(one.charged) for one in runs) == [0, 0, 0, 2]
    charge = next(one.id for run in runs for one in run.charged if one.payable_fen)
    money = Money(channel="cash", amount_fen=3294)
    found = at_once(*[lambda: charges_money.pay(office.parts, charge, money, TILL) for _ in range(5)])
    assert refused(found) == 4
    at_once(*[lambda: charges_money.reverse(office.parts, charge, "wrong", FINANCE) for _ in range(3)])
    at_once(*[lambda: charges_money.pay_back(office.parts, charge, "cash", TILL) for _ in range(3)])
    assert office.drawer() == 0
    office.books_hold()


def test_arrears_are_taken_once_also_at_two_sites_at_the_same_instant(parts: Parts) -> None:
    office = Office(parts, mode="leave_first")
    plates = [f"浙B1000{number}" for number in range(4)]
    for plate in plates:
        office.passes("in-1", plate, "2026-03-02 09:00")
        office.passes("out-1", plate, "2026-03-02 10:00")
    stays = [stay.id for stay in office.stays()]
    found = at_once(
        *[
            lambda stay=stay, site=site: office.collects(stay, 400, site)
            for stay in stays
            for site in ("xinyi", "moganshan", "moganshan")
        ]
    )
    assert refused(found) == 8
    assert office.drawer() == 1600
    office.books_hold()


def test_a_day_is_earned_once_whoever_comes_first(office: Office) -> None:
    office.sells()
    office.at("2026-03-06 03:00")
    at_once(*[office.earns for _ in range(4)])
    assert office.accounts()["income:pass"] == -(MONTH_FEN * 4 // 31)
    office.books_hold()


@on_sqlite
def test_the_board_counts_what_is_taken_for_passes(office: Office) -> None:
    office.sells()
    with office.parts.store.reading() as connection:
        shown = board(connection, None, office.clock.now(), office.parts.settings.zone)
    assert shown["money"]["received_fen"] == MONTH_FEN
