"""同比: a report beside the same days of the year before."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from gateway.flows.reports.asking import Period

Rows = list[dict[str, Any]]
_DATED = re.compile(r"\d{4}-\d{2}")


def year_before(asked: Period) -> Period:
    """The same days a year earlier; of 29 February, the 28th."""
    return msgspec.structs.replace(asked, first=_earlier(asked.first), last=_earlier(asked.last))


def year_on_year(rows: Rows, before: Rows, key: str, columns: tuple[str, ...]) -> Rows:
    """Each row with `{column}_before` of the year before, and rows that only the year before had. What was not counted then is 0."""
    then = {_later(row[key]): row for row in before}
    now = {row[key]: row for row in rows}
    found = []
    for name in sorted(now.keys() | then.keys()):
        row = now.get(name) or {key: name, **dict.fromkeys(columns, 0)}
        found.append({**row, **{f"{one}_before": then.get(name, {}).get(one, 0) for one in columns}})
    return found


def compared(made: Callable[[Period], Rows], asked: Period, key: str, columns: tuple[str, ...]) -> Rows:
    """The report of these days beside that of the year before."""
    return year_on_year(made(asked), made(year_before(asked)), key, columns)


def _earlier(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def _later(name: str) -> str:
    """A day or a month of the year after; names of sites, gates and hours of the day are the same every year."""
    if not _DATED.match(name):
        return name
    year, rest = int(name[:4]) + 1, name[4:]
    # The 29th stands beside nothing where there is none: its row is the 28th's neighbour in neither year.
    return f"{year}{rest}"
