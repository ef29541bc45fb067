"""What a simulated channel remembers: orders and refunds, and how they may change. One till a channel, safe for threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from simulators.channels.keys import word


@dataclass(frozen=True)
class Order:
    """`paid_at` None: not paid. `closed`: nobody can pay it any more."""

    number: str
    fen: int
    notify_url: str
    expires_at: datetime | None
    code: str
    trade: str
    paid_at: datetime | None = None
    closed: bool = False


@dataclass(frozen=True)
class Refund:
    number: str
    order: str
    fen: int
    at: datetime
    state: Literal["done", "pending", "failed"]


class Refusal(Exception):
    """What the channel answers instead: an HTTP status and its code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Till:
    """`refunds_become`: how a new refund stands. `broken`: so many further requests are answered with an error of the channel.

    `deaf`: so many further requests are done, and answered with an error all the same.
    """

    now: Callable[[], datetime]
    prefix: str
    orders: dict[str, Order] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    refunds_become: Literal["done", "pending", "failed"] = "done"
    broken: int = 0
    deaf: int = 0
    asked: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def stumble(self, how: Literal["broken", "deaf"]) -> None:
        """Raises `Refusal` as often as is asked for."""
        with self.lock:
            left = getattr(self, how)
            if left:
                setattr(self, how, left - 1)
                raise Refusal(500, "SYSTEM_ERROR")

    def create(self, number: str, fen: int, notify_url: str, expires_at: datetime | None) -> Order:
        """The same order again is the same order. Raises `Refusal` for another under its number."""
        with self.lock:
            known = self.orders.get(number)
            if known is not None:
                if known.paid_at is not None:
                    raise Refusal(400, "ORDERPAID")
                if known.closed:
                    raise Refusal(400, "ORDER_CLOSED")
                if known.fen != fen:
                    raise Refusal(400, "INVALID_REQUEST")
                return known
            made = Order(number, fen, notify_url, expires_at, f"{self.prefix}{word(20)}", f"42000{word(23)}")
            self.orders[number] = made
            return made

    def order(self, number: str) -> Order:
        """Raises `Refusal`."""
        found = self.orders.get(number)
        if found is None:
            raise Refusal(404, "ORDER_NOT_EXIST")
        return found

    def by_code(self, code: str) -> Order:
        """The order that a driver scans."""
        return next(order for order in self.orders.values() if order.code == code)

    def close(self, number: str) -> None:
        """Raises `Refusal` for one that is paid."""
        with self.lock:
            order = self.order(number)
            if order.paid_at is not None:
                raise Refusal(400, "ORDERPAID")
            self.orders[number] = replace(order, closed=True)

    def pay(self, number: str, at: datetime | None = None) -> Order | None:
        """The driver pays; None where the order is closed, expired or paid."""
        with self.lock:
            order = self.orders.get(number)
            at = at or self.now()
            if order is None or order.closed or order.paid_at is not None:
                return None
            if order.expires_at is not None and at >= order.expires_at:
                return None
            self.orders[number] = replace(order, paid_at=at)
            return self.orders[number]

    def refund(self, number: str, order_number: str, fen: int) -> tuple[Refund, bool]:
        """The refund, and whether it is new. Raises `Refusal` for more than was paid, or another under its number."""
        with self.lock:
            order = self.order(order_number)
            known = self.refunds.get(number)
            if known is not None:
                if (known.order, known.fen) != (order_number, fen):
                    raise Refusal(400, "INVALID_REQUEST")
                if known.state == "failed":
                    # Asked for again under its own number, as the channel wants it.
                    self.refunds[number] = known = replace(known, state=self.refunds_become)
                return known, False
            given = sum(one.fen for one in self.refunds.values() if one.order == order_number and one.state != "failed")
            if order.paid_at is None or given + fen > order.fen:
                raise Refusal(403, "NOT_ENOUGH")
            made = Refund(number, order_number, fen, self.now(), self.refunds_become)
            self.refunds[number] = made
            return made, True

    def settle(self, number: str, state: Literal["done", "failed"]) -> Refund:
        """A pending refund reaches the driver, or does not."""
        with self.lock:
            self.refunds[number] = replace(self.refunds[number], state=state)
            return self.refunds[number]
