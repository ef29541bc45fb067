"""A simulated 支付宝: the calls of the open platform that parking needs, and its signed callbacks (RSA2 over sorted pairs)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

from simulators.channels.bills import Bills, alipay_bills, alipay_file
from simulators.channels.keys import Key, word
from simulators.channels.till import Order, Refusal, Till

BEIJING = timezone(timedelta(hours=8))
_STAMP = "%Y-%m-%d %H:%M:%S"
_CODES = {
    "ORDER_NOT_EXIST": "ACQ.TRADE_NOT_EXIST",
    "ORDERPAID": "ACQ.TRADE_STATUS_ERROR",
    "ORDER_CLOSED": "ACQ.TRADE_HAS_CLOSE",
    "NOT_ENOUGH": "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    "INVALID_REQUEST": "ACQ.INVALID_PARAMETER",
    # It knows no "not yet": what is not written is not there.
    "STATEMENT_CREATING": "isp.bill_not_exist",
    "NO_STATEMENT_EXIST": "isp.bill_not_exist",
    "PARAM_ERROR": "isv.invalid-arguments",
}
_BILL = "alipay.data.dataservice.bill.downloadurl.query"
DOWNLOAD = "/downloadBillFile.resource"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Alipay:
    """One seller's Alipay."""

    till: Till
    app_id: str = "2021000122671234"
    seller_id: str = "2088102146225135"
    merchant: Key = field(default_factory=Key)
    platform: Key = field(default_factory=Key)
    address: str = ""
    bills: Bills = field(init=False)

    def __post_init__(self) -> None:
        self.bills = alipay_bills(self.till)

    def download(self, query: str) -> Answer:
        """A statement that was told of, for 30 seconds; nobody signs here."""
        return self.bills.download(parse_qs(query).get("fileId", [""])[0], "application/octet-stream")

    def answer(self, query: str) -> Answer:
        """One request, all of it in the query; its signature must hold."""
        said = dict(parse_qsl(query, keep_blank_values=True))
        method, signature = said.get("method", ""), said.pop("sign", "")
        name = f"{method.replace('.', '_')}_response"
        if said.get("app_id") != self.app_id or not self.merchant.holds(_pairs(said), signature):
            unsigned = {
                "error_response": {"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-signature"}
            }
            return 200, _JSON, json.dumps(unsigned).encode()
        try:
            self.till.stumble("broken")
            result = {"code": "10000", "msg": "Success"} | self._do(method, said, json.loads(said["biz_content"]))
            self.till.stumble("deaf")
        except Refusal as refusal:
            code = "20000" if refusal.status >= 500 else "40004"
            result = {"code": code, "msg": "Business Failed", "sub_code": _CODES.get(refusal.code, refusal.code)}
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        return 200, _JSON, f'{{"{name}":{text},"sign":"{self.platform.sign(text)}"}}'.encode()

    def _do(self, method: str, said: dict[str, str], asked: dict[str, Any]) -> dict[str, Any]:
        if method == _BILL:
            day = date.fromisoformat(asked["bill_date"])
            token = self.bills.offer(alipay_file(self.bills.of(day, asked["bill_type"]), self.seller_id, day))
            return {"bill_download_url": f"{self.address}{DOWNLOAD}?bizType={asked['bill_type']}&fileId={token}"}
        number = asked["out_trade_no"]
        if method == "alipay.trade.precreate":
            expires = datetime.strptime(asked["time_expire"], _STAMP).replace(tzinfo=BEIJING)
            made = self.till.create(number, _fen(asked["total_amount"]), said["notify_url"], expires)
            return {"out_trade_no": number, "qr_code": made.code}
        order = self.till.order(number)
        if method == "alipay.trade.query":
            return self._trade(order) | ({"send_pay_date": _stamp(order.paid_at)} if order.paid_at else {})
        if method == "alipay.trade.close":
            self.till.close(number)
            return {"out_trade_no": number, "trade_no": order.trade}
        if method == "alipay.trade.refund":
            refund, new = self.till.refund(asked["out_request_no"], number, _fen(asked["refund_amount"]))
            changed = "Y" if new and refund.state == "done" else "N"
            return {"out_trade_no": number, "refund_fee": asked["refund_amount"], "fund_change": changed}
        if method == "alipay.trade.fastpay.refund.query":
            known = self.till.refunds.get(asked["out_request_no"])
            if known is None or known.state != "done":
                return {}
            return {
                "out_request_no": known.number,
                "refund_amount": _yuan(known.fen),
                "refund_status": "REFUND_SUCCESS",
            }
        raise Refusal(400, "isv.invalid-method")

    def _trade(self, order: Order) -> dict[str, str]:
        refunded = sum(
            one.fen for one in self.till.refunds.values() if one.order == order.number and one.state == "done"
        )
        closed = order.closed or (order.paid_at is not None and refunded == order.fen)
        return {
            "out_trade_no": order.number,
            "trade_no": order.trade,
            "total_amount": _yuan(order.fen),
            "trade_status": "TRADE_CLOSED" if closed else "TRADE_SUCCESS" if order.paid_at else "WAIT_BUYER_PAY",
        }

    def paid_notice(self, order: Order, *, notice_id: str | None = None, **other: str) -> Answer:
        """The callback of a payment: (200, headers, body). `other`: fields that say something else."""
        said = {
            "notify_type": "trade_status_sync",
            "notify_id": notice_id or word(34),
            "notify_time": _stamp(self.till.now()),
            "charset": "utf-8",
            "version": "1.0",
            "app_id": self.app_id,
            "auth_app_id": self.app_id,
            "seller_id": self.seller_id,
            "buyer_id": "2088722033871957",
            "subject": "停车费",
            "receipt_amount": _yuan(order.fen),
            "fund_bill_list": json.dumps([{"amount": _yuan(order.fen), "fundChannel": "ALIPAYACCOUNT"}]),
            **self._trade(order),
            "trade_status": "TRADE_SUCCESS",
            "gmt_payment": _stamp(order.paid_at or self.till.now()),
            **other,
        }
        body = urlencode(said | {"sign": self.platform.sign(_pairs(said)), "sign_type": "RSA2"})
        return 200, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, body.encode()


_JSON = {"Content-Type": "application/json;charset=utf-8"}


def _pairs(said: dict[str, str]) -> str:
    return "&".join(f"{name}={said[name]}" for name in sorted(said) if said[name])


def _stamp(at: datetime) -> str:
    return at.astimezone(BEIJING).strftime(_STAMP)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _fen(yuan: str) -> int:
    return int(Decimal(yuan) * 100)
