"""One line of `parkgate bill --batch`: a stay as JSON in, its bill or what is wrong with it out."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final

import msgspec

from billing.benefits import BENEFITS_MAX, Benefits, parse_voucher
from billing.bill import StayToPrice, price
from billing.calendar import parse_instant
from billing.errors import BadLine, BadMonth, CannotPrice
from billing.money import FEN_MAX
from billing.policy_parts import Policy

LINE_CHARACTERS_MAX: Final = 64 * 1024
MONTHS_MAX: Final = 1000

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)

_Short = Annotated[str, msgspec.Meta(max_length=64)]
_Amount = Annotated[int, msgspec.Meta(ge=0, le=FEN_MAX)]


class _Stay(msgspec.Struct, forbid_unknown_fields=True):
    entry: _Short
    exit: _Short
    vehicle: _Short | None = None
    allowance: Annotated[dict[_Short, _Amount], msgspec.Meta(max_length=MONTHS_MAX)] | None = None
    vouchers: Annotated[list[_Short], msgspec.Meta(max_length=BENEFITS_MAX)] | None = None
    charged: Annotated[dict[_Short, _Amount], msgspec.Meta(max_length=MONTHS_MAX)] | None = None
    free_stays_used: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    energy: _Short | None = None
    who: _Short | None = None


_DECODER: Final = msgspec.json.Decoder(_Stay)


def answer(policy: Policy, line: str) -> dict[str, object]:
    """The bill of one line, or `{"error": "…"}`. Never raises for what a line holds."""
    try:
        stay, benefits = read(policy, line)
        return price(policy, stay, benefits).document()
    except CannotPrice as problem:
        return {"error": str(problem)}


def read(policy: Policy, line: str) -> tuple[StayToPrice, Benefits]:
    """The stay and the benefits that a line names; local times are in the policy's zone. Raises a CannotPrice."""
    if len(line) > LINE_CHARACTERS_MAX:
        raise BadLine(f"longer than {LINE_CHARACTERS_MAX} characters")
    try:
        wire = _DECODER.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise BadLine(str(problem)[:200]) from None
    allowance = wire.allowance
    for month in allowance or {}:
        check_month(month)
    for day in wire.charged or {}:
        _check_day_or_month(day)
    stay = StayToPrice(
        entry=parse_instant(wire.entry, policy.timezone),
        exit=parse_instant(wire.exit, policy.timezone),
        vehicle="small" if wire.vehicle is None else wire.vehicle,
        energy=wire.energy,
        who=wire.who,
        charged=wire.charged or {},
        free_stays_used=wire.free_stays_used or 0,
    )
    vouchers = tuple(parse_voucher(text) for text in wire.vouchers or ())
    return stay, Benefits(allowance=allowance, vouchers=vouchers)


def check_month(text: str) -> str:
    """Returns `2026-11` as it is. Raises BadMonth."""
    if _MONTH.fullmatch(text) is None:
        raise BadMonth(repr(text[:40]))
    return text


def _check_day_or_month(text: str) -> None:
    if _MONTH.fullmatch(text) is not None:
        return
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise BadLine(f"charged: {text[:40]!r} is neither a day (YYYY-MM-DD) nor a month (YYYY-MM)")
