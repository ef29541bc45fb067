"""Core statements compiled once and run at the driver's level.

Executing a Core statement costs several times what SQLite takes to run it: the cache key, the parameters, the result's set-up are
worked out each time. The event path runs a dozen statements for every batch and knows them all beforehand, so it compiles each one
once a dialect, with the same types' processors, and hands the driver SQL and plain values.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError

Processor = Callable[[Any], Any]


class Prepared:
    """One statement for one dialect. `columns` are an insert's columns, where not all of the table's."""

    def __init__(self, statement: Any, dialect: Dialect, columns: Sequence[str] | None = None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns) if columns is not None else None)
        if getattr(compiled, "insert_prefetch", ()):
            raise TypeError(f"a default made in Python is not applied here: {compiled.insert_prefetch}")
        assert dialect.loaded_dbapi is not None
        self._errors: type[Exception] = dialect.loaded_dbapi.Error
        self._sql: str = compiled.string
        self._constants: Mapping[str, Any] = compiled.params
        types = {name: bind.type for bind, name in compiled.bind_names.items()}
        self._positional: bool = compiled.positional
        names = compiled.positiontup if compiled.positional else tuple(types)
        self._binds: list[tuple[str, Processor | None]] = [
            (name, types[name].dialect_impl(dialect).bind_processor(dialect)) for name in names
        ]
        found = getattr(statement, "selected_columns", None)
        selected: list[Any] = list(found if found is not None else getattr(statement, "exported_columns", ()))
        self._row: Any = namedtuple("FoundRow", [column.key for column in selected], rename=True) if selected else None  # noqa: PYI024 - made at run time
        self._results: list[Processor | None] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in selected
        ]

    def write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run once for every row."""
        if len(rows) == 1:
            self._run(connection, lambda cursor: cursor.execute(self._sql, self._bound(rows[0])))
        elif rows:
            self._run(connection, lambda cursor: cursor.executemany(self._sql, [self._bound(row) for row in rows]))

    def read(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """The rows found, as named tuples."""
        found = self._run(connection, lambda cursor: cursor.execute(self._sql, self._bound(parameters)).fetchall())
        make, processors = self._row._make, self._results
        return [
            make([value if process is None else process(value) for process, value in zip(processors, row, strict=True)])
            for row in found
        ]

    def _run(self, connection: Connection, work: Callable[[Any], Any]) -> Any:
        """On a cursor of the transaction's own connection. What the driver raises becomes what SQLAlchemy would raise."""
        errors = self._errors
        cursor = connection.connection.cursor()
        try:
            return work(cursor)
        except errors as problem:
            raise DBAPIError.instance(
                self._sql, None, problem, errors, hide_parameters=True, dialect=connection.dialect
            ) from problem
        finally:
            cursor.close()

    def _bound(self, given: Mapping[str, Any]) -> Any:
        constants = self._constants
        values = [
            (value if process is None else process(value))
            for name, process in self._binds
            for value in (given[name] if name in given else constants[name],)
        ]
        if self._positional:
            return tuple(values)
        return {name: value for (name, _), value in zip(self._binds, values, strict=True)}


@cache
def prepared(statement: Any, dialect: Dialect, columns: tuple[str, ...]) -> Prepared:
    """A statement that lasts as long as the program, prepared once a dialect. `columns` are those that an insert is given."""
    return Prepared(statement, dialect, columns if statement.is_insert else None)


def find(connection: Connection, statement: Any, **parameters: Any) -> list[Any]:
    """The rows of a select that lasts as long as the program, with what its `bindparam`s ask for."""
    return prepared(statement, connection.dialect, ()).read(connection, parameters)


def put(connection: Connection, statement: Any, row: Mapping[str, Any]) -> None:
    """One row by an insert that lasts as long as the program."""
    prepared(statement, connection.dialect, tuple(row)).write(connection, [row])


class PreparedFor:
    """A statement that is built and prepared when a dialect first needs it."""

    def __init__(self, build: Callable[[bool], Any], columns: Sequence[str] | None = None) -> None:
        self._build = build
        self._columns = columns
        self._prepared: dict[str, Prepared] = {}

    def on(self, connection: Connection) -> Prepared:
        dialect = connection.dialect
        found = self._prepared.get(dialect.name)
        if found is None:
            statement = self._build(dialect.name == "postgresql")
            found = self._prepared[dialect.name] = Prepared(statement, dialect, self._columns)
        return found
