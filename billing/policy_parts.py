"""What a policy is made of, as immutable records. `billing.policy` reads them from a file and is what others import."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

Days = Literal["all", "workday", "weekend", "holiday"]
VEHICLES: Final[tuple[str, ...]] = ("small", "large", "motorcycle")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a policy file: the line (from 1) where it stands, and the reason."""

    line: int | None
    what: str

    def __str__(self) -> str:
        return self.what if self.line is None else f"line {self.line}: {self.what}"


class PolicyError(Exception):
    """The policy does not hold; `problems` says where and why, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("; ".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Price:
    """So many minutes, or a started part of them, for so many fen."""

    minutes: int
    fen: int
    tolerance_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Hours:
    """From one minute of the day up to another, on days of a kind. `to` not after `from` crosses midnight; equal is
    the whole day. Each minute is judged by its own date.
    """

    from_minute: int
    to_minute: int
    days: Days = "all"

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """The half-open pieces of one date that these hours hold, in minutes of the day, earliest first."""
        if self.from_minute < self.to_minute:
            return ((self.from_minute, self.to_minute),)
        return tuple((a, b) for a, b in ((0, self.to_minute), (self.from_minute, 1440)) if a < b)


@dataclass(frozen=True, slots=True)
class Band:
    """The price of the units that start in these hours."""

    hours: Hours
    unit: Price
    first: tuple[Price, ...] = ()
    cap_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a window costs."""

    per: Literal["24h", "calendar_day"]
    fen: int
    across_stays: bool = False


class Counted(NamedTuple):
    """A band as units are cut by it: each `first` and the `unit` as (minutes, fen, rule); the tolerance of a last unit."""

    first: tuple[tuple[int, int, str], ...]
    unit: tuple[int, int, str]
    tolerance_minutes: int
    tolerance_rule: str


class Units(NamedTuple):
    """Units one after the other, by columns: a month of stays has millions of them.

    `at`: where each begins, in minutes from the start of charging; each lasts until the next. `fens` are prices before caps and
    benefits, `rules` what set them, `bands` the places of the bands in which they start (-1: the tariff has none).
    """

    at: Sequence[int]
    fens: Sequence[int]
    rules: Sequence[str]
    bands: Sequence[int]


class Run(NamedTuple):
    """The units from one minute of the day on, enough for a stay of so many minutes. `paid`: what those up to each of them cost
    together after caps, in fen.
    """

    units: Units
    paid: Sequence[int]
    minutes: int


@dataclass(frozen=True)
class Tariff:
    """What a group of vehicles pays. `number` is its place in the file, from 1; `clock` holds, for each kind of day,
    the index of the band of each of its 1440 minutes (empty with `visit_fen`).
    """

    number: int
    vehicles: tuple[str, ...]
    energy: str | None
    who: str | None
    free_minutes: int
    free_minutes_deducted: bool
    leave_within_minutes: int
    cap: Cap | None
    month_cap_fen: int | None
    bands: tuple[Band, ...]
    visit_fen: int | None
    free_stays_per_day: int | None
    reentry_minutes: int | None
    free_day: frozenset[str]
    clock: tuple[bytes, bytes, bytes] = field(repr=False)

    @cached_property
    def counts_charges(self) -> bool:
        """Whether a cap counts what other stays of the vehicle were charged."""
        return (self.cap is not None and self.cap.across_stays) or self.month_cap_fen is not None

    @cached_property
    def by_kind(self) -> bool:
        """Whether its bands differ by the kind of day."""
        return any(band.hours.days != "all" for band in self.bands)

    @cached_property
    def counted(self) -> tuple[Counted, ...]:
        """Its bands, ready for cutting a stay into units."""
        found = []
        for place, band in enumerate(self.bands, start=1):
            rule = f"tariff.{self.number}.band.{place}"
            first = tuple(
                (one.minutes, one.fen, f"{rule}.first.{number}") for number, one in enumerate(band.first, start=1)
            )
            unit = (band.unit.minutes, band.unit.fen, f"{rule}.unit")
            found.append(Counted(first, unit, band.unit.tolerance_minutes, f"{rule}.unit.tolerance_minutes"))
        return tuple(found)

    @cached_property
    def runs(self) -> dict[int, Run]:
        """What was cut before, by the minute of the day at which charging starts; `billing.tariff` fills it."""
        return {}

    @cached_property
    def needs_calendar(self) -> bool:
        """Whether a price depends on which days are holidays."""
        return bool(self.free_day) or self.by_kind


@dataclass(frozen=True, slots=True)
class FreeClass:
    """Vehicles that never pay: shown by the plate, or listed by staff; with `minutes`, only up to this long."""

    id: str
    plates: tuple[str, ...] = ()
    register: bool = False
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class RelativeAllowance:
    """Free minutes a calendar month for lineal relatives; `vehicles_max`: so many of a household are registered at once."""

    minutes_per_month: int
    per: Literal["household", "vehicle"]
    relations: tuple[str, ...]
    vehicles_max: int | None = None


@dataclass(frozen=True, slots=True)
class LowIncome:
    """What a certificate exempts from, and after how many months it is looked at again."""

    exempts: tuple[str, ...]
    review_months: int | None = None


@dataclass(frozen=True, slots=True)
class PropertyFee:
    """The monthly property fee, in fen a square metre."""

    fen_per_square_metre_month: int


@dataclass(frozen=True, slots=True)
class PayLater:
    """How much may be owed before a vehicle is asked to pay at the gate."""

    arrears_limit_fen: int


@dataclass(frozen=True, slots=True)
class PassOffer:
    """A monthly pass as it is sold; `hours`, if any, are the only minutes that it covers."""

    id: str
    vehicles: tuple[str, ...]
    fen: int
    spaces_per_household: int = 1
    grace_days: int = 0
    hours: Hours | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """Percent off what is left, for vehicle types (None: all), with `register` only for those listed by staff."""

    id: str
    percent: int
    vehicles: tuple[str, ...] | None = None
    register: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """When a misread exit may find its stay without a person: how far the best candidate must lead, and up to what
    amount.
    """

    lead: float
    fen_max: int


@dataclass(frozen=True)
class Policy:
    """One version of a street's rules. Times of day are those of `timezone`."""

    id: str
    version: int
    effective_from: datetime
    timezone: str
    tariffs: tuple[Tariff, ...]
    plausible_days_max: int | None = 7
    payable_step_fen: int = 1
    free_classes: tuple[FreeClass, ...] = ()
    relative_allowance: RelativeAllowance | None = None
    low_income: LowIncome | None = None
    property_fee: PropertyFee | None = None
    pay_later: PayLater | None = None
    exit_mode: Literal["pay_first", "leave_first"] = "pay_first"
    passes: tuple[PassOffer, ...] = ()
    discounts: tuple[Discount, ...] = ()
    matching: Matching | None = None
    free_day: frozenset[str] = frozenset()
    version_line: int | None = field(default=None, compare=False, repr=False)
    effective_from_line: int | None = field(default=None, compare=False, repr=False)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def needs_calendar(self) -> bool:
        """Whether any price or pass depends on which days are holidays."""
        return any(tariff.needs_calendar for tariff in self.tariffs) or any(
            offer.hours is not None and offer.hours.days != "all" for offer in self.passes
        )

    @cached_property
    def counts_charges(self) -> bool:
        """Whether some cap counts what other stays of the vehicle were charged."""
        return any(tariff.counts_charges for tariff in self.tariffs)

    @cached_property
    def counts_stays(self) -> bool:
        """Whether free minutes depend on how often the vehicle came that day."""
        return any(tariff.free_stays_per_day is not None for tariff in self.tariffs)

    @cached_property
    def lets_reenter(self) -> bool:
        """Whether an entry soon after an exit may continue a stay."""
        return self.reentry_minutes_most is not None

    @cached_property
    def reentry_minutes_most(self) -> int | None:
        """How soon an entry must come after an exit at the most, under whichever tariff; None where none lets stays go on."""
        return max((one.reentry_minutes for one in self.tariffs if one.reentry_minutes is not None), default=None)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups of the register that have a tariff of their own, in the order of the file."""
        return tuple(dict.fromkeys(tariff.who for tariff in self.tariffs if tariff.who is not None))

    def free_class(self, class_id: str) -> FreeClass | None:
        """The free class of this id, if this version has it."""
        return next((one for one in self.free_classes if one.id == class_id), None)

    def pass_offer(self, pass_id: str) -> PassOffer | None:
        """The pass of this id, if this version sells it."""
        return next((one for one in self.passes if one.id == pass_id), None)
