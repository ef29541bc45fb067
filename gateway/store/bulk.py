"""Many rows in one statement.

SQLite runs a statement for each row faster than anything else. PostgreSQL pays for every row sent by itself, several times what
it costs to store it: there the rows travel as one JSON text, and one statement writes them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, LargeBinary, Table, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.store.prepared import Prepared

Given = Callable[[str], Any]
Row = Mapping[str, Any]

_encode = msgspec.json.Encoder().encode


class Bulk:
    """A statement for any number of rows, which all give the same names.

    `build(given)` makes it; `given(name)` stands for what a row gives under that name. A name is that of a column of `table`,
    perhaps with `of_` or `is_` before it, or one of `others`. No two rows may be about the same row of the table.
    """

    def __init__(
        self, table: Table, build: Callable[[Given], Any], others: Mapping[str, Column[Any]] | None = None
    ) -> None:
        self._table, self._build, self._others = table, build, others or {}
        self._prepared: dict[str, tuple[Prepared, tuple[str, ...]]] = {}

    def write(self, connection: Connection, rows: Sequence[Row]) -> None:
        if not rows:
            return
        dialect = connection.dialect
        built = self._prepared.get(dialect.name)
        if built is None:
            built = self._prepared[dialect.name] = self._prepare(connection, tuple(rows[0]))
        statement, binary = built
        if dialect.name == "postgresql":
            text = _encode([_readable(row, binary) for row in rows] if binary else rows).decode()
            statement.write(connection, [{"rows": text}])
        else:
            statement.write(connection, rows)

    def _prepare(self, connection: Connection, names: tuple[str, ...]) -> tuple[Prepared, tuple[str, ...]]:
        columns = {name: self._column(name) for name in names}
        if connection.dialect.name == "postgresql":
            told = cast(bindparam("rows", type_=Text), JSON)
            typed: list[Any] = [column(name, found.type) for name, found in columns.items()]
            table: Any = func.json_to_recordset(told).table_valued(*typed, name="given").render_derived(with_types=True)
            statement = self._build(lambda name: table.c[name])
        else:
            statement = self._build(lambda name: bindparam(name, type_=columns[name].type))
        binary = tuple(name for name, found in columns.items() if isinstance(found.type, LargeBinary))
        return Prepared(statement, connection.dialect), binary

    def _column(self, name: str) -> Column[Any]:
        if name in self._others:
            return self._others[name]
        return self._table.c[name[3:] if name[:3] in {"of_", "is_"} else name]


class BulkInsert(Bulk):
    """New rows of a table. `unless_there`: a row whose key there is already stays as it is."""

    def __init__(self, table: Table, *, unless_there: bool = False) -> None:
        super().__init__(table, lambda _given: None)
        self._unless_there = unless_there

    def _prepare(self, connection: Connection, names: tuple[str, ...]) -> tuple[Prepared, tuple[str, ...]]:
        if connection.dialect.name != "postgresql":
            new: Any = sqlite_insert(self._table)
            return Prepared(new.on_conflict_do_nothing() if self._unless_there else new, connection.dialect, names), ()
        self._build = lambda given: self._from(given, names)
        return super()._prepare(connection, names)

    def _from(self, given: Given, names: tuple[str, ...]) -> Any:
        new = postgres_insert(self._table).from_select(names, select(*(given(name) for name in names)))
        return new.on_conflict_do_nothing() if self._unless_there else new


def _readable(row: Row, binary: Sequence[str]) -> Row:
    """Bytes as PostgreSQL reads them."""
    return {**row, **{name: f"\\x{row[name].hex()}" for name in binary if row[name] is not None}}
