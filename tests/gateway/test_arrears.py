"""先离场后付费: what is owed, collected anywhere on the street; what drivers and tills see of it."""

from __future__ import annotations

import pytest

from controllers.commands import Action, Reason
from gateway.api.app import create_app
from gateway.flows import arrears, payment, users
from gateway.flows.pay_token import token
from gateway.flows.refusals import AmountNotDue, KeyReused, NotFound
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.arrears_office import PLATE, by_site, leaves_owing, owed, pays_first
from tests.gateway.books import past_the_program
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.pass_office import Office


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts, mode="leave_first")


def test_what_is_owed_is_listed_and_paid_at_the_site_itself(office: Office) -> None:
    stay = leaves_owing(office)
    assert owed(office) == owed(office, plate=PLATE) == [400]
    assert owed(office, plate="浙B00000") == []
    assert office.collects(stay, 400).at_site == "xinyi"
    assert owed(office) == []
    office.books_hold()


def test_collected_at_another_site_it_goes_through_clearing_on_both(office: Office) -> None:
    stay = leaves_owing(office)
    for wrong in (399, 401, 1):
        with pytest.raises(AmountNotDue):
            office.collects(stay, wrong, "moganshan")
    first = office.collects(stay, 400, "moganshan", key="k")
    assert office.collects(stay, 400, "moganshan", key="k") == first
    with pytest.raises(KeyReused):
        office.collects(stay, 500, "moganshan", key="k")
    with pytest.raises(AmountNotDue):
        office.collects(stay, 400, "moganshan")
    with pytest.raises(AmountNotDue):
        office.collects(stay, 400)
    assert by_site(office) == {
        ("xinyi", "income:parking"): -400,
        ("xinyi", "clearing:moganshan"): 400,
        ("moganshan", "assets:cash"): 400,
        ("moganshan", "clearing:xinyi"): -400,
    }
    assert office.stay(PLATE).paid_fen == 400
    assert owed(office) == []
    office.books_hold()


@pytest.mark.parametrize("where", [None, "xinyi", "moganshan"])
def test_a_stay_that_goes_on_owes_nothing_that_could_be_collected(office: Office, where: str | None) -> None:
    office.passes("in-1", PLATE, "09:00")
    office.at("2026-03-02 10:00")
    with pytest.raises(NotFound, match="has ended"):
        office.collects(office.stay(PLATE).id, 400, where)
    with pytest.raises(NotFound):
        office.collects("xinyi.nothing", 400, where)
    assert office.accounts() == {}
    office.passes("out-1", PLATE, "10:00")
    assert office.collects(office.stay(PLATE).id, 400, where).amount_fen == 400
    office.books_hold()


def test_one_that_waits_at_its_exit_pays_its_stay_and_no_arrears(parts: Parts) -> None:
    office = pays_first(parts)
    office.passes("in-1", PLATE, "09:00")
    office.arrives("out-1", PLATE, "10:00")
    stay = office.stay(PLATE).id
    with pytest.raises(NotFound, match="has ended"):
        office.collects(stay, 400)
    payment.take(parts, stay_id=stay, channel="cash", amount_fen=400, operator="li")
    office.books_hold()


def test_a_site_that_is_not_there_collects_nothing(office: Office) -> None:
    stay = leaves_owing(office, "浙B54321")
    with pytest.raises(NotFound):
        office.collects(stay, 400, "atlantis")


def test_old_arrears_are_offered_at_an_exit_and_never_demanded(parts: Parts) -> None:
    """A site where everybody pays first: only this stay is due, whatever is owed from before."""
    office = Office(parts, mode="leave_first")
    old = leaves_owing(office)
    office.passes("in-1", PLATE, "2026-03-03 09:00")
    office.arrives("out-1", PLATE, "2026-03-03 09:20")
    stay = office.stays()[-1].id
    with parts.store.reading() as connection:
        assert [one.stay for one in arrears.earlier(connection, stay)] == [old]
        assert arrears.earlier(connection, old) == []
    out = office.arrives("out-1", PLATE, "2026-03-03 09:21")
    assert out is None or out.reason is not Reason.PAYMENT_DUE


def test_beyond_the_limit_this_stay_is_asked_for_and_no_more(office: Office) -> None:
    for hour in (8, 10, 12):
        leaves_owing(office, hour=hour)
    assert sum(owed(office)) == 1200
    office.passes("in-1", PLATE, "2026-03-02 14:00")
    asked = office.arrives("out-1", PLATE, "2026-03-02 15:00")
    assert (asked.action, asked.reason, asked.pay.fen) == (Action.SHOW, Reason.PAYMENT_DUE, 400)
    office.collects(office.stays()[0].id, 400, "moganshan")
    again = office.arrives("out-1", PLATE, "2026-03-02 15:02")
    assert again.reason is Reason.PAY_LATER


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE arrears_credit SET amount_fen = amount_fen + 1", "stay"),
        ("UPDATE arrears_credit SET collected_at_site = 'xinyi'", "stay"),
        ("DELETE FROM arrears_credit", "transaction"),
        ("UPDATE charge_payment SET subject = 'xinyi.other'", "arrears_credit"),
        ("DELETE FROM charge_payment", "transaction"),
    ],
)
def test_verify_names_what_was_changed(office: Office, change: str, named: str) -> None:
    stay = leaves_owing(office)
    office.collects(stay, 400, "moganshan")
    past_the_program(office.parts, change)
    failure = verify(office.parts).first_failure
    assert failure is not None
    assert failure.what == named, failure


def test_the_drivers_page_offers_what_is_open_from_earlier_visits(office: Office) -> None:
    old = leaves_owing(office, day="02")
    office.passes("in-1", PLATE, "2026-03-03 09:00")
    newest = office.stays()[-1].id
    client = Client(create_app(office.parts))
    secret = office.parts.settings.secret()
    page = client.get(f"/pay/{token(secret, newest)}").text
    assert f"/pay/{token(secret, old)}" in page
    assert "以前未缴" in page
    assert PLATE not in page
    assert "以前未缴" not in client.get(f"/pay/{token(secret, old)}").text
    office.collects(old, 400, "moganshan")
    assert "以前未缴" not in client.get(f"/pay/{token(secret, newest)}").text


def test_a_till_of_another_site_sees_and_takes_what_a_plate_owes(office: Office) -> None:
    stay = leaves_owing(office)
    users.add(office.parts, "chen", "cashier", ["moganshan"], PASSWORD, operator="test")
    client = Client(create_app(office.parts))
    answer = client.post("/api/v1/token", data={"username": "chen", "password": PASSWORD})
    till = Staff(client, answer.json()["access_token"])
    assert till.get("/api/v1/arrears").json()["items"] == []
    (one,) = till.get("/api/v1/arrears", plate="浙B·12345").json()["items"]
    assert (one["stay"], one["due_fen"], one["site"]) == (stay, 400, "xinyi")
    where = f"/api/v1/arrears/{stay}/payments"
    body = {"channel": "cash", "amount_fen": 400}
    assert till.post(where, body).status_code == 404, "the stay's own site is not one of theirs"
    assert till.post(where, {**body, "site": "moganshan", "amount_fen": 1}).status_code == 409
    taken = [till.post(where, {**body, "site": "moganshan"}, **{"Idempotency-Key": "t1"}) for _ in range(2)]
    assert [one.status_code for one in taken] == [201, 201]
    assert taken[0].json() == taken[1].json()
    assert taken[0].json()["at_site"] == "moganshan"
    assert till.get("/api/v1/arrears", plate=PLATE).json()["items"] == []
    office.books_hold()
