"""Core statements compiled once and run at the driver's level.

Executing a Core statement costs several times what SQLite takes to run it: the cache key, the parameters, the result's set-up are
worked out each time. The event path runs a dozen statements for every batch and knows them all beforehand, so it compiles each one
once a dialect, with the same types' processors, and hands the driver SQL and plain values.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError

Processor = Callable[[Any], Any]
Answer = Callable[[], list[Any]]


class Prepared:
    """One statement for one dialect. `columns` are an insert's columns, where not all of the table's."""

    def __init__(self, statement: Any, dialect: Dialect, columns: Sequence[str] | None = None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns) if columns is not None else None)
        if getattr(compiled, "insert_prefetch", ()):
            raise TypeError(f"a default made in Python is not applied here: {compiled.insert_prefetch}")
        assert dialect.loaded_dbapi is not None
        self._errors: type[Exception] = dialect.loaded_dbapi.Error
        self._sql: str = compiled.string
        types = {name: bind.type for bind, name in compiled.bind_names.items()}
        self._positional: bool = compiled.positional
        names = compiled.positiontup if compiled.positional else tuple(types)
        processors = {name: types[name].dialect_impl(dialect).bind_processor(dialect) for name in names}
        # What the statement itself says is worked out once.
        self._fixed = {
            name: value if processors[name] is None else processors[name](value)
            for bind, name in compiled.bind_names.items()
            if not bind.required
            for value in (compiled.params[name],)
        }
        self._binds: list[tuple[str, Processor | None]] = [(name, processors[name]) for name in names]
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
        return self._rows(found)

    def ask(self, connection: Connection, parameters: Mapping[str, Any]) -> Answer:
        """Send it; the rows come when the answer is called. `in_one_go` several questions then share one round trip."""
        if connection.dialect.name != "postgresql":
            rows = self.read(connection, parameters)
            return lambda: rows
        cursor = connection.connection.cursor()
        self._guarded(connection, lambda: cursor.execute(self._sql, self._bound(parameters)))

        def answer() -> list[Any]:
            try:
                return self._rows(self._guarded(connection, cursor.fetchall))
            finally:
                cursor.close()

        return answer

    def _rows(self, found: Sequence[Any]) -> list[Any]:
        make, processors = self._row._make, self._results
        return [
            make([value if process is None else process(value) for process, value in zip(processors, row, strict=True)])
            for row in found
        ]

    def _run(self, connection: Connection, work: Callable[[Any], Any]) -> Any:
        """On a cursor of the transaction's own connection."""
        cursor = connection.connection.cursor()
        try:
            return self._guarded(connection, lambda: work(cursor))
        finally:
            cursor.close()

    def _guarded(self, connection: Connection, work: Callable[[], Any]) -> Any:
        """What the driver raises becomes what SQLAlchemy would raise."""
        try:
            return work()
        except self._errors as problem:
            raise as_sqlalchemy_says(connection, self._sql, problem) from problem

    def _bound(self, given: Mapping[str, Any]) -> Any:
        if self._fixed:
            fixed = self._fixed
            values = [
                fixed[name] if name in fixed else given[name] if process is None else process(given[name])
                for name, process in self._binds
            ]
        else:
            values = [given[name] if process is None else process(given[name]) for name, process in self._binds]
        if self._positional:
            return values
        return {name: value for (name, _), value in zip(self._binds, values, strict=True)}


def as_sqlalchemy_says(connection: Connection, sql: str, problem: Exception) -> BaseException:
    """A driver's exception as the one of SQLAlchemy, which says the same of both databases."""
    dialect = connection.dialect
    assert dialect.loaded_dbapi is not None
    base: type[Exception] = dialect.loaded_dbapi.Error
    return DBAPIError.instance(sql, None, problem, base, hide_parameters=True, dialect=dialect)


@contextmanager
def in_one_go(connection: Connection) -> Iterator[None]:
    """Statements leave without waiting for each other's answers, where the database can: PostgreSQL's pipeline mode.

    An error may come out of a later statement, of the commit, or here. Only for prepared statements.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    assert connection.dialect.loaded_dbapi is not None
    try:
        with driver.pipeline():
            yield
    except connection.dialect.loaded_dbapi.Error as problem:
        raise as_sqlalchemy_says(connection, "(several statements)", problem) from problem


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
