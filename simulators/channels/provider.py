"""Both simulated channels behind one loopback HTTP server, the files with a merchant's keys, and callbacks sent to the merchant."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from simulators.channels.alipay import DOWNLOAD, Alipay
from simulators.channels.keys import Key
from simulators.channels.till import Order, Till
from simulators.channels.wechat import Answer, Wechat

_PAGE = (
    '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}（模拟）</title><h1>{title}（模拟）</h1><p>{amount}</p>{button}</html>"
)
_BODY_MAX = 64 * 1024
_ANSWER_SECONDS = 5.0


class Provider:
    """`now` is the channels' clock. A context manager: while it is open, it answers on `port`.

    `keys`: the merchant's and the channels', where they are not to be made anew. `wallets`: what a driver scans leads to a page of this
    server, on which anybody can play the driver and pay.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        port: int = 0,
        keys: tuple[Key, Key] | None = None,
        wallets: bool = False,
    ) -> None:
        merchant, platform = keys or (Key(), Key())
        self.wechat = Wechat(Till(now, "weixin://wxpay/bizpayurl?pr="), merchant=merchant, platform=platform)
        self.alipay = Alipay(Till(now, "https://qr.alipay.com/bax"), merchant=merchant, platform=platform)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="channels", daemon=True)
        self.port = int(self._server.server_address[1])
        self.wechat.address = self.alipay.address = self.address
        if wallets:
            for name in ("wechat", "alipay"):
                self.till(name).prefix = f"{self.address}/wallet/{name}/"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Answer, until `close`."""
        self._thread.start()

    def close(self) -> None:
        """May be called without `open`."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def accounts(self, folder: Path, *merchants: str) -> dict[str, Any]:
        """The setting `channels` for merchants (`hushu`); the keys go into files below a folder that only its owner reads."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        secrets = {
            "wechat-private-key.pem": self.wechat.merchant.private_pem(),
            "wechat-api-v3-key": self.wechat.api_v3_key,
            "wechat-public-key.pem": self.wechat.platform.public_pem(),
            "wechat-app-secret": self.wechat.app_secret,
            "alipay-private-key.pem": self.alipay.merchant.private_pem(pkcs1=True),
            "alipay-public-key.pem": self.alipay.platform.public_pem(),
        }
        for name, text in secrets.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        lies = {name: f"file:{(folder / name).resolve()}" for name in secrets}
        accounts = {
            "wechat": {
                "app_id": self.wechat.app_id,
                "merchant_no": self.wechat.merchant_no,
                "serial_no": self.wechat.serial_no,
                "private_key": lies["wechat-private-key.pem"],
                "api_v3_key": lies["wechat-api-v3-key"],
                "public_key": lies["wechat-public-key.pem"],
                "public_key_id": self.wechat.public_key_id,
                "app_secret": lies["wechat-app-secret"],
                "address": self.address,
                "sign_in_address": self.address,
                "login_address": self.address,
            },
            "alipay": {
                "app_id": self.alipay.app_id,
                "seller_id": self.alipay.seller_id,
                "private_key": lies["alipay-private-key.pem"],
                "public_key": lies["alipay-public-key.pem"],
                "address": f"{self.address}/gateway.do",
            },
        }
        return dict.fromkeys(merchants or ("hushu",), accounts)

    def till(self, channel: str) -> Till:
        return self.wechat.till if channel == "wechat" else self.alipay.till

    def pays(self, channel: str, number: str, at: datetime | None = None) -> Order | None:
        """The driver pays; None where nobody can any more. Nobody is told."""
        return self.till(channel).pay(number, at)

    def paid_notice(self, channel: str, order: Order, **more: Any) -> Answer:
        """The callback of a payment, signed."""
        if channel == "wechat":
            return self.wechat.paid_notice(order, **more)
        return self.alipay.paid_notice(order, **more)

    def wallet(self, path: str, *, pays: bool) -> str | None:
        """The page of a driver's wallet below `/wallet/`; None where there is none. `pays`: the driver pays, and the merchant is told."""
        channel, _, _ = path.removeprefix("/wallet/").partition("/")
        if channel not in {"wechat", "alipay"}:
            return None
        order = next((one for one in self.till(channel).orders.values() if one.code.endswith(path)), None)
        if order is None:
            return None
        paid = self.pays(channel, order.number) if pays else None
        if paid is not None:
            with suppress(OSError):  # then the merchant asks
                self.tells(channel, paid)
        order = self.till(channel).orders[order.number]
        word = "已支付" if order.paid_at else "已关闭" if order.closed else None
        button = word or '<form method="post"><button>支付</button></form>'
        amount = f"¥{order.fen // 100}.{order.fen % 100:02d}"
        return _PAGE.format(title={"wechat": "微信支付", "alipay": "支付宝"}[channel], amount=amount, button=button)

    def tells(self, channel: str, order: Order) -> tuple[int, str]:
        """Send the callback of a payment to where the order said; the merchant's answer."""
        return send(order.notify_url, self.paid_notice(channel, order))


def send(url: str, notice: Answer) -> tuple[int, str]:
    """POST a callback; (status, body) of the answer. Raises `OSError` where nobody answers within 5 s."""
    _, headers, body = notice
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", parts.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Nothing: what is asked holds keys and signatures."""

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _BODY_MAX)))

        def _answer(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            if path.startswith("/wallet/"):
                page = provider.wallet(path, pays=self.command == "POST")
                status, answer = (200, page.encode()) if page else (404, b"")
                said = {"Content-Type": "text/html; charset=utf-8"}
            elif path.startswith(("/connect/oauth2/", "/sns/oauth2/")):
                status, said, answer = provider.wechat.login(path, query)
            elif path == DOWNLOAD:
                status, said, answer = provider.alipay.download(query)
            elif path == "/gateway.do":
                provider.alipay.till.asked.append(query.partition("method=")[2].partition("&")[0])
                status, said, answer = provider.alipay.answer(query or body.decode())
            else:
                provider.wechat.till.asked.append(f"{self.command} {path}")
                status, said, answer = provider.wechat.answer(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in said.items():
                self.send_header(name, value)
            if status != 204 and "Content-Length" not in said:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    return Handler
