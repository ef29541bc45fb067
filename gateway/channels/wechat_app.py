"""微信支付 inside WeChat (JSAPI): who pays is asked of WeChat itself, and the order is handed to the app's own browser.

A code to be scanned is of no use on the phone that shows it, and WeChat opens no other payment within itself. The library makes the order
and the signature; signing in (网页授权, `snsapi_base`: no consent, nothing but an `openid`) is WeChat's, not WeChat Pay's, and ours here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import requests

from gateway.channels.port import REQUEST_SECONDS, Declined, Unavailable
from gateway.runtime.channel_settings import WechatAccount, read
from gateway.runtime.ids import random_token

_OPENID_MAX = 128
_ANSWER_MAX = 16 * 1024


class WithinWechat:
    """Of one account: `sign` is the library's signature of lines with the merchant's key."""

    def __init__(self, account: WechatAccount, sign: Callable[[list[str]], str]) -> None:
        assert account.app_secret is not None
        self._account = account
        self._secret = read(account.app_secret)
        self._sign = sign

    def sign_in(self, back: str, state: str) -> str:
        asked = {
            "appid": self._account.app_id,
            "redirect_uri": back,
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
        }
        return f"{self._account.sign_in_address}/connect/oauth2/authorize?{urlencode(asked)}#wechat_redirect"

    def who(self, code: str) -> str:
        asked = {
            "appid": self._account.app_id,
            "secret": self._secret,
            "code": code,
            "grant_type": "authorization_code",
        }
        where = f"{self._account.login_address}/sns/oauth2/access_token"
        try:
            answer = requests.get(where, params=asked, timeout=REQUEST_SECONDS, allow_redirects=False)
            said: Any = answer.json() if len(answer.content) <= _ANSWER_MAX else None
        except (requests.RequestException, OSError, ValueError) as problem:
            # Its words would quote the address, in which the secret stands.
            raise Unavailable(f"微信 did not say who pays: {type(problem).__name__}") from None
        openid = said.get("openid") if isinstance(said, dict) else None
        if not isinstance(openid, str) or not 0 < len(openid) <= _OPENID_MAX or not openid.isascii():
            number = said.get("errcode") if isinstance(said, dict) else None
            raise Declined(f"微信 does not say who pays: {number if isinstance(number, int) else 'no reason'}")
        return openid

    def call(self, prepaid: str, now: datetime) -> dict[str, str]:
        stamp, nonce, package = str(int(now.timestamp())), random_token(16), f"prepay_id={prepaid}"
        return {
            "appId": self._account.app_id,
            "timeStamp": stamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self._sign([self._account.app_id, stamp, nonce, package]),
        }
