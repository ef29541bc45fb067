"""Reading one table of a policy file: every value has a type and a bound, every key is known, every problem a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from billing.money import FEN_MAX
from billing.policy_lines import Path, line_of, lines_of
from billing.policy_parts import Problem

LIST_MAX = 50
PROBLEMS_MAX = 50
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


@dataclass
class Page:
    """The file being read: where things stand in it, and what was found wrong so far."""

    text: str
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Path, int] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = lines_of(self.text)

    def line(self, path: Path) -> int:
        return line_of(self.lines, path)

    def add(self, path: Path, what: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(self.line(path), what))


def shown(value: object) -> str:
    """A value as the file has it, short enough for one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value[:40]}"'
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int):
        # Python refuses to print integers of thousands of digits; nobody needs to see them.
        return str(value) if abs(value) < 10**18 else "a number of more than 18 digits"
    return value.isoformat() if isinstance(value, date) else str(value)[:40]


class Reader:
    """Takes the keys of one table, one by one. A problem is noted and a harmless value returned, so that one reading
    finds them all; `done` refuses the keys that nobody asked for.
    """

    def __init__(self, table: Mapping[str, object], path: Path, page: Page) -> None:
        self.path = path
        self.page = page
        self._table = table
        self._asked: set[str] = set()

    @property
    def name(self) -> str:
        """How a person finds this table."""
        names = [part for part in self.path if isinstance(part, str)]
        return ".".join(names) or "the file"

    def problem(self, key: str | None, what: str) -> None:
        path = self.path if key is None else (*self.path, key)
        names = ".".join(part for part in path if isinstance(part, str))
        self.page.add(path, f"{names}: {what}" if names else what)

    def has(self, key: str) -> bool:
        return key in self._table

    def take(self, key: str, *, required: bool = False) -> object:
        """The raw value, None where there is none (TOML has no null)."""
        self._asked.add(key)
        if required and key not in self._table:
            self.problem(key, "missing")
        return self._table.get(key)

    def done(self) -> None:
        for key in self._table:
            if key not in self._asked:
                where = self.name
                self.page.add((*self.path, key), f"unknown key {shown(key)} in {where}")

    def whole(self, key: str, *, least: int = 0, most: int = FEN_MAX, default: int | None = None) -> int:
        """A whole number within bounds; required where it has no default."""
        value = self.take(key, required=default is None)
        fallback = least if default is None else default
        if value is None:
            return fallback
        if isinstance(value, bool) or not isinstance(value, int):
            extra = "a fraction is not possible, " if isinstance(value, float) else ""
            self.problem(key, f"{shown(value)} is not a whole number; {extra}write it without quotes or decimals")
            return fallback
        if value < 0 and least >= 0:
            self.problem(key, f"{shown(value)} is negative; it is at least {least}")
            return fallback
        if not least <= value <= most:
            self.problem(key, f"{shown(value)} is not between {least} and {most}")
            return fallback
        return value

    def optional_whole(self, key: str, *, least: int = 0, most: int = FEN_MAX) -> int | None:
        return self.whole(key, least=least, most=most, default=least) if self.has(key) else None

    def flag(self, key: str) -> bool:
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.problem(key, f"{shown(value)} is not true or false")
        return False

    def word(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """One of a few words; required where it has no default."""
        value = self.take(key, required=default is None)
        fallback = choices[0] if default is None else default
        if value is None:
            return fallback
        if not isinstance(value, str) or value not in choices:
            self.problem(key, f"{shown(value)} is not one of {', '.join(choices)}")
            return fallback
        return value

    def identifier(self, key: str = "id") -> str:
        value = self.take(key, required=True)
        if value is None:
            return ""
        if not isinstance(value, str) or _ID.fullmatch(value) is None:
            self.problem(key, f"{shown(value)} is not a name of letters, digits, - _ . (at most 64)")
            return ""
        return value

    def words(self, key: str, choices: Sequence[str] | None = None, *, required: bool = True) -> tuple[str, ...]:
        """A list of different words, not empty; of the choices if there are any, otherwise names."""
        value = self.take(key, required=required)
        if value is None:
            return ()
        if not isinstance(value, list) or not value or len(value) > LIST_MAX:
            self.problem(key, f"{shown(value)} is not a list of 1 to {LIST_MAX} words in quotes")
            return ()
        for word in value:
            if not isinstance(word, str) or (choices is None and _ID.fullmatch(word) is None):
                self.problem(key, f"{shown(word)} is not a word in quotes")
                return ()
            if choices is not None and word not in choices:
                self.problem(key, f"{shown(word)} is not one of {', '.join(choices)}")
                return ()
        if len(set(value)) != len(value):
            self.problem(key, "the same word twice")
        return tuple(value)

    def moment(self, key: str) -> datetime | None:
        """A TOML date and time, with or without an offset."""
        value = self.take(key, required=True)
        if value is None or isinstance(value, datetime):
            return value
        self.problem(key, f"{shown(value)} is not a date and time such as 2026-01-01T00:00:00+08:00, without quotes")
        return None

    def table(self, key: str, *, required: bool = False) -> Reader | None:
        value = self.take(key, required=required)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem(key, f"{shown(value)} is not a table ([{key}] or {key} = {{ … }})")
            return None
        return Reader(value, (*self.path, key), self.page)

    def tables(self, key: str, *, most: int = LIST_MAX, one_is_enough: bool = False) -> list[Reader]:
        """A list of tables; with `one_is_enough` a single one may stand without the list."""
        value = self.take(key)
        if value is None:
            return []
        if one_is_enough and isinstance(value, dict):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            name = ".".join([*(part for part in self.path if isinstance(part, str)), key])
            self.problem(key, f"write a list of tables: [[{name}]]" if not one_is_enough else "write { minutes, fen }")
            return []
        if len(value) > most:
            self.problem(key, f"{len(value)} are more than {most}")
            return []
        return [Reader(one, (*self.path, key, index), self.page) for index, one in enumerate(value)]
