"""Merchant accounts (收款主体) at the payment channels, as settings: who is paid, with which keys, through which address.

A secret is never itself a setting: a setting says where it lies, `file:/run/secrets/wechat.pem` or `env:WECHAT_KEY`, and it is read
when the account is first used. So no dump of the settings and no log line can hold one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SECRET_BYTES_MAX = 64 * 1024
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
WECHAT_ADDRESS = "https://api.mch.weixin.qq.com"
ALIPAY_ADDRESS = "https://openapi.alipay.com/gateway.do"


class SecretMissing(Exception):
    """A secret is not where the settings say. The words name the place, never what lies there."""


def _place(value: str) -> str:
    kind, _, where = value.partition(":")
    if kind not in {"file", "env"} or not where:
        raise ValueError("say where it lies: file:/path or env:NAME")
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "https" and parts.hostname:
        return value.rstrip("/")
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        return value.rstrip("/")  # a simulated channel on this machine
    raise ValueError("an https address, or http on loopback for a simulated channel")


Secret = Annotated[str, AfterValidator(_place)]
Address = Annotated[str, AfterValidator(_address)]
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]


def read(place: str) -> str:
    """The secret that lies at a place, as text. Raises `SecretMissing`."""
    kind, _, where = place.partition(":")
    if kind == "env":
        found = os.environ.get(where, "").strip()
        if not found:
            raise SecretMissing(f"the environment variable {where} is not set")
        return found
    try:
        with Path(where).open("rb") as file:
            return file.read(_SECRET_BYTES_MAX).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SecretMissing(f"{where} cannot be read: {type(problem).__name__}") from None


class _Account(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fee(_Account):
    """手续费: what was agreed with the channel. `rate_ppm`: 6000 is 0.60 %. Of refunds the fee is `returned`, or `kept` by the channel."""

    rate_ppm: int = Field(ge=0, le=100_000)
    rounding: Literal["half_up", "half_even", "down", "up"] = "half_up"
    refunds: Literal["returned", "kept"] = "returned"


class WechatAccount(_Account):
    """微信支付 APIv3, a direct merchant, verified by WeChat Pay's public key (微信支付公钥).

    `product`: `native`, a QR code to be scanned, or `h5`, a link for the browser of the phone that pays. `fund_flow`: whether the account's
    资金账单 is fetched, too, for which the merchant may lack the permission. `fee`: None: its fees are not checked. `app_secret`: of the
    application (公众号): with it whoever opens the page inside WeChat pays there (JSAPI).
    """

    app_id: Id
    merchant_no: Id
    serial_no: Id
    private_key: Secret
    api_v3_key: Secret
    public_key: Secret
    public_key_id: Id
    product: Literal["native", "h5"] = "native"
    app_secret: Secret | None = None
    fund_flow: bool = True
    fee: Fee | None = None
    address: Address = WECHAT_ADDRESS
    sign_in_address: Address = "https://open.weixin.qq.com"
    login_address: Address = "https://api.weixin.qq.com"

    @property
    def number(self) -> str:
        """What the channel knows the account by."""
        return self.merchant_no


class AlipayAccount(_Account):
    """支付宝 with RSA2 keys; `seller_id` is the account (2088…) that receives the money. `fee` as for WeChat Pay."""

    app_id: Id
    seller_id: Id
    private_key: Secret
    public_key: Secret
    fee: Fee | None = None
    address: Address = ALIPAY_ADDRESS

    @property
    def number(self) -> str:
        return self.seller_id


class FileAccount(_Account):
    """An account whose statements come as files: each day's is expected and missed, and never fetched. Nobody is paid through it from here.

    `account`: the number that its files give, 商户代码 of UnionPay's. `fee` as for WeChat Pay.
    """

    account: Id
    fee: Fee | None = None

    @property
    def number(self) -> str:
        return self.account


class MerchantChannels(_Account):
    """One merchant's accounts at the channels; None: it has none there."""

    wechat: WechatAccount | None = None
    alipay: AlipayAccount | None = None
    unionpay: FileAccount | None = None

    def numbers(self) -> dict[str, str]:
        """The accounts' numbers, by channel."""
        accounts = {channel: getattr(self, channel) for channel in type(self).model_fields}
        return {channel: account.number for channel, account in accounts.items() if account is not None}


def one_owner_each(channels: Mapping[str, MerchantChannels]) -> None:
    """Raises `ValueError` where two merchants have one account: each would get its money's statements, and both count it."""
    owners: dict[tuple[str, str], str] = {}
    for merchant, accounts in channels.items():
        for account in accounts.numbers().items():
            if (other := owners.setdefault(account, merchant)) != merchant:
                channel, number = account
                raise ValueError(
                    f"{other} and {merchant} both have the {channel} account {number}: each account is one merchant's;"
                    " let the sites that are paid through it name the same merchant"
                )
