"""A bill in words, for the driver who asks why. Chinese is the language of the street; English is for everybody else.

Every line names its rule and its policy version. A certificate of low income and a pass read the same, "resident", and of
both only that they waived something is said: nobody at a gate learns which it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Final

from billing.bill import Bill, Line, StayToPrice
from billing.errors import CannotPrice
from billing.money import yuan
from billing.policy_parts import Policy
from billing.rule_words import Language, free_minutes_rule, rule_words
from billing.tariff import tariff_for

__all__ = ["Language", "balances", "duration", "sentences"]

RESIDENT: Final = frozenset({"low_income", "pass"})
_KINDS: Final[dict[str, tuple[str, str]]] = {
    "cap": ("封顶减免", "cap"),
    "free_class": ("免费车种", "free class of vehicle"),
    "low_income": ("居民优免", "resident"),
    "pass": ("居民优免", "resident"),
    "whole_stay_voucher": ("全免停车券", "whole-stay voucher"),
    "relative_allowance": ("三代直系亲属免费时长", "relative allowance"),
    "hour_voucher": ("时长停车券", "hour voucher"),
    "amount_voucher": ("金额停车券", "amount voucher"),
    "discount": ("折扣", "discount"),
    "rounding": ("抹零", "rounding down"),
}
_TRUE_KINDS: Final = {"low_income": ("低保优免", "low-income exemption"), "pass": ("包月", "pass")}


def sentences(
    bill: Bill,
    language: Language = "zh",
    policy: Policy | None = None,
    *,
    stay: StayToPrice | None = None,
    allowance: Mapping[str, int] | None = None,
    truly: bool = False,
) -> list[str]:
    """One sentence a line; like units that follow each other share one. Then balances; the last says what is payable.

    With the `policy` that the bill names, each line says what its rule says; with the `stay`, which free minutes hold. With the
    `allowance` as it was before the bill, by month, what is left of it is said. `truly` names a certificate and a pass: only for
    whoever administers them.
    """
    chinese = language == "zh"
    head = f"{bill.policy} 第 {bill.version} 版" if chinese else f"{bill.policy}, version {bill.version}"
    stayed = f"停车 {bill.minutes} 分钟" if chinese else f"parked for {_minutes(bill.minutes)}"
    said = [f"{head}：{stayed}。" if chinese else f"{head}: {stayed}."]
    if not bill.lines:
        said.append(_free(bill, language, policy, stay))
    for line, count, to in _grouped(bill):
        words = _chinese(line, count, to, truly=truly) if chinese else _english(line, count, to, truly=truly)
        said.append(words + _source(bill, line, language, policy, truly=truly))
    said += _without_line(bill, language)
    said += balances(bill, allowance, language)
    for place, used in enumerate(bill.vouchers_used, start=1):
        if not used:
            said.append(
                f"停车券 {place} 未使用，仍然有效。" if chinese else f"Voucher {place} was not needed and stays valid."
            )
    gross, payable = yuan(bill.gross_fen), yuan(bill.payable_fen)
    waived = yuan(bill.gross_fen - bill.payable_fen)
    if chinese:
        said.append(f"应收 {gross} 元，优免 {waived} 元，应付 {payable} 元。")
    else:
        said.append(f"Price {gross} yuan, waived {waived} yuan, to pay {payable} yuan.")
    return said


def _without_line(bill: Bill, language: Language) -> list[str]:
    """What was used up and has no line: where only benefits together come below a cap, the last of them has the line of all
    (rule 12 of the pricing contract, whose lines are negative). What was taken from whom is said all the same.
    """
    rules = {line.rule for line in bill.lines}
    minutes = sum(bill.drawn.values())
    used = []
    if minutes and "relative_allowance" not in rules:
        chinese, english = _KINDS["relative_allowance"]
        used.append(f"{chinese}用去 {minutes} 分钟" if language == "zh" else f"{english}: {_minutes(minutes)} used")
    for place, was_used in enumerate(bill.vouchers_used, start=1):
        if was_used and f"voucher.{place}" not in rules:
            used.append(f"停车券 {place} 已使用" if language == "zh" else f"voucher {place}: used")
    if language == "zh":
        return [f"{one}：与其后的优免合在一起才低于封顶，减额计在其后那一行。" for one in used]
    return [
        f"{one[0].upper()}{one[1:]}, and only with a benefit after it below a cap: what both take off stands in that one's line."
        for one in used
    ]


def balances(bill: Bill, allowance: Mapping[str, int] | None, language: Language) -> list[str]:
    """What a bill took from each month of an allowance, and what it left of it."""
    said = []
    for month, before in sorted((allowance or {}).items()):
        used = bill.drawn.get(month, 0)
        left = max(0, before - used)
        if language == "zh":
            said.append(f"亲属免费时长 {month}：本次用 {used} 分钟，余 {duration(left, 'zh')}。")
        else:
            said.append(f"Relative allowance of {month}: {_minutes(used)} used, {duration(left, 'en')} left.")
    return said


def duration(minutes: int, language: Language) -> str:
    """41 小时 20 分, 41 h 20 min."""
    hours, rest = divmod(minutes, 60)
    if language == "zh":
        return f"{hours} 小时 {rest} 分" if hours else f"{rest} 分"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def _free(bill: Bill, language: Language, policy: Policy | None, stay: StayToPrice | None) -> str:
    said = "在免费时长内，不收费。" if language == "zh" else "Within the free minutes: nothing to pay."
    if policy is None or stay is None:
        return said
    try:
        tariff = tariff_for(policy, stay.vehicle, stay.energy, stay.who)
    except CannotPrice:
        return said
    limit = tariff.free_stays_per_day
    name, chinese, english = free_minutes_rule(tariff, hold=limit is None or stay.free_stays_used < limit)
    return said + _named(bill, name, chinese if language == "zh" else english, language)


def _source(bill: Bill, line: Line, language: Language, policy: Policy | None, *, truly: bool) -> str:
    """Where the policy says so. Of a resident's line nothing that could tell a pass from a certificate."""
    if line.kind in RESIDENT and not truly:
        return _named(bill, "resident", "", language)
    return _named(bill, line.rule, rule_words(policy, line.rule, language) if policy is not None else "", language)


def _named(bill: Bill, rule: str, words: str, language: Language) -> str:
    if language == "zh":
        return f"〔第 {bill.version} 版 {rule}{'：' if words else ''}{words}〕"
    return f" [version {bill.version}, {rule}{': ' if words else ''}{words}]"


def _grouped(bill: Bill) -> Iterator[tuple[Line, int, datetime]]:
    """The first line of each run of equal units, how many they are, and where the run ends."""
    numbered = enumerate(bill.lines)
    for _, run in groupby(numbered, key=lambda one: (one[1].fen, one[1].rule) if one[1].kind == "unit" else one[0]):
        lines = [line for _, line in run]
        yield lines[0], len(lines), lines[-1].to


def _chinese(line: Line, count: int, to: datetime, *, truly: bool) -> str:
    span = _span(line.from_, to)
    if line.kind == "unit":
        why = {"free_day": "（节日免费）", "tolerance": "（宽限）"}.get(_let_off(line), "")
        many = f"{count} 个计费单元，每个 {yuan(line.fen)} 元，共 " if count > 1 else "1 个计费单元，"
        return f"{span}：{many}{yuan(line.fen * count)} 元{why}。"
    if line.kind in RESIDENT and not truly:
        return f"{_KINDS[line.kind][0]}，减 {yuan(-line.fen)} 元。"
    minutes = f"，{line.minutes} 分钟" if line.minutes else ""
    return f"{span}：{_word(line.kind, truly=truly)[0]}{minutes}，减 {yuan(-line.fen)} 元。"


def _english(line: Line, count: int, to: datetime, *, truly: bool) -> str:
    span = _span(line.from_, to)
    if line.kind == "unit":
        why = {"free_day": " (free on this holiday)", "tolerance": " (let off)"}.get(_let_off(line), "")
        many = f"{count} units of {yuan(line.fen)} yuan, " if count > 1 else "1 unit, "
        return f"{span}: {many}{yuan(line.fen * count)} yuan{why}."
    if line.kind in RESIDENT and not truly:
        return f"{_KINDS[line.kind][1].capitalize()}, {yuan(-line.fen)} yuan off."
    minutes = f", {_minutes(line.minutes)}" if line.minutes else ""
    return f"{span}: {_word(line.kind, truly=truly)[1]}{minutes}, {yuan(-line.fen)} yuan off."


def _word(kind: str, *, truly: bool) -> tuple[str, str]:
    return _TRUE_KINDS.get(kind, _KINDS[kind]) if truly else _KINDS[kind]


def _let_off(line: Line) -> str:
    if line.rule.startswith("free_day."):
        return "free_day"
    return "tolerance" if line.rule.endswith(".tolerance_minutes") else ""


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"


def _span(start: datetime, end: datetime) -> str:
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%m-%d %H:%M}"
    return f"{start:%m-%d %H:%M}–{until}"
