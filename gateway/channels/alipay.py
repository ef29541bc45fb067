"""支付宝 through `python-alipay-sdk`: orders to be scanned or opened (当面付 precreate), queries, closing, refunds, callbacks (RSA2).

What the library leaves to us, as read in its source (3.4.0): a callback of another application or seller verifies all the same, so
application, seller and amount are checked here; it stamps requests in this computer's local time where the channel wants UTC+8; and
its gateway is not a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from http.client import HTTPException
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

from alipay import AliPay
from alipay.exceptions import AliPayException, AliPayValidationError
from alipay.utils import AliPayConfig

from gateway.channels.download import download
from gateway.channels.port import (
    REQUEST_SECONDS,
    Damaged,
    Declined,
    Forged,
    Notice,
    OrderSaid,
    OrderState,
    RefundSaid,
    RefundState,
    ToPay,
    ToRefund,
    Unavailable,
)
from gateway.runtime.channel_settings import AlipayAccount, read
from gateway.runtime.clock import Clock, SystemClock

BEIJING = timezone(timedelta(hours=8))
_STAMP = "%Y-%m-%d %H:%M:%S"
_FIELDS_MAX = 100
_BILL = "alipay.data.dataservice.bill.downloadurl.query"
_ZIP = b"PK\x03\x04"
_SUCCESS = "10000"
_AGAIN = frozenset({"20000", "10003"})
_STATES = {
    "TRADE_SUCCESS": OrderState.PAID,
    "TRADE_FINISHED": OrderState.PAID,
    "WAIT_BUYER_PAY": OrderState.OPEN,
    "TRADE_CLOSED": OrderState.CLOSED,
}


def open_account(account: AlipayAccount) -> Alipay:
    """Raises `SecretMissing`, and what the library says of a key that is none."""
    return Alipay(account)


class _Client(AliPay):  # type: ignore[misc]  # the library has no types
    """The library at the account's address, stamping requests as the channel reads them."""

    def __init__(self, account: AlipayAccount, clock: Clock) -> None:
        super().__init__(
            appid=account.app_id,
            app_private_key_string=_pem(read(account.private_key), "RSA PRIVATE KEY"),
            alipay_public_key_string=_pem(read(account.public_key), "PUBLIC KEY"),
            sign_type="RSA2",
            config=AliPayConfig(timeout=REQUEST_SECONDS),
        )
        self._gateway = account.address
        self._clock = clock

    def build_body(self, method: str, biz_content: Any = None, **more: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().build_body(method, biz_content, **more)
        data["timestamp"] = self._clock.now().astimezone(BEIJING).strftime(_STAMP)
        return data


class Alipay:
    """One application of one seller."""

    def __init__(self, account: AlipayAccount, clock: Clock | None = None) -> None:
        self._account = account
        self._client = _Client(account, clock or SystemClock())

    def create(self, order: ToPay) -> str:
        said = self._ask(
            self._client.api_alipay_trade_precreate,
            subject=order.description,
            out_trade_no=order.number,
            total_amount=_yuan(order.amount_fen),
            notify_url=order.notify_url,
            seller_id=self._account.seller_id,
            time_expire=order.expires_at.astimezone(BEIJING).strftime(_STAMP),
        )
        return _text(said, "qr_code")

    def query(self, number: str) -> OrderSaid:
        try:
            said = self._ask(self._client.api_alipay_trade_query, out_trade_no=number)
        except _Refusal as refusal:
            if refusal.code == "ACQ.TRADE_NOT_EXIST":
                return OrderSaid(number=number, state=OrderState.UNKNOWN)
            raise
        return _order(said, "send_pay_date")

    def close(self, number: str) -> OrderState:
        try:
            self._ask(self._client.api_alipay_trade_close, out_trade_no=number)
        except _Refusal as refusal:
            if refusal.code == "ACQ.TRADE_NOT_EXIST":
                return OrderState.CLOSED  # nobody has scanned it; what is scanned later has expired
            if refusal.code in {"ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID"}:
                return self.query(number).state
            raise
        return OrderState.CLOSED

    def refund(self, refund: ToRefund) -> RefundSaid:
        said = self._ask(
            self._client.api_alipay_trade_refund,
            refund_amount=_yuan(refund.amount_fen),
            out_trade_no=refund.order,
            out_request_no=refund.number,
            refund_reason=refund.reason[:80],
        )
        if said.get("fund_change") == "Y":
            return RefundSaid(number=refund.number, state=RefundState.DONE, amount_fen=refund.amount_fen)
        # Asked for before: whether money moved then, only a query says.
        return RefundSaid(number=refund.number, state=RefundState.PENDING)

    def query_refund(self, number: str, order: str) -> RefundSaid:
        try:
            said = self._ask(
                self._client.api_alipay_trade_fastpay_refund_query, out_request_no=number, out_trade_no=order
            )
        except _Refusal as refusal:
            if refusal.code in {"ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST"}:
                return RefundSaid(number=number, state=RefundState.UNKNOWN)
            raise
        if said.get("refund_status") == "REFUND_SUCCESS":
            return RefundSaid(number=number, state=RefundState.DONE, amount_fen=_fen(said.get("refund_amount")))
        return RefundSaid(number=number, state=RefundState.UNKNOWN)

    def bill(self, kind: str, day: date, into: BinaryIO) -> bool:
        try:
            said = self._ask(
                self._client.server_api, api_name=_BILL, biz_content={"bill_type": kind, "bill_date": day.isoformat()}
            )
        except _Refusal as refusal:
            # Told bare in the documentation, and as `isp.bill_not_exist` by the gateway.
            if refusal.code.upper().endswith("BILL_NOT_EXIST"):
                return False
            raise
        # Valid for 30 seconds: no time to lose, and no second try with the same one.
        download("支付宝", self._download_address(_text(said, "bill_download_url", 2048)), into, {})
        into.seek(0)
        if into.read(len(_ZIP)) != _ZIP:
            raise Damaged("what 支付宝 sent is no ZIP archive")
        return True

    def _download_address(self, url: str) -> str:
        """Alipay still tells it with http: what names payers goes over TLS, except to a simulated channel on this machine."""
        parts, own = urlsplit(url), urlsplit(self._account.address)
        if own.scheme == "http" and parts.scheme == "http" and parts.netloc == own.netloc:
            return url
        host = parts.hostname or ""
        if own.scheme != "https" or parts.scheme not in {"http", "https"} or not host.endswith(".alipay.com"):
            raise Declined("支付宝 tells an address that is not its own")
        return parts._replace(scheme="https", netloc=host).geturl()

    def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice:
        del headers, now  # a notice is sent again with its first date for 25 hours: what it says counts once anyway
        try:
            pairs = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=_FIELDS_MAX
            )
        except (UnicodeDecodeError, ValueError):
            raise Forged("not a form") from None
        said = dict(pairs)
        if len(said) != len(pairs):
            raise Forged("a field stands in it twice")
        signature, kind = said.pop("sign", ""), said.pop("sign_type", "")
        if kind != "RSA2" or not signature:
            raise Forged("signed in a way that is not ours")
        try:
            # What is empty is not signed.
            holds = self._client.verify({name: value for name, value in said.items() if value}, signature)
        except Exception as problem:  # whatever a forger makes the library trip over
            raise Forged(f"unreadable: {type(problem).__name__}") from None
        if not holds:
            raise Forged("the signature does not hold")
        if said.get("app_id") != self._account.app_id or said.get("seller_id") != self._account.seller_id:
            raise Forged("it is for another application or seller")
        notice_id = said.get("notify_id", "")
        if not 0 < len(notice_id) <= 128:
            raise Forged("it has no id")
        try:
            return Notice(id=notice_id, said=_order(said, "gmt_payment"))
        except Declined as problem:
            raise Forged(str(problem)) from None

    def _ask(self, call: Any, **asked: Any) -> dict[str, Any]:
        """A call of the library: its answer. Raises `Unavailable`, `Declined`."""
        try:
            said = call(**asked)
        except AliPayException:
            # Nobody has signed it: what it says of an order decides nothing.
            raise Unavailable("支付宝 refused the request itself: see that application and keys are right") from None
        except (OSError, HTTPException, AliPayValidationError, ValueError, KeyError) as problem:
            raise Unavailable(
                f"支付宝 did not answer, or with something not its own: {type(problem).__name__}"
            ) from None
        code = str(said.get("code", ""))
        if code == _SUCCESS:
            return dict(said)
        refusal = _Refusal(code, str(said.get("sub_code", ""))[:60])
        if code in _AGAIN or refusal.code == "ACQ.SYSTEM_ERROR":
            raise Unavailable(str(refusal))
        raise refusal


class _Refusal(Declined):
    """A refusal with the channel's sub-code."""

    def __init__(self, status: str, code: str) -> None:
        super().__init__(f"支付宝 answered {status} {code or 'without a code'}")
        self.code = code


def _order(said: dict[str, Any], paid_at: str) -> OrderSaid:
    state = _STATES.get(str(said.get("trade_status")), OrderState.OPEN)
    if state is OrderState.CLOSED and said.get(paid_at):
        state = OrderState.PAID  # refunded to the last fen: it was paid, and the refund is told by itself
    paid = state is OrderState.PAID
    return OrderSaid(
        number=_text(said, "out_trade_no"),
        state=state,
        amount_fen=_fen(said.get("total_amount")) if paid else None,
        trade=_text(said, "trade_no") if paid else None,
        paid_at=_instant(said.get(paid_at)) if paid else None,
    )


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _fen(value: Any) -> int:
    try:
        fen = Decimal(str(value)) * 100
    except InvalidOperation:
        raise Declined("the channel's answer has an amount that is none") from None
    if not fen.is_finite() or fen != fen.to_integral_value() or not 0 < fen < 2**53:
        raise Declined("the channel's answer has an amount that is none")
    return int(fen)


def _text(said: dict[str, Any], name: str, most: int = 512) -> str:
    found = said.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= most:
        raise Declined(f"the channel's answer has no {name}")
    return found


def _instant(value: Any) -> datetime | None:
    try:
        return datetime.strptime(str(value), _STAMP).replace(tzinfo=BEIJING)
    except ValueError:
        return None


def _pem(key: str, kind: str) -> str:
    """The channel hands keys out without their frame."""
    return key if key.startswith("-----") else f"-----BEGIN {kind}-----\n{key}\n-----END {kind}-----"
