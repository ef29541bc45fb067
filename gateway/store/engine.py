"""Engines and units of work. One flow, one transaction, one explicit commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

_BUSY_SECONDS = 15
# Pages of 4 KiB in the log before a commit also moves them into the file: rarely, since that commit pays for all.
_CHECKPOINT_PAGES = 16_000


def open_engine(database_url: str | URL, *, pool_size: int = 8) -> Engine:
    """An engine for SQLite (WAL, synchronous FULL, every transaction immediate) or PostgreSQL (psycopg).

    `postgresql://` means psycopg 3. Raises `sqlalchemy.exc.ArgumentError` for a URL that it cannot read.
    """
    url = make_url(database_url)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        on_disk = url.database not in {None, "", ":memory:"}
        # Last in, first out: whoever works alone keeps one connection, with its pages and prepared statements.
        pooled: dict[str, Any] = (
            {"poolclass": QueuePool, "pool_size": pool_size, "pool_use_lifo": True} if on_disk else {}
        )
        engine = create_engine(
            url,
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False, "cached_statements": 512},
            query_cache_size=1500,
            json_serializer=_to_json,
            json_deserializer=msgspec.json.decode,
            **pooled,
        )
        _tune_sqlite(engine)
        return engine
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=8,
        pool_pre_ping=True,
        pool_use_lifo=True,
        query_cache_size=1500,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
    )


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-65536",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that may write takes the write lock at once: one that starts by reading and then writes can be
        # refused as busy at its first write, with its facts already read.
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


class Store:
    """Units of work on one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.postgres = engine.dialect.name == "postgresql"
        self._reader = engine.execution_options(read_only=True)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that must end with an explicit `commit()`; leaving without it rolls back."""
        with self.engine.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
            except BaseException:
                # Also after a commit that failed: SQLAlchemy would hand the connection back with its transaction open.
                transaction.rollback()
                raise
            if transaction.is_active:
                transaction.rollback()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent look that writes nothing."""
        with self._reader.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()
