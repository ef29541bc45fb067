"""A slow biller that is right by inspection: the contract's sentences, one loop each.

It knows nothing of the product. It reads the policy's TOML itself, walks over single minutes and units, and keeps to
fractions where the contract spreads a price. The numbers in comments are the rules of the pricing contract,
"Meaning, exactly". It prices one stay as `parkgate bill --batch` sees it, so passes, free classes and certificates,
which no line of a batch can carry, are not here.
"""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from chinese_calendar import constants

DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class Unit:
    start: int  # minutes since the epoch
    stayed: int  # minutes
    price: int  # fen
    band: tuple[int, int] | None  # which band, and the first minute of its unbroken run
    band_cap: int | None
    window: Any  # of the cap
    month: str


@dataclass(frozen=True)
class Benefit:
    kind: str
    amount: int = 0  # minutes of an hour voucher, fen of an amount voucher, percent of a discount
    months: dict[str, int] = field(default_factory=dict)
    voucher: int | None = None  # its place among the vouchers presented


class NaiveBiller:
    """One stay under one policy; `bill()` gives the figures that any right answer must have."""

    def __init__(self, policy: str, stay: dict[str, Any]) -> None:
        self.rules = tomllib.loads(policy)
        self.stay = stay
        self.zone = ZoneInfo(self.rules["policy"]["timezone"])
        self.seen_local: dict[int, datetime] = {}
        self.seen_band: dict[int, int] = {}
        self.entry = self._minute(stay["entry"])  # 1
        self.exit = self._minute(stay["exit"])
        self.tariff = self._tariff()
        self.free_minutes = self._free_minutes()
        self.is_free = self.exit - self.entry <= self.free_minutes  # 2
        deducted = self.tariff.get("free_minutes_deducted", False)
        self.start = self.entry + (self.free_minutes if deducted else 0)  # 3
        self.units = [] if self.is_free else self._cut_into_units()
        self.months = {minute: f"{self._local(minute):%Y-%m}" for minute in range(self.start, self.exit)}

    # --- time -------------------------------------------------------------------------------------------------

    def _minute(self, text: str) -> int:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=self.zone)
        return math.floor(at.timestamp()) // 60

    def _local(self, minute: int) -> datetime:
        if minute not in self.seen_local:
            self.seen_local[minute] = datetime.fromtimestamp(minute * 60, tz=UTC).astimezone(self.zone)
        return self.seen_local[minute]

    @staticmethod
    def kind_of_day(day: date) -> str:  # 4
        if day in constants.holidays:
            return "holiday"
        if day in constants.workdays:
            return "workday"
        return "weekend" if day.weekday() >= 5 else "workday"

    # --- which tariff, which free minutes ---------------------------------------------------------------------

    def _tariff(self) -> dict[str, Any]:
        def selectors(tariff: dict[str, Any]) -> int:
            return ("energy" in tariff) + ("who" in tariff)

        def serves(tariff: dict[str, Any]) -> bool:
            return (
                self.stay["vehicle"] in tariff["vehicles"]
                and tariff.get("energy") in (None, self.stay.get("energy"))
                and tariff.get("who") in (None, self.stay.get("who"))
            )

        best: dict[str, Any] | None = None
        for tariff in self.rules["tariff"]:
            if serves(tariff) and (
                best is None or (selectors(tariff), "who" in tariff) > (selectors(best), "who" in best)
            ):
                best = tariff
        return best if best is not None else self.rules["tariff"][0]

    def _free_minutes(self) -> int:
        stays = self.tariff.get("free_stays_per_day")
        if stays is not None and self.stay.get("free_stays_used", 0) >= stays:
            return 0
        return int(self.tariff.get("free_minutes", 0))

    # --- units ------------------------------------------------------------------------------------------------

    def _band_at(self, minute: int) -> int:
        if minute not in self.seen_band:
            self.seen_band[minute] = self._find_band(minute)
        return self.seen_band[minute]

    def _find_band(self, minute: int) -> int:
        local = self._local(minute)
        clock, kind = f"{local:%H:%M}", self.kind_of_day(local.date())
        for index, band in enumerate(self.tariff["band"]):
            if band.get("days", "all") not in ("all", kind):
                continue
            begin, end = band["from"], band["to"]
            # One that crosses midnight has its `to` before its `from`; from = to is the whole day.
            inside = begin <= clock < end if begin < end else clock >= begin or clock < end
            if inside:
                return index
        raise AssertionError(f"no band at {local}")

    def _run_of(self, index: int, minute: int) -> tuple[int, int]:
        """The unbroken run of a band's minutes around this one, cut at its `from`."""
        begin = self.tariff["band"][index]["from"]
        while f"{self._local(minute):%H:%M}" != begin and self._band_at(minute - 1) == index:
            minute -= 1
        return index, minute

    def _cut_into_units(self) -> list[Unit]:  # 3
        units: list[Unit] = []
        at = self.start
        while at < self.exit:
            length, price, band, band_cap, tolerance = self._unit_at(at, len(units))
            stayed = min(at + length, self.exit) - at
            is_last = at + length >= self.exit
            if units and is_last and stayed <= tolerance:
                price = 0
            local = self._local(at)
            if constants.holidays.get(local.date(), "").lower().replace(" ", "_") in self.rules.get("free_day", []):
                price = 0
            units.append(Unit(at, stayed, price, band, band_cap, self._window(at), f"{local:%Y-%m}"))
            at += length
        return units

    def _unit_at(self, at: int, place: int) -> tuple[int, int, tuple[int, int] | None, int | None, int]:
        if "visit_fen" in self.tariff:
            return DAY_MINUTES, self.tariff["visit_fen"], None, None, -1
        index = self._band_at(at)
        band = self.tariff["band"][index]
        firsts = band.get("first", [])
        firsts = [firsts] if isinstance(firsts, dict) else firsts
        unit = firsts[place] if place < len(firsts) else band["unit"]
        run = self._run_of(index, at) if "cap_fen" in band else None
        return unit["minutes"], unit["fen"], run, band.get("cap_fen"), band["unit"].get("tolerance_minutes", -1)

    def _window(self, at: int) -> Any:  # 5
        per = self.tariff.get("cap", {}).get("per")
        if per == "24h":
            return (at - self.start) // DAY_MINUTES
        return f"{self._local(at):%Y-%m-%d}"

    # --- benefits ---------------------------------------------------------------------------------------------

    def benefits(self) -> list[Benefit]:  # 6
        """All that were presented and those that the policy grants, in the order in which they are applied."""
        presented: dict[str, list[Benefit]] = {"whole_stay": [], "minutes": [], "amount": []}
        for place, voucher in enumerate(self.stay.get("vouchers", [])):
            kind, _, amount = voucher.partition(":")
            presented[kind].append(Benefit(kind, int(amount or 0), voucher=place))
        allowance = [Benefit("allowance", months=self.stay["allowance"])] if self.stay.get("allowance") else []
        percents = [
            discount["percent"]
            for discount in self.rules.get("discount", [])
            if not discount.get("register") and self.stay["vehicle"] in discount.get("vehicles", [self.stay["vehicle"]])
        ]
        discounts = [Benefit("discount", max(percents))] if percents else []
        return presented["whole_stay"] + allowance + presented["minutes"] + presented["amount"] + discounts

    def _covered(self, benefits: Sequence[Benefit]) -> tuple[set[int], dict[str, int]]:  # 7
        covered: set[int] = set()
        drawn: dict[str, int] = {}
        for benefit in benefits:
            if benefit.kind == "allowance":
                for minute in range(self.start, self.exit):
                    month = self.months[minute]
                    if minute not in covered and drawn.get(month, 0) < benefit.months.get(month, 0):
                        covered.add(minute)
                        drawn[month] = drawn.get(month, 0) + 1
            if benefit.kind == "minutes":
                left = benefit.amount
                for minute in range(self.start, self.exit):
                    if left and minute not in covered:
                        covered.add(minute)
                        left -= 1
        return covered, drawn

    def _charge(self, covered: set[int]) -> int:
        """What is due for the units after waivers, band caps and caps, in fen."""
        of_band: dict[tuple[int, int], int] = {}
        of_window: dict[Any, int] = {}
        of_month: dict[str, int] = {}
        charged = self.stay.get("charged", {})
        cap = self.tariff.get("cap", {})
        month_cap = self.tariff.get("month_cap_fen")
        total = 0
        for unit in self.units:
            minutes = sum(minute in covered for minute in range(unit.start, unit.start + unit.stayed))
            left = unit.price - math.ceil(Fraction(unit.price * minutes, unit.stayed))
            if unit.band is not None and unit.band_cap is not None:
                left = min(left, unit.band_cap - of_band.get(unit.band, 0))
                of_band[unit.band] = of_band.get(unit.band, 0) + left
            if "fen" in cap:
                before = charged.get(unit.window, 0) if cap.get("across_stays") else 0
                left = max(0, min(left, cap["fen"] - before - of_window.get(unit.window, 0)))
                of_window[unit.window] = of_window.get(unit.window, 0) + left
            if month_cap is not None:
                before = sum(fen for day, fen in charged.items() if day.startswith(unit.month))
                left = max(0, min(left, month_cap - before - of_month.get(unit.month, 0)))
                of_month[unit.month] = of_month.get(unit.month, 0) + left
            total += left
        return total

    def payable(self, benefits: Sequence[Benefit]) -> int:
        """What is due with these benefits, before rounding, in fen."""
        left = self._charge(self._covered(benefits)[0])
        for benefit in benefits:
            if benefit.kind == "whole_stay":
                left = 0
            elif benefit.kind == "amount":
                left = max(0, left - benefit.amount)  # 9
            elif benefit.kind == "discount":
                left -= math.ceil(Fraction(left * benefit.amount, 100))
        return left

    def kept(self) -> list[Benefit]:  # 8
        presented = self.benefits()
        kept = presented
        for benefit in reversed(presented):
            others = [other for other in kept if other is not benefit]
            # Less, too: a band's cap that spans two windows of the cap can make a benefit raise the bill, and none may.
            if self.payable(others) <= self.payable(kept):
                kept = others
        return kept

    # --- the bill ---------------------------------------------------------------------------------------------

    def bill(self) -> dict[str, Any]:
        """`minutes`, `gross_fen`, `payable_fen`, `drawn`, `vouchers_used`, and `by_kind`: the lines' sums in fen."""
        kept = self.kept()
        used = {benefit.voucher for benefit in kept}
        gross, exact = self.payable([]), self.payable(kept)
        step = self.rules["policy"].get("payable_step_fen", 1)
        payable = exact // step * step  # 14
        by_kind = {"unit": sum(unit.price for unit in self.units)}
        by_kind["cap"] = gross - by_kind["unit"]
        names = {
            "whole_stay": "whole_stay_voucher",
            "allowance": "relative_allowance",
            "minutes": "hour_voucher",
            "amount": "amount_voucher",
            "discount": "discount",
        }
        for place, benefit in enumerate(kept):  # 12
            name = names[benefit.kind]
            lowered = self.payable(kept[: place + 1]) - self.payable(kept[:place])
            by_kind[name] = by_kind.get(name, 0) + lowered
        by_kind["rounding"] = payable - exact
        return {
            "minutes": self.exit - self.entry,
            "gross_fen": gross,
            "payable_fen": payable,
            "drawn": self._covered(kept)[1],
            "vouchers_used": [place in used for place in range(len(self.stay.get("vouchers", [])))],
            "by_kind": {kind: fen for kind, fen in by_kind.items() if fen},
        }


def naive_bill(policy: str, stay: dict[str, Any]) -> dict[str, Any]:
    """The figures of a stay (a batch line, as a dict) under a policy (TOML text)."""
    return NaiveBiller(policy, stay).bill()


def later(text: str, minutes: int) -> str:
    """An instant of a batch line, moved by whole minutes."""
    return (datetime.fromisoformat(text) + timedelta(minutes=minutes)).isoformat()


def minutes_between(entry: str, leaves: str) -> int:
    return (datetime.fromisoformat(leaves) - datetime.fromisoformat(entry)) // timedelta(minutes=1)
