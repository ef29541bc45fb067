"""A simulated 微信支付: the endpoints of APIv3 that parking needs, and its signed, sealed callbacks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

from simulators.channels.bills import Bills, packed, wechat_bills, wechat_file
from simulators.channels.keys import Key, seal, word
from simulators.channels.till import Order, Refund, Refusal, Till

BEIJING = timezone(timedelta(hours=8))
PROBE = "WECHATPAY/SIGNTEST/"
_ORDER = re.compile(r"/v3/pay/transactions/out-trade-no/([^/?]+)(/close)?")
_REFUND = re.compile(r"/v3/refund/domestic/refunds/([^/?]+)")
_DOWNLOAD = "/v3/billdownload/file"
_AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')
_REFUNDED = {"done": "SUCCESS", "pending": "PROCESSING", "failed": "ABNORMAL"}
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Wechat:
    """One merchant's WeChat Pay."""

    till: Till
    merchant_no: str = "1900000109"
    app_id: str = "wxd678efh567hg6787"
    serial_no: str = "444F4864EA9B34415F5F8B5A7D6C2E1A"
    public_key_id: str = field(default_factory=lambda: f"PUB_KEY_ID_{word(24).upper()}")
    api_v3_key: str = field(default_factory=lambda: word(32))
    merchant: Key = field(default_factory=Key)
    platform: Key = field(default_factory=Key)
    address: str = ""
    bills: Bills = field(init=False)
    app_secret: str = field(default_factory=lambda: word(32))
    # Whose phone signs in next; of codes given out, and of orders inside the app, whose they are.
    phone: str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    codes: dict[str, str] = field(default_factory=dict)
    openids: set[str] = field(default_factory=set)
    prepaid: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bills = wechat_bills(self.till)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request of a merchant, whose signature must hold."""
        if not self._signed(method, path, headers.get("authorization", ""), body.decode()):
            return _refused(401, "SIGN_ERROR")
        if path.startswith(_DOWNLOAD):
            # The one answer that nobody signs.
            return self.bills.download(_asked(path, "token"), "application/x-gzip")
        try:
            self.till.stumble("broken")
            said = self._do(method, path, json.loads(body) if body else {})
            self.till.stumble("deaf")
        except Refusal as refusal:
            return _refused(refusal.status, refusal.code)
        text = "" if said is None else json.dumps(said)
        return (204 if said is None else 200), self.signed(text), text.encode()

    def _do(self, method: str, path: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        kind = path.partition("?")[0].rpartition("/")[2]
        if method == "POST" and path in {f"/v3/pay/transactions/{one}" for one in ("native", "h5", "jsapi")}:
            expires = asked.get("time_expire")
            order = self.till.create(
                asked["out_trade_no"],
                asked["amount"]["total"],
                asked["notify_url"],
                datetime.fromisoformat(expires) if expires else None,
            )
            if kind == "jsapi":
                return self._inside(order, asked.get("payer", {}).get("openid"))
            if order.number in self.prepaid:
                raise Refusal(400, "INVALID_REQUEST")
            return {f"{'h5' if kind == 'h5' else 'code'}_url": order.code}
        if (found := _ORDER.match(path)) is not None:
            if found[2]:
                self.till.close(found[1])
                return None
            return self.transaction(self.till.order(found[1]))
        if method == "POST" and path == "/v3/refund/domestic/refunds":
            refund, _ = self.till.refund(asked["out_refund_no"], asked["out_trade_no"], asked["amount"]["refund"])
            return self.refunded(refund)
        if (found := _REFUND.match(path)) is not None:
            if found[1] not in self.till.refunds:
                raise Refusal(404, "RESOURCE_NOT_EXISTS")
            return self.refunded(self.till.refunds[found[1]])
        if path.startswith("/v3/bill/"):
            return self._bill(path, kind)
        raise Refusal(404, "NOT_FOUND")

    def _inside(self, order: Order, openid: str | None) -> dict[str, Any]:
        if openid not in self.openids:
            raise Refusal(400, "PARAM_ERROR")
        whose, prepaid = self.prepaid.setdefault(order.number, (str(openid), f"wx{word(34)}"))
        if whose != openid:
            raise Refusal(400, "INVALID_REQUEST")
        return {"prepay_id": prepaid}

    def login(self, path: str, query: str) -> Answer:
        """网页授权: the phone is sent back with a code, and the code says once whose it is."""
        asked = dict(parse_qsl(query))
        if path.endswith("/authorize"):
            code = word(32)
            self.codes[code] = self.phone
            back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked.get('state', '')})}"
            return 302, {"Location": back}, b""
        mine = (asked.get("appid"), asked.get("secret")) == (self.app_id, self.app_secret)
        openid = self.codes.pop(asked.get("code", ""), None) if mine else None
        said: dict[str, Any] = {"errcode": 40029, "errmsg": "invalid code"}
        if openid is not None:
            self.openids.add(openid)
            said = {"openid": openid}
        return 200, {"Content-Type": "text/plain"}, json.dumps(said).encode()

    def confirms(self, call: Mapping[str, str], openid: str) -> Order | None:
        """The owner of a phone says yes to what its browser was handed; None where the app would refuse it."""
        lines = [call[name] for name in ("appId", "timeStamp", "nonceStr", "package")]
        holds = self.merchant.holds("\n".join(lines) + "\n", call["paySign"]) and call["appId"] == self.app_id
        prepaid = call["package"].removeprefix("prepay_id=")
        number = next((one for one, said in self.prepaid.items() if said == (openid, prepaid)), None)
        return self.till.pay(number, None) if holds and number is not None else None

    def _bill(self, path: str, kind: str) -> dict[str, Any]:
        """Where a day's statement can be had for five minutes, and the hash of what it unpacks to."""
        if kind not in {"tradebill", "fundflowbill"} or not _asked(path, "bill_date"):
            raise Refusal(400, "PARAM_ERROR")
        day, flow = date.fromisoformat(_asked(path, "bill_date")), kind == "fundflowbill"
        data = wechat_file(self.bills.of(day, kind), self.merchant_no, fund_flow=flow)
        token = self.bills.offer(packed(data) if _asked(path, "tar_type") == "GZIP" else data)
        url = f"{self.address}{_DOWNLOAD}?token={token}"
        return {"download_url": url, "hash_type": "SHA1", "hash_value": self.bills.hash(data)}

    def transaction(self, order: Order) -> dict[str, Any]:
        """An order as queries and callbacks tell it."""
        said: dict[str, Any] = {
            "appid": self.app_id,
            "mchid": self.merchant_no,
            "out_trade_no": order.number,
            "trade_state": "SUCCESS" if order.paid_at else "CLOSED" if order.closed else "NOTPAY",
            "amount": {"total": order.fen, "currency": "CNY"},
        }
        if order.paid_at is not None:
            refunded = any(one.order == order.number and one.state == "done" for one in self.till.refunds.values())
            said |= {
                "trade_state": "REFUND" if refunded else "SUCCESS",
                "transaction_id": order.trade,
                "trade_type": "NATIVE",
                "success_time": order.paid_at.astimezone(BEIJING).replace(microsecond=0).isoformat(),
                "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
            }
        return said

    def refunded(self, refund: Refund, status: str = "status") -> dict[str, Any]:
        """A refund as queries and callbacks tell it."""
        return {
            "mchid": self.merchant_no,
            "refund_id": f"5030{refund.number}",
            "out_refund_no": refund.number,
            "out_trade_no": refund.order,
            status: _REFUNDED[refund.state],
            "amount": {"refund": refund.fen, "total": self.till.orders[refund.order].fen, "currency": "CNY"},
        }

    def paid_notice(self, order: Order, *, notice_id: str | None = None, at: datetime | None = None) -> Answer:
        """The callback of a payment: (200, headers, body)."""
        said = self.transaction(order) | {"trade_state": "SUCCESS"}
        return self._notice("TRANSACTION.SUCCESS", "transaction", said, notice_id, at)

    def refund_notice(self, refund: Refund, *, notice_id: str | None = None, at: datetime | None = None) -> Answer:
        """The callback of a refund."""
        kind = {"done": "SUCCESS", "failed": "ABNORMAL", "pending": "PROCESSING"}[refund.state]
        return self._notice(f"REFUND.{kind}", "refund", self.refunded(refund, "refund_status"), notice_id, at)

    def _notice(
        self, event: str, original: str, said: dict[str, Any], notice_id: str | None, at: datetime | None
    ) -> Answer:
        nonce = word(12)
        document = {
            "id": notice_id or word(36),
            "create_time": self.till.now().astimezone(BEIJING).replace(microsecond=0).isoformat(),
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": {
                "original_type": original,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": seal(self.api_v3_key, nonce, original, json.dumps(said)),
                "associated_data": original,
                "nonce": nonce,
            },
        }
        text = json.dumps(document, ensure_ascii=False)
        return 200, self.signed(text, at), text.encode()

    def probe(self, order: Order) -> Answer:
        """The channel's test of whether a wrong signature is refused: everything right but the signature."""
        _, headers, body = self.paid_notice(order)
        return 200, headers | {"Wechatpay-Signature": f"{PROBE}{headers['Wechatpay-Signature'][len(PROBE) :]}"}, body

    def signed(self, text: str, at: datetime | None = None) -> dict[str, str]:
        """The headers of an answer or a callback."""
        timestamp, nonce = str(int((at or self.till.now()).timestamp())), word(32)
        return {
            "Content-Type": "application/json; charset=utf-8",
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": self.public_key_id,
            "Wechatpay-Signature": self.platform.sign(f"{timestamp}\n{nonce}\n{text}\n"),
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }

    def _signed(self, method: str, path: str, authorization: str, body: str) -> bool:
        said = dict(_AUTHORIZATION.findall(authorization))
        message = f"{method}\n{path}\n{said.get('timestamp')}\n{said.get('nonce_str')}\n{body}\n"
        mine = (said.get("mchid"), said.get("serial_no")) == (self.merchant_no, self.serial_no)
        return mine and self.merchant.holds(message, said.get("signature", ""))


def _asked(path: str, name: str) -> str:
    return parse_qs(path.partition("?")[2]).get(name, [""])[0]


def _refused(status: int, code: str) -> Answer:
    document = {"code": code, "message": "refused by the simulated channel"}
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()
