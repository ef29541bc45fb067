"""包月: the days of a pass, what each of them earns, and what is given back for those that are not used. Pure, exact integer fen.

A period is the half-open run of local days [first, end). Its price is earned day by day: after n of its N days ⌊price × n ÷ N⌋ fen,
so the days of any period sum to its price and no part of a fen is lost. Source: the contract "money".
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

MONTHS_MAX = 24
"""The longest time for which a pass is sold at once, in months."""


class Period(msgspec.Struct, frozen=True):
    """What was sold: a price (fen, waivers taken off or not) for the days [first, end). `ended`: the day it was ended on, if it was."""

    first: date
    end: date
    fen: int
    ended: date | None = None

    @property
    def until(self) -> date:
        """The first day on which it does not hold any more."""
        return self.end if self.ended is None else self.ended

    @property
    def days(self) -> int:
        """How many days were paid for."""
        return (self.end - self.first).days


def months_later(first: date, months: int, anchor_day: int) -> date:
    """The day on which a pass ends that begins on `first` and lasts so many months: the anchor day of that month, or its last day.

    So a pass from 31 January ends on 28 February, and renewed for a month on 31 March: a short month takes no day away.
    """
    if months < 1:
        raise ValueError("a pass lasts at least a month")
    place = first.year * 12 + first.month - 1 + months
    year, month = place // 12, place % 12 + 1
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))


def earned(period: Period, before: date) -> int:
    """What of the price the days before a day have earned, in fen: from 0 to the price of the days that it held."""
    used = (min(max(before, period.first), period.until) - period.first).days
    return period.fen * used // period.days


def earned_on(period: Period, day: date) -> int:
    """What one day earns, in fen: 0 outside the period."""
    return earned(period, day + timedelta(days=1)) - earned(period, day)


def unused(period: Period, from_day: date) -> int:
    """What is given back when the period ends on `from_day` (its first day not used), in fen: all that was not earned before.

    Earning rounds down, so this rounds up: in the driver's favour. With what was earned it is the price, exactly.
    """
    if period.ended is not None:
        return 0
    return period.fen - earned(period, from_day)


class Renewal(msgspec.Struct, frozen=True):
    """When a renewed pass begins again. `contiguous`: without a gap, so it takes the days of grace in."""

    first: date
    contiguous: bool


def renewal_from(end: date, today: date, grace_days: int) -> Renewal:
    """Renewed before its end or within its days of grace a pass goes on where it ended; later it begins today."""
    if today <= end + timedelta(days=grace_days - 1) or today <= end:
        return Renewal(end, contiguous=True)
    return Renewal(today, contiguous=False)


def month_end(day: date) -> date:
    """The first day of the month after a day's."""
    return months_later(day.replace(day=1), 1, 1)


def prorated(fen: int, first: date) -> int:
    """A month's price for the days from `first` to the month's end, rounded down to the fen: in the driver's favour."""
    end = month_end(first)
    return fen * (end - first).days // (end - first.replace(day=1)).days


class Span(msgspec.Struct, frozen=True):
    """Days [first, end) without a gap. `exact`: it was ended, no days of grace follow it."""

    first: date
    end: date
    exact: bool = False


def spans(periods: Sequence[Period]) -> list[Span]:
    """The days on which a pass holds, periods that touch as one. A period that was ended has no grace after it."""
    found: list[Span] = []
    for period in sorted(periods, key=lambda one: (one.first, one.end)):
        if period.until <= period.first:
            continue
        exact = period.ended is not None
        if found and found[-1].end >= period.first:
            found[-1] = Span(found[-1].first, max(found[-1].end, period.until), exact)
        else:
            found.append(Span(period.first, period.until, exact))
    return found
