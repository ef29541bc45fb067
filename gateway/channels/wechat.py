"""微信支付 APIv3 through `wechatpayv3`: Native, H5 or JSAPI orders, queries, closing, refunds, callbacks.

What the library leaves to us, as read in its source (2.0.4): how old a callback is; a callback without `Wechatpay-Signature-Type`,
which is an exception there; a callback under another serial, for which it would fetch certificates from the channel while a forger
waits; and to whom a decrypted order belongs. A signature that does not verify is None there, and `Forged` here. It takes a statement
into memory, whatever it is, and compares no hash: its own signer signs the request, the download is ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, BinaryIO

import requests
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.utils import build_authorization, load_private_key

from gateway.channels.download import download, sha1_unpacked
from gateway.channels.port import (
    REQUEST_SECONDS,
    Damaged,
    Declined,
    Forged,
    Notice,
    NotReady,
    OrderSaid,
    OrderState,
    RefundSaid,
    RefundState,
    ToPay,
    ToRefund,
    Unavailable,
)
from gateway.channels.wechat_app import WithinWechat
from gateway.runtime.channel_settings import WechatAccount, read

BEIJING = timezone(timedelta(hours=8))
FRESH = timedelta(seconds=300)
"""How far a callback's timestamp may be from our clock. Source: WeChat Pay's rules of verification."""
PROBE = "WECHATPAY/SIGNTEST/"
_SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
_NUMBER_MAX = 32
_REASON_MAX = 80  # bytes
_STATES = {
    "SUCCESS": OrderState.PAID,
    "REFUND": OrderState.PAID,
    "NOTPAY": OrderState.OPEN,
    "USERPAYING": OrderState.OPEN,
    "ACCEPT": OrderState.OPEN,
    "PAYERROR": OrderState.OPEN,
    "CLOSED": OrderState.CLOSED,
    "REVOKED": OrderState.CLOSED,
}
_REFUND_STATES = {
    "SUCCESS": RefundState.DONE,
    "PROCESSING": RefundState.PENDING,
    "CLOSED": RefundState.FAILED,
    "ABNORMAL": RefundState.FAILED,
}
_NO_SUCH_ORDER = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})
_PAID_ALREADY = frozenset({"ORDERPAID", "ORDER_PAID"})
# The channel's side is busy or broken: the same request again may do.
_AGAIN = frozenset({"SYSTEM_ERROR", "SYSTEMERROR", "BANKERROR", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED"})


def open_account(account: WechatAccount) -> Wechat:
    """Raises `SecretMissing`, and what the library says of a key that is none."""
    return Wechat(account)


class Wechat:
    """One merchant number."""

    def __init__(self, account: WechatAccount) -> None:
        self._account = account
        key = read(account.private_key)
        self._key = load_private_key(key)
        self._type = WeChatPayType.H5 if account.product == "h5" else WeChatPayType.NATIVE
        self._client = WeChatPay(
            wechatpay_type=self._type,
            mchid=account.merchant_no,
            private_key=key,
            cert_serial_no=account.serial_no,
            appid=account.app_id,
            apiv3_key=read(account.api_v3_key),
            public_key=read(account.public_key),
            public_key_id=account.public_key_id,
            timeout=(REQUEST_SECONDS / 2, REQUEST_SECONDS),
        )
        # The library has no parameter for it: sub-merchants' proxies and the simulated channel live elsewhere.
        self._client._core._gate_way = account.address  # noqa: SLF001

        self.within = WithinWechat(account, self._client.sign) if account.app_secret is not None else None

    def create(self, order: ToPay) -> str:
        scene = None
        if self._type == WeChatPayType.H5 and not order.payer:
            scene = {"payer_client_ip": order.payer_address or "127.0.0.1", "h5_info": {"type": "Wap"}}
        said = self._ask(
            self._client.pay,
            description=order.description,
            out_trade_no=order.number,
            amount={"total": order.amount_fen, "currency": "CNY"},
            time_expire=order.expires_at.astimezone(BEIJING).replace(microsecond=0).isoformat(),
            notify_url=order.notify_url,
            scene_info=scene,
            payer={"openid": order.payer} if order.payer else None,
            pay_type=WeChatPayType.JSAPI if order.payer else self._type,
        )
        return _text(said, "prepay_id" if order.payer else "h5_url" if scene else "code_url")

    def query(self, number: str) -> OrderSaid:
        try:
            return self._order(self._ask(self._client.query, out_trade_no=number))
        except _Refusal as refusal:
            if refusal.code in _NO_SUCH_ORDER:
                return OrderSaid(number=number, state=OrderState.UNKNOWN)
            raise

    def close(self, number: str) -> OrderState:
        try:
            self._ask(self._client.close, out_trade_no=number)
        except _Refusal as refusal:
            if refusal.code in _PAID_ALREADY:
                return OrderState.PAID
            if refusal.code in _NO_SUCH_ORDER or refusal.code in {"ORDER_CLOSED", "ORDERCLOSED"}:
                return OrderState.CLOSED
            raise
        return OrderState.CLOSED

    def refund(self, refund: ToRefund) -> RefundSaid:
        said = self._ask(
            self._client.refund,
            out_refund_no=refund.number,
            out_trade_no=refund.order,
            amount={"refund": refund.amount_fen, "total": refund.order_fen, "currency": "CNY"},
            reason=_bytes_at_most(refund.reason, _REASON_MAX),
        )
        return self._refunded(said, "status")

    def query_refund(self, number: str, order: str) -> RefundSaid:
        del order
        try:
            return self._refunded(self._ask(self._client.query_refund, out_refund_no=number), "status")
        except _Refusal as refusal:
            if refusal.code in _NO_SUCH_ORDER:
                return RefundSaid(number=number, state=RefundState.UNKNOWN)
            raise

    def bill(self, kind: str, day: date, into: BinaryIO) -> bool:
        call = {"trade": self._client.trade_bill, "fund_flow": self._client.fundflow_bill}[kind]
        try:
            said = self._ask(call, bill_date=day.isoformat(), tar_type="GZIP")
        except _Refusal as refusal:
            if refusal.code == "NO_STATEMENT_EXIST":
                return False
            if refusal.code == "STATEMENT_CREATING":
                raise NotReady("微信支付 is still writing the statement") from None
            raise
        url, wanted = _text(said, "download_url", 2048), _text(said, "hash_value").lower()
        where = f"{self._account.address}/"
        if not url.startswith(where) or said.get("hash_type") != "SHA1":
            raise Declined("微信支付 tells an address that is not its own, or a hash that is no SHA-1")
        # Valid for five minutes. The request is signed as any other, the answer is not: only the hash in the one before vouches for it.
        path = url[len(where) - 1 :]
        signed = build_authorization(path, "GET", self._account.merchant_no, self._account.serial_no, self._key)
        download("微信支付", url, into, {"Authorization": signed, "Accept": "*/*"})
        if sha1_unpacked("微信支付", into) != wanted:
            raise Damaged("what 微信支付 sent is not the statement whose hash it told")
        return True

    def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice:
        signed = {name: headers.get(f"wechatpay-{name}", "") for name in ("signature", "timestamp", "nonce", "serial")}
        kind = headers.get("wechatpay-signature-type", _SIGNATURE_TYPE)
        if signed["signature"].startswith(PROBE):
            raise Forged("the channel's own test of our check", probe=True)
        if signed["serial"] != self._account.public_key_id:
            raise Forged("signed under a key that is not this account's")
        if kind != _SIGNATURE_TYPE:
            raise Forged("signed in a way that is not ours")
        _check_fresh(signed["timestamp"], now)
        wanted = {f"wechatpay-{name}": value for name, value in signed.items()} | {"wechatpay-signature-type": kind}
        try:
            document = self._client.callback(wanted, body)
        except Exception as problem:  # whatever a forger makes the library trip over
            raise Forged(f"unreadable: {type(problem).__name__}") from None
        if not isinstance(document, dict):
            raise Forged("the signature does not hold, or it is not encrypted for this account")
        return self._read(document)

    def _read(self, document: dict[str, Any]) -> Notice:
        resource = document.get("resource")
        notice_id = document.get("id")
        if not isinstance(resource, dict) or not isinstance(notice_id, str) or not 0 < len(notice_id) <= 64:
            raise Forged("it has no id, or says nothing")
        if resource.get("mchid") != self._account.merchant_no:
            raise Forged("it is for another merchant")
        event = str(document.get("event_type", ""))
        try:
            if event.startswith("TRANSACTION."):
                return Notice(id=notice_id, said=self._order(resource))
            if event.startswith("REFUND."):
                return Notice(id=notice_id, said=self._refunded(resource, "refund_status"))
        except Declined as problem:
            raise Forged(str(problem)) from None
        return Notice(id=notice_id, said=None)

    def _order(self, said: dict[str, Any]) -> OrderSaid:
        if said.get("appid") != self._account.app_id or said.get("mchid") != self._account.merchant_no:
            raise Declined("the channel speaks of an order of another merchant or application")
        state = _STATES.get(str(said.get("trade_state")), OrderState.OPEN)
        if state is not OrderState.PAID:
            return OrderSaid(number=_text(said, "out_trade_no"), state=state)
        amount = said.get("amount")
        if not isinstance(amount, dict) or amount.get("currency", "CNY") != "CNY":
            raise Declined("the channel speaks of a payment without its amount in yuan")
        return OrderSaid(
            number=_text(said, "out_trade_no"),
            state=state,
            amount_fen=_fen(amount.get("total")),
            trade=_text(said, "transaction_id"),
            paid_at=_instant(said.get("success_time")),
        )

    def _refunded(self, said: dict[str, Any], status: str) -> RefundSaid:
        amount = said.get("amount")
        state = _REFUND_STATES.get(str(said.get(status)), RefundState.PENDING)
        return RefundSaid(
            number=_text(said, "out_refund_no"),
            state=state,
            amount_fen=_fen(amount.get("refund")) if isinstance(amount, dict) else None,
            detail=str(said.get(status, ""))[:64],
        )

    def _ask(self, call: Any, **asked: Any) -> dict[str, Any]:
        """A call of the library: its answer. Raises `Unavailable`, `Declined`."""
        try:
            code, answer = call(**asked)
        except (requests.RequestException, OSError) as problem:
            raise Unavailable(f"微信支付 did not answer: {type(problem).__name__}") from None
        except Exception as problem:  # the library's own: an answer whose signature does not hold
            raise Unavailable(f"微信支付 answered something that is not its own: {type(problem).__name__}") from None
        document = _document(answer)
        if 200 <= code < 300:
            return document
        refusal = _Refusal(code, str(document.get("code", ""))[:40])
        if code >= 500 or code == 429 or refusal.code in _AGAIN:
            raise Unavailable(str(refusal))
        raise refusal


class _Refusal(Declined):
    """A refusal with the channel's code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"微信支付 answered {status} {code or 'without a code'}")
        self.code = code


def _check_fresh(timestamp: str, now: datetime) -> None:
    if not timestamp.isdecimal() or len(timestamp) > 12:
        raise Forged("without a timestamp")
    if abs(now.timestamp() - int(timestamp)) > FRESH.total_seconds():
        raise Forged("not fresh")


def _document(answer: Any) -> dict[str, Any]:
    try:
        found = json.loads(answer) if answer else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(said: dict[str, Any], name: str, most: int = 512) -> str:
    found = said.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= most:
        raise Declined(f"the channel's answer has no {name}")
    return found


def _fen(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        raise Declined("the channel's answer has an amount that is none")
    return value


def _instant(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _bytes_at_most(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")
