"""A stay cut into units, and the caps on them: the price before any benefit (rules 3, 4 and 5)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, date, tzinfo
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from billing.calendar import (
    KINDS_OF_DAY,
    MINUTES_PER_DAY,
    date_of,
    festival,
    kind_of_day,
    known_year,
    local_time,
    month_of,
    steady_offset,
    wall_clock,
)
from billing.errors import CalendarUnknown, StayTooLong, UnknownVehicle
from billing.money import waived_share
from billing.policy_parts import VEHICLES, Band, Policy, Run, Tariff, Units

UNITS_MAX: Final = 200_000
"""At half-hour units more than eleven years: what is longer is not a stay."""

Interval = tuple[int, int]
"""Half-open, in whole minutes counted from 1970."""

_RUN_UNITS_MAX: Final = 64
"""Of 24 hours in half-hour units all. What has more is cut anew each time, so that what is kept has a bound."""

_KIND_NUMBER: Final = {kind: number for number, kind in enumerate(KINDS_OF_DAY)}


class Unit(NamedTuple):
    """One unit of a stay: its start (a minute counted from 1970), the minutes stayed in it, its price before caps and
    benefits, and the rule that set it.
    """

    start: int
    stayed: int
    fen: int
    rule: str


class Limit(NamedTuple):
    """A cap: each unit belongs to a group (a window, a night; -1: to none) that has room for so many fen."""

    rule: str
    groups: Sequence[int]
    rooms: Sequence[int]

    def apply(self, left: Sequence[int]) -> Sequence[int]:
        """Within a group units are paid in time order until the room is used up; later ones cost nothing."""
        if not self.rooms or sum(left) <= min(self.rooms):
            return left
        if len(self.rooms) == 1 and -1 not in self.groups:
            return _until(left, self.rooms[0])
        rooms = list(self.rooms)
        result = list(left)
        for index, group in enumerate(self.groups):
            if group >= 0:
                paid = min(left[index], rooms[group])
                result[index] = paid
                rooms[group] -= paid
        return result


def _until(left: Sequence[int], room: int) -> list[int]:
    """All in one group whose room, as is known, does not hold them all."""
    paid = list(accumulate(left))
    whole = bisect_right(paid, room)
    rest = room - (paid[whole - 1] if whole else 0)
    return [*left[:whole], rest, *(0,) * (len(left) - whole - 1)]


class Schedule:
    """The charged part of a stay, [start, end), cut once and for all whatever benefits there are, and only where somebody looks at its units.

    `charged` is what earlier stays of the vehicle were charged at this site, by day (`2026-11-20`) or whole month (`2026-11`).
    Raises CalendarUnknown and StayTooLong.
    """

    def __init__(self, policy: Policy, tariff: Tariff, start: int, end: int, charged: Mapping[str, int]) -> None:
        self.start, self.end, self.zone = start, end, policy.zone
        self._tariff, self._charged = tariff, charged
        self._cut: Units | None = None
        self._limits: Sequence[Limit] = ()
        if tariff.needs_calendar and end > start:
            for year in range(local_time(start, self.zone).year, local_time(end - 1, self.zone).year + 1):
                if not known_year(year):
                    raise CalendarUnknown(year)
        self.whole = [(start, end)]
        """All of its minutes: what is not covered where there is no time benefit."""
        kept = None if tariff.counts_charges else _kept_fen(tariff, start, end, self.zone)
        self.gross_fen = sum(self.left(self.whole)) if kept is None else kept
        """What it costs without any benefit."""

    @property
    def cut(self) -> Units:
        if self._cut is None:
            self._cut = _units(self._tariff, self.start, self.end, self.zone)
            self._limits = _limits(self._tariff, self.start, self.zone, self._cut, self._charged)
        return self._cut

    @property
    def limits(self) -> Sequence[Limit]:
        """What caps its units, in the order in which they cut."""
        return self._limits if self.cut.at else ()

    def fen(self, uncovered: Sequence[Interval]) -> int:
        """What it costs when only these minutes (in order, apart) are not covered."""
        if not uncovered:
            return 0
        return self.gross_fen if uncovered == self.whole else sum(self.left(uncovered))

    def units(self) -> list[Unit]:
        """One by one, in time order."""
        at, fens, rules, _ = self.cut
        until = [*at[1:], self.end - self.start]
        return [
            Unit(self.start + begins, ends - begins, fen, rule)
            for begins, ends, fen, rule in zip(at, until, fens, rules, strict=True)
        ]

    def days(self) -> list[int]:
        """The local day, counted from 1970, on which each unit starts."""
        return _days(self.start, self.cut.at, self.zone)

    def left(self, uncovered: Sequence[Interval]) -> Sequence[int]:
        """The same for each unit, after waivers and caps."""
        left = self._unwaived(uncovered)
        for limit in self.limits:
            left = limit.apply(left)
        return left

    def _unwaived(self, uncovered: Sequence[Interval]) -> Sequence[int]:
        fens = self.cut.fens
        if uncovered == self.whole:
            return fens
        left = []
        first = 0
        for start, stayed, fen, _ in self.units():
            end = start + stayed
            while first < len(uncovered) and uncovered[first][1] <= start:
                first += 1
            bare, index = 0, first
            while index < len(uncovered) and uncovered[index][0] < end:
                bare += min(end, uncovered[index][1]) - max(start, uncovered[index][0])
                index += 1
            left.append(fen if bare == stayed else fen - waived_share(fen, stayed - bare, stayed))
        return left


def tariff_for(policy: Policy, vehicle: str, energy: str | None, who: str | None) -> Tariff:
    """The tariff of a stay: of those that match, most selectors, then `who`, then file order. Raises UnknownVehicle.

    Where none matches, the first serves: it has no selector, and vehicle types that no tariff names are its own.
    """
    if vehicle not in VEHICLES:
        raise UnknownVehicle(repr(vehicle[:40]))
    if len(policy.tariffs) == 1:
        return policy.tariffs[0]
    best, best_rank = policy.tariffs[0], (-1, False)
    for tariff in policy.tariffs:
        if vehicle not in tariff.vehicles or tariff.energy not in {None, energy} or tariff.who not in {None, who}:
            continue
        rank = ((tariff.energy is not None) + (tariff.who is not None), tariff.who is not None)
        if rank > best_rank:
            best, best_rank = tariff, rank
    return best


def _kept_fen(tariff: Tariff, start: int, end: int, zone: ZoneInfo) -> int | None:
    """What [start, end) costs where only the minute of the day counts, from what is kept of it."""
    run = _run(tariff, start, end, zone)
    if run is None:
        return None
    units = run.units
    last = bisect_left(units.at, end - start) - 1
    if _is_let_off(tariff, last, units.fens[last], units.bands[last], end - start - units.at[last]):
        last -= 1
    return run.paid[last]


def _units(tariff: Tariff, start: int, end: int, zone: ZoneInfo) -> Units:
    if tariff.visit_fen is not None:
        return _visits(tariff, tariff.visit_fen, start, end, zone)
    run = _run(tariff, start, end, zone)
    if run is None:
        units = _walk(tariff, start, end, zone)
    else:
        number = bisect_left(run.units.at, end - start)
        at, fens, rules, bands = run.units
        units = Units(at[:number], fens[:number], rules[:number], bands[:number])
    last = len(units.at) - 1
    if last < 0 or not _is_let_off(tariff, last, units.fens[last], units.bands[last], end - start - units.at[last]):
        return units
    rule = tariff.counted[units.bands[last]].tolerance_rule
    return units._replace(fens=[*units.fens[:last], 0], rules=[*units.rules[:last], rule])


def _is_let_off(tariff: Tariff, last: int, fen: int, band: int, stayed: int) -> bool:
    """The stay's last unit is let off by the tolerance of its band's `unit`, even if it is a `first`; its very first never."""
    return last > 0 and fen > 0 and stayed <= tariff.counted[band].tolerance_minutes


def _run(tariff: Tariff, start: int, end: int, zone: tzinfo) -> Run | None:
    """What is kept of the minute of the day at which it starts, if that is enough; the same on all days if neither their kind nor
    a feast counts.
    """
    if tariff.needs_calendar or tariff.visit_fen is not None or end - start > MINUTES_PER_DAY:
        return None
    offset = steady_offset(start, end, zone)
    if offset is None:
        return None
    clock = (start + offset) % MINUTES_PER_DAY
    run = tariff.runs.get(clock)
    if run is None:
        run = tariff.runs[clock] = _kept(tariff, clock)
    return run if end - start <= run.minutes else None


def _kept(tariff: Tariff, clock: int) -> Run:
    """Cut as on a day whose clock is that of UTC. Each cap looks only at what was before, so what a shorter stay pays is in it."""
    at, fens, rules, bands = _walk(tariff, clock, clock + MINUTES_PER_DAY, UTC)
    minutes = at[_RUN_UNITS_MAX] if len(at) > _RUN_UNITS_MAX else MINUTES_PER_DAY
    most = min(len(at), _RUN_UNITS_MAX)
    units = Units(at[:most], fens[:most], rules[:most], bands[:most])
    left: Sequence[int] = units.fens
    for limit in _limits(tariff, clock, UTC, units, {}):
        left = limit.apply(left)
    return Run(units, list(accumulate(left)), minutes)


def _walk(tariff: Tariff, start: int, end: int, zone: tzinfo) -> Units:
    """Unit after unit, as long as they start before the end; the last one is whole."""
    at: list[int] = []
    fens: list[int] = []
    rules: list[str] = []
    bands: list[int] = []
    by_kind, counted, free_day = tariff.by_kind, tariff.counted, tariff.free_day
    every_day = tariff.clock[0]
    offset = steady_offset(start, end, zone)
    now = start
    while now < end:
        if len(at) >= UNITS_MAX:
            raise StayTooLong(f"more than {UNITS_MAX} units")
        day, clock = divmod(now + offset, MINUTES_PER_DAY) if offset is not None else wall_clock(now, zone)
        band = tariff.clock[_kind_number(day)][clock] if by_kind else every_day[clock]
        first, unit = counted[band].first, counted[band].unit
        minutes, fen, rule = first[len(at)] if len(at) < len(first) else unit
        if free_day:
            fen, rule = _on_a_free_day(free_day, day, fen, rule)
        at.append(now - start)
        fens.append(fen)
        rules.append(rule)
        bands.append(band)
        now += minutes
    return Units(at, fens, rules, bands)


def _visits(tariff: Tariff, visit_fen: int, start: int, end: int, zone: ZoneInfo) -> Units:
    """Units of a whole day each, from the start of charging."""
    at = range(0, end - start, MINUTES_PER_DAY)
    if len(at) > UNITS_MAX:
        raise StayTooLong(f"more than {UNITS_MAX} units")
    rule = f"tariff.{tariff.number}.visit_fen"
    priced = [_on_a_free_day(tariff.free_day, day, visit_fen, rule) for day in _days(start, at, zone)]
    return Units(at, [fen for fen, _ in priced], [rule for _, rule in priced], [-1] * len(at))


def _days(start: int, at: Sequence[int], zone: tzinfo) -> list[int]:
    return [wall_clock(start + minutes, zone)[0] for minutes in at]


def _on_a_free_day(free_day: frozenset[str], day: int, fen: int, rule: str) -> tuple[int, str]:
    feast = _festival(day) if free_day else None
    return (0, f"free_day.{feast}") if feast is not None and feast in free_day else (fen, rule)


@lru_cache(maxsize=8192)
def _kind_number(day: int) -> int:
    return _KIND_NUMBER[kind_of_day(date_of(day))]


@lru_cache(maxsize=8192)
def _festival(day: int) -> str | None:
    return festival(date_of(day))


def _limits(tariff: Tariff, start: int, zone: tzinfo, units: Units, charged: Mapping[str, int]) -> Sequence[Limit]:
    """In the order in which they cut: each occurrence of a band, then the cap, then the month."""
    limits = []
    at, bands = units.at, units.bands
    for index, band in enumerate(tariff.bands):
        if band.cap_fen is not None:
            runs = [
                _occurrence(band, *wall_clock(start + minutes, zone)) if own == index else None
                for minutes, own in zip(at, bands, strict=True)
            ]
            limits.append(_limit(f"tariff.{tariff.number}.band.{index + 1}.cap_fen", runs, band.cap_fen, {}))
    cap = tariff.cap
    if cap is not None:
        windows: Sequence[Hashable]
        if cap.per == "24h":
            whole = not at or at[-1] < MINUTES_PER_DAY
            windows = (0,) * len(at) if whole else [minutes // MINUTES_PER_DAY for minutes in at]
        else:
            windows = _days(start, at, zone)
        limits.append(
            _limit(f"tariff.{tariff.number}.cap", windows, cap.fen, _by_day(charged) if cap.across_stays else {})
        )
    if tariff.month_cap_fen is not None:
        months = [month_of(day) for day in _days(start, at, zone)]
        by_month = _by_month(charged)
        limits.append(_limit(f"tariff.{tariff.number}.month_cap_fen", months, tariff.month_cap_fen, by_month))
    return limits


def _limit(rule: str, keys: Sequence[Hashable], fen: int, used: Mapping[Hashable, int]) -> Limit:
    """Units with equal keys share a group; None is in none."""
    if len(set(keys)) == 1 and keys[0] is not None:
        return Limit(rule, (0,) * len(keys), (max(0, fen - used.get(keys[0], 0)),))
    numbers: dict[Hashable, int] = {}
    groups = tuple([-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys])
    return Limit(rule, groups, tuple(max(0, fen - used.get(key, 0)) for key in numbers))


def _occurrence(band: Band, day: int, clock: int) -> tuple[int, bool]:
    """Which occurrence of its band holds this moment of the wall clock, by the start of the unbroken run of the band's minutes,
    cut at `from`: the day it began on, and whether at `from` or at midnight.
    """
    hours = band.hours
    if clock >= hours.from_minute:
        return day, True
    yesterday = day - 1
    if hours.days == "all" or kind_of_day(date_of(yesterday)) == hours.days:
        return yesterday, True
    return day, False  # the evening before was of another kind, so the run began at midnight


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
