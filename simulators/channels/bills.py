"""What a simulated channel hands out of its days: statements of what its till took, when they are ready, and what goes wrong on the way."""

from __future__ import annotations

import gzip
import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal

from simulators.channels.keys import word
from simulators.channels.till import Order, Refund, Refusal, Till
from simulators.statement_day import fee_of
from simulators.statements import SHANGHAI, Deal, alipay_zip, wechat_fund_flow, wechat_trade

Trouble = Literal["creating", "busy", "wrong_hash", "half", "cut", "page", "dropped"]
"""Of the request for the address: it is still being written, or the channel is broken, or another hash is told. Of the download: half of it and
then nothing, half of it as if that were all, a page of words, or no answer at all.
"""
_PAGE = "<!doctype html><title>系统繁忙</title><p>系统繁忙，请稍后再试。</p>".encode()
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Bills:
    """`ready`: when yesterday's is there, local time. `days_back`: how long. `valid`: how long an address holds. `more`: deals besides the till's.

    `troubles`: what happens to the next requests, one each. `late`: days whose statement the channel has not written yet.
    """

    till: Till
    ready: time
    days_back: int
    valid: timedelta
    more: dict[date, list[Deal]] = field(default_factory=dict)
    troubles: deque[Trouble] = field(default_factory=deque)
    late: set[date] = field(default_factory=set)
    told: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def deals(self, day: date) -> list[Deal]:
        """What was paid and given back on a day, in the order of time."""
        orders, refunds = dict(self.till.orders), list(self.till.refunds.values())
        found = [_paid(order, order.paid_at) for order in orders.values() if order.paid_at is not None]
        found += [_given_back(refund, orders[refund.order]) for refund in refunds if refund.state != "failed"]
        of_the_day = [deal for deal in found if deal.local.date() == day]
        return sorted([*self.more.get(day, ()), *of_the_day], key=lambda deal: deal.at)

    def of(self, day: date, kind: str) -> list[Deal]:
        """The deals of a day whose statement is ready. Raises `Refusal`."""
        self.asked.append(f"{day} {kind}")
        if self._next("busy"):
            raise Refusal(500, "SYSTEM_ERROR")
        local = self.till.now().astimezone(SHANGHAI)
        if not local.date() - timedelta(days=self.days_back) <= day < local.date():
            raise Refusal(400, "PARAM_ERROR")
        early = local < datetime.combine(day + timedelta(days=1), self.ready, SHANGHAI)
        if early or day in self.late or self._next("creating"):
            raise Refusal(400, "STATEMENT_CREATING")
        found = self.deals(day)
        if not found:
            raise Refusal(400, "NO_STATEMENT_EXIST")
        return found

    def offer(self, data: bytes) -> str:
        """The token under which a file can be had for a while."""
        token = word(32)
        self.told[token] = (data, self.till.now() + self.valid)
        return token

    def hash(self, data: bytes) -> str:
        """SHA-1 as the channel tells it."""
        right = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return right[::-1] if self._next("wrong_hash") else right

    def download(self, token: str, kind: str) -> Answer:
        data, until = self.told.get(token, (b"", self.till.now()))
        if self.till.now() >= until:
            return 403, {"Content-Type": "text/html"}, _PAGE
        said = {"Content-Type": kind}
        if self._next("dropped"):
            return 200, {**said, "Content-Length": str(len(data)), "Connection": "close"}, b""
        if self._next("half"):
            return 200, {**said, "Content-Length": str(len(data)), "Connection": "close"}, data[: len(data) // 2]
        if self._next("cut"):
            return 200, said, data[: len(data) // 2]
        if self._next("page"):
            return 200, {"Content-Type": "text/html; charset=utf-8"}, _PAGE
        return 200, said, data

    def _next(self, trouble: Trouble) -> bool:
        if not self.troubles or self.troubles[0] != trouble:
            return False
        self.troubles.popleft()
        return True


def _paid(order: Order, at: datetime) -> Deal:
    return Deal(order=order.number, number=order.trade, at=at, amount_fen=order.fen, fee_fen=fee_of(order.fen))


def _given_back(refund: Refund, order: Order) -> Deal:
    return Deal(
        order=order.number,
        number=order.trade,
        at=refund.at,
        amount_fen=refund.fen,
        fee_fen=fee_of(refund.fen),
        refund=refund.number,
        refund_id=f"5030{refund.number}",
    )


def wechat_bills(till: Till) -> Bills:
    return Bills(till, ready=time(10), days_back=90, valid=timedelta(minutes=5))


def alipay_bills(till: Till) -> Bills:
    return Bills(till, ready=time(9), days_back=365, valid=timedelta(seconds=30))


def wechat_file(deals: Sequence[Deal], account: str, *, fund_flow: bool) -> bytes:
    """As WeChat Pay writes it, not packed."""
    return b"".join(wechat_fund_flow(deals, account) if fund_flow else wechat_trade(deals, account))


def packed(data: bytes) -> bytes:
    """The same bytes for the same file."""
    return gzip.compress(data, mtime=0)


def alipay_file(deals: Sequence[Deal], seller: str, day: date) -> bytes:
    """As Alipay packs it, under the account's number with 0156 behind it."""
    exported = datetime.combine(day + timedelta(days=1), time(8, 30), SHANGHAI)
    return alipay_zip(deals, f"{seller}0156", day, exported)
