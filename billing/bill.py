"""The bill of a stay: what it costs, which benefits lower it, and why, line by line.

A quote and a charge run this same code. Pure: a policy and facts in, a bill out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from billing.benefits import (
    NO_BENEFITS,
    Applied,
    Benefits,
    Cover,
    Outcome,
    PassPeriod,
    Voucher,
    in_order,
    needed,
    outcome,
)
from billing.calendar import date_of, local_time, minute_of
from billing.errors import (
    BadLine,
    BadMonth,
    BadTime,
    BadVoucher,
    CalendarUnknown,
    CannotPrice,
    ExitBeforeEntry,
    NoRelativeAllowance,
    StayTooLong,
    TimeOutOfRange,
    TooManyBenefits,
    UnknownVehicle,
)
from billing.money import round_down
from billing.policy_parts import Policy, Tariff
from billing.tariff import Schedule, tariff_for

__all__ = [
    "BadLine",
    "BadMonth",
    "BadTime",
    "BadVoucher",
    "Benefits",
    "Bill",
    "CalendarUnknown",
    "CannotPrice",
    "ExitBeforeEntry",
    "Figures",
    "Line",
    "NoRelativeAllowance",
    "PassPeriod",
    "StayToPrice",
    "StayTooLong",
    "TimeOutOfRange",
    "TooManyBenefits",
    "UnknownVehicle",
    "Voucher",
    "figures",
    "price",
]

PRICE_KINDS: Final = frozenset({"unit", "cap"})
"""The lines that make the gross; all others are what was waived."""


@dataclass(frozen=True, slots=True)
class StayToPrice:
    """A stay [entry, exit) of aware instants. `charged`: fen that earlier stays of the vehicle were charged at this
    site, by day or month, for caps across stays. `free_stays_used`: its earlier stays that began on the same local
    day.
    """

    entry: datetime
    exit: datetime
    vehicle: str = "small"
    energy: str | None = None
    who: str | None = None
    charged: Mapping[str, int] = field(default_factory=dict)
    free_stays_used: int = 0


class Line(msgspec.Struct, frozen=True):
    """One line of a bill, in fen: a unit's price, or (negative) what a cap, a benefit or the rounding takes off it.

    `minutes` are those stayed in a unit or covered by a time benefit, 0 for all others. `rule` is where the policy
    says so (places counted from 1), or the place of the voucher presented.
    """

    from_: datetime = msgspec.field(name="from")
    to: datetime
    kind: str
    minutes: int
    fen: int
    rule: str

    def document(self) -> dict[str, object]:
        return {
            "from": self.from_.isoformat(),
            "to": self.to.isoformat(),
            "kind": self.kind,
            "minutes": self.minutes,
            "fen": self.fen,
            "rule": self.rule,
        }


class Bill(msgspec.Struct, frozen=True):
    """What a stay costs. `drawn`: minutes taken from the allowance, by month; `vouchers_used` in the order presented;
    `charged`: how `payable_fen` is spread over local days, for caps that count across stays.
    """

    policy: str
    version: int
    minutes: int
    gross_fen: int
    payable_fen: int
    drawn: dict[str, int]
    vouchers_used: tuple[bool, ...]
    lines: tuple[Line, ...]
    charged: dict[str, int] = {}

    def waived_by_kind(self) -> dict[str, int]:
        """Positive fen by kind, rounding included: gross = payable + the sum of these."""
        waived: dict[str, int] = {}
        for line in self.lines:
            if line.kind not in PRICE_KINDS:
                waived[line.kind] = waived.get(line.kind, 0) - line.fen
        return waived

    def document(self) -> dict[str, object]:
        """The JSON object of `parkgate bill`."""
        return {
            "minutes": self.minutes,
            "gross_fen": self.gross_fen,
            "payable_fen": self.payable_fen,
            "drawn": dict(self.drawn),
            "vouchers_used": list(self.vouchers_used),
            "lines": [line.document() for line in self.lines],
        }


class Figures(NamedTuple):
    """What a bill comes to, without its lines: for counting many. `waived` by kind, rounding included; `charged` is empty where
    no cap of the tariff asks for it.
    """

    minutes: int
    gross_fen: int
    payable_fen: int
    waived: dict[str, int]
    drawn: dict[str, int]
    charged: dict[str, int]


def price(policy: Policy, stay: StayToPrice, benefits: Benefits = NO_BENEFITS) -> Bill:
    """The bill of a stay under the version in force at its entry. Raises a CannotPrice; changes nothing."""
    stretch = _stretch(policy, stay, benefits)
    vouchers = len(benefits.vouchers)
    if stretch.start == stretch.end:
        return Bill(policy.id, policy.version, stretch.minutes, 0, 0, {}, (False,) * vouchers, ())
    return _bill(policy, _reckon(policy, stay, benefits, stretch), stretch.minutes, vouchers)


def figures(policy: Policy, stay: StayToPrice, benefits: Benefits = NO_BENEFITS) -> Figures:
    """The same reckoning as `price`, without writing the lines. Raises a CannotPrice."""
    stretch = _stretch(policy, stay, benefits)
    tariff, minutes, start, end = stretch
    if start == end:
        return Figures(minutes, 0, 0, {}, {}, {})
    if benefits.has_nothing and not policy.discounts and not tariff.counts_charges:
        gross_fen = Schedule(policy, tariff, start, end, stay.charged).gross_fen
        payable_fen = round_down(gross_fen, policy.payable_step_fen)
        rounded = {"rounding": gross_fen - payable_fen} if payable_fen < gross_fen else {}
        return Figures(minutes, gross_fen, payable_fen, rounded, {}, {})
    found = _reckon(policy, stay, benefits, stretch)
    waived: dict[str, int] = {}
    before_fen = found.gross_fen
    for benefit, after_fen in zip(found.used, found.steps, strict=True):
        if after_fen < before_fen:
            waived[benefit.kind] = waived.get(benefit.kind, 0) + before_fen - after_fen
        before_fen = after_fen
    if found.payable_fen < before_fen:
        waived["rounding"] = before_fen - found.payable_fen
    charged = _charged(found) if tariff.counts_charges else {}
    return Figures(minutes, found.gross_fen, found.payable_fen, waived, _drawn(found.final), charged)


class _Stretch(NamedTuple):
    """A stay's tariff and minutes, and what of it is charged: [start, end), nothing of a stay within the free minutes."""

    tariff: Tariff
    minutes: int
    start: int
    end: int


def _stretch(policy: Policy, stay: StayToPrice, benefits: Benefits) -> _Stretch:
    tariff = tariff_for(policy, stay.vehicle, stay.energy, stay.who)
    if benefits.allowance and policy.relative_allowance is None:
        raise NoRelativeAllowance
    entry, exit_ = minute_of(stay.entry), minute_of(stay.exit)
    if exit_ < entry:
        raise ExitBeforeEntry(f"{stay.exit.isoformat()} is before {stay.entry.isoformat()}")
    free_minutes = _free_minutes(tariff, stay)
    if exit_ - entry <= free_minutes:
        return _Stretch(tariff, exit_ - entry, exit_, exit_)
    return _Stretch(tariff, exit_ - entry, entry + (free_minutes if tariff.free_minutes_deducted else 0), exit_)


class _Reckoned(NamedTuple):
    """A stay that is charged: its units and limits, the benefits used, and what is left after each of them."""

    schedule: Schedule
    used: Sequence[Applied]
    final: Outcome
    gross_fen: int
    steps: Sequence[int]
    payable_fen: int


def _reckon(policy: Policy, stay: StayToPrice, benefits: Benefits, stretch: _Stretch) -> _Reckoned:
    schedule = Schedule(policy, stretch.tariff, stretch.start, stretch.end, stay.charged)
    applied: Sequence[Applied] = ()
    if policy.discounts or not benefits.has_nothing:
        applied = in_order(policy, schedule, stay.vehicle, stretch.minutes, benefits)
    used, final = needed(schedule, applied)
    steps = _steps(schedule, used, final)
    payable_fen = round_down(final.payable_fen, policy.payable_step_fen)
    return _Reckoned(schedule, used, final, schedule.gross_fen, steps, payable_fen)


def _free_minutes(tariff: Tariff, stay: StayToPrice) -> int:
    if tariff.free_stays_per_day is not None and stay.free_stays_used >= tariff.free_stays_per_day:
        return 0
    return tariff.free_minutes


def _bill(policy: Policy, found: _Reckoned, minutes: int, vouchers: int) -> Bill:
    schedule = found.schedule
    lines = _price_lines(schedule)
    unrounded_fen = found.gross_fen
    for benefit, cover, after_fen in zip(found.used, found.final.covers, found.steps, strict=True):
        if after_fen < unrounded_fen:
            lines.append(_benefit_line(schedule, benefit, cover, after_fen - unrounded_fen))
        unrounded_fen = after_fen
    if found.payable_fen < unrounded_fen:
        begins, ends = local_time(schedule.start, schedule.zone), local_time(schedule.end, schedule.zone)
        lines.append(Line(begins, ends, "rounding", 0, found.payable_fen - unrounded_fen, "policy.payable_step_fen"))
    presented = {benefit.voucher for benefit in found.used}
    return Bill(
        policy.id,
        policy.version,
        minutes,
        found.gross_fen,
        found.payable_fen,
        _drawn(found.final),
        tuple(place in presented for place in range(vouchers)),
        tuple(lines),
        _charged(found),
    )


def _steps(schedule: Schedule, used: Sequence[Applied], final: Outcome) -> list[int]:
    """What is payable after each benefit in its order (rule 12): the differences are their lines.

    Where a benefit alone would raise the bill (see `needed`) the one that makes up for it shares its line.
    """
    if not used:
        return []
    steps = [outcome(schedule, used[:count]).payable_fen for count in range(1, len(used))]
    steps.append(final.payable_fen)
    highest = 0
    for index in reversed(range(len(steps))):
        highest = max(highest, steps[index])
        steps[index] = min(schedule.gross_fen, highest)
    return steps


def _price_lines(schedule: Schedule) -> list[Line]:
    """The units, then what each cap takes off them without any benefit; their sum is the gross."""
    units = schedule.units()
    begins = [local_time(unit.start, schedule.zone) for unit in units]
    ends = [*begins[1:], local_time(schedule.end, schedule.zone)]
    lines = [
        Line(begin, end, "unit", unit.stayed, unit.fen, unit.rule)
        for begin, end, unit in zip(begins, ends, units, strict=True)
    ]
    left: Sequence[int] = schedule.cut.fens
    for limit in schedule.limits:
        after = limit.apply(left)
        cut_off: dict[int, list[int]] = {}
        for index, group in enumerate(limit.groups):
            if group >= 0:
                cut_off.setdefault(group, []).append(index)
        for members in cut_off.values():
            fen = sum(after[index] - left[index] for index in members)
            if fen:
                lines.append(Line(begins[members[0]], ends[members[-1]], "cap", 0, fen, limit.rule))
        left = after
    return lines


def _benefit_line(schedule: Schedule, benefit: Applied, cover: Cover, fen: int) -> Line:
    start, end = (cover.pieces[0][0], cover.pieces[-1][1]) if cover.pieces else (schedule.start, schedule.end)
    begins, ends = local_time(start, schedule.zone), local_time(end, schedule.zone)
    return Line(begins, ends, benefit.kind, cover.minutes, fen, benefit.rule)


def _drawn(final: Outcome) -> dict[str, int]:
    drawn: dict[str, int] = {}
    for cover in final.covers:
        for month, minutes in cover.drawn.items():
            drawn[month] = drawn.get(month, 0) + minutes
    return drawn


def _charged(found: _Reckoned) -> dict[str, int]:
    """What is payable, spread over the local days of the units. Amounts, discounts and rounding are taken from the
    latest units, so that the cap of the day of the entry, which the next stay sees first, is used up first.
    """
    charged: dict[int, int] = {}
    schedule, rest = found.schedule, found.payable_fen
    if not rest:
        return {}
    for day, left in zip(schedule.days(), schedule.left(found.final.uncovered), strict=True):
        fen = min(left, rest)
        if fen:
            charged[day] = charged.get(day, 0) + fen
            rest -= fen
    return {date_of(day).isoformat(): fen for day, fen in charged.items()}
