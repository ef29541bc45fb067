"""Queries for a set of keys, as one statement whose words never change: the keys travel as arrays (PostgreSQL) or JSON (SQLite).

A row-value `IN` list is compiled anew for every number of keys, and SQLite scans the whole table for one of three columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Text,
    TypeDecorator,
    bindparam,
    column,
    func,
    select,
)

from gateway.store.prepared import Answer, Prepared

AnySelect = Select[*tuple[Any, ...]]
Key = tuple[str, ...]


class ArrayText(TypeDecorator[Sequence[Any]]):
    """An array of PostgreSQL, sent as its text: the driver takes twice the time over a list."""

    impl = ARRAY
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        del dialect
        return array_text


def array_text(values: Sequence[Any]) -> str:
    """Texts, or what PostgreSQL reads as Python writes it, as the text of an array."""
    quoted = [
        text.replace("\\", "\\\\").replace('"', '\\"') if "\\" in text or '"' in text else text
        for text in map(str, values)
    ]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


class KeySet:
    """The keys as something to join: `columns` are compared with the table's. One a database and width."""

    def __init__(self, postgres: bool, width: int) -> None:
        self.postgres = postgres
        self._width = width
        if postgres:
            arrays = [bindparam(f"key{place}", type_=ArrayText(Text)) for place in range(width)]
            names = [column(f"key{place}", Text) for place in range(width)]
            self.table: Any = func.unnest(*arrays).table_valued(*names, name="wanted").render_derived()
            self.columns: list[ColumnElement[Any]] = [self.table.c[f"key{place}"] for place in range(width)]
        else:
            self.table = func.json_each(bindparam("keys", type_=Text)).table_valued("value", name="wanted")
            self.columns = [func.json_extract(self.table.c.value, f"$[{place}]") for place in range(width)]

    def parameters(self, keys: Collection[Key]) -> dict[str, Any]:
        """In order, so that rows are locked in the same order everywhere."""
        ordered = sorted(keys)
        if self.postgres:
            return {f"key{place}": [key[place] for key in ordered] for place in range(self._width)}
        return {"keys": msgspec.json.encode(ordered).decode()}


@cache
def key_set(postgres: bool, width: int) -> KeySet:
    """The one of its kind."""
    return KeySet(postgres, width)


class Keyed:
    """A query of the rows whose `targets` are among the keys. `conditions` may hold further bound parameters.

    `sqlite_index`: the index that serves it, where SQLite, which has counted nothing, would take another; for a query of several
    tables, each one's.
    """

    def __init__(
        self,
        columns: Sequence[Any],
        targets: Sequence[Any],
        *conditions: Any,
        order_by: Sequence[Any] = (),
        group_by: Sequence[Any] = (),
        lock: Any = None,
        share: bool = False,
        sqlite_index: str | Mapping[Any, str] | None = None,
    ) -> None:
        self._columns, self._targets, self._conditions = columns, targets, conditions
        self._order_by, self._group_by = order_by, group_by
        self._lock, self._share = lock, share
        self._sqlite_index = {targets[0].table: sqlite_index} if isinstance(sqlite_index, str) else sqlite_index or {}
        self._built: dict[tuple[str, bool], tuple[KeySet, Prepared]] = {}

    def rows(self, connection: Connection, keys: Collection[Key], *, locking: bool = False, **more: Any) -> list[Any]:
        """What there is for these keys, as named tuples.

        `locking`: hold the rows until the transaction ends, where the database has row locks.
        """
        return self.ask(connection, keys, locking=locking, **more)()

    def ask(self, connection: Connection, keys: Collection[Key], *, locking: bool = False, **more: Any) -> Answer:
        """The same, sent at once and answered when called."""
        if not keys:
            return list
        dialect = connection.dialect
        built = self._built.get((dialect.name, locking))
        if built is None:
            wanted = key_set(dialect.name == "postgresql", len(self._targets))
            built = wanted, Prepared(self._statement(wanted, locking=locking), dialect)
            self._built[dialect.name, locking] = built
        wanted, prepared = built
        return prepared.ask(connection, {**wanted.parameters(keys), **more})

    def _statement(self, wanted: KeySet, *, locking: bool) -> AnySelect:
        matches = [target == key for target, key in zip(self._targets, wanted.columns, strict=True)]
        statement: AnySelect = select(*self._columns).where(*matches, *self._conditions)
        for table, index in self._sqlite_index.items():
            statement = statement.with_hint(table, f"INDEXED BY {index}", "sqlite")
        if self._order_by:
            statement = statement.order_by(*self._order_by)
        if self._group_by:
            statement = statement.group_by(*self._group_by)
        if locking and wanted.postgres and self._lock is not None:
            statement = statement.with_for_update(of=self._lock, read=self._share)
        return statement
