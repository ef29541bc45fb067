"""同比: a report beside the same days of the year before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final

import msgspec

from gateway.flows.reports.asking import Period
from gateway.flows.reports.crossed import Crossed, Rows

Name = tuple[Any, ...]
_NOTHING: Final[dict[str, Any]] = {}
_DATED = frozenset({"day", "month", "hour"})


def year_before(asked: Period) -> Period:
    """The same days a year earlier; of 29 February, the 28th."""
    return msgspec.structs.replace(asked, first=_earlier(asked.first), last=_earlier(asked.last))


def year_on_year(rows: Rows, before: Rows, keys: tuple[str, ...], columns: tuple[str, ...]) -> Rows:
    """Each row with `{column}_before` of the year before, and rows that only the year before had. What was not counted then is 0.

    `keys`: which columns name a row.
    """
    then = {tuple(_later(key, row[key]) for key in keys): row for row in before}
    now = {tuple(row[key] for key in keys): row for row in rows}
    columns_before = [(one, f"{one}_before") for one in columns]
    found = []
    for name in _in_order(dict.fromkeys([*now, *then])):
        earlier = then.get(name, _NOTHING)
        row = {**now[name]} if name in now else _only_before(earlier, keys, name, columns)
        for one, called in columns_before:
            row[called] = earlier.get(one, 0)
        found.append(row)
    return found


def _only_before(row: dict[str, Any], keys: tuple[str, ...], name: Name, columns: tuple[str, ...]) -> dict[str, Any]:
    """What it is called, and nothing of what was counted then."""
    words = {column: value for column, value in row.items() if isinstance(value, str)}
    return {**words, **dict(zip(keys, name, strict=True)), **dict.fromkeys(columns, 0)}


def _in_order(names: Iterable[Name]) -> list[Name]:
    """By their parts, what has none last. Two years mostly come in the same order, which costs nothing to see."""
    found = list(names)
    if any(None in name for name in found):
        return sorted(found, key=lambda name: [(one is None, one) for one in name])
    return sorted(found)


def compared(made: Callable[[Period], Rows], asked: Period, keys: tuple[str, ...], columns: tuple[str, ...]) -> Rows:
    """The report of these days beside that of the year before."""
    now, before = made(asked), made(year_before(asked))
    if isinstance(now, Crossed) and isinstance(before, Crossed):
        crossed = now.beside(before, lambda hour: _later("hour", hour), columns)
        if crossed is not None:
            return crossed
    return year_on_year(now, before, keys, columns)


def _earlier(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def _later(key: str, name: Any) -> Any:
    """A day or a month of the year after; names of sites, gates and hours of the day are the same every year."""
    # The 29th stands beside nothing where there is none: its row is the 28th's neighbour in neither year.
    return f"{int(name[:4]) + 1}{name[4:]}" if key in _DATED else name
