"""What a rule of a policy says, in words: `tariff.1.band.2.unit` → 20:00–08:00，每开始 60 分钟 1.00 元."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeVar

from billing.calendar import FESTIVAL_WORDS
from billing.money import yuan
from billing.policy_parts import Band, Hours, Policy, Price, Tariff

Language = Literal["zh", "en"]
_T = TypeVar("_T")

_TARIFF = re.compile(r"tariff\.(\d+)(?:\.band\.(\d+))?\.?(.*)")
_DAYS: Final = {
    "all": ("", ""),
    "workday": ("工作日 ", "workdays "),
    "weekend": ("周末 ", "weekends "),
    "holiday": ("节假日 ", "holidays "),
}


def rule_words(policy: Policy, rule: str, language: Language) -> str:
    """Empty for a rule that says nothing more than its name, or that this version does not have."""
    found = _words(policy, rule)
    return "" if found is None else found[0 if language == "zh" else 1]


def free_minutes_rule(tariff: Tariff, *, hold: bool) -> tuple[str, str, str]:
    """The rule under which a short stay costs nothing: its name, and its words in Chinese and English."""
    minutes = tariff.free_minutes if hold else 0
    name = f"tariff.{tariff.number}.free_minutes"
    return name, f"{minutes} 分钟内免费", f"free up to {minutes} minutes"


def _words(policy: Policy, rule: str) -> tuple[str, str] | None:
    match = _TARIFF.fullmatch(rule)
    if match is not None:
        tariff = _at(policy.tariffs, match[1])
        return None if tariff is None else _of_tariff(tariff, match[2], match[3])
    kind, _, name = rule.partition(".")
    if kind == "free_day" and name in FESTIVAL_WORDS:
        chinese, english = FESTIVAL_WORDS[name]
        return f"{chinese}免费", f"free over {english}"
    if kind == "free_class":
        return _of_free_class(policy, name)
    if kind == "relative_allowance" and policy.relative_allowance is not None:
        allowance = policy.relative_allowance
        whose = ("每户", "household") if allowance.per == "household" else ("每车", "vehicle")
        minutes = allowance.minutes_per_month
        return f"{whose[0]}每月 {minutes} 分钟", f"{minutes} minutes a month for each {whose[1]}"
    if kind == "discount":
        percent = next((one.percent for one in policy.discounts if one.id == name), None)
        return None if percent is None else (f"减 {percent}%", f"{percent}% off")
    if rule == "policy.payable_step_fen":
        step = yuan(policy.payable_step_fen)
        return f"应付取 {step} 元的整数倍，舍去零头", f"down to a multiple of {step} yuan"
    return None


def _of_free_class(policy: Policy, name: str) -> tuple[str, str] | None:
    one = policy.free_class(name)
    if one is None:
        return None
    listed = ("登记车辆", "listed vehicles") if one.register else ("按车牌识别", "known by the plate")
    if one.minutes is None:
        return listed
    return f"{listed[0]}，{one.minutes} 分钟内免费", f"{listed[1]}, free up to {one.minutes} minutes"


def _of_tariff(tariff: Tariff, band_number: str | None, rest: str) -> tuple[str, str] | None:
    if band_number is not None:
        band = _at(tariff.bands, band_number)
        return None if band is None else _of_band(band, rest)
    if rest == "visit_fen" and tariff.visit_fen is not None:
        fen = yuan(tariff.visit_fen)
        return f"按次，每 24 小时 {fen} 元", f"per visit, {fen} yuan for each 24 hours"
    if rest == "cap" and tariff.cap is not None:
        fen = yuan(tariff.cap.fen)
        across = ("，同车当天各次合计", ", all stays of the vehicle together") if tariff.cap.across_stays else ("", "")
        if tariff.cap.per == "24h":
            return f"每 24 小时最高 {fen} 元", f"at most {fen} yuan in 24 hours"
        return f"每个自然日最高 {fen} 元{across[0]}", f"at most {fen} yuan a calendar day{across[1]}"
    if rest == "month_cap_fen" and tariff.month_cap_fen is not None:
        fen = yuan(tariff.month_cap_fen)
        return f"同车每月最高 {fen} 元", f"at most {fen} yuan a month for a vehicle"
    return None


def _of_band(band: Band, rest: str) -> tuple[str, str] | None:
    hours = _hours(band.hours)
    if rest == "unit":
        said = _price(band.unit)
        return f"{hours[0]}，每开始 {said[0]}", f"{hours[1]}, every started {said[1]}"
    if rest == "unit.tolerance_minutes":
        minutes = band.unit.tolerance_minutes
        return f"{hours[0]}，最后一个单元不超过 {minutes} 分钟不计费", (
            f"{hours[1]}, a last unit of at most {minutes} minutes is let off"
        )
    if rest == "cap_fen" and band.cap_fen is not None:
        fen = yuan(band.cap_fen)
        return f"{hours[0]}，每个时段最高 {fen} 元", f"{hours[1]}, at most {fen} yuan each time"
    kind, _, number = rest.partition(".")
    first = _at(band.first, number) if kind == "first" else None
    if first is None:
        return None
    said = _price(first)
    return f"{hours[0]}，第 {number} 个单元 {said[0]}", f"{hours[1]}, unit {number} of the stay: {said[1]}"


def _price(price: Price) -> tuple[str, str]:
    minutes = "1 minute" if price.minutes == 1 else f"{price.minutes} minutes"
    return f"{price.minutes} 分钟 {yuan(price.fen)} 元", f"{minutes} for {yuan(price.fen)} yuan"


def _hours(hours: Hours) -> tuple[str, str]:
    chinese, english = _DAYS[hours.days]
    if hours.from_minute == hours.to_minute:
        return f"{chinese}全天", f"{english}all day"
    span = f"{_clock(hours.from_minute)}–{_clock(hours.to_minute)}"
    return f"{chinese}{span}", f"{english}{span}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _at(items: tuple[_T, ...], number: str) -> _T | None:
    place = int(number) - 1 if number.isascii() and number.isdigit() and len(number) < 4 else -1
    return items[place] if 0 <= place < len(items) else None
