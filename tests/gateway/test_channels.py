"""The adapters against the simulated channels over real HTTP: what they ask, what they believe, and what they do not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from gateway.channels.accounts import Accounts
from gateway.channels.port import (
    Channel,
    Declined,
    Forged,
    OrderSaid,
    OrderState,
    RefundSaid,
    RefundState,
    ToPay,
    ToRefund,
    Unavailable,
)
from gateway.runtime.channel_settings import MerchantChannels, SecretMissing
from gateway.runtime.settings import Settings, SettingsError, load
from simulators.channels.provider import Provider
from simulators.channels.till import Order

NOW = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
EACH = pytest.mark.parametrize("channel", ["wechat", "alipay"])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Accounts]]:
    with Provider(lambda: NOW) as provider:
        folder = tmp_path_factory.mktemp("keys")
        settings = {name: MerchantChannels.model_validate(one) for name, one in provider.accounts(folder).items()}
        yield provider, Accounts(settings)


@pytest.fixture
def provider(keys: tuple[Provider, Accounts]) -> Provider:
    provider = keys[0]
    for till in (provider.wechat.till, provider.alipay.till):
        till.orders.clear()
        till.refunds.clear()
        till.refunds_become, till.broken, till.deaf = "done", 0, 0
    return provider


@pytest.fixture
def accounts(keys: tuple[Provider, Accounts]) -> Accounts:
    return keys[1]


def the(accounts: Accounts, channel: str) -> Channel:
    found = accounts.get("hushu", channel)
    assert found is not None
    return found


def an_order(channel: Channel, number: str = "o1", fen: int = 1000) -> str:
    return channel.create(
        ToPay(
            number=number,
            amount_fen=fen,
            description="停车费 信义坊",
            expires_at=NOW + timedelta(minutes=5),
            notify_url="http://127.0.0.1:9/pay/notify",
        )
    )


def paid(provider: Provider, channel: str, number: str = "o1") -> Order:
    order = provider.pays(channel, number)
    assert order is not None
    return order


def read(channel: Channel, notice: tuple[int, dict[str, str], bytes], now: datetime = NOW) -> Any:
    _, headers, body = notice
    return channel.notice({name.lower(): value for name, value in headers.items()}, body, now)


@EACH
def test_an_order_is_opened_asked_for_and_paid(provider: Provider, accounts: Accounts, channel: str) -> None:
    mine = the(accounts, channel)
    code = an_order(mine)
    assert provider.till(channel).by_code(code).fen == 1000
    assert an_order(mine) == code  # the same again
    assert mine.query("o1") == OrderSaid(number="o1", state=OrderState.OPEN)
    order = paid(provider, channel)
    assert mine.query("o1") == OrderSaid(
        number="o1", state=OrderState.PAID, amount_fen=1000, trade=order.trade, paid_at=NOW
    )
    assert mine.query("nobody").state is OrderState.UNKNOWN


@EACH
def test_what_is_closed_cannot_be_paid_and_what_is_paid_cannot_be_closed(
    provider: Provider, accounts: Accounts, channel: str
) -> None:
    mine = the(accounts, channel)
    an_order(mine)
    assert mine.close("o1") is OrderState.CLOSED
    assert provider.pays(channel, "o1") is None
    assert mine.query("o1").state is OrderState.CLOSED
    an_order(mine, "o2")
    paid(provider, channel, "o2")
    assert mine.close("o2") is OrderState.PAID
    assert mine.close("nobody") is OrderState.CLOSED


@EACH
def test_money_goes_back_once_under_one_number(provider: Provider, accounts: Accounts, channel: str) -> None:
    mine = the(accounts, channel)
    an_order(mine)
    paid(provider, channel)
    part = ToRefund(number="r1", order="o1", amount_fen=400, order_fen=1000, reason="多付" * 60)
    assert mine.query_refund("r1", "o1").state is RefundState.UNKNOWN
    assert mine.refund(part) == RefundSaid(
        number="r1", state=RefundState.DONE, amount_fen=400, detail="SUCCESS" if channel == "wechat" else ""
    )
    assert mine.refund(part).state in {RefundState.DONE, RefundState.PENDING}
    assert mine.query_refund("r1", "o1").state is RefundState.DONE
    assert sum(one.fen for one in provider.till(channel).refunds.values()) == 400
    with pytest.raises(Declined):
        mine.refund(ToRefund(number="r2", order="o1", amount_fen=601, order_fen=1000, reason="-"))
    assert mine.query("o1").state is OrderState.PAID


@EACH
def test_a_channel_that_is_broken_or_away_is_not_believed(
    provider: Provider, accounts: Accounts, channel: str, tmp_path: Path
) -> None:
    mine = the(accounts, channel)
    provider.till(channel).broken = 1
    with pytest.raises(Unavailable):
        an_order(mine)
    elsewhere = provider.accounts(tmp_path)
    for account in elsewhere["hushu"].values():
        account["address"] = "http://127.0.0.1:9"
    away = Accounts({"hushu": MerchantChannels.model_validate(elsewhere["hushu"])})
    with pytest.raises(Unavailable):
        an_order(the(away, channel))


@EACH
def test_an_answer_that_is_not_signed_by_the_channel_is_not_believed(
    provider: Provider, accounts: Accounts, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulators.channels.keys import Key

    mine = the(accounts, channel)
    an_order(mine)
    monkeypatch.setattr(getattr(provider, channel), "platform", Key())
    with pytest.raises(Unavailable):
        mine.query("o1")


@EACH
def test_a_notice_says_what_was_paid(provider: Provider, accounts: Accounts, channel: str) -> None:
    mine = the(accounts, channel)
    an_order(mine)
    order = paid(provider, channel)
    notice = read(mine, provider.paid_notice(channel, order, notice_id="n1"))
    assert notice.id == "n1"
    assert notice.said == mine.query("o1")


@EACH
def test_a_forged_notice_is_refused(provider: Provider, accounts: Accounts, channel: str) -> None:
    mine = the(accounts, channel)
    an_order(mine)
    _, headers, body = provider.paid_notice(channel, paid(provider, channel))
    spoiled = body.replace(b"o1", b"o2") if channel == "alipay" else body.replace("支付".encode(), b"paid")
    assert spoiled != body
    for attempt in ((200, headers, spoiled), (200, {}, body[:-1]), (200, headers, b""), (200, headers, b"\xff{")):
        with pytest.raises(Forged) as caught:
            read(mine, attempt)
        assert not caught.value.probe


def test_wechat_probes_are_known_and_refused(provider: Provider, accounts: Accounts) -> None:
    mine = the(accounts, "wechat")
    an_order(mine)
    with pytest.raises(Forged) as caught:
        read(mine, provider.wechat.probe(paid(provider, "wechat")))
    assert caught.value.probe


@pytest.mark.parametrize(("seconds", "fresh"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_wechat_notice_is_fresh_for_five_minutes(
    provider: Provider, accounts: Accounts, seconds: int, fresh: bool
) -> None:
    mine = the(accounts, "wechat")
    an_order(mine)
    notice = provider.wechat.paid_notice(paid(provider, "wechat"), at=NOW + timedelta(seconds=seconds))
    if fresh:
        assert read(mine, notice).said.state is OrderState.PAID
    else:
        with pytest.raises(Forged, match="not fresh"):
            read(mine, notice)


def test_a_wechat_notice_without_the_kind_of_its_signature_is_read_and_another_kind_is_not(
    provider: Provider, accounts: Accounts
) -> None:
    mine = the(accounts, "wechat")
    an_order(mine)
    status, headers, body = provider.wechat.paid_notice(paid(provider, "wechat"))
    headers.pop("Wechatpay-Signature-Type")
    assert read(mine, (status, headers, body)).said.state is OrderState.PAID
    with pytest.raises(Forged):
        read(mine, (status, headers | {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}, body))


def test_a_wechat_notice_under_another_serial_asks_nobody(provider: Provider, accounts: Accounts) -> None:
    mine = the(accounts, "wechat")
    an_order(mine)
    status, headers, body = provider.wechat.paid_notice(paid(provider, "wechat"))
    before = len(provider.wechat.till.asked)
    with pytest.raises(Forged):
        read(mine, (status, headers | {"Wechatpay-Serial": "5157F09EFDC096DE15EBE81A47057A72"}, body))
    assert len(provider.wechat.till.asked) == before


@pytest.mark.parametrize("other", [{"merchant_no": "1900000999"}, {"app_id": "wx-another"}])
def test_a_wechat_notice_for_somebody_else_is_refused(
    provider: Provider, accounts: Accounts, other: dict[str, str]
) -> None:
    mine = the(accounts, "wechat")
    an_order(mine)
    order = paid(provider, "wechat")
    with pytest.raises(Forged):
        read(mine, dataclasses.replace(provider.wechat, **other).paid_notice(order))


@pytest.mark.parametrize("other", [{"app_id": "2021000000000000"}, {"seller_id": "2088000000000000"}])
def test_an_alipay_notice_for_somebody_else_is_refused(
    provider: Provider, accounts: Accounts, other: dict[str, str]
) -> None:
    mine = the(accounts, "alipay")
    an_order(mine)
    with pytest.raises(Forged, match="another"):
        read(mine, provider.alipay.paid_notice(paid(provider, "alipay"), **other))


@pytest.mark.parametrize("amount", ["10.001", "-10.00", "NaN", "1e400", "ten", ""])
def test_an_amount_that_is_none_is_refused(provider: Provider, accounts: Accounts, amount: str) -> None:
    mine = the(accounts, "alipay")
    an_order(mine)
    with pytest.raises(Forged):
        read(mine, provider.alipay.paid_notice(paid(provider, "alipay"), total_amount=amount))


def test_an_alipay_notice_has_each_field_once(provider: Provider, accounts: Accounts) -> None:
    mine = the(accounts, "alipay")
    an_order(mine)
    status, headers, body = provider.alipay.paid_notice(paid(provider, "alipay"))
    twice = urlencode([*parse_qsl(body.decode()), ("total_amount", "0.01")]).encode()
    with pytest.raises(Forged, match="twice"):
        read(mine, (status, headers, twice))


def test_alipay_is_told_the_time_of_beijing(accounts: Accounts) -> None:
    from gateway.channels.alipay import Alipay

    mine = the(accounts, "alipay")
    assert isinstance(mine, Alipay)

    class Clock:
        def now(self) -> datetime:
            return NOW

    mine._client._clock = Clock()
    assert mine._client.build_body("alipay.trade.query")["timestamp"] == "2026-03-02 10:30:00"


def test_a_secret_is_named_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Provider(lambda: NOW) as provider:
        given = provider.accounts(tmp_path)
    monkeypatch.setenv("THE_V3_KEY", provider.wechat.api_v3_key)
    given["hushu"]["wechat"]["api_v3_key"] = "env:THE_V3_KEY"
    settings = Settings(channels=given, secret_key="a secret of the tests only")
    said = f"{settings!r} {settings.model_dump_json()}"
    assert provider.wechat.api_v3_key not in said
    assert "PRIVATE KEY" not in said
    assert Accounts(settings.channels).get("hushu", "wechat") is not None
    monkeypatch.delenv("THE_V3_KEY")
    with pytest.raises(SecretMissing, match="THE_V3_KEY"):
        Accounts(settings.channels).get("hushu", "wechat")


@pytest.mark.parametrize(
    ("name", "value"), [("api_v3_key", "0123456789abcdef"), ("address", "http://api.example.org"), ("tea", "green")]
)
def test_settings_that_cannot_be_right_are_refused(tmp_path: Path, name: str, value: str) -> None:
    with Provider(lambda: NOW) as provider:
        given = provider.accounts(tmp_path)
    given["hushu"]["wechat"][name] = value
    with pytest.raises(ValueError, match=name):
        Settings(channels=given)


@pytest.mark.parametrize(("channel", "number"), [("wechat", "merchant_no"), ("alipay", "seller_id")])
def test_an_account_of_two_merchants_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: str, number: str
) -> None:
    """Each would import its statements, and the money would be there twice."""
    with Provider(lambda: NOW) as provider:
        account = provider.accounts(tmp_path)["hushu"][channel]
    monkeypatch.setenv("PARKGATE_CHANNELS", json.dumps({"hushu": {channel: account}, "other": {channel: account}}))
    with pytest.raises(SettingsError, match=f"^PARKGATE_CHANNELS: hushu and other both have the {channel} account"):
        load()
    another = account | {number: "1900000999"}
    monkeypatch.setenv("PARKGATE_CHANNELS", json.dumps({"hushu": {channel: account}, "other": {channel: another}}))
    assert set(load().channels) == {"hushu", "other"}
