"""Somebody with the database file: every column of a row changed, rows deleted, rows put in; and what `verify` then names.

Works on one connection: what was tampered with is looked at and rolled back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from gateway.flows.verify import failures
from gateway.flows.verify_scope import Look, Scope
from gateway.store.tables import Instant
from gateway.wiring import Parts

ROW_KINDS = ("kind", "state", "purpose", "reference_kind", "billed", "code", "place", "step", "action")
DELETED, PUT_IN = "DELETED", "PUT IN"
# Under these a row is named by others.
_NAMES = ("reference", "subject", "holder", "entry_event", "exit_event", "order_number", "plate")
Row = dict[str, Any]


class Tampering(NamedTuple):
    """`what`: a column, or that the row was deleted or put in. `names`: what of the row a failure may name it by."""

    what: str
    row: Row
    statement: Any
    names: frozenset[str]


class Intruder:
    """A connection past triggers, foreign keys and (on SQLite) checks."""

    def __init__(self, parts: Parts, connection: sa.Connection) -> None:
        self.zone, self.connection, self.postgres = parts.settings.zone, connection, parts.store.postgres
        if not self.postgres:
            connection.commit()
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in found.fetchall():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            connection.exec_driver_sql("BEGIN")

    def named(self) -> list[str]:
        """All that verify has to say."""
        look = Look(self.connection, Scope(None, None, self.zone), Counter(), lambda _: None)
        return [f"{one.what} {one.id} {one.why}" for one in failures(look)]

    def missed(self, tables: Iterable[sa.Table], need_not: Collection[str]) -> dict[str, list[str]]:
        """What was done to rows and not named: by `table.column`, the kinds of rows. `need_not` are left alone: columns, and `table=kind` for rows.

        Much is done at once, to rows that have no name in common; what then is not named is done again with less beside it, for the
        first of several failures may hide the others.
        """
        left = [
            one
            for table in tables
            for one in self._tamperings(table)
            if one.what not in need_not and f"{table.name}={_kind(one.row)}" not in need_not
        ]
        for most in (1000, 20, 1):
            left = [one for group in _groups(left, most) for one in self._unnamed(group)]
        found: dict[str, list[str]] = {}
        for one in left:
            found.setdefault(one.what, []).append(_kind(one.row))
        return found

    def _unnamed(self, group: list[Tampering]) -> list[Tampering]:
        told = self._do(group)
        if told is None:  # the database refuses one of them: then that one is no way in
            return group if len(group) > 1 else []
        return [one for one in group if not any(name in said for said in told for name in one.names)]

    def _do(self, group: list[Tampering]) -> list[str] | None:
        """Do it, look, and undo it. None where the database would not have it."""
        if self.postgres:
            self.connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        try:
            for one in group:
                self.connection.execute(one.statement)
            return self.named()
        except (sa.exc.IntegrityError, sa.exc.DataError):
            return None
        finally:
            self.connection.rollback()

    def _tamperings(self, table: sa.Table) -> Iterator[Tampering]:
        rows = [dict(row) for row in self.connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()]
        assert rows, f"there is nothing in {table.name} to tamper with"
        keys = {column.name for column in table.primary_key}
        for row in {_kind(row): row for row in rows}.values():
            mine = sa.and_(*[column == row[column.name] for column in table.primary_key])
            for column in table.c:
                new = _other(column, row, () if column.name in keys else rows)
                changed = sa.update(table).where(mine).values({column.name: new})
                called = _called(table, row) | _called(table, row | {column.name: new})
                yield Tampering(f"{table.name}.{column.name}", row, changed, called)
            yield Tampering(f"{table.name} {DELETED}", row, sa.delete(table).where(mine), _called(table, row))
            copy = dict(row)
            for column in (list(table.primary_key)[-1], *_uniques(table)):
                if copy[column.name] is not None:
                    copy[column.name] = _other(column, row, ())
            called = _called(table, row) | _called(table, copy)
            yield Tampering(f"{table.name} {PUT_IN}", row, sa.insert(table).values(**copy), called)


_FURTHER = frozenset({"idempotency_key", "break_id", "first_serial", "sequence", "day"})


def _uniques(table: sa.Table) -> list[sa.Column[Any]]:
    """Columns of further keys, but for the site."""
    keys: list[Any] = [key for key in table.constraints if isinstance(key, sa.UniqueConstraint)]
    keys += [index for index in table.indexes if index.unique]
    return [column for key in keys for column in key.columns if column.name in _FURTHER]


def _groups(tamperings: Iterable[Tampering], most: int) -> list[list[Tampering]]:
    """What can be done at once: to rows that are called nothing in common, at most so many."""
    found: list[tuple[set[str], list[Tampering]]] = []
    for one in tamperings:
        free = next((group for group in found if len(group[1]) < most and not group[0] & one.names), None)
        if free is None:
            found.append(free := (set(), []))
        free[0].update(one.names)
        free[1].append(one)
    return [group for _, group in found]


def _kind(row: Mapping[str, Any]) -> str:
    return " ".join(f"{row[name]}" for name in ROW_KINDS if name in row)


def _called(table: sa.Table, row: Row) -> frozenset[str]:
    found = set()
    for column in table.c:
        value, name = row[column.name], column.name
        of_key = column.primary_key or name.endswith("_id") or name in _NAMES
        if of_key and isinstance(value, str) and (len(value) > 6 or len(table.primary_key) == 1):
            found.add(value)
    if table.name == "shift_step":
        shift = row["shift_id"]
        found = {f"{shift}:{row['sequence']}", f"{row['site_id']}:{shift}", row["transaction_id"] or f"{shift}:"}
        found |= {shift} - {"safe"}
    if row.get("serial") is not None:
        found.add(f"{row['serial']:08d}")
    if table.name == "day_close":  # one taken off the end is named by the books
        found.add(f"{row['day']}")
    if "day" in row or table.name in {"site_books", "policy_version"}:
        key = [row[column.name] for column in table.primary_key]
        found |= {":".join(map(str, key)), f"{key[0]}:{row.get('day')}"}
    return frozenset(found)


def _other(column: sa.Column[Any], row: Row, rows: Any) -> Any:
    """Another value that could stand there: of another row, else made up."""
    was = row[column.name]
    if column.name == "posted":
        return {**was, "income_fen": was.get("income_fen", 0) + 1}
    if isinstance(was, str):
        others = (other[column.name] for other in rows if other[column.name] not in {None, was})
        return next(others, None) or was[:-1] + ("x" if was[-1:] != "x" else "y")
    return _made_up(column, was)


def _made_up(column: sa.Column[Any], was: Any) -> Any:
    match was:
        case bool():
            return not was
        case int() | float():
            return was + 1
        case datetime():
            return was + timedelta(minutes=7)
        case date():
            return was + timedelta(days=1)
        case bytes() | memoryview():
            return bytes(was)[:-1] + bytes([bytes(was)[-1] ^ 1])
        case dict():
            return _leaf(was)
        case list():
            return was[1:]
    return _from_nothing(column)


def _leaf(document: dict[str, Any]) -> dict[str, Any]:
    """With its first value another one."""
    if not document:
        return {"x": 1}
    name, value = next(iter(document.items()))
    if isinstance(value, dict):
        return {**document, name: _leaf(value)}
    return {**document, name: value + 1 if isinstance(value, int) else f"{value}x"}


def _from_nothing(column: sa.Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, Instant):
        return datetime.fromisoformat("2026-03-02T10:00:00+08:00")
    for of, value in ((sa.Boolean, True), (sa.Integer, 1), (sa.String, "x"), (sa.LargeBinary, b"x"), (sa.Float, 0.5)):
        if isinstance(kind, of):
            return value
    return date(2026, 3, 2) if isinstance(kind, sa.Date) else {"x": 1}
