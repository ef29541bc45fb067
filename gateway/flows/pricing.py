"""From registers to a bill: which benefits a vehicle has, and what its stay costs. Pure, between store and billing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from billing.bill import Benefits, Bill, PassPeriod, StayToPrice, Voucher, price
from billing.policy import Policy
from billing.settle import Prepaid, holds, vouchers_needed
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
    holders: tuple[str, ...] = ()
    who: str | None = None
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
        if self.holders and allowance_left > 0:
            return Reason.RELATIVE_ALLOWANCE, "relative_allowance"
        return Reason.TEMPORARY, "temporary"


def standing(policy: Policy, plate: str, colour: str | None, found: Registrations, at: datetime) -> Standing:
    """Judged at `at`, the entry's instant: a benefit that covers the whole stay must hold then."""
    passes, held_now = [], False
    for pass_id, valid_from, valid_to in found.passes:
        offer = policy.pass_offer(pass_id)
        grace = offer.grace_days if offer and (pass_id, valid_from) not in found.ended else 0
        until = valid_to + timedelta(days=grace)
        passes.append(PassPeriod(id=pass_id, valid_from=valid_from, valid_to=until))
        held_now = held_now or valid_from <= at < until
    at_home = _valid(*found.household_period, at)
    low_income = at_home and policy.low_income is not None and "parking" in policy.low_income.exempts
    classes = _classes(found, at)
    relative = any(_valid(since, until, at) for _, _, since, until, _ in found.relatives)
    return Standing(
        free_class=_free_class(policy, plate, colour, found, at),
        low_income=low_income and any(_valid(since, until, at) for since, until in found.certificates),
        passes=tuple(passes),
        has_pass=held_now,
        household=found.household if at_home else None,
        holders=_holders(policy, plate, found, at),
        who=next((group for group in policy.groups if group in classes), None),
        blocked=any(_valid(since, until, at) for since, until in found.blocked),
        registered=bool((found.household and at_home) or held_now or relative or classes),
        registers=classes,
    )


def _classes(found: Registrations, at: datetime) -> frozenset[str]:
    """As what the vehicle is listed by staff at an instant."""
    return frozenset(class_id for class_id, since, until in found.free if _valid(since, until, at))


def _free_class(policy: Policy, plate: str, colour: str | None, found: Registrations, at: datetime) -> str | None:
    """The class that frees it for longest: without a limit of minutes before one with a limit."""
    shown = plate_class(plate, PlateColour(colour) if colour else None).value
    registered = _classes(found, at)
    best: tuple[int, str] | None = None
    for one in policy.free_classes:
        if shown in one.plates or (one.register and one.id in registered):
            rank = (-(one.minutes or 10**9), one.id)
            best = rank if best is None else min(best, rank)
    return best[1] if best else None


def _holders(policy: Policy, plate: str, found: Registrations, at: datetime) -> tuple[str, ...]:
    """Whose allowances a relative draws on, the older registration first: its households that hold, or the vehicle itself."""
    rule = policy.relative_allowance
    if rule is None:
        return ()
    households = dict.fromkeys(
        household
        for household, relation, since, until, _registered in found.relatives
        if relation in rule.relations and _valid(since, until, at)
    )
    if rule.per == "vehicle":
        return (f"vehicle:{plate}",) if households else ()
    return tuple(f"household:{household}" for household in households)


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
    """A bill, the inputs from which anyone can price it again, and who gave what it draws (the first, if several)."""

    bill: Bill
    facts: dict[str, Any]
    holder: str | None


class Drawable(msgspec.Struct, frozen=True):
    """What one holder has left for a stay, in minutes by month; what the stay drew before is included."""

    holder: str
    left: dict[str, int]


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What a stay's price depends on beside the stay itself. `allowances` in the order in which they are drawn.

    `space`: how many its household has, up to which minute, and in which minutes one is there for the stay; None where none is in
    play. `passes` are already cut to them. `charged` and `free_stays_used` as `billing` has them.
    """

    passes: tuple[PassPeriod, ...] = ()
    allowances: Sequence[Drawable] = ()
    vouchers: Sequence[VoucherRecord] = ()
    charged: dict[str, int] = {}
    free_stays_used: int = 0
    space: dict[str, Any] | None = None


def bill_stay(
    policy: Policy, stay: StayRecord, until: datetime, what: Standing, around: Around, *, early: BillRecord | None
) -> Priced:
    """The bill of a stay up to `until` (rule 10 where something was paid before leaving). Raises `CannotPrice`."""
    facts = stay_to_price(stay, until, what, around)
    benefits = Benefits(
        free_class=what.free_class,
        low_income=what.low_income,
        passes=around.passes,
        allowance=_together(around.allowances),
        vouchers=tuple(_voucher(voucher) for voucher in around.vouchers),
        discount_registers=what.registers,
    )
    more: dict[str, Any] = {"prepaid_sequence": None}
    if early is not None and holds(policy, facts, Prepaid(early.until, early.bill, stay.paid_fen)):
        # Its draws, its vouchers and its place among the household's vehicles are those of the moment of payment.
        more |= {name: early.facts[name] for name in ("vouchers", "drawn_by", "space") if name in early.facts}
        return _priced(early.bill, facts, benefits, early.holder, more | {"prepaid_sequence": early.sequence})
    bill, vouchers = price(policy, facts, benefits), around.vouchers
    if vouchers and bill.payable_fen < stay.paid_fen:
        needed = vouchers_needed(policy, facts, benefits, stay.paid_fen)
        vouchers = [vouchers[place] for place in needed]
        benefits = replace(benefits, vouchers=tuple(_voucher(voucher) for voucher in vouchers))
        bill = price(policy, facts, benefits)
    if vouchers:
        more["vouchers"] = [voucher.serial for voucher in vouchers]
    if around.space is not None:
        more["space"] = around.space
    shares = share_out(bill.drawn, around.allowances)
    if len(shares) > 1:
        more["drawn_by"] = shares
    return _priced(bill, facts, benefits, next(iter(shares), None), more)


def _priced(bill: Bill, stay: StayToPrice, benefits: Benefits, holder: str | None, more: dict[str, Any]) -> Priced:
    facts = {
        "stay": msgspec.to_builtins(stay),
        "benefits": msgspec.to_builtins(benefits),
        "vouchers_used": list(bill.vouchers_used),
        "charged": bill.charged,
        **more,
    }
    return Priced(bill, facts, holder)


def stay_to_price(stay: StayRecord, until: datetime, what: Standing, around: Around) -> StayToPrice:
    """The stay as `billing` knows it."""
    assert stay.entry_at is not None
    return StayToPrice(
        entry=stay.entry_at,
        exit=max(until, stay.entry_at),
        vehicle=stay.vehicle,
        energy=energy_of(stay.plate, stay.plate_colour),
        who=what.who,
        charged=around.charged,
        free_stays_used=around.free_stays_used,
    )


def _together(allowances: Sequence[Drawable]) -> dict[str, int] | None:
    """One benefit on the bill, whoever gives it; None for whoever is no relative."""
    if not allowances:
        return None
    total: dict[str, int] = {}
    for one in allowances:
        for month, left in one.left.items():
            total[month] = total.get(month, 0) + left
    return total


def share_out(drawn: dict[str, int], allowances: Sequence[Drawable]) -> dict[str, dict[str, int]]:
    """Who gives which minutes of what a bill draws: in their order, each as much as it has. Only those that give any."""
    shares: dict[str, dict[str, int]] = {}
    rest = dict(drawn)
    for one in allowances:
        for month, minutes in rest.items():
            given = min(minutes, one.left.get(month, 0))
            if given:
                shares.setdefault(one.holder, {})[month] = given
                rest[month] -= given
    return shares


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
