"""The neutral schema of what we tell devices: commands, receipts, the offline list."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Action(StrEnum):
    OPEN = "open"
    CLOSE = "close"
    HOLD_OPEN = "hold_open"
    RELEASE = "release"
    SHOW = "show"


class Reason(StrEnum):
    """Why a barrier opens, or why a display shows something without opening.

    `RESIDENT` stands for a pass and for a low-income exemption alike: on the wire, on displays and to guards they are
    the same word. The true reason is stored apart.
    """

    TEMPORARY = "temporary"
    RESIDENT = "resident"
    RELATIVE_ALLOWANCE = "relative_allowance"
    FREE_CLASS = "free_class"
    FREE_MINUTES = "free_minutes"
    VOUCHER = "voucher"
    PAID = "paid"
    PAY_LATER = "pay_later"
    STAFF = "staff"
    EMERGENCY = "emergency"

    PAYMENT_DUE = "payment_due"
    NO_ENTRY = "no_entry"
    UNREADABLE = "unreadable"
    NOT_REGISTERED = "not_registered"
    FULL = "full"
    BLOCKED = "blocked"


class PayPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """Shown as a QR code: where to pay, and how much (integer fen)."""

    url: str
    fen: int


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a controller is asked to do, until when.

    A controller acts only if both limits allow it: `expires_at` (its own clock) and `ttl_ms` (from reception).
    Both hold for every action except `show`.
    """

    id: str
    action: Action
    lane: str
    reason: Reason
    expires_at: datetime
    ttl_ms: int
    event: str | None = None
    show: tuple[str, ...] = ()
    say: str | None = None
    pay: PayPrompt | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """These events and results are in the database: the device may forget them."""

    events: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


class ListEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle that a gate lets through by itself while it has no connection. No reason and no name is in it."""

    plate: str
    until: datetime


class WholeList(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    entries: tuple[ListEntry, ...] = ()
    full: bool = True


class ListDelta(msgspec.Struct, frozen=True, kw_only=True, rename={"from_version": "from"}):
    """Applied only by a device at `from_version`; another gets the whole list again."""

    version: int
    from_version: int
    add: tuple[ListEntry, ...] = ()
    remove: tuple[str, ...] = ()
