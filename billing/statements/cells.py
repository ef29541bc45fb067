"""Reading cells: headings by what they mean, amounts exactly, times of day in Shanghai."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from billing.statements.rows import AGAIN, BadStatement

SHANGHAI: Final = timezone(timedelta(hours=8))
"""Every channel's times, whatever the server's zone. There has been no summer time since 1991."""

_YUAN = re.compile(r"(-?)(\d{1,11})(?:\.(\d{1,8}))?", re.ASCII)
_COUNT = re.compile(r"(\d{1,9})(?:\.0{1,5})?", re.ASCII)
_MOMENT = re.compile(r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
# An order number is ours and a transaction number theirs; both are printable ASCII in every channel's rules.
_NUMBER = re.compile(r"[\x21-\x7e]{1,64}")
_SHOWN = 40


def heading(text: str) -> str:
    """A heading as it is compared: （元） and (元), full width and half, with and without blanks and marks."""
    return "".join(unicodedata.normalize("NFKC", text).split()).strip("`'\"").casefold()


class Columns:
    """Where each thing stands in a row, by its heading. `wanted`: for each thing the headings that mean it, newest first."""

    def __init__(self, line: int, cells: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> None:
        self.line, self.width = line, len(cells)
        here: dict[str, int] = {}
        twice: set[str] = set()
        for place, cell in enumerate(cells):
            name = heading(cell)
            if name in here:
                twice.add(name)
            here.setdefault(name, place)
        self._places: dict[str, int] = {}
        for thing, headings in wanted.items():
            for name in map(heading, headings):
                if name in twice:
                    raise BadStatement(line, f"two columns are headed {name!r}", AGAIN)
                if name in here:
                    self._places[thing] = here[name]
                    break

    def __contains__(self, thing: str) -> bool:
        return thing in self._places

    def place(self, thing: str) -> int | None:
        return self._places.get(thing)

    def need(self, wanted: Mapping[str, Sequence[str]], *things: str) -> list[int]:
        """The places of these. Raises `BadStatement` naming the first that is missing."""
        for thing in things:
            if thing not in self._places:
                raise BadStatement(self.line, f"there is no column {wanted[thing][0]}", AGAIN)
        return [self._places[thing] for thing in things]


def _scaled(text: str, decimals: int) -> int | None:
    match = _YUAN.fullmatch(text.strip())
    if match is None:
        return None
    sign, whole, part = match.groups()
    part = part or ""
    if part[decimals:].strip("0"):
        return None
    units = int(whole + part[:decimals].ljust(decimals, "0"))
    return -units if sign else units


@lru_cache(maxsize=4096)
def _fen(text: str) -> int | None:
    return _scaled(text, 2)


@lru_cache(maxsize=4096)
def _millifen(text: str) -> int | None:
    return _scaled(text, 5)


def shown(text: str) -> str:
    """A cell as it stands in the file, short enough for one line."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def fen(text: str, line: int, what: str, *, signed: bool = False) -> int:
    """Yuan as fen, exactly. Raises `BadStatement` for anything else, also for a fraction of a fen that would be lost."""
    found = _fen(text)
    if found is None or (found < 0 and not signed):
        raise BadStatement(line, f"{what} {shown(text)} is no amount of yuan with two decimals", AGAIN)
    return found


def millifen(text: str, line: int, what: str) -> int:
    """Yuan with up to five decimals as 1/1000 fen, exactly; signed. Raises `BadStatement`."""
    found = _millifen(text)
    if found is None:
        raise BadStatement(line, f"{what} {shown(text)} is no amount of yuan with five decimals", AGAIN)
    return found


def count(text: str, line: int, what: str) -> int:
    """A number of rows; fund-flow bills are known to write `20.0`. Raises `BadStatement`."""
    match = _COUNT.fullmatch(text.strip())
    if match is None:
        raise BadStatement(line, f"{what} {shown(text)} is no number of rows", AGAIN)
    return int(match[1])


def instant(text: str, line: int, what: str) -> datetime:
    """`2026-01-15 00:01:07` in Shanghai as UTC. Raises `BadStatement`."""
    text = text.strip()
    if _MOMENT.fullmatch(text) is not None:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)
        except ValueError:
            pass
    raise BadStatement(line, f"{what} {shown(text)} is no time such as 2026-01-15 00:01:07", AGAIN)


def number(text: str, line: int, what: str) -> str:
    """An order's or a transaction's number. Raises `BadStatement` where it is empty or could not be one."""
    text = text.strip()
    if _NUMBER.fullmatch(text) is None:
        raise BadStatement(line, f"{what} {shown(text)} is no number of an order", AGAIN)
    return text


def number_or_none(text: str, line: int, what: str) -> str:
    """The same, but empty where there is none; WeChat writes 0 for it."""
    text = text.strip()
    return "" if text in {"", "0"} else number(text, line, what)


class OneDay:
    """The business day of a statement: every row is of it. Known from whoever imports, or from the first row."""

    def __init__(self, day: date | None) -> None:
        self.day = day
        self._bounds = _bounds(day) if day is not None else None

    def check(self, at: datetime, line: int, what: str) -> None:
        if self._bounds is None:
            self.day = at.astimezone(SHANGHAI).date()
            self._bounds = _bounds(self.day)
        elif not self._bounds[0] <= at < self._bounds[1]:
            local = at.astimezone(SHANGHAI)
            raise BadStatement(
                line,
                f"{what} {local:%Y-%m-%d %H:%M:%S} is not of {self.day}",
                "a statement is one day's: import each by itself",
            )


def _bounds(day: date) -> tuple[datetime, datetime]:
    start = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)
    return start, start + timedelta(days=1)


def agree(line: int, what: str, said: int, counted: int, show: object = str) -> None:
    """Raises `BadStatement` where a file's own summary says other than its rows."""
    if said != counted:
        told = show if callable(show) else str
        raise BadStatement(
            line,
            f"the summary says {what} {told(said)}, the rows come to {told(counted)}: rows are missing or changed",
            AGAIN,
        )


def yuan5(units: int) -> str:
    """1/1000 fen as yuan with five decimals."""
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 100_000}.{abs(units) % 100_000:05d}"
