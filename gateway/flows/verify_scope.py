"""What a verification looks at, and how it counts and names what it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select

from gateway.flows.posting import day_bounds

T = TypeVar("T")

ROWS_AT_A_TIME = 500


class Failure(msgspec.Struct, frozen=True):
    """The first thing that does not hold: what it is, its id and why. Never a plate or a name."""

    what: str
    id: str
    why: str


@dataclass(frozen=True)
class Scope:
    """Business days, both ends included; None for no end."""

    from_day: date | None
    to_day: date | None
    zone: ZoneInfo

    def days(self, column: ColumnElement[date]) -> list[ColumnElement[bool]]:
        conditions = []
        if self.from_day is not None:
            conditions.append(column >= self.from_day)
        if self.to_day is not None:
            conditions.append(column <= self.to_day)
        return conditions

    def holds(self, day: date) -> bool:
        return (self.from_day is None or day >= self.from_day) and (self.to_day is None or day <= self.to_day)

    def instants(self, column: ColumnElement[datetime]) -> list[ColumnElement[bool]]:
        conditions = []
        if self.from_day is not None:
            conditions.append(column >= day_bounds(self.from_day, self.zone)[0])
        if self.to_day is not None:
            conditions.append(column < day_bounds(self.to_day, self.zone)[1])
        return conditions


@dataclass(frozen=True)
class Look:
    """One consistent look at the database, with the count of what was checked."""

    connection: Connection
    scope: Scope
    checked: Counter[str]
    progress: Callable[[str], object]

    def count(self, kind: str) -> None:
        self.checked[kind] += 1
        self.progress(kind)

    def rows(self, query: Select[Any]) -> Iterator[list[Row[Any]]]:
        """What a query finds, in lists of which one at a time is in memory."""
        with self.connection.execute(query.execution_options(yield_per=ROWS_AT_A_TIME)) as found:
            yield from chunks(found)


def chunks(found: Iterable[T], size: int = ROWS_AT_A_TIME) -> Iterator[list[T]]:
    """A stream in lists of at most `size`."""
    stream = iter(found)
    while chunk := list(islice(stream, size)):
        yield chunk
