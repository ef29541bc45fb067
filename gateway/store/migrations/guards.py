"""Triggers of tables that only ever grow, on both databases. What a migration guarded stays as it was: revisions call this by its words."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from alembic import op


def only_grow(tables: Collection[str]) -> None:
    """No row is changed or deleted."""
    for table in tables:
        if _postgresql():
            _refuse(table, "append_only", "UPDATE OR DELETE OR TRUNCATE", "parkgate_append_only")
            continue
        for verb in ("UPDATE", "DELETE"):
            op.execute(f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {_says(table)}")


def only_grow_but(opened: Mapping[str, Collection[str]]) -> None:
    """No row is changed or deleted, but for these columns while a row stands in `erasing` (revision 0008)."""
    never_deleted(opened)
    for table in opened:
        if _postgresql():
            _refuse(table, "no_update", "UPDATE", "parkgate_only_erasing")
            continue
        door = "WHEN NOT EXISTS (SELECT 1 FROM erasing)"
        op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {door} {_says(table)}")
    keep_shut(opened)


def never_deleted(tables: Collection[str]) -> None:
    """Rows stay; what of them may change says `keep_shut`."""
    for table in tables:
        if _postgresql():
            _refuse(table, "append_only", "DELETE OR TRUNCATE", "parkgate_append_only")
        else:
            op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {_says(table)}")


def keep_shut(opened: Mapping[str, Collection[str]]) -> None:
    """The columns that never change, by name: all that a table has now but these."""
    for table, columns in opened.items():
        when = "UPDATE OF " + ", ".join(f'"{name}"' for name in _columns(table) if name not in columns)
        if _postgresql():
            _refuse(table, "keeps", when, "parkgate_append_only")
        else:
            op.execute(f"CREATE TRIGGER {table}_keeps BEFORE {when} ON {table} {_says(table)}")


def let_columns_change(tables: Collection[str]) -> None:
    """Before a column comes or goes; `keep_shut` after it."""
    for table in tables:
        op.execute(f"DROP TRIGGER {table}_keeps" + (f" ON {table}" if _postgresql() else ""))


def _postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _columns(table: str) -> list[str]:
    return [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]


def _says(table: str) -> str:
    return f"BEGIN SELECT RAISE(ABORT, '{table} only ever grows'); END"


def _refuse(table: str, name: str, when: str, function: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    )
