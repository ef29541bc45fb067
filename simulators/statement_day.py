"""A day's payments and refunds at a channel, from a seed or from a file, for statements."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from simulators.statements import SHANGHAI, Deal, Drawer

_TARIFF_FEN = (300, 500, 500, 800, 1000, 1000, 1200, 1500, 2000, 3000)
_PIECES = (10_000, 5_000, 2_000, 1_000, 500, 100)


class BadDeal(Exception):
    """A line that is no payment: which, and what it lacks."""


def fee_of(fen: int) -> int:
    """0.60 %, rounded half up to the fen, as the channels round."""
    return (fen * 6 + 500) // 1000


def deals(seed: int, day: date, payments: int, refunds: int) -> Iterator[Deal]:
    """Payments through a day in the order of their times, refunds of some of them at its end. One by one."""
    chance = random.Random(f"{seed} {day}")
    midnight = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    step = 86_000 / max(1, payments)
    kept: list[Deal] = []
    for place in range(payments):
        fen = chance.choice(_TARIFF_FEN)
        at = midnight + timedelta(seconds=int(place * step + chance.random() * step))
        number = f"{day:%Y%m%d}{seed % 10_000:04d}{place:08d}"
        deal = Deal(
            order=f"P{number}",
            number=f"4{number}",
            at=at,
            created_at=at - timedelta(seconds=chance.randint(3, 120)),
            amount_fen=fen,
            fee_fen=fee_of(fen),
            trace=place % 1_000_000,
        )
        if len(kept) < refunds:
            kept.append(deal)
        yield deal
    for place, deal in enumerate(kept):
        number = f"{day:%Y%m%d}{seed % 10_000:04d}{place:08d}"
        at = midnight + timedelta(seconds=86_000 + place * 399 // max(1, len(kept)))
        yield replace(deal, refund=f"R{number}", refund_id=f"5{number}", at=at)


def drawers(seed: int, day: date, site: str, shifts: int) -> Iterator[Drawer]:
    """What was counted at the end of a day's shifts."""
    chance = random.Random(f"{seed} {day} cash")
    midnight = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    for place in range(shifts):
        at = midnight + timedelta(hours=24 * (place + 1) / (shifts + 1))
        yield Drawer(site, f"{site}-{day:%Y%m%d}-{place + 1}", at, {worth: chance.randint(0, 9) for worth in _PIECES})


def read(lines: Iterable[str]) -> Iterator[Deal]:
    """One JSON object a line: `order`, `number`, `at` (RFC 3339), `amount_fen`, and what else a `Deal` has. Raises `BadDeal`."""
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            for name in ("at", "created_at"):
                if told.get(name):
                    told[name] = _aware(told[name])
            yield Deal(**told)
        except (ValueError, TypeError, AttributeError) as problem:
            raise BadDeal(f"line {place}: {problem}; write order, number, at and amount_fen") from None


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=SHANGHAI)
