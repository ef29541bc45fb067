"""From registers to a bill: which benefits a vehicle has, and what its stay costs. Pure, between store and billing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from billing.bill import Benefits, Bill, PassPeriod, StayToPrice, Voucher, price
from billing.policy import Policy
from billing.settle import Prepaid, holds
from controllers.commands import Reason
from controllers.events import PlateColour
from controllers.plate import PlateClass, plate_class
from gateway.store.records import BillRecord, Registrations, StayRecord, VoucherRecord

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9000, 1, 1, tzinfo=UTC)

# What the wire says where a benefit settles a bill. A pass and a low-income exemption are the same word.
_REASON_OF_BENEFIT = {
    "free_class": Reason.FREE_CLASS,
    "low_income": Reason.RESIDENT,
    "pass": Reason.RESIDENT,
    "relative_allowance": Reason.RELATIVE_ALLOWANCE,
    "whole_stay_voucher": Reason.VOUCHER,
    "hour_voucher": Reason.VOUCHER,
    "amount_voucher": Reason.VOUCHER,
    "discount": Reason.FREE_MINUTES,
    "rounding": Reason.FREE_MINUTES,
}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a vehicle is, at one instant, under one policy."""

    free_class: str | None = None
    low_income: bool = False
    passes: tuple[PassPeriod, ...] = ()
    has_pass: bool = False
    household: str | None = None
    holder: str | None = None
    blocked: bool = False
    registered: bool = False
    registers: frozenset[str] = frozenset()

    def reason(self, allowance_left: int) -> tuple[Reason, str]:
        """As what it enters: the word for the wire, and the true one."""
        if self.free_class:
            return Reason.FREE_CLASS, "free_class"
        if self.low_income:
            return Reason.RESIDENT, "low_income"
        if self.has_pass:
            return Reason.RESIDENT, "pass"
        if self.holder and allowance_left > 0:
            return Reason.RELATIVE_ALLOWANCE, "relative_allowance"
        return Reason.TEMPORARY, "temporary"


def standing(policy: Policy, plate: str, colour: str | None, found: Registrations, at: datetime) -> Standing:
    """Judged at `at`, the entry's instant: a benefit that covers the whole stay must hold then."""
    passes, held_now = [], False
    for pass_id, valid_from, valid_to in found.passes:
        offer = policy.pass_offer(pass_id)
        until = valid_to + timedelta(days=offer.grace_days if offer else 0)
        passes.append(PassPeriod(id=pass_id, valid_from=valid_from, valid_to=until))
        held_now = held_now or valid_from <= at < until
    low_income = policy.low_income is not None and "parking" in policy.low_income.exempts
    return Standing(
        free_class=_free_class(policy, plate, colour, found, at),
        low_income=low_income and any(_valid(since, until, at) for since, until in found.certificates),
        passes=tuple(passes),
        has_pass=held_now,
        household=found.household,
        holder=_holder(policy, plate, found, at),
        blocked=any(until is None or at < until for until in found.blocked),
        registered=found.known,
        registers=frozenset(class_id for class_id, until in found.free if until is None or at < until),
    )


def _free_class(policy: Policy, plate: str, colour: str | None, found: Registrations, at: datetime) -> str | None:
    """The class that frees it for longest: without a limit of minutes before one with a limit."""
    shown = plate_class(plate, PlateColour(colour) if colour else None).value
    registered = {class_id for class_id, until in found.free if until is None or at < until}
    best: tuple[int, str] | None = None
    for one in policy.free_classes:
        if shown in one.plates or (one.register and one.id in registered):
            rank = (-(one.minutes or 10**9), one.id)
            best = rank if best is None else min(best, rank)
    return best[1] if best else None


def _holder(policy: Policy, plate: str, found: Registrations, at: datetime) -> str | None:
    """Whose allowance a relative draws on: the household of the oldest registration that holds, or the vehicle itself."""
    rule = policy.relative_allowance
    if rule is None:
        return None
    for household, relation, since, until, _registered in found.relatives:
        if relation in rule.relations and _valid(since, until, at):
            return f"household:{household}" if rule.per == "household" else f"vehicle:{plate}"
    return None


def _valid(since: datetime | None, until: datetime | None, at: datetime) -> bool:
    return (since or _BEGINNING) <= at < (until or _END)


def months(since: datetime, until: datetime, zone: ZoneInfo) -> list[str]:
    """The local calendar months that [since, until] touches, at most 25 of them."""
    first, last = since.astimezone(zone), until.astimezone(zone)
    year, month = first.year, first.month
    found: list[str] = []
    while (year, month) <= (last.year, last.month) and len(found) < 25:
        found.append(f"{year:04d}-{month:02d}")
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found


def energy_of(plate: str, colour: str | None) -> str | None:
    """`new` for new-energy plates, for tariffs that tell them apart."""
    shown = plate_class(plate, PlateColour(colour) if colour else None)
    return "new" if shown is PlateClass.NEW_ENERGY else None


def implausible(policy: Policy, entry: datetime, exit_at: datetime) -> bool:
    """A stay longer than the policy holds possible is never charged without a person."""
    return policy.plausible_days_max is not None and exit_at - entry > timedelta(days=policy.plausible_days_max)


class Priced(msgspec.Struct, frozen=True):
    """A bill and the inputs from which anyone can price it again. `prepaid` is the sequence of the early bill that still holds."""

    bill: Bill
    facts: dict[str, Any]
    holder: str | None


def bill_stay(
    policy: Policy,
    stay: StayRecord,
    until: datetime,
    what: Standing,
    *,
    allowance: dict[str, int] | None,
    vouchers: Sequence[VoucherRecord] = (),
    early: BillRecord | None,
) -> Priced:
    """The bill of a stay up to `until` (rule 10 where something was paid before leaving). Raises `CannotPrice`.

    `allowance`: minutes left by month, what this stay drew before included; None for no relative.
    """
    assert stay.entry_at is not None
    facts = StayToPrice(
        entry=stay.entry_at,
        exit=max(until, stay.entry_at),
        vehicle=stay.vehicle,
        energy=energy_of(stay.plate, stay.plate_colour),
    )
    benefits = Benefits(
        free_class=what.free_class,
        low_income=what.low_income,
        passes=what.passes if stay.holds_space or not (what.household and what.has_pass) else (),
        allowance=allowance if what.holder else None,
        vouchers=tuple(_voucher(voucher) for voucher in vouchers),
        discount_registers=what.registers,
    )
    prepaid = Prepaid(until=early.until, bill=early.bill, paid_fen=stay.paid_fen) if early else None
    kept = early is not None and holds(policy, facts, prepaid)
    bill = early.bill if early is not None and kept else price(policy, facts, benefits)
    serials = [voucher.serial for voucher in vouchers]
    return Priced(
        bill,
        {
            "stay": msgspec.to_builtins(facts),
            "benefits": msgspec.to_builtins(benefits),
            "prepaid_sequence": early.sequence if early is not None and kept else None,
            "vouchers": early.facts.get("vouchers", []) if early is not None and kept else serials,
            "vouchers_used": list(bill.vouchers_used),
            "charged": bill.charged,
        },
        what.holder if bill.drawn else None,
    )


def _voucher(one: VoucherRecord) -> Voucher:
    """As `billing` knows it."""
    match one.kind:
        case "hour":
            return Voucher("minutes", one.value)
        case "amount":
            return Voucher("amount", one.value)
        case _:
            return Voucher("whole_stay")


def settled_by(bill: Bill | None, what: Standing, paid_fen: int) -> tuple[Reason, str]:
    """Why nothing is due: the word for the wire, and the true one."""
    if what.free_class and (bill is None or "free_class" in bill.waived_by_kind() or bill.gross_fen == 0):
        return Reason.FREE_CLASS, "free_class"
    if what.low_income:
        return Reason.RESIDENT, "low_income"
    if paid_fen > 0:
        return Reason.PAID, "paid"
    if bill is None or bill.gross_fen == 0:
        return (Reason.RESIDENT, "pass") if what.has_pass else (Reason.FREE_MINUTES, "free_minutes")
    waived = bill.waived_by_kind()
    kind = _largest(waived.items())
    return _REASON_OF_BENEFIT.get(kind, Reason.FREE_MINUTES), kind or "free_minutes"


def _largest(amounts: Iterable[tuple[str, int]]) -> str:
    return max(amounts, key=lambda item: (item[1], item[0]), default=("", 0))[0]
