"""Charts as SVG: where everything stands is worked out here, `chart.html` draws it. No script, no style of its own: colours are classes.

A chart never stands alone: the same figures are in a table beside it, and series differ in pattern as well as in colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Final, NamedTuple

Number = int | float
WIDTH, HEIGHT = 960, 300
BARS_MAX: Final = 62
"""Groups of bars that are still told apart; more are drawn as lines."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 12, 14, 34
_LABELS_MAX: Final = 12
# What a label takes: a letter or figure, a character of Chinese, and the air between two labels.
_NARROW, _BROAD, _AIR = 7.5, 12.5, 10
_TICKS: Final = 4
_GROUP_FILLED = 0.78
_BAR_MAX: Final = 72


class Series(NamedTuple):
    """One row of figures under a name; None where there is none."""

    name: str
    values: Sequence[Number | None]


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    said: str


class Drawn(NamedTuple):
    """A series as it is drawn: bars, or a line through points. `number` is its class."""

    name: str
    number: int
    bars: list[Bar]
    lines: list[str]


class Mark(NamedTuple):
    at: float
    text: str


class Chart(NamedTuple):
    series: list[Drawn]
    ticks: list[Mark]
    labels: list[Mark]
    zero: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def chart(
    labels: Sequence[str], series: Sequence[Series], said: Callable[[Number], str] = "{:,}".format
) -> Chart | None:
    """A chart of these series over these labels; None where there is nothing to draw. `said`: a figure as it is written."""
    values = [value for one in series for value in one.values if value is not None]
    if not labels or not values:
        return None
    step, low, high = _scale(min(0, *values), max(0, *values))
    height = HEIGHT - _TOP - _BOTTOM

    def y(value: Number) -> float:
        return round(_TOP + height * (high - value) / (high - low), 1)

    slot = (WIDTH - _LEFT - _RIGHT) / len(labels)
    few = len(labels) <= BARS_MAX
    drawn = [
        Drawn(
            one.name,
            number,
            _bars(one, labels, number, len(series), slot, y, said) if few else [],
            [] if few else _lines(one, slot, y),
        )
        for number, one in enumerate(series)
    ]
    ticks = [
        Mark(y(low + step * number), said(low + step * number)) for number in range(round((high - low) / step) + 1)
    ]
    widest = max(sum(_NARROW if one.isascii() else _BROAD for one in label) for label in labels) + _AIR
    every = max(-(-len(labels) // _LABELS_MAX), ceil(widest / slot))
    shown = [
        Mark(round(_LEFT + slot * (number + 0.5), 1), label)
        for number, label in enumerate(labels)
        if number % every == 0
    ]
    return Chart(drawn, ticks, shown, y(0))


def _bars(
    one: Series,
    labels: Sequence[str],
    number: int,
    beside: int,
    slot: float,
    y: Callable[[Number], float],
    said: Callable[[Number], str],
) -> list[Bar]:
    width = min(slot * _GROUP_FILLED / beside, _BAR_MAX)
    found = []
    for place, value in enumerate(one.values):
        if value is None:
            continue
        x = _LEFT + slot * (place + 0.5) + width * (number - beside / 2)
        top, bottom = min(y(value), y(0)), max(y(value), y(0))
        words = f"{labels[place]} · {one.name}: {said(value)}"
        found.append(Bar(round(x, 1), top, round(max(width - 1, 1), 1), round(bottom - top, 1), words))
    return found


def _lines(one: Series, slot: float, y: Callable[[Number], float]) -> list[str]:
    """Points of each unbroken stretch."""
    stretches: list[list[str]] = [[]]
    for place, value in enumerate(one.values):
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append(f"{_LEFT + slot * (place + 0.5):.1f},{y(value)}")
    return [" ".join(points) for points in stretches if points]


def _scale(low: Number, high: Number) -> tuple[int, int, int]:
    """A step of 1, 2 or 5 and as many noughts as it needs, and the ends that are whole steps."""
    span = max(high - low, 1)
    step = 1
    while step * _TICKS < span:
        text = str(step)
        step = step * 5 // 2 if text.startswith("2") else step * 2
    return step, int(low // step) * step, max(-int(-high // step), 1) * step
