"""What a flow decided, before any of it is stored: the one value between deciding and storing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

import msgspec

from billing.ledger import Transaction
from controllers.events import PlateEvent
from gateway.flows.inbound import Rejected, StatusIn
from gateway.store.records import BillRecord, DoorPassed, EventRecord, StayRecord, VoucherRecord


class PlannedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command in the outbox: `expires_at` is in our clock, `payload` in the device's."""

    site: str
    id: str
    device: str
    lane: str
    event: str | None
    stay: str | None
    action: str
    reason: str
    true_reason: str
    topic: str
    payload: bytes
    planned_at: datetime
    expires_at: datetime
    operator: str | None = None
    opens: bool = False
    shows_only: bool = False


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event to store, and how it stands in memory."""

    record: EventRecord
    said: PlateEvent
    received_at: datetime


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    site: str
    stay: str
    sequence: int
    holder: str
    month: str
    minutes: int
    at: datetime


class VoucherStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one voucher. `fen`: by how much it changes what the voucher takes off a bill."""

    site: str
    serial: int
    sequence: int
    book: str
    kind: str
    from_state: str
    to_state: str
    at: datetime
    business_day: date
    fen: int
    stay: str | None
    operator: str | None


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that needs a person. The same (site, kind, subject) again is counted, not added."""

    site: str
    kind: str
    subject: str
    at: datetime
    lane: str | None = None
    stay: str | None = None
    event: str | None = None
    detail: str = ""


class Outcomed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command."""

    site: str
    command: str
    outcome: str
    at: datetime
    detail: str | None


@dataclass(slots=True)
class Outcome:
    events: list[NewEvent] = field(default_factory=list)
    changed_events: dict[int, EventRecord] = field(default_factory=dict)
    stays: dict[int, StayRecord] = field(default_factory=dict)
    bills: list[BillRecord] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    vouchers: dict[tuple[str, int], VoucherRecord] = field(default_factory=dict)
    voucher_steps: list[VoucherStep] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    commands: list[PlannedCommand] = field(default_factory=list)
    doors: list[DoorPassed] = field(default_factory=list)
    situations: list[Situation] = field(default_factory=list)
    resolved: list[tuple[str, str, str]] = field(default_factory=list)
    outcomes: list[Outcomed] = field(default_factory=list)
    statuses: list[StatusIn] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    turned_away: list[Rejected] = field(default_factory=list)  # found no room in the quarantine
    event_receipts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    result_receipts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    histories: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    repeats: int = 0

    def receipt_event(self, site: str, device: str, event: str) -> None:
        self.event_receipts.setdefault((site, device), []).append(event)

    def receipt_result(self, site: str, device: str, command: str) -> None:
        self.result_receipts.setdefault((site, device), []).append(command)

    def changed(self, event: EventRecord) -> None:
        if not event.new:
            self.changed_events[id(event)] = event

    def touched(self, stay: StayRecord) -> None:
        self.stays[id(stay)] = stay
