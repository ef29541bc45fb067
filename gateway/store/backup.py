"""A database as rows of plain values, out of one consistent look and into one transaction, whichever database it is.

What a column holds is written by kind: an instant as microseconds since 1970 UTC, bytes in base 64, a date as `YYYY-MM-DD`, all else
as JSON has it. The kinds stand in the file, so that a file of an earlier schema is read by what it says of itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from gateway.store import schema
from gateway.store.backup_file import Damaged, Reader, TableHead, Writer
from gateway.store.tables import Base, Instant
from gateway.store.tables.base import Json, microseconds

_ROWS_AT_A_TIME = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Who schedules, and what it last did: facts of running processes, not of the street. A service that idles on an empty database
# writes them, and need not be stopped for that.
_OF_PROCESSES = frozenset({"job_lease", "job_run"})

# In this order: the first that fits. An `Instant` is more than the number or the text that it is made of.
_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Instant, "instant"),
    (JSON, "json"),
    (Boolean, "boolean"),
    (Integer, "integer"),
    (Float, "float"),
    (Date, "date"),
    (LargeBinary, "bytes"),
    (String, "text"),
)
_TYPES: dict[str, TypeEngine[Any]] = {
    "instant": Instant(),
    "json": Json,
    "boolean": Boolean(),
    "integer": BigInteger(),
    "float": Float(),
    "date": Date(),
    "bytes": LargeBinary(),
    "text": Text(),
}


class NotRestorable(Exception):
    """A whole file that does not go into this database: why, and what to do."""


def tables_in_order() -> list[Table]:
    """The tables of this version, those that others refer to first."""
    return list(Base.metadata.sorted_tables)


def save(connection: Connection, writer: Writer, progress: Callable[[str, int], object]) -> None:
    """Write every row. The connection is in a transaction that sees one moment (`one_moment`); memory is bounded by some rows.

    `progress` is called with a table and how many of its rows were just written.
    """
    for table in tables_in_order():
        columns = list(table.columns)
        kinds = [_kind(column) for column in columns]
        writer.begin(
            TableHead(
                str(table.name), tuple((str(column.name), kind) for column, kind in zip(columns, kinds, strict=True))
            )
        )
        query = select(*columns).execution_options(yield_per=_ROWS_AT_A_TIME)
        with connection.execute(query) as found:
            for rows in found.partitions():
                for row in rows:
                    writer.row([_plain(kind, value) for kind, value in zip(kinds, row, strict=True)])
                progress(table.name, len(rows))


def one_moment(connection: Connection) -> None:
    """Let the transaction that has just begun see one moment, whatever others write. SQLite's readers always do."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def check(reader: Reader, progress: Callable[[str, int], object]) -> None:
    """Read the whole file and change nothing. Raises `Damaged`."""
    for head, rows in _tables(reader):
        for chunk in rows:
            for row in chunk:
                _values(head, row)
            progress(head.table, len(chunk))


def load(connection: Connection, reader: Reader, progress: Callable[[str, int], object]) -> None:
    """Fill an empty database, in the transaction that the caller commits. Raises `Damaged`, `NotRestorable`.

    The schema is made at the file's revision, filled, and then brought to this version's.
    """
    _hold(connection)
    revision = reader.head.schema
    if not schema.knows(revision):
        raise NotRestorable(
            f"it was made at revision {revision}, which this version does not know; use the later version"
        )
    _refuse_rows(connection)
    # Nothing is in it, so nothing is lost by going back.
    schema.move(connection, revision)
    there = inspect(connection)
    known = set(there.get_table_names())
    for head, rows in _tables(reader):
        if head.table not in known:
            raise NotRestorable(f"it has a table {head.table}, which revision {revision} does not have")
        missing = {name for name, _ in head.columns} ^ {column["name"] for column in there.get_columns(head.table)}
        if missing:
            raise NotRestorable(f"its table {head.table} and that of revision {revision} differ in {min(missing)}")
        _fill(connection, head, rows, progress)
    schema.move(connection, schema.newest())
    _count_on(connection)


def _fill(
    connection: Connection,
    head: TableHead,
    rows: Iterable[list[list[Any]]],
    progress: Callable[[str, int], object],
) -> None:
    table = Table(head.table, MetaData(), *(Column(name, _TYPES[kind]) for name, kind in head.columns))
    if head.table in _OF_PROCESSES:
        connection.execute(delete(table))
    insert = table.insert()
    for chunk in rows:
        values = [_values(head, row) for row in chunk]
        try:
            connection.execute(insert, values)
        except DBAPIError as problem:
            if type(problem).__name__ == "OperationalError":
                raise  # the database, not the rows
            why = str(problem.orig).strip().splitlines()[0]
            raise NotRestorable(f"the database refuses rows of table {head.table}: {why}") from None
        progress(head.table, len(chunk))


def _hold(connection: Connection) -> None:
    """Nobody writes beside us. SQLite's writer is alone anyway."""
    names = sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))
    if connection.dialect.name == "postgresql" and names:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")


def _refuse_rows(connection: Connection) -> None:
    names = set(inspect(connection).get_table_names())
    strange = names - set(Base.metadata.tables) - {"alembic_version"}
    if strange:
        raise NotRestorable(
            f"the database has a table {min(strange)}, which is not Parkgate's; give a database of its own"
        )
    for name in sorted(names & set(Base.metadata.tables) - _OF_PROCESSES):
        if connection.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first() is not None:  # noqa: S608 - a name of ours
            raise NotRestorable(
                f"the database is not empty, {name} has rows, and nothing is ever replaced; restore into a new database"
            )


def _count_on(connection: Connection) -> None:
    """PostgreSQL numbers further rows from where the restored ones end; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables_in_order():
        for column in table.primary_key.columns:
            sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
            if sequence is not None:
                highest = connection.execute(select(func.max(column))).scalar()
                if highest is not None:
                    connection.execute(select(func.setval(sequence, highest)))


def _tables(reader: Reader) -> Iterator[tuple[TableHead, Iterator[list[list[Any]]]]]:
    """Each table's head with its rows in chunks. A table's chunks must be taken before the next table."""
    stream = reader.rows()
    first = next(stream, None)
    ahead: list[TableHead] = []

    def chunks() -> Iterator[list[list[Any]]]:
        chunk: list[list[Any]] = []
        for one in stream:
            if isinstance(one, TableHead):
                ahead.append(one)
                break
            chunk.append(one)
            if len(chunk) >= _ROWS_AT_A_TIME:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    if first is None:
        return
    if not isinstance(first, TableHead):
        raise Damaged("its first row belongs to no table")
    ahead.append(first)
    while ahead:
        head = ahead.pop()
        unknown = {kind for _, kind in head.columns} - _TYPES.keys()
        if unknown:
            raise Damaged(f"table {head.table} has a column of kind {min(unknown)}, which is none")
        yield head, chunks()


def _kind(column: Column[Any]) -> str:
    for type_, kind in _KINDS:
        if isinstance(column.type, type_):
            return kind
    raise TypeError(f"{column} is of a type that no backup can hold yet")


def _plain(kind: str, value: Any) -> Any:
    if value is not None and kind == "instant":
        return microseconds(value)
    return value


def _values(head: TableHead, row: Sequence[Any]) -> dict[str, Any]:
    if len(row) != len(head.columns):
        raise Damaged(f"a row of table {head.table} has {len(row)} values for {len(head.columns)} columns")
    try:
        return {name: _python(kind, value) for (name, kind), value in zip(head.columns, row, strict=True)}
    except (TypeError, ValueError, OverflowError, binascii.Error):
        raise Damaged(f"a row of table {head.table} holds a value that is not of its column's kind") from None


def _python(kind: str, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case "instant":
            return _EPOCH + timedelta(microseconds=value)
        case "bytes":
            return base64.b64decode(value, validate=True)
        case "date":
            return date.fromisoformat(value)
        case _:
            return value
