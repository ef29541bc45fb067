"""The till's page without script: what is due is taken once and opens the barrier, a voucher goes off it, and comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.api import access
from gateway.api.app import create_app
from gateway.flows import users
from gateway.flows.orders import records
from gateway.flows.reading import Slice
from gateway.flows.users import ROLES
from gateway.wiring import Parts
from tests.gateway.channel_house import PLATE as CALLER
from tests.gateway.channel_house import Phones, channels
from tests.gateway.house import PASSWORD, Client
from tests.gateway.money_desk import content_of, sends
from tests.gateway.test_console import signed_in
from tests.gateway.test_desk_vouchers import Counter
from tests.gateway.trade import local

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
PLATE = "浙B00001"


class Scanned(Phones):
    """A street with channels, and its staff at the console."""

    def __init__(self, parts: Parts, provider: Any, folder: Path) -> None:
        super().__init__(parts, provider, folder)
        self.app = create_app(self.parts, wall=parts.clock)
        users.add(parts, "cashier", "cashier", [], PASSWORD, operator="test")

    def person(self, name: str) -> Client:
        return signed_in(self, name)  # type: ignore[arg-type]

    def orders_of(self, stay: str) -> list[records.Order]:
        with self.parts.store.reading() as connection:
            return [one for _, one in records.orders(connection, None, Slice(None, 10), stay=stay)]


@pytest.fixture
def street(parts: Parts) -> Counter:
    """A vehicle stands at the exit after two hours: eight yuan."""
    street = Counter(parts)
    street.passes("in-1", PLATE, "10:00")
    street.arrives("out-1", PLATE, "12:00", id="out")
    street.clock.set(local("12:00:05"))
    return street


def till_of(street: Counter) -> str:
    return f"/stays/{street.stay(PLATE).id}/till"


def test_what_is_due_is_taken_once_and_the_barrier_opens(street: Counter) -> None:
    cashier, where = street.person("cashier"), till_of(street)
    assert where in cashier.get(where.removesuffix("/till")).text
    page = cashier.get(where).text
    assert "¥8.00" in page
    hidden = dict(
        re.findall(r'<input type="hidden" name="(csrf|once|seen_fen)" value="([^"]*)"', page.split("payment")[1])
    )
    form = {**hidden, "channel": "cash", "reference": ""}
    for _ in range(2):
        assert cashier.post(f"{where}/payment", data=form).headers["location"] == f"{where}?said=till_payment"
    assert "现在没有应付款项" in content_of(cashier.get(where))
    assert street.stay(PLATE).paid_fen == 800
    assert sum(street.accounts().values()) == 0


def test_another_amount_by_now_is_refused_and_looked_at_again(street: Counter) -> None:
    cashier, where = street.person("cashier"), till_of(street)
    refused = sends(cashier, f"{where}/payment", where, channel="cash", seen_fen="700")
    assert (refused.status_code, "与此刻应付不符" in refused.text) == (409, True)
    assert 'name="seen_fen" value="800"' in refused.text
    assert street.stay(PLATE).paid_fen == 0


def test_a_voucher_goes_off_what_is_due(street: Counter) -> None:
    (code,) = street.vouchers.issued("hour", 60)
    cashier, where = street.person("cashier"), till_of(street)
    wrong = sends(cashier, f"{where}/voucher", where, code="00000001-AAAAA-AAAAA")
    assert (wrong.status_code, "不是本小区的券码" in wrong.text) == (422, True)
    assert sends(cashier, f"{where}/voucher", where, code=code).status_code == 303
    page = content_of(cashier.get(where))
    assert "¥4.00" in page
    assert "00000001" in page
    # A bill has used it: there is no way back that leads nowhere.
    assert "/withdrawal" not in page


def test_of_a_vehicle_that_still_parks_it_is_taken_back(street: Counter) -> None:
    (code,) = street.vouchers.issued("hour", 60)
    street.passes("in-1", "浙B00002", "12:01")
    street.clock.set(local("14:00"))
    cashier, where = street.person("cashier"), f"/stays/{street.stay('浙B00002').id}/till"
    assert sends(cashier, f"{where}/voucher", where, code=code).status_code == 303
    assert f"{where}/withdrawal" in cashier.get(where).text
    assert sends(cashier, f"{where}/withdrawal", where, serial="1", reason="").status_code == 422
    assert sends(cashier, f"{where}/withdrawal", where, serial="1", reason="车不对").status_code == 303
    assert street.vouchers.state(1) == "issued"


def test_it_is_for_who_takes_money_at_a_gate(street: Counter) -> None:
    where = till_of(street)
    for role in ROLES:
        person = street.person(role)
        mine = access.allowed(role, "POST", "/stays/{stay_id}/payments")
        assert person.get(where).status_code == (200 if mine else 403), role
        stay = person.get(where.removesuffix("/till"))
        assert (where in stay.text) is mine, role
    assert street.person("cashier").get("/stays/xinyi.none/till").status_code == 404


@pytest.fixture
def phones(parts: Parts, tmp_path: Path) -> Iterator[Scanned]:
    with channels(parts.clock) as provider:
        yield Scanned(parts, provider, tmp_path / "keys")


def test_a_code_is_for_exactly_what_is_due_and_the_till_says_what_became_of_it(phones: Scanned) -> None:
    phones.parks()
    stay = phones.waits()
    cashier, where = phones.person("cashier"), f"/stays/{stay}/till"
    assert "<svg" not in content_of(cashier.get(where))
    for _ in range(2):
        asked = sends(cashier, f"{where}/order", where, channel="wechat")
        assert asked.headers["location"] == f"{where}?said=till_order"
    page = content_of(cashier.get(where))
    assert "<svg" in page
    assert "¥10.00" in page
    (order,) = phones.orders_of(stay)
    assert (order.amount_fen, order.state) == (1000, "open")
    phones.pays(order)
    assert sends(cashier, f"{where}/query", where, order=order.id).status_code == 303
    page = content_of(cashier.get(where))
    assert "现在没有应付款项" in page
    assert "已支付" in page.split('id="orders"')[1]
    assert "<svg" not in page
    assert phones.stay(CALLER).paid_fen == 1000
    phones.holds()


def test_an_order_that_cannot_be_made_or_is_anothers_is_said(phones: Scanned) -> None:
    phones.parks()
    stay = phones.waits()
    cashier, where = phones.person("cashier"), f"/stays/{stay}/till"
    assert sends(cashier, f"{where}/order", where, channel="cash").status_code == 422
    assert sends(cashier, f"{where}/query", where, order="none").status_code == 404
    order = phones.orders(stay)
    phones.passes("in-1", "浙B00009", "11:20")
    other = f"/stays/{phones.stay('浙B00009').id}/till"
    assert sends(cashier, f"{other}/query", other, order=order.id).status_code == 404
