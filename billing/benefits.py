"""Benefits: in which order they are applied, what they cover, and which of them are used at all (rules 6 to 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from billing.calendar import days_between, kind_of_day, local_time, minute_at, minute_of, month_of, wall_clock
from billing.errors import BadVoucher, TooManyBenefits
from billing.money import FEN_MAX, waived_percent
from billing.policy_parts import Hours, Policy
from billing.tariff import Interval, Schedule

BENEFITS_MAX: Final = 100
"""Passes, and vouchers, that one stay can present."""


@dataclass(frozen=True, slots=True)
class PassPeriod:
    """A pass of a vehicle: valid in [valid_from, valid_to). Days of grace, and whether a space of the household is
    taken, are the caller's to reckon.
    """

    id: str
    valid_from: datetime
    valid_to: datetime


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher as presented; `value` is minutes or fen, and without meaning for a whole stay."""

    kind: Literal["minutes", "amount", "whole_stay"]
    value: int = 0


@dataclass(frozen=True, slots=True)
class Benefits:
    """What a stay may draw on. `low_income`: a certificate valid at the entry. `allowance`: minutes left by month
    (`2026-11`), None for whoever is no relative. `discount_registers`: ids of the discounts whose list has the
    vehicle.
    """

    free_class: str | None = None
    low_income: bool = False
    passes: tuple[PassPeriod, ...] = ()
    allowance: Mapping[str, int] | None = None
    vouchers: tuple[Voucher, ...] = ()
    discount_registers: frozenset[str] = frozenset()

    @property
    def has_nothing(self) -> bool:
        """Whether nothing but a discount of the policy could lower its bill."""
        return (
            self.free_class is None
            and not self.low_income
            and not self.passes
            and self.allowance is None
            and not self.vouchers
        )


NO_BENEFITS: Final = Benefits()


class Window(NamedTuple):
    """A stretch of minutes in which a time benefit may cover at most so many."""

    start: int
    end: int
    most: int
    month: str = ""


class Applied(NamedTuple):
    """One benefit in its place in the order. Exactly one of the four ways it lowers a bill is set."""

    kind: str
    rule: str
    voucher: int | None = None  # its place (from 0) among the vouchers presented
    whole_stay: bool = False
    windows: tuple[Window, ...] = ()
    amount_fen: int = 0
    percent: int = 0


class Cover(NamedTuple):
    """The minutes that one benefit covers, in order, with the month each draw is from."""

    pieces: Sequence[Interval] = ()
    drawn: Mapping[str, int] = MappingProxyType({})

    @property
    def minutes(self) -> int:
        return sum(end - start for start, end in self.pieces)


class Outcome(NamedTuple):
    """What a stay costs under some benefits, not rounded: the minutes that none of them covers, `payable_fen` after amounts and
    discounts too, and the cover of each benefit.
    """

    uncovered: Sequence[Interval]
    payable_fen: int
    covers: Sequence[Cover]


def parse_voucher(text: str) -> Voucher:
    """`minutes:120`, `amount:500` (fen) or `whole_stay`. Raises BadVoucher."""
    if text == "whole_stay":
        return Voucher("whole_stay")
    kind, _, number = text.partition(":")
    if kind in {"minutes", "amount"} and number.isascii() and number.isdigit() and len(number) <= 10:
        value = int(number)
        if value <= FEN_MAX:
            return Voucher("minutes" if kind == "minutes" else "amount", value)
    raise BadVoucher(repr(text[:40]))


def in_order(policy: Policy, schedule: Schedule, vehicle: str, minutes: int, benefits: Benefits) -> list[Applied]:
    """What of these benefits holds for a stay of so many minutes, in the order of rule 6.

    Raises TooManyBenefits, and CalendarUnknown for a pass whose hours depend on the kind of day.
    """
    if len(benefits.passes) > BENEFITS_MAX or len(benefits.vouchers) > BENEFITS_MAX:
        raise TooManyBenefits(f"at most {BENEFITS_MAX} of each")
    applied: list[Applied] = []
    if benefits.free_class is not None:
        free_class = policy.free_class(benefits.free_class)
        # A class of limited minutes: a longer stay is an ordinary stay from its start.
        if free_class is not None and (free_class.minutes is None or minutes <= free_class.minutes):
            applied.append(Applied("free_class", f"free_class.{free_class.id}", whole_stay=True))
    if benefits.low_income and policy.low_income is not None and "parking" in policy.low_income.exempts:
        applied.append(Applied("low_income", "low_income", whole_stay=True))
    applied += [one for period in benefits.passes if (one := _pass(policy, schedule, vehicle, period)) is not None]
    vouchers = list(enumerate(benefits.vouchers))
    applied += [
        Applied("whole_stay_voucher", f"voucher.{place + 1}", voucher=place, whole_stay=True)
        for place, voucher in vouchers
        if voucher.kind == "whole_stay"
    ]
    if benefits.allowance is not None:
        applied.append(
            Applied("relative_allowance", "relative_allowance", windows=_months(schedule, benefits.allowance))
        )
    applied += [
        Applied(
            "hour_voucher",
            f"voucher.{place + 1}",
            voucher=place,
            windows=(Window(schedule.start, schedule.end, voucher.value),),
        )
        for place, voucher in vouchers
        if voucher.kind == "minutes"
    ]
    applied += [
        Applied("amount_voucher", f"voucher.{place + 1}", voucher=place, amount_fen=voucher.value)
        for place, voucher in vouchers
        if voucher.kind == "amount"
    ]
    return applied + _discount(policy, vehicle, benefits.discount_registers)


def needed(schedule: Schedule, applied: Sequence[Applied]) -> tuple[Sequence[Applied], Outcome]:
    """Nothing is used up for nothing (rule 8): from the last to the first, what leaves the bill the same is left. With what is
    used, its outcome.

    Where the cap of a night reaches over two days' caps, waiving its first units can make room for dearer later ones; a benefit
    that would raise the bill so is left alone too.
    """
    kept = list(applied)
    found = outcome(schedule, kept)
    for index in reversed(range(len(kept))):
        others = kept[:index] + kept[index + 1 :]
        without = outcome(schedule, others)
        if without.payable_fen <= found.payable_fen:
            kept, found = others, without
    return (kept, found) if found.payable_fen < schedule.gross_fen else ((), outcome(schedule, ()))


def outcome(schedule: Schedule, applied: Sequence[Applied]) -> Outcome:
    """Apply benefits in their order."""
    if not applied:
        return Outcome(schedule.whole, schedule.gross_fen, ())
    if any(benefit.whole_stay for benefit in applied):
        return Outcome((), 0, [Cover()] * len(applied))
    uncovered: Sequence[Interval] = schedule.whole
    covers = []
    for benefit in applied:
        cover, uncovered = _cover(benefit.windows, uncovered) if benefit.windows else (Cover(), uncovered)
        covers.append(cover)
    payable_fen = schedule.fen(uncovered)
    for benefit in applied:
        if benefit.amount_fen:
            payable_fen = max(0, payable_fen - benefit.amount_fen)
        elif benefit.percent:
            payable_fen -= waived_percent(payable_fen, benefit.percent)
    return Outcome(uncovered, payable_fen, covers)


def _cover(windows: Sequence[Window], uncovered: Sequence[Interval]) -> tuple[Cover, Sequence[Interval]]:
    """Take the earliest minutes that are not covered yet, in each window at most as many as it has."""
    pieces: list[Interval] = []
    drawn: dict[str, int] = {}
    for window in windows:
        most = window.most
        rest: list[Interval] = []
        for start, end in uncovered:
            low, high = max(start, window.start), min(end, window.end)
            high = min(high, low + most)
            if low >= high:
                rest.append((start, end))
                continue
            most -= high - low
            pieces.append((low, high))
            if start < low:
                rest.append((start, low))
            if high < end:
                rest.append((high, end))
        uncovered = rest
        if window.month and most < window.most:
            drawn[window.month] = drawn.get(window.month, 0) + window.most - most
    return Cover(pieces, drawn), uncovered


def _pass(policy: Policy, schedule: Schedule, vehicle: str, period: PassPeriod) -> Applied | None:
    """A pass that this version does not sell any more was sold under another one, and still holds."""
    offer = policy.pass_offer(period.id)
    if offer is not None and vehicle not in offer.vehicles:
        return None
    start, end = max(schedule.start, minute_of(period.valid_from)), min(schedule.end, _minute_up(period.valid_to))
    if start >= end:
        return None
    if offer is not None and offer.hours is not None:
        windows = _hours(offer.hours, start, end, schedule.zone)
    else:
        windows = (Window(start, end, end - start),)
    return Applied("pass", f"pass.{period.id}", windows=windows) if windows else None


def _minute_up(instant: datetime) -> int:
    """The end of a validity that ends within a minute: that minute still counts, in the driver's favour."""
    return minute_of(instant) + (1 if instant.second or instant.microsecond else 0)


def _hours(hours: Hours, start: int, end: int, zone: ZoneInfo) -> tuple[Window, ...]:
    windows = []
    for day in days_between(start, end, zone):
        if hours.days != "all" and hours.days != kind_of_day(day):
            continue
        for first, last in hours.pieces:
            low, high = max(start, minute_at(day, first, zone)), min(end, minute_at(day, last, zone))
            if low < high:
                windows.append(Window(low, high, high - low))
    return tuple(windows)


def _months(schedule: Schedule, allowance: Mapping[str, int]) -> tuple[Window, ...]:
    """One window for each local calendar month of the stay; a month that is not named has nothing left."""
    start, end, zone = schedule.start, schedule.end, schedule.zone
    month = month_of(wall_clock(start, zone)[0])
    if month == month_of(wall_clock(end - 1, zone)[0]):
        return (Window(start, end, max(0, allowance.get(month, 0)), month),)
    windows = []
    start = schedule.start
    while start < schedule.end:
        local = local_time(start, schedule.zone)
        following = local.date().replace(year=local.year + local.month // 12, month=local.month % 12 + 1, day=1)
        end = min(schedule.end, minute_at(following, 0, schedule.zone))
        month = f"{local.year:04d}-{local.month:02d}"
        windows.append(Window(start, end, max(0, allowance.get(month, 0)), month))
        start = end
    return tuple(windows)


def _discount(policy: Policy, vehicle: str, registers: frozenset[str]) -> list[Applied]:
    """Only the largest discount that applies; of equal ones the first in the file."""
    holding = [
        discount
        for discount in policy.discounts
        if (discount.vehicles is None or vehicle in discount.vehicles)
        and (not discount.register or discount.id in registers)
    ]
    if not holding:
        return []
    largest = max(holding, key=lambda discount: discount.percent)
    return [Applied("discount", f"discount.{largest.id}", percent=largest.percent)]
