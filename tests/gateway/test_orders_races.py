"""Two at once, over real HTTP: orders at both channels, refunds decided twice, a call for help beside a payment."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.cli.ports import free_port
from gateway.flows.lane_pass import codes
from gateway.flows.orders.tending import tend
from gateway.flows.pay_token import token
from gateway.wiring import Parts
from tests.gateway.channel_house import PLATE, Phones, channels, local, served
from tests.gateway.test_notify import page_of, staff, url

CHANNELS = ("wechat", "alipay")


@pytest.fixture
def street(parts: Parts, tmp_path: Path) -> Iterator[Phones]:
    port = free_port()
    with channels(parts.clock) as provider:
        street = Phones(parts, provider, tmp_path / "keys", f"http://127.0.0.1:{port}")
        with served(street.parts, port):
            yield street


def payable(street: Phones) -> list[tuple[str, str]]:
    """Orders that the channels would still let somebody pay."""
    return [
        (channel, order.number)
        for channel in CHANNELS
        for order in street.till(channel).orders.values()
        if order.paid_at is None and not order.closed
    ]


def test_orders_at_both_channels_at_once_leave_one_that_can_be_paid(street: Phones) -> None:
    street.parks()
    page = page_of(street, street.waits())
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda number: httpx.post(f"{page}/order", data={"channel": CHANNELS[number % 2]}, timeout=60), range(6)
            )
        )
    assert {one.status_code for one in answers} <= {200, 503}
    tend(street.parts)
    left = payable(street)
    assert len(left) == 1, left
    ((channel, number),) = left
    paid = street.provider.pays(channel, number)
    assert paid is not None
    assert street.provider.tells(channel, paid)[0] in {200, 204}
    assert street.accounts() == {"income:parking": -1000, f"assets:channel:{channel}": 1000}
    street.holds()


def test_a_refund_approved_by_two_at_once_goes_back_once(street: Phones) -> None:
    street.parks()
    order = street.orders(street.waits())
    street.provider.tells("wechat", street.pays(order))
    street.goes("out-1", "11:10:20", after="out")
    finance, manager = staff(street, "finance"), staff(street, "manager")
    refund = finance("POST", f"/orders/{order.id}/refunds", json={"reason": "多收", "amount_fen": 600}).json()["id"]
    again = finance("POST", f"/orders/{order.id}/refunds", json={"reason": "多收", "amount_fen": 600})
    assert again.status_code == 409, "more than is left of it"
    with ThreadPoolExecutor(4) as pool:
        decided = list(
            pool.map(
                lambda way: manager("POST", f"/order-refunds/{refund}/{way}", json=_answer(way)).status_code,
                ("approval", "approval", "refusal", "approval"),
            )
        )
    assert decided.count(200) == 1
    made = [one for one in street.till("wechat").refunds.values() if one.state == "done"]
    assert sum(one.fen for one in made) in {0, 600}
    street.holds()


def _answer(way: str) -> dict[str, object]:
    return {"amount_fen": 600} if way == "approval" else {"reason": "票据不符"}


def test_let_out_owing_while_the_phone_pays_it_is_paid_and_owed_by_nobody(street: Phones) -> None:
    """The order is paid, its callback is late, and a member of staff has let the vehicle out meanwhile."""
    street.parks()
    stay = street.waits()
    order = street.orders(stay)
    page = page_of(street, stay)
    assert "已呼叫" in httpx.post(f"{page}/help").text
    console = staff(street, "console")
    (call,) = console("GET", "/exceptions", params={"kind": "help_call"}).json()["items"]
    paid = street.pays(order)
    with ThreadPoolExecutor(2) as pool:
        answered = pool.submit(console, "POST", f"/exceptions/{call['id']}/pay-later", json={"reason": "没有手机"})
        told = pool.submit(street.provider.tells, "wechat", paid)
        assert answered.result().status_code in {200, 409}
        assert told.result()[0] == 204
    street.goes("out-1", "11:10:20", after="out")
    left = street.stay(PLATE)
    assert (left.state, left.paid_fen) == ("left", 1000)
    assert street.accounts() == {"income:parking": -1000, "assets:channel:wechat": 1000}
    street.holds()


def test_without_a_plate_by_two_codes_and_a_phone(street: Phones) -> None:
    """In by the lane's code, read again and again at the exit, paid through a channel: the lane opens for the newest read."""

    def page(lane: str) -> str:
        return url(street, "/lane/" + codes.code_of(street.parts, f"xinyi.{lane}").url.rsplit("/", 1)[1])

    with httpx.Client() as phone:
        street.arrives("in-1", None, "09:00", id="in")
        phone.get(page("in-1"))
        assert "道闸已打开" in phone.post(page("in-1")).text
        street.goes("in-1", "09:00:06", after="in")
        stay = street.stays()[-1].id
        street.arrives("out-1", None, "11:10:00", id="o1")
        assert phone.post(page("out-1")).headers["location"] == f"/pay/{token(street.parts.settings.secret(), stay)}"
        street.arrives("out-1", None, "11:10:15", id="o2")
        street.arrives("out-1", None, "11:10:30", id="o3")
        phone.post(f"{page_of(street, stay)}/order", data={"channel": "wechat"})
        (order,) = street.till("wechat").orders.values()
        street.clock.set(local("11:10:40"))
        paid = street.provider.pays("wechat", order.number)
        assert paid is not None
        assert street.provider.tells("wechat", paid)[0] == 204
        assert street.stays()[-1].state == "left"
        street.goes("out-1", "11:10:50", after="o3")
        assert street.stays()[-1].confirmed
        assert street.situations() == {}
        # The vehicle behind it is another one.
        street.arrives("out-1", None, "11:11:00", id="o4")
        assert phone.post(page("out-1")).status_code == 409
    street.holds()
