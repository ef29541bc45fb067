"""Inside WeChat: whose phone it is, an order that only it can pay, and what its browser is handed; against the simulated channel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.api.app import create_app
from gateway.channels.port import Declined, Unavailable
from gateway.flows.orders import looking
from gateway.flows.pay_token import token
from gateway.wiring import Parts
from tests.gateway.channel_house import PLATE, Phones, channels, local
from tests.gateway.house import Client

IN_WECHAT = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.49"}
MINE, ANOTHER = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "oUpF8uAnother_2pxb1Q9zNjWeS6o"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def street(parts: Parts, tmp_path: Path) -> Iterator[Phones]:
    with channels(parts.clock) as provider:
        yield Phones(parts, provider, tmp_path)


class Browser:
    """WeChat's own, on one phone."""

    def __init__(self, street: Phones, openid: str = MINE) -> None:
        self.street, self.openid = street, openid
        self.client = Client(create_app(street.parts, wall=street.clock))

    def page(self) -> str:
        return f"/pay/{token(self.street.parts.settings.secret(), self.street.stay(PLATE).id)}"

    def back(self) -> str:
        """Sent to WeChat and back; the path with its code."""
        sent = self.client.get(f"{self.page()}/wechat", headers=IN_WECHAT)
        assert sent.status_code == 303, sent.text
        self.street.provider.wechat.phone = self.openid
        answer = httpx.get(sent.headers["location"].partition("#")[0])
        parts = urlsplit(answer.headers["location"])
        return f"{parts.path}?{parts.query}"

    def opens(self, path: str | None = None) -> httpx.Response:
        return self.client.get(path or self.back(), headers=IN_WECHAT)

    def call(self) -> dict[str, str]:
        found = re.search(r'id="call">(.*?)</script>', self.opens().text)
        assert found is not None
        return dict(json.loads(found[1]))


def test_whoever_opens_the_page_in_wechat_pays_there(street: Phones) -> None:
    street.parks()
    street.waits()
    phone = Browser(street)
    page = phone.opens(phone.page()).text
    assert f'href="{phone.page()}/wechat"' in page
    assert 'value="wechat"' not in page, "a code to be scanned is of no use on this phone"
    call = phone.call()
    assert (call["signType"], call["package"][:12]) == ("RSA", "prepay_id=wx")
    paid = street.provider.wechat.confirms(call, MINE)
    assert paid is not None
    assert street.hears("wechat", street.provider.paid_notice("wechat", paid)) == "counted"
    assert street.stay(PLATE).paid_fen == 1000
    assert street.commands[-1].action.value == "show"
    street.holds()


def test_elsewhere_it_is_the_code_to_be_scanned(street: Phones) -> None:
    street.parks()
    street.waits()
    phone = Browser(street)
    page = phone.client.get(phone.page()).text
    assert 'value="wechat"' in page
    assert "/wechat" not in page


def test_the_same_phone_gets_the_same_order_and_another_one_its_own(street: Phones) -> None:
    street.parks()
    street.waits()
    mine, other = Browser(street), Browser(street, ANOTHER)
    first, again = mine.call(), mine.call()
    assert (first["package"], len(street.till("wechat").orders)) == (again["package"], 1)
    theirs = other.call()
    assert theirs["package"] != first["package"]
    assert street.provider.wechat.confirms(first, MINE) is None, "closed before the other could be paid"
    assert street.provider.wechat.confirms(theirs, MINE) is None
    assert street.provider.wechat.confirms(theirs, ANOTHER) is not None
    (last,) = [
        one.id for one in (street.order(number) for number in street.till("wechat").orders) if one.state == "open"
    ]
    looking.look(street.parts, last)
    assert street.stay(PLATE).paid_fen == 1000
    street.holds()


def test_an_order_inside_the_app_is_nobodys_to_scan(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    phone = Browser(street)
    phone.call()
    page = phone.client.get(phone.page()).text
    assert "<svg" not in page
    assert "within:" not in page
    scanned = street.orders(stay)
    assert scanned.code is not None
    assert scanned.code.startswith("weixin://")
    assert street.order(next(iter(street.till("wechat").orders))).state == "closed"


def test_codes_that_are_not_ours_lead_nowhere(street: Phones) -> None:
    street.parks()
    street.waits()
    phone = Browser(street)
    back = phone.back()
    state = parse_qs(urlsplit(back).query)["state"][0]
    page = f"{phone.page()}/wechat"
    assert phone.opens(f"{page}?code=forged&state={state}").status_code == 503
    assert phone.opens(back.replace(state, "0" * 20)).status_code == 422
    assert phone.opens(back.replace(f"&state={state}", "")).status_code == 422
    assert phone.opens(back).status_code == 200
    assert phone.opens(back).status_code == 503, "a code says once whose phone it is"
    assert phone.opens("/pay/xinyi.nothing~forged/wechat").status_code == 404
    assert len(street.till("wechat").orders) == 1


def test_where_nothing_is_due_there_is_no_order(street: Phones) -> None:
    street.parks("09:00")
    street.clock.set(local("09:10"))
    phone = Browser(street)
    assert phone.opens().status_code == 409
    assert street.till("wechat").orders == {}


def test_without_the_applications_secret_it_is_not_offered(street: Phones) -> None:
    street.parks()
    street.waits()
    account = street.parts.channels.get("hushu", "wechat")
    assert account is not None
    account.within = None  # type: ignore[attr-defined]
    phone = Browser(street)
    assert 'value="wechat"' in phone.opens(phone.page()).text
    assert phone.client.get(f"{phone.page()}/wechat", headers=IN_WECHAT).status_code == 422


def test_no_secret_stands_in_what_is_said_of_a_failure(street: Phones) -> None:
    app = street.parts.channels.within("hushu", "wechat")
    assert app is not None
    with pytest.raises(Declined) as declined:
        app.who("forged")
    street.provider.close()
    with pytest.raises(Unavailable) as away:
        app.who("forged")
    for problem in (declined, away):
        assert street.provider.wechat.app_secret not in str(problem.value)
        assert problem.value.__cause__ is None
