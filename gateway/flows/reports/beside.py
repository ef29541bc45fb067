"""同比: a report beside the same days of the year before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from gateway.flows.reports.asking import Period

Rows = list[dict[str, Any]]
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
    found = []
    for name in sorted(now.keys() | then.keys(), key=lambda name: [(one is None, one) for one in name]):
        earlier = then.get(name, {})
        row = now.get(name) or {
            # What it is called, and nothing of what was counted then.
            **{column: value for column, value in earlier.items() if isinstance(value, str)},
            **dict(zip(keys, name, strict=True)),
            **dict.fromkeys(columns, 0),
        }
        found.append({**row, **{f"{one}_before": earlier.get(one, 0) for one in columns}})
    return found


def compared(made: Callable[[Period], Rows], asked: Period, keys: tuple[str, ...], columns: tuple[str, ...]) -> Rows:
    """The report of these days beside that of the year before."""
    return year_on_year(made(asked), made(year_before(asked)), keys, columns)


def _earlier(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def _later(key: str, name: Any) -> Any:
    """A day or a month of the year after; names of sites, gates and hours of the day are the same every year."""
    # The 29th stands beside nothing where there is none: its row is the 28th's neighbour in neither year.
    return f"{int(name[:4]) + 1}{name[4:]}" if key in _DATED else name
