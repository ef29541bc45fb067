"""收款主体: each site is paid through its merchant's own accounts, or through those that it shares, from the order to the refund."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.accounts import Accounts
from gateway.flows import estate
from gateway.flows.charges_books import By
from gateway.flows.orders import refunds
from gateway.flows.orders.refusals import ChannelAway, NoSuchOrder, NotTheChannels
from gateway.flows.orders.sending import send
from gateway.runtime.settings import Settings
from gateway.wiring import Parts
from simulators.channels.keys import Key
from simulators.channels.provider import Provider
from tests.gateway.channel_house import PLATE, Phones, channels
from tests.gateway.trade import SITE

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CANAL = SITE.format(capacity=100).replace('merchant = "hushu"', 'merchant = "canal"')
TWO = CANAL.replace("[[site]]", '[[merchant]]\nid = "canal"\nname = "运河"\n\n[[site]]', 1)
BACK = TWO.replace('merchant = "canal"', 'merchant = "hushu"')
LI, WANG = By(operator="li", role="console"), By(operator="wang", role="finance")


class Two(Phones):
    """Merchants hushu and canal with accounts of their own at WeChat Pay; the site is canal's."""

    def __init__(self, parts: Parts, hushu: Provider, canal: Provider, folder: Path) -> None:
        canal.wechat.merchant_no, canal.wechat.app_id = "1900000222", "wx-canal"
        self.hushu = hushu
        super().__init__(parts, canal, folder / "canal")
        accounts = {
            "hushu": hushu.accounts(folder / "hushu")["hushu"],
            "canal": canal.accounts(folder / "canal")["hushu"],
        }
        self.with_accounts(accounts)
        estate.apply(self.parts, TWO)

    def with_accounts(self, accounts: dict[str, Any]) -> None:
        self.accounts_of = accounts
        settings = Settings.model_validate(self.parts.settings.model_dump() | {"channels": accounts})
        self.parts = replace(self.parts, settings=settings, channels=Accounts(settings.channels))

    def waits_to_pay(self) -> Any:
        self.parks()
        return self.orders(self.waits())


@pytest.fixture
def two(parts: Parts, tmp_path: Path) -> Iterator[Two]:
    with ExitStack() as stack:
        hushu = stack.enter_context(channels(parts.clock))
        canal = stack.enter_context(Provider(parts.clock.now, keys=(Key(), Key())))
        canal.wechat.merchant_no, canal.alipay.seller_id = "1900009191", "2088102146229191"
        yield Two(parts, hushu, canal, tmp_path)


def test_a_site_is_paid_through_its_own_merchant_and_paid_back_through_it_for_good(two: Two) -> None:
    order = two.waits_to_pay()
    assert set(two.till("wechat").orders) == {order.id}
    assert two.hushu.till("wechat").orders == {}
    two.pays(order)
    assert two.hears("wechat", two.notice(order)) == "counted"
    two.goes("out-1", "11:11", after="out")
    # From now on the site is the other's; what was paid to the one is its to pay back.
    estate.apply(two.parts, BACK)
    proposed = refunds.propose(two.parts, order.id, "多收", LI, 400)
    refunds.approve(two.parts, proposed.id, 400, WANG)
    assert send(two.parts, proposed.id).state == "done"
    assert set(two.till("wechat").refunds) == {proposed.id}
    assert two.hushu.till("wechat").refunds == {}
    two.holds()


def test_what_another_merchants_account_says_of_an_order_pays_nothing(two: Two) -> None:
    order = two.waits_to_pay()
    told = two.pays(order)
    forged = two.hushu.paid_notice("wechat", told)
    with pytest.raises(NoSuchOrder):
        two.hears("wechat", forged)
    assert two.order(order.id).state == "open"
    assert two.stay(PLATE).paid_fen == 0


@pytest.mark.parametrize("broken", ["gone", "unreadable"])
def test_keys_of_one_merchant_that_cannot_be_used_hold_no_other_up(two: Two, tmp_path: Path, broken: str) -> None:
    order = two.waits_to_pay()
    two.pays(order)
    notice = two.notice(order)
    key = tmp_path / "no key"
    if broken == "unreadable":
        key.write_text("-----BEGIN PRIVATE KEY-----\nnot one\n-----END PRIVATE KEY-----\n")
    hushu = two.accounts_of["hushu"]
    wechat = {**hushu["wechat"], "private_key": f"file:{key}"}
    two.with_accounts({"hushu": {**hushu, "wechat": wechat}, "canal": two.accounts_of["canal"]})
    # It may be the other's own: it comes again when that can be read.
    with pytest.raises(ChannelAway):
        two.hears("wechat", ("", dict.fromkeys(notice[1], "x"), b"{}"))
    assert two.hears("wechat", notice) == "counted"
    two.with_accounts(two.accounts_of | {"hushu": hushu})
    with pytest.raises(NotTheChannels):
        two.hears("wechat", ("", dict.fromkeys(notice[1], "x"), b"{}"))
