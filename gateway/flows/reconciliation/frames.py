"""Rows of the database as frames, a bounded number at a time. Imports Polars: import it where a day is reconciled."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeVar

import polars as pl
from sqlalchemy import Connection, Select

T = TypeVar("T")

_ROWS_AT_A_TIME: Final = 20_000
_NAMES_AT_A_TIME: Final = 500


def load(connection: Connection, query: Select[Any], schema: Mapping[str, Any]) -> pl.DataFrame:
    """The rows of a query, whose columns are those of the schema in its order."""
    parts = [pl.DataFrame(schema=dict(schema))]
    with connection.execute(query.execution_options(yield_per=_ROWS_AT_A_TIME)) as found:
        parts += [
            pl.DataFrame([tuple(row) for row in part], schema=dict(schema), orient="row") for part in found.partitions()
        ]
    return pl.concat(parts)


def local_day(zone: str) -> pl.Expr:
    """The business day of the column `at`."""
    return pl.col("at").dt.convert_time_zone(zone).dt.date()


def chunks(names: Collection[T]) -> Iterator[list[T]]:
    """Names to ask for at once, in order."""
    every = sorted(names)  # type: ignore[type-var]
    for place in range(0, len(every), _NAMES_AT_A_TIME):
        yield every[place : place + _NAMES_AT_A_TIME]


def account() -> pl.Expr:
    """The match's account: a merchant account as far as it is one site's, so that its totals are by site."""
    return pl.concat_str("merchant", "site", separator="/").alias("account")
