"""Money is integer fen. Every rounding of the service has a name here and says in whose favour it goes."""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal
from typing import Final

FEN_MAX: Final = 1_000_000_000
"""The largest amount a rule may name: ten million yuan. It keeps sums far inside 64 bits."""

_YUAN = re.compile(r"([+-]?)(\d{1,15})(?:\.(\d{1,2}))?")


class NotAnAmount(ValueError):
    """Not an amount of yuan with at most two decimals."""


def waived_share(fen: int, covered: int, stayed: int) -> int:
    """What `covered` of `stayed` minutes waive of a price, rounded up to the fen: in the driver's favour."""
    return -(-fen * covered // stayed)


def waived_percent(fen: int, percent: int) -> int:
    """What a discount waives, rounded up to the fen: in the driver's favour."""
    return -(-fen * percent // 100)


def round_down(fen: int, step: int) -> int:
    """What is payable (0 or more), down to a multiple of `step` fen: in the driver's favour."""
    return fen - fen % step


def fee_by_area(fen_per_square_metre: int, square_metres: Decimal) -> int:
    """A fee by the size of a home, rounded down to the fen: in the household's favour."""
    return int((square_metres * fen_per_square_metre).to_integral_value(ROUND_FLOOR))


def yuan(fen: int) -> str:
    """`1050` → `10.50`."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def fen_of_yuan(text: str) -> int:
    """`10.5` → `1050`, exactly. Raises NotAnAmount; a third decimal is never rounded away."""
    match = _YUAN.fullmatch(text.strip())
    if match is None:
        raise NotAnAmount(f"{text[:40]!r} is not an amount of yuan with at most two decimals")
    sign, whole, part = match.groups()
    fen = int(whole) * 100 + int((part or "").ljust(2, "0"))
    return -fen if sign == "-" else fen
