"""Empty databases of either kind to restore into, and databases compared row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select, text

from gateway.store.engine import Store
from gateway.store.tables import Base
from tests.cheap import open_store
from tests.servers import Postgres


@contextmanager
def an_empty_database(kind: str, folder: Path, cluster: Callable[[], Postgres]) -> Iterator[str]:
    """The URL of a database without any table."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/empty.db"
        return
    postgres = cluster()
    name = f"empty_{abs(hash(folder)) % 10**12}"
    admin = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield postgres.url(name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def contents(store: Store, *, without: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Every row of every table, in an order that does not depend on the database."""
    found = {}
    with store.reading() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name not in without:
                rows = connection.execute(select(table)).fetchall()
                found[table.name] = sorted(repr([_plain(value) for value in row]) for row in rows)
    return found


def contents_of(url: str) -> dict[str, list[str]]:
    store = open_store(url)
    try:
        return contents(store)
    finally:
        store.close()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, _plain(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return bytes(value) if isinstance(value, memoryview) else value
