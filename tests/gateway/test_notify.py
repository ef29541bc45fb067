"""The doors of payments over real HTTP: channels that call back, the driver's page, staff who order and pay back."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import zxingcpp
from sqlalchemy import insert

from gateway.cli.ports import free_port
from gateway.flows import users
from gateway.flows.pay_token import token
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.channels.provider import send
from tests.gateway.channel_house import PLATE, Phones, channels, local, served
from tests.gateway.house import PASSWORD

EACH = pytest.mark.parametrize("channel", ["wechat", "alipay"])


@pytest.fixture
def street(parts: Parts, tmp_path: Path) -> Iterator[Phones]:
    port = free_port()
    with channels(parts.clock) as provider:
        street = Phones(parts, provider, tmp_path / "keys", f"http://127.0.0.1:{port}")
        with served(street.parts, port):
            yield street


def url(street: Phones, path: str = "") -> str:
    return f"{street.parts.settings.base_url}{path}"


def page_of(street: Phones, stay: str) -> str:
    return url(street, f"/pay/{token(street.parts.settings.secret(), stay)}")


def staff(street: Phones, role: str, *sites: str) -> Callable[..., httpx.Response]:
    """A member of staff, by whom the API is asked."""
    users.add(street.parts, role, role, list(sites), PASSWORD, operator="test")
    said = httpx.post(url(street, "/api/v1/token"), data={"username": role, "password": PASSWORD}).json()
    bearer = {"Authorization": f"Bearer {said['access_token']}"}

    def ask(method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = bearer | ({"Idempotency-Key": key} if key else {})
        return httpx.request(method, url(street, f"/api/v1{path}"), headers=headers, **more)

    return ask


@EACH
def test_the_driver_scans_pays_and_the_channel_is_thanked_as_it_expects(street: Phones, channel: str) -> None:
    street.parks()
    stay = street.waits()
    page = page_of(street, stay)
    first = httpx.get(page)
    assert f'value="{channel}"' in first.text
    shown = httpx.post(f"{page}/order", data={"channel": channel})
    assert (shown.status_code, "<svg" in shown.text) == (200, True)
    assert "¥10.00" in shown.text
    (order,) = street.till(channel).orders.values()
    assert (f'href="{order.code}"' in shown.text) == (channel == "alipay")
    paid = street.provider.pays(channel, order.number)
    assert paid is not None
    began = time.monotonic()
    status, said = street.provider.tells(channel, paid)
    assert time.monotonic() - began < 30, (
        "it waits five seconds; other tests may make ours slow, nothing of ours may wait"
    )
    assert (status, said) == ((204, "") if channel == "wechat" else (200, "success"))
    assert street.provider.tells(channel, paid)[0] == status
    after = httpx.get(page).text
    assert "<svg" not in after
    assert "¥0.00" in after
    assert street.stay(PLATE).state == "left"
    assert [one.amount_fen for one in street.payments()] == [1000]
    street.holds()


def test_the_code_on_the_page_is_what_the_channel_gave(street: Phones, tmp_path: Path) -> None:
    street.parks()
    page = page_of(street, street.waits())
    shown = httpx.post(f"{page}/order", data={"channel": "wechat"}).text
    (order,) = street.till("wechat").orders.values()
    drawn = re.search(r"<svg.*?</svg>", shown, re.DOTALL)
    assert drawn is not None
    assert "style=" not in drawn[0]  # the page's policy allows none
    import io

    import segno
    from PIL import Image

    picture = io.BytesIO()
    segno.make_qr(order.code, error="m").save(picture, kind="png", scale=6, border=4)
    (read,) = zxingcpp.read_barcodes(Image.open(picture))
    assert read.text == order.code
    assert segno.make_qr(order.code, error="m").svg_inline(scale=6, border=4, dark="#000", light="#fff") == drawn[0]


@EACH
def test_what_is_forged_is_refused_in_the_channels_own_words(street: Phones, channel: str) -> None:
    street.parks()
    order = street.orders(street.waits(), channel)
    street.pays(order)
    status, headers, body = street.notice(order)
    where = url(street, f"/pay/{channel}/notify")
    wanted = '{"code":"FAIL","message":"refused"}' if channel == "wechat" else "failure"
    for wrong in ((status, headers, body + b" "), (status, {}, b""), (status, headers, b"\xff" * 1000)):
        answer = send(where, wrong)
        assert answer == (401, wanted)
    assert send(where, (status, headers, b"x" * 70_000))[0] == 413
    if channel == "wechat":
        assert send(where, street.provider.wechat.probe(street.till(channel).orders[order.id]))[0] == 401
        stale = street.notice(order, at=street.clock.now() - timedelta(minutes=6))
        assert send(where, stale)[0] == 401
    assert street.accounts() == {}
    assert send(where, (status, headers, body))[0] in {200, 204}


@EACH
def test_another_amount_than_was_ordered_is_answered_with_a_conflict(street: Phones, channel: str) -> None:
    street.parks()
    order = street.orders(street.waits(), channel)
    paid = dataclasses.replace(street.pays(order), fen=1)
    street.till(channel).orders[order.id] = paid
    assert street.provider.tells(channel, paid)[0] == 409
    assert street.accounts() == {}


@EACH
def test_a_callback_that_overtakes_the_answer_to_the_order_counts(
    street: Phones, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.parks()
    page, till = page_of(street, street.waits()), street.till(channel)
    create, told = till.create, []

    def paid_at_once(number: str, *more: Any) -> Any:
        made = create(number, *more)
        paid = till.pay(number)
        assert paid is not None
        told.append(street.provider.tells(channel, paid)[0])
        return made

    monkeypatch.setattr(till, "create", paid_at_once)
    shown = httpx.post(f"{page}/order", data={"channel": channel})
    assert (shown.status_code, "<svg" in shown.text, "无需缴费" in shown.text) == (200, False, True)
    assert told in ([200], [204])
    assert street.stay(PLATE).state == "left"
    street.holds()


@EACH
def test_told_hours_after_the_vehicle_has_left_it_is_paid(street: Phones, channel: str) -> None:
    street.parks()
    order = street.orders(street.waits(), channel)
    paid = street.pays(order)
    street.goes("out-1", "11:11:00", after="out")
    street.clock.set(local("17:00"))
    assert street.provider.tells(channel, paid)[0] in {200, 204}
    assert street.accounts() == {"income:parking": -1000, f"assets:channel:{channel}": 1000}
    street.holds()


def test_a_callback_for_an_order_that_is_not_here_is_to_be_sent_again(street: Phones) -> None:
    till = street.till("wechat")
    till.create("pgsomebodyelses", 500, url(street, "/pay/wechat/notify"), None)
    order = till.pay("pgsomebodyelses")
    assert order is not None
    assert street.provider.tells("wechat", order)[0] == 404


@EACH
def test_ten_callbacks_at_once_and_a_driver_at_the_exit_count_once(street: Phones, channel: str) -> None:
    street.parks()
    order = street.orders(street.waits(), channel)
    paid = street.pays(order)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: street.provider.tells(channel, paid)[0], range(10)))
    assert set(answers) <= {200, 204}
    assert [one.amount_fen for one in street.payments()] == [1000]
    assert street.accounts() == {"income:parking": -1000, f"assets:channel:{channel}": 1000}
    street.holds()


def test_a_driver_whose_callback_did_not_come_says_so(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    page = page_of(street, stay)
    httpx.post(f"{page}/order", data={"channel": "wechat"})
    (number,) = street.till("wechat").orders
    street.clock.advance(seconds=4)
    assert "尚未收到支付结果" in httpx.post(f"{page}/paid").text
    street.provider.pays("wechat", number)
    before = len(street.till("wechat").asked)
    httpx.post(f"{page}/paid")  # too soon to ask again
    assert len(street.till("wechat").asked) == before
    street.clock.advance(seconds=4)
    assert "无需缴费" in httpx.post(f"{page}/paid").text
    assert street.stay(PLATE).paid_fen == 1000


def test_a_page_shows_no_code_for_another_amount_than_is_due(street: Phones) -> None:
    stay = street.parks()
    page = page_of(street, stay)
    street.clock.set(local("09:58"))
    assert "<svg" in httpx.post(f"{page}/order", data={"channel": "wechat"}).text
    street.clock.set(local("10:01"))
    moved = httpx.get(page).text
    assert "<svg" not in moved
    assert "¥6.00" in moved
    assert "<svg" in httpx.post(f"{page}/order", data={"channel": "wechat"}).text


def test_a_channel_that_is_away_is_said_so(street: Phones) -> None:
    street.parks()
    page = page_of(street, street.waits())
    street.till("wechat").broken = 1
    answer = httpx.post(f"{page}/order", data={"channel": "wechat"})
    assert (answer.status_code, "支付渠道暂时没有响应" in answer.text) == (503, True)
    assert httpx.post(f"{page}/order", data={"channel": "gold"}).status_code == 422
    assert httpx.post(f"{page}x/order", data={"channel": "wechat"}).status_code == 404


def test_staff_order_ask_and_pay_back_each_in_their_part(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    till, finance, manager = (staff(street, role) for role in ("console", "finance", "manager"))
    placed = till("POST", f"/stays/{stay}/orders", json={"channel": "alipay"})
    assert placed.status_code == 201
    order = placed.json()
    street.provider.pays("alipay", order["id"])
    assert till("POST", f"/orders/{order['id']}/query").json()["state"] == "paid"
    where, asked = f"/orders/{order['id']}/refunds", {"amount_fen": 400, "reason": "多收"}
    assert manager("POST", where, json=asked).status_code == 403
    refund = finance("POST", where, json=asked, key="r1").json()
    assert finance("POST", where, json=asked, key="r1").json() == refund
    decide = f"/order-refunds/{refund['id']}/approval"
    own = finance("POST", decide, json={"amount_fen": 400})
    assert (own.status_code, own.json()["type"]) == (409, "/problems/second-person-needed")
    assert manager("POST", decide, json={"amount_fen": 400}).json()["state"] == "done"
    assert [one["id"] for one in till("GET", "/orders", params={"stay": stay}).json()["items"]] == [order["id"]]
    assert [one["state"] for one in finance("GET", "/order-refunds").json()["items"]] == ["done"]
    assert finance("GET", "/order-refunds", params={"state": "proposed"}).json()["items"] == []
    assert till("GET", "/orders/nothing").status_code == 404
    street.holds()


def test_of_another_site_nothing_is_seen(street: Phones) -> None:
    street.parks()
    order = street.orders(street.waits())
    with street.parts.store.writing() as connection:
        row = {
            "id": "archive",
            "name": "档案馆",
            "capacity": 1,
            "policy_id": "hushu-residential",
            "merchant_id": "hushu",
        }
        connection.execute(insert(t.Site).values(enabled=True, **row))
        connection.commit()
    ask = staff(street, "finance", "archive")
    assert ask("GET", f"/orders/{order.id}").status_code == 404
    assert ask("POST", f"/orders/{order.id}/query").status_code == 404
    assert ask("POST", f"/orders/{order.id}/refunds", json={"reason": "x"}).status_code == 404
    assert ask("GET", "/orders").json()["items"] == []
