"""A bill in words, for the driver who asks why. Chinese is the language of the street; English is for everybody else.

A certificate of low income and a pass read the same, "resident": nobody at a gate learns which it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Final, Literal

from billing.bill import Bill, Line
from billing.money import yuan

Language = Literal["zh", "en"]

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


def sentences(bill: Bill, language: Language = "zh") -> list[str]:
    """One sentence a line; like units that follow each other share one. The last says what is payable."""
    chinese = language == "zh"
    head = f"{bill.policy} 第 {bill.version} 版" if chinese else f"{bill.policy}, version {bill.version}"
    stayed = f"停车 {bill.minutes} 分钟" if chinese else f"parked for {_minutes(bill.minutes)}"
    said = [f"{head}：{stayed}。" if chinese else f"{head}: {stayed}."]
    if not bill.lines:
        said.append("在免费时长内，不收费。" if chinese else "Within the free minutes: nothing to pay.")
    for line, count, to in _grouped(bill):
        said.append(_chinese(line, count, to) if chinese else _english(line, count, to))
    gross, payable = yuan(bill.gross_fen), yuan(bill.payable_fen)
    waived = yuan(bill.gross_fen - bill.payable_fen)
    if chinese:
        said.append(f"应收 {gross} 元，优免 {waived} 元，应付 {payable} 元。")
    else:
        said.append(f"Price {gross} yuan, waived {waived} yuan, to pay {payable} yuan.")
    return said


def _grouped(bill: Bill) -> Iterator[tuple[Line, int, datetime]]:
    """The first line of each run of equal units, how many they are, and where the run ends."""
    numbered = enumerate(bill.lines)
    for _, run in groupby(numbered, key=lambda one: (one[1].fen, one[1].rule) if one[1].kind == "unit" else one[0]):
        lines = [line for _, line in run]
        yield lines[0], len(lines), lines[-1].to


def _chinese(line: Line, count: int, to: datetime) -> str:
    span = _span(line.from_, to)
    if line.kind == "unit":
        why = {"free_day": "（节日免费）", "tolerance": "（宽限）"}.get(_let_off(line), "")
        many = f"{count} 个计费单元，每个 {yuan(line.fen)} 元，共 " if count > 1 else "1 个计费单元，"
        return f"{span}：{many}{yuan(line.fen * count)} 元{why}。"
    minutes = f"，{line.minutes} 分钟" if line.minutes else ""
    return f"{span}：{_KINDS[line.kind][0]}{minutes}，减 {yuan(-line.fen)} 元。"


def _english(line: Line, count: int, to: datetime) -> str:
    span = _span(line.from_, to)
    if line.kind == "unit":
        why = {"free_day": " (free on this holiday)", "tolerance": " (let off)"}.get(_let_off(line), "")
        many = f"{count} units of {yuan(line.fen)} yuan, " if count > 1 else "1 unit, "
        return f"{span}: {many}{yuan(line.fen * count)} yuan{why}."
    minutes = f", {_minutes(line.minutes)}" if line.minutes else ""
    return f"{span}: {_KINDS[line.kind][1]}{minutes}, {yuan(-line.fen)} yuan off."


def _let_off(line: Line) -> str:
    if line.rule.startswith("free_day."):
        return "free_day"
    return "tolerance" if line.rule.endswith(".tolerance_minutes") else ""


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"


def _span(start: datetime, end: datetime) -> str:
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%m-%d %H:%M}"
    return f"{start:%m-%d %H:%M}–{until}"
