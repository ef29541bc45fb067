"""How a bench speaks: percentiles, tables for people, progress on a terminal, notes on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds, rounded to a microsecond; 0 for no measurement."""
    if not seconds:
        return 0.0
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)


def ratio(ours: float, floor: float) -> str:
    return f"{ours / floor:.1f}" if floor else "-"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


class Right:
    """A word that stands to the right, like a figure."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __str__(self) -> str:
        return self._word


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns aligned: words to the left, figures to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    wide = [max(len(line[place]) for line in [list(heads), *cells]) for place in range(len(heads))]
    left = [all(isinstance(row[place], str) for row in rows) for place in range(len(heads))]

    def line(values: Sequence[str]) -> str:
        padded = (v.ljust(w) if to_left else v.rjust(w) for v, w, to_left in zip(values, wide, left, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(heads), line(["-" * one for one in wide]), *(line(row) for row in cells)])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def note(line: str) -> None:
    """Something that a reader of the figures must know. On standard error: standard output is for the figures."""
    click.echo(f"parkgate bench: {line}", err=True)


class Progress:
    """A bar on a terminal, nothing in a pipe."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def step(self, by: int = 1) -> None:
        if self._bar is not None:
            self._bar.update(by)

    def doing(self, what: str) -> None:
        if self._bar is not None:
            self._bar.label = what[:40].ljust(40)
            self._bar.render_progress()


@contextmanager
def progress(steps: int, what: str) -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield Progress(None)
        return
    with click.progressbar(length=steps, label=what[:40].ljust(40), file=sys.stderr, update_min_steps=1) as bar:
        yield Progress(bar)
