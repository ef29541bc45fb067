"""Rows as the flows hold them in memory: changed there, written back once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from billing.bill import Bill
from billing.ledger import Posted
from billing.policy import Policy
from controllers.doors import Hours


class LaneFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A lane with what its gate and site say of it. `door`: of a small gate; `hours`: that one's, None at all hours."""

    site: str
    lane: str
    device: str
    inward: bool
    residents_only: bool
    staffed: bool
    loop: bool
    passage_sensor: bool
    offline_exit: bool
    gate: str = ""
    door: bool = False
    hours: Hours | None = None


class SiteFacts(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    capacity: int
    policy_id: str


# The reserved name under which a pay-later agreement for the whole street stands.
STREET = "street"


@dataclass(slots=True)
class Estate:
    """Everything configured, held in memory and loaded again when it changes."""

    sites: dict[str, SiteFacts]
    devices: frozenset[tuple[str, str]]
    lanes: dict[tuple[str, str], LaneFacts]
    policies: dict[str, list[Policy]]
    offsets_ms: dict[tuple[str, str], int]
    # Whether any vehicle may pay later by agreement: where none may, no event asks for one.
    agreements: bool = False
    # Sites whose barriers are to stand open.
    emergencies: frozenset[str] = frozenset()


@dataclass(slots=True)
class EventRecord:
    """A stored event, as far as the flow needs it."""

    site: str
    device: str
    event: str
    lane: str
    kind: str
    at: datetime
    plate: str | None
    plate_colour: str | None
    vehicle: str | None
    for_event: str | None
    opening: str | None
    buffered: bool
    digest: bytes
    decision: str | None
    reason: str | None
    completed: bool
    went: bool
    new: bool = False
    dirty: bool = False


class DoorPassed(msgspec.Struct, frozen=True, kw_only=True):
    """A credential at a door, and what was decided. `unknown`: it is nobody's."""

    site: str
    device: str
    event: str
    lane: str
    at: datetime
    member: str | None
    by: str
    opened: bool
    reason: str
    unknown: bool


@dataclass(slots=True)
class StayRecord:
    site: str
    id: str
    plate: str
    vehicle: str
    plate_colour: str | None
    state: str
    started_at: datetime
    entry_at: datetime | None
    exit_at: datetime | None
    entry_lane: str | None
    exit_lane: str | None
    entry_device: str | None
    entry_event: str | None
    exit_device: str | None
    exit_event: str | None
    confirmed: bool
    exit_reason: str | None
    household: str | None
    holds_space: bool
    policy_id: str
    policy_version: int
    gross_fen: int | None
    payable_fen: int | None
    paid_fen: int
    bills: int
    settlements: int
    vouchers: int
    posted: Posted
    new: bool = False
    dirty: bool = False
    gone: bool = False
    corrections: int = 0
    was: tuple[tuple[Any, ...] | None, tuple[Any, ...] | None] | None = None
    """Its passages as the database has them."""

    @property
    def passages(self) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
        """Its entry and its exit as the sums of days count them (`gateway.flows.sums`): first the instant; None where there is none."""
        if self.state == "void":
            return None, None
        entry = None if self.entry_at is None else (self.entry_at, self.entry_lane, self.state == "missing_exit")
        if self.exit_at is None:
            return entry, None
        counts = (self.state == "inside", self.state == "missing_exit")
        return entry, (self.exit_at, self.exit_lane, self.entry_at, *counts)

    @property
    def due_fen(self) -> int:
        """What is still to be paid of the bill that stands; what was written off is not."""
        return max(0, (self.payable_fen or 0) - self.paid_fen - self.posted.written_off_fen)


@dataclass(slots=True)
class CorrectedRead:
    """An event that a correction is about (ADR 0019). `plate` and `at`: as it was read; `to_at` None: counted when it was read."""

    site: str
    correction: str
    device: str
    event: str
    sequence: int
    anchor: bool
    plate: str
    at: datetime
    from_plate: str
    to_plate: str
    to_at: datetime | None


@dataclass(slots=True)
class BillRecord:
    """A bill as fixed, with the inputs from which anyone can price it again.

    `facts["vouchers"]`: the serials of the vouchers presented, in the order of `bill.vouchers_used`.
    """

    site: str
    stay: str
    sequence: int
    kind: str
    fixed_at: datetime
    until: datetime
    bill: Bill
    holder: str | None
    facts: dict[str, Any]
    new: bool = False

    @property
    def draws(self) -> dict[tuple[str, str], int]:
        """Minutes drawn, by (holder, month). Where more than one holder gave, the facts say who gave what."""
        split: dict[str, dict[str, int]] = self.facts.get("drawn_by") or (
            {} if self.holder is None else {self.holder: self.bill.drawn}
        )
        return {(holder, month): minutes for holder, months in split.items() for month, minutes in months.items()}


@dataclass(slots=True)
class PastStay:
    """An earlier stay of a vehicle, as far as the price of another one may depend on it. `charged`: fen by local day."""

    id: str
    entry_at: datetime
    charged: dict[str, int]


@dataclass(slots=True)
class SpaceClaim:
    """A stay of a vehicle that came with a pass: it stands on one of its household's spaces, or waits for one.

    `held`: the minutes (counted from 1970) in which its bill says that it stood on one, fixed up to `fixed_until`; what comes after
    that, up to `until` (None: it is inside), is not fixed yet. `pass_to`: when the last of its passes ends, days of grace not counted;
    `ended_at`: the same of those that were ended (a transfer, a refund), which have none.
    """

    stay: str
    plate: str
    since: datetime
    until: datetime | None
    pass_to: datetime | None
    fixed_until: int | None
    held: tuple[tuple[int, int], ...]
    ended_at: datetime | None = None

    def over(self, grace: timedelta) -> datetime | None:
        """When it stands for its space no more; None where it has no pass on record."""
        ends = [*([self.pass_to + grace] if self.pass_to else ()), *([self.ended_at] if self.ended_at else ())]
        return max(ends, default=None)


def space_of(facts: dict[str, Any]) -> tuple[int | None, tuple[tuple[int, int], ...]]:
    """Up to which minute a bill with these facts is fixed, and in which minutes its stay stood on a space of its household."""
    said = facts.get("space")
    if said is None:
        return None, ()
    return said["until"], tuple((start, end) for start, end in said["held"])


@dataclass(frozen=True, slots=True)
class Agreed:
    """A pay-later agreement of a vehicle, and what it owes where the agreement holds (at the site, or on the whole street), in fen."""

    limit_fen: int
    valid_from: datetime
    valid_to: datetime | None
    owed_fen: int

    def covers(self, at: datetime) -> bool:
        """Whether the vehicle may leave first at this instant: beyond the limit it is asked to pay its stay, as everybody is."""
        return (
            self.valid_from <= at and (self.valid_to is None or at < self.valid_to) and self.owed_fen <= self.limit_fen
        )


@dataclass(slots=True)
class VoucherRecord:
    """A voucher that was presented for a stay, or may be. `movements` counts its steps so far; `value` is minutes or fen."""

    site: str
    serial: int
    book: str
    kind: str
    value: int
    state: str
    movements: int
    stay: str | None
    presented_at: datetime | None


@dataclass(slots=True)
class Registrations:
    """All that the registers say of one plate at one site, each with its period `[since, until)`; None: no bound."""

    household: str | None = None
    household_period: tuple[datetime | None, datetime | None] = (None, None)
    vehicle: str | None = None
    certificates: list[tuple[datetime | None, datetime | None]] = field(default_factory=list)
    passes: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    # Those of them, by id and start, that were ended and so have no days of grace.
    ended: set[tuple[str, datetime]] = field(default_factory=set)
    relatives: list[tuple[str, str, datetime | None, datetime | None, datetime]] = field(default_factory=list)
    free: list[tuple[str, datetime | None, datetime | None]] = field(default_factory=list)
    blocked: list[tuple[datetime | None, datetime | None]] = field(default_factory=list)

    @property
    def known(self) -> bool:
        return bool(self.household or self.passes or self.relatives or self.free)


@dataclass(slots=True)
class Balance:
    """A month of a holder's allowance. `new`: no row yet."""

    limit: int
    drawn: int
    new: bool = False
    dirty: bool = False

    @property
    def left(self) -> int:
        return max(0, self.limit - self.drawn)
