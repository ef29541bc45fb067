"""The passes' pages without script: a price and then the sale, a renewal, a given-back pass that two persons decide about."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.app import create_app
from gateway.flows import users
from gateway.flows.users import ROLES
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client
from tests.gateway.pass_office import Office
from tests.gateway.roles import each_gets_what_the_api_gives_it
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
WANTED = {"site": "xinyi", "plate": "浙A10101", "offer": "resident-monthly", "months": "1", "channel": "cash"}


class Counter(Office):
    def __init__(self, parts: Parts, **more: Any) -> None:
        super().__init__(parts, **more)
        self.app = create_app(parts, wall=parts.clock)
        for role in ROLES:
            users.add(parts, role, role, [], PASSWORD, operator="test")

    def person(self, name: str) -> Client:
        return signed_in(self, name)  # type: ignore[arg-type]


@pytest.fixture
def street(parts: Parts) -> Counter:
    return Counter(parts)


def asks(person: Client, what: str, **typed: str) -> Any:
    page = person.get("/passes/new").text
    once = page.split('name="once" value="')[1].split('"')[0]
    return person.post("/passes/new", data={"csrf": csrf_of(page), "once": once, "what": what, **WANTED, **typed})


def acts(person: Client, where: str, what: str, **typed: str) -> Any:
    return person.post(where, data={"csrf": csrf_of(person.get(where).text), "what": what, "reason": "搬离", **typed})


def test_sold_at_the_price_that_was_shown_and_renewed(street: Counter) -> None:
    person = street.person("finance")
    quoted = asks(person, "quote")
    assert "¥200.00" in quoted.text
    assert "新办" in quoted.text
    done = asks(person, "sell", amount_fen="20000")
    where = done.headers["location"].split("?")[0]
    assert "已办理" in person.get(done.headers["location"]).text
    assert "续期" in asks(person, "quote").text
    assert asks(person, "sell", amount_fen="20000").headers["location"].split("?")[0] == where
    page = person.get(where).text
    assert page.count('<th scope="row">2026-') == 2
    assert "浙A10101" in person.get("/passes?plate=浙A10101").text
    assert street.drawer() == 40000
    street.books_hold()


def test_the_same_form_sent_twice_sells_once(street: Counter) -> None:
    person = street.person("finance")
    form = {
        "csrf": csrf_of(person.get("/passes/new").text),
        "once": "k1",
        "what": "sell",
        "amount_fen": "20000",
        **WANTED,
    }
    person.post("/passes/new", data=form)
    person.post("/passes/new", data=form)
    assert street.drawer() == 20000


@pytest.mark.parametrize(
    ("typed", "field", "status"),
    [
        ({"amount_fen": "1"}, None, 409),
        ({"months": "0"}, "months", 422),
        ({"plate": "??"}, "plate", 422),
        ({"first_day": "someday"}, "first_day", 422),
        ({"channel": "barter", "amount_fen": "20000"}, "channel", 422),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sold(
    street: Counter, typed: dict[str, str], field: str | None, status: int
) -> None:
    answer = asks(street.person("finance"), "sell", **typed)
    assert answer.status_code == status
    if field is not None:
        assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0]
    assert street.drawer() == 0


def test_a_till_learns_of_no_certificate(street: Counter) -> None:
    """A price that a certificate waives is refused at a till as anything else is; registrar and finance see it."""
    told = asks(street.person("cashier"), "quote", plate="浙A10201")
    assert told.status_code == 409
    assert "¥0.00" not in told.text
    assert "¥0.00" in asks(street.person("registrar"), "quote", plate="浙A10201").text


def test_given_back_by_two_persons_and_paid_out(street: Counter) -> None:
    sold = street.sells()
    registrar, finance, where = street.person("registrar"), street.person("finance"), f"/passes/{sold.id}"
    assert acts(registrar, where, "propose").status_code == 303
    page = registrar.get(where).text
    assert "须由另一人复核" in page
    refund = finance.get(where).text.split('name="refund" value="')[1].split('"')[0]
    amount = finance.get(where).text.split('name="amount_fen" value="')[1].split('"')[0]
    assert acts(registrar, where, "approve", refund=refund, amount_fen=amount).status_code == 409
    assert acts(finance, where, "approve", refund="xinyi.another", amount_fen=amount).status_code == 404
    assert acts(finance, where, "approve", refund=refund, amount_fen=amount).status_code == 303
    assert "待退款" in finance.get(where).text
    assert acts(finance, where, "pay_out", refund=refund, channel="cash").status_code == 303
    assert "已退款" in finance.get(where).text
    assert acts(finance, where, "propose", csrf="made up").headers["location"] == where
    street.books_hold()


def test_moved_to_another_vehicle_of_the_household_and_to_no_other(street: Counter) -> None:
    where = f"/passes/{street.sells().id}"
    registrar = street.person("registrar")
    refused = acts(registrar, where, "transfer", plate="浙A10201")
    assert refused.status_code == 409
    assert acts(registrar, where, "transfer", plate="浙A10102").status_code == 303
    assert "浙A10102" in registrar.get(where).text.split("<h1>")[1].split("</h1>")[0]


def test_each_role_gets_what_the_api_gives_it(street: Counter) -> None:
    where = f"/passes/{street.sells().id}"
    pages = {
        "/passes": ("GET", "/sold-passes"),
        where: ("GET", "/sold-passes/{pass_id}"),
        "/passes/new": ("POST", "/passes"),
    }
    each_gets_what_the_api_gives_it(street.person, pages)
