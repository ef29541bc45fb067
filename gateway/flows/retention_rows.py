"""Rows that end: found by their age, some at a time, and changed or deleted one by one, each by its key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, Table, Update, and_, bindparam, delete, select

from gateway.store import tables as t

ROWS_AT_A_TIME = 500


def table_of(model: type[t.Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def each(connection: Connection, table: Table, statement: Update | Delete, rows: Sequence[Any]) -> int:
    """Run it for each of these rows, by the columns of the table's key that they have. How many they are."""
    if rows:
        own = [column.name for column in table.primary_key.columns if column.name in rows[0]]
        here = and_(*(table.c[name] == bindparam(f"of_{name}") for name in own))
        connection.execute(statement.where(here), [{f"of_{name}": row[name] for name in own} for row in rows])
    return len(rows)


def oldest(
    connection: Connection, table: Table, at: ColumnElement[datetime], *conditions: ColumnElement[bool]
) -> Sequence[Any]:
    """The keys of the oldest rows by a column, up to `ROWS_AT_A_TIME`."""
    query = select(*table.primary_key.columns).where(*conditions).order_by(at).limit(ROWS_AT_A_TIME)
    return connection.execute(query).mappings().all()


def delete_old(
    connection: Connection, model: type[t.Base], at: str, before: datetime, *conditions: ColumnElement[bool]
) -> int:
    """Up to `ROWS_AT_A_TIME` rows from before an instant, the oldest first. How many went."""
    table = table_of(model)
    rows = oldest(connection, table, table.c[at], table.c[at] < before, *conditions)
    return each(connection, table, delete(table), rows)
