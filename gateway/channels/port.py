"""The port of payment channels: what the flows ask of a channel, and what it answers, in the words of the trade.

An adapter speaks its channel's wire through a client library, checks signatures and who is paid, and translates names and amounts. It
knows no database. Money is integer fen; instants are aware.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

import msgspec

REQUEST_SECONDS = 4.0
"""How long a channel has for an answer: a notice must be answered within 5 s, and a driver waits."""


class ChannelError(Exception):
    """The channel did not do what was asked. The words are safe to log and to show: no key, no payer."""


class Unavailable(ChannelError):
    """The channel did not answer, or not in time: what became of it is not known. Ask again, with the same number."""


class Damaged(Unavailable):
    """What was downloaded is not the file that the channel told of: cut off, changed, or a page that says something else."""


class NotReady(ChannelError):
    """The channel is still writing the statement. Ask again in half an hour."""


class Declined(ChannelError):
    """The channel answered, and will not do it."""


class Forged(Exception):
    """A notice that the channel did not send: wrong signature, not for us, or not fresh. `probe`: the channel's own test of us."""

    def __init__(self, why: str, *, probe: bool = False) -> None:
        super().__init__(why)
        self.probe = probe


class OrderState(StrEnum):
    """How an order stands at its channel."""

    OPEN = "open"
    PAID = "paid"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """The channel has no such order: nobody has tried to pay it."""


class RefundState(StrEnum):
    """How a refund stands at its channel."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class ToPay(msgspec.Struct, frozen=True, kw_only=True):
    """An order to be opened at a channel. `number`: at most 32 letters and digits. `payer_address`: of the phone, for links.

    `payer`: whose phone it is that pays inside the channel's app, as `WithinApp.who` said; empty: whoever scans.
    """

    number: str
    amount_fen: int
    description: str
    expires_at: datetime
    notify_url: str
    payer_address: str = ""
    payer: str = ""


class OrderSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel says of an order. `trade`: its own number. `amount_fen`: of the order, coupons included."""

    number: str
    state: OrderState
    amount_fen: int | None = None
    trade: str | None = None
    paid_at: datetime | None = None


class RefundSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel says of a refund."""

    number: str
    state: RefundState
    amount_fen: int | None = None
    detail: str = ""


class ToRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund, under a number of ours that stays the same however often it is asked for."""

    number: str
    order: str
    amount_fen: int
    order_fen: int
    reason: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A callback that is really the channel's: its id there, and what it says."""

    id: str
    said: OrderSaid | RefundSaid | None


class WithinApp(Protocol):
    """An account whose orders can be paid inside the channel's own app, on the phone that shows the page."""

    def sign_in(self, back: str, state: str) -> str:
        """Where the phone is sent to say whose it is; it comes back to `back` with a code and `state`."""
        ...

    def who(self, code: str) -> str:
        """Whose phone came back with a code. Raises `Unavailable`, `Declined`."""
        ...

    def call(self, prepaid: str, now: datetime) -> dict[str, str]:
        """What the app's own browser is handed for an order (`create` with a payer), signed."""
        ...


class Channel(Protocol):
    """One merchant account at one channel."""

    def create(self, order: ToPay) -> str:
        """Open an order; returns what the driver's phone opens or scans, with a payer what `WithinApp.call` takes.

        Raises `Unavailable`, `Declined`.
        """
        ...

    def query(self, number: str) -> OrderSaid:
        """Raises `Unavailable`, `Declined`."""
        ...

    def close(self, number: str) -> OrderState:
        """Let nobody pay it any more. Answers how it stands then: `closed`, or `paid` where somebody was faster.

        Raises `Unavailable`, `Declined`.
        """
        ...

    def refund(self, refund: ToRefund) -> RefundSaid:
        """Raises `Unavailable`, `Declined`."""
        ...

    def query_refund(self, number: str, order: str) -> RefundSaid:
        """Raises `Unavailable`, `Declined`."""
        ...

    def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice:
        """Read a callback. `headers` by names in lower case. Raises `Forged`."""
        ...

    def bill(self, kind: str, day: date, into: BinaryIO) -> bool:
        """Write the statement of a day (`trade`, `fund_flow`) into a file, packed as the channel packs it. False: it had nothing that day.

        What is in the file counts only once this has returned. Raises `NotReady`, `Damaged`, `Unavailable`, `Declined`.
        """
        ...
