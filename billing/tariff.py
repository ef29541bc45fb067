"""A stay cut into units, and the caps on them: the price before any benefit (rules 3, 4 and 5)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from billing.calendar import (
    KINDS_OF_DAY,
    MINUTES_PER_DAY,
    date_of,
    festival,
    kind_of_day,
    known_year,
    local_time,
    steady_offset,
    wall_clock,
)
from billing.errors import CalendarUnknown, StayTooLong, UnknownVehicle
from billing.money import waived_share
from billing.policy_parts import VEHICLES, Band, Policy, Tariff

UNITS_MAX: Final = 200_000
"""At half-hour units more than eleven years: what is longer is not a stay."""

Interval = tuple[int, int]
"""Half-open, in whole minutes counted from 1970."""

_KIND_NUMBER: Final = {kind: number for number, kind in enumerate(KINDS_OF_DAY)}


class Unit(msgspec.Struct, frozen=True, gc=False):
    """One unit of a stay: its start (a minute counted from 1970), the minutes stayed in it, its price before caps and
    benefits, the rule that set it, and what the wall clock showed at its start: the day (counted from 1970) and the
    minute of that day.
    """

    start: int
    stayed: int
    fen: int
    rule: str
    day: int
    clock: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap: each unit belongs to a group (a window, a night; -1: to none) that has room for so many fen."""

    rule: str
    groups: tuple[int, ...]
    rooms: tuple[int, ...]

    def apply(self, left: list[int]) -> list[int]:
        """Within a group units are paid in time order until the room is used up; later ones cost nothing."""
        if not self.rooms or sum(left) <= min(self.rooms):
            return left
        rooms = list(self.rooms)
        result = left.copy()
        for index, group in enumerate(self.groups):
            if group >= 0:
                paid = min(left[index], rooms[group])
                result[index] = paid
                rooms[group] -= paid
        return result


@dataclass(frozen=True, slots=True)
class Schedule:
    """The charged part of a stay, [start, end), cut once and for all whatever benefits there are."""

    start: int
    end: int
    zone: ZoneInfo
    units: tuple[Unit, ...]
    limits: tuple[Limit, ...]

    def left(self, uncovered: Sequence[Interval]) -> list[int]:
        """What each unit costs after waivers and caps, when only these minutes (in order, apart) are not covered."""
        left = self._unwaived(uncovered)
        for limit in self.limits:
            left = limit.apply(left)
        return left

    def _unwaived(self, uncovered: Sequence[Interval]) -> list[int]:
        if uncovered == [(self.start, self.end)]:  # no time benefit, the everyday case
            return [unit.fen for unit in self.units]
        left = []
        first = 0
        for unit in self.units:
            start, stayed = unit.start, unit.stayed
            end = start + stayed
            while first < len(uncovered) and uncovered[first][1] <= start:
                first += 1
            bare, index = 0, first
            while index < len(uncovered) and uncovered[index][0] < end:
                bare += min(end, uncovered[index][1]) - max(start, uncovered[index][0])
                index += 1
            fen = unit.fen
            left.append(fen if bare == stayed else fen - waived_share(fen, stayed - bare, stayed))
        return left


def tariff_for(policy: Policy, vehicle: str, energy: str | None, who: str | None) -> Tariff:
    """The tariff of a stay: of those that match, most selectors, then `who`, then file order. Raises UnknownVehicle.

    Where none matches, the first serves: it has no selector, and vehicle types that no tariff names are its own.
    """
    if vehicle not in VEHICLES:
        raise UnknownVehicle(repr(vehicle[:40]))
    best, best_rank = policy.tariffs[0], (-1, False)
    for tariff in policy.tariffs:
        if vehicle not in tariff.vehicles or tariff.energy not in {None, energy} or tariff.who not in {None, who}:
            continue
        rank = ((tariff.energy is not None) + (tariff.who is not None), tariff.who is not None)
        if rank > best_rank:
            best, best_rank = tariff, rank
    return best


def cut(policy: Policy, tariff: Tariff, start: int, end: int, charged: Mapping[str, int]) -> Schedule:
    """Cut [start, end) into units. `charged` is what earlier stays of the vehicle were charged at this site, by day
    (`2026-11-20`) or whole month (`2026-11`). Raises CalendarUnknown and StayTooLong.
    """
    zone = ZoneInfo(policy.timezone)
    if tariff.needs_calendar and end > start:
        for year in range(local_time(start, zone).year, local_time(end - 1, zone).year + 1):
            if not known_year(year):
                raise CalendarUnknown(year)
    units, bands = _units(tariff, start, end, zone)
    return Schedule(start, end, zone, units, _limits(tariff, start, units, bands, charged))


def _units(tariff: Tariff, start: int, end: int, zone: ZoneInfo) -> tuple[tuple[Unit, ...], list[int]]:
    if tariff.visit_fen is not None:
        return _visits(tariff, tariff.visit_fen, start, end, zone)
    units: list[Unit] = []
    bands: list[int] = []
    by_kind, counted, free_day = tariff.by_kind, tariff.counted, tariff.free_day
    every_day = tariff.clock[0]
    offset = steady_offset(start, end, zone)
    at, number = start, 0
    while at < end:
        if number >= UNITS_MAX:
            raise StayTooLong(f"more than {UNITS_MAX} units")
        day, clock = divmod(at + offset, MINUTES_PER_DAY) if offset is not None else wall_clock(at, zone)
        band = tariff.clock[_kind_number(day)][clock] if by_kind else every_day[clock]
        first, unit, tolerance_minutes, tolerance_rule = counted[band]
        minutes, fen, rule = first[number] if number < len(first) else unit
        if free_day:
            fen, rule = _on_a_free_day(free_day, day, fen, rule)
        stayed = minutes
        if at + minutes >= end:
            stayed = end - at
            # The stay's last unit is let off by the tolerance of its band's `unit`, even if it is a `first`.
            if fen and number and stayed <= tolerance_minutes:
                fen, rule = 0, tolerance_rule
        units.append(Unit(at, stayed, fen, rule, day, clock))
        bands.append(band)
        at += minutes
        number += 1
    return tuple(units), bands


def _visits(tariff: Tariff, visit_fen: int, start: int, end: int, zone: ZoneInfo) -> tuple[tuple[Unit, ...], list[int]]:
    """Units of a whole day each, from the start of charging."""
    units: list[Unit] = []
    for at in range(start, end, MINUTES_PER_DAY):
        if len(units) >= UNITS_MAX:
            raise StayTooLong(f"more than {UNITS_MAX} units")
        day, clock = wall_clock(at, zone)
        fen, rule = _on_a_free_day(tariff.free_day, day, visit_fen, f"tariff.{tariff.number}.visit_fen")
        units.append(Unit(at, min(MINUTES_PER_DAY, end - at), fen, rule, day, clock))
    return tuple(units), [-1] * len(units)


def _on_a_free_day(free_day: frozenset[str], day: int, fen: int, rule: str) -> tuple[int, str]:
    feast = _festival(day) if free_day else None
    return (0, f"free_day.{feast}") if feast is not None and feast in free_day else (fen, rule)


@lru_cache(maxsize=8192)
def _kind_number(day: int) -> int:
    return _KIND_NUMBER[kind_of_day(date_of(day))]


@lru_cache(maxsize=8192)
def _festival(day: int) -> str | None:
    return festival(date_of(day))


@lru_cache(maxsize=8192)
def _month(day: int) -> str:
    local = date_of(day)
    return f"{local.year:04d}-{local.month:02d}"


def _limits(
    tariff: Tariff, start: int, units: Sequence[Unit], bands: Sequence[int], charged: Mapping[str, int]
) -> tuple[Limit, ...]:
    """In the order in which they cut: each occurrence of a band, then the cap, then the month."""
    limits = []
    for index, band in enumerate(tariff.bands):
        if band.cap_fen is not None:
            runs = [_run(band, unit) if own == index else None for unit, own in zip(units, bands, strict=True)]
            limits.append(_limit(f"tariff.{tariff.number}.band.{index + 1}.cap_fen", runs, band.cap_fen, {}))
    cap = tariff.cap
    if cap is not None:
        windows: Sequence[Hashable]
        if cap.per == "24h" and units and units[-1].start - start < MINUTES_PER_DAY:
            windows = (0,) * len(units)
        elif cap.per == "24h":
            windows = [(unit.start - start) // MINUTES_PER_DAY for unit in units]
        else:
            windows = [unit.day for unit in units]
        limits.append(
            _limit(f"tariff.{tariff.number}.cap", windows, cap.fen, _by_day(charged) if cap.across_stays else {})
        )
    if tariff.month_cap_fen is not None:
        months = [_month(unit.day) for unit in units]
        by_month = _by_month(charged)
        limits.append(_limit(f"tariff.{tariff.number}.month_cap_fen", months, tariff.month_cap_fen, by_month))
    return tuple(limits)


def _limit(rule: str, keys: Sequence[Hashable], fen: int, used: Mapping[Hashable, int]) -> Limit:
    """Units with equal keys share a group; None is in none."""
    if len(set(keys)) == 1 and keys[0] is not None:
        return Limit(rule, (0,) * len(keys), (max(0, fen - used.get(keys[0], 0)),))
    numbers: dict[Hashable, int] = {}
    groups = tuple([-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys])
    return Limit(rule, groups, tuple(max(0, fen - used.get(key, 0)) for key in numbers))


def _run(band: Band, unit: Unit) -> tuple[int, bool]:
    """Which occurrence of its band a unit starts in: the start of the unbroken run of the band's minutes, cut at
    `from`, that holds this moment of the wall clock. The day it began on, and whether at `from` or at midnight.
    """
    hours = band.hours
    if unit.clock >= hours.from_minute:
        return unit.day, True
    yesterday = unit.day - 1
    if hours.days == "all" or kind_of_day(date_of(yesterday)) == hours.days:
        return yesterday, True
    return unit.day, False  # the evening before was of another kind, so the run began at midnight


def _by_day(charged: Mapping[str, int]) -> dict[Hashable, int]:
    epoch = date_of(0)
    return {(date.fromisoformat(day) - epoch).days: fen for day, fen in charged.items() if len(day) > len("2026-11")}


def _by_month(charged: Mapping[str, int]) -> dict[Hashable, int]:
    """What was charged in each month: as given for the month, otherwise the sum of its days."""
    months: dict[Hashable, int] = {}
    for day, fen in charged.items():
        if len(day) > len("2026-11"):
            months[day[:7]] = months.get(day[:7], 0) + fen
    months.update({month: fen for month, fen in charged.items() if len(month) == len("2026-11")})
    return months
