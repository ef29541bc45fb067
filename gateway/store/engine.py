"""Engines and units of work. One flow, one transaction, one explicit commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import QueuePool

from gateway.runtime.clock import SystemPace

_BUSY_SECONDS = 15
_BUSY_LOOK_SECONDS = 0.0003
# Pages of 4 KiB in the log before a commit also moves them into the file: rarely, since that commit pays for all.
_CHECKPOINT_PAGES = 16_000
# The event path asks for a few rows by their keys, whatever a table holds. PostgreSQL, which takes a set of keys for ten or a
# hundred rows and plans once for all, would go through a whole table while it is small, and keep that plan when it has grown.
_BY_INDEX = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off -c plan_cache_mode=force_generic_plan"
# A connection that was used so recently is not asked whether it still lives: that costs as much as a statement.
_FRESH_SECONDS = 1.0


def open_engine(database_url: str | URL, *, pool_size: int = 8, by_index: bool = False) -> Engine:
    """An engine for SQLite (WAL, synchronous FULL, every transaction immediate) or PostgreSQL (psycopg).

    `by_index`: for statements that know their rows' keys (PostgreSQL only; SQLite is told in each statement).
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
    given = " ".join(options) if isinstance(options := url.query.get("options", ""), tuple) else options
    engine = create_engine(
        url,
        connect_args={"options": f"{given} {_BY_INDEX}".strip()} if by_index else {},
        pool_size=pool_size,
        max_overflow=8,
        pool_pre_ping=not by_index,
        pool_use_lifo=True,
        query_cache_size=1500,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
    )
    if by_index:
        _ping_the_idle(engine)
    return engine


def _ping_the_idle(engine: Engine) -> None:
    """Ask a connection that has lain idle whether it still lives, and open another where it does not."""
    pace = SystemPace()

    @event.listens_for(engine, "checkin")
    def _returned(_connection: Any, record: Any) -> None:
        record.info["returned"] = pace.monotonic()

    @event.listens_for(engine, "checkout")
    def _taken(connection: Any, record: Any, _proxy: Any) -> None:
        if pace.monotonic() - record.info.get("returned", pace.monotonic()) < _FRESH_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as problem:
            raise DisconnectionError from problem


class _Hints(SQLiteCompiler):
    """Lets a statement say which index serves it (`INDEXED BY`): SQLite has counted nothing and may take another."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        del table
        return text


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _tune_sqlite(engine: Engine) -> None:
    engine.dialect.statement_compiler = _Hints
    pace = SystemPace()

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            # 16 MiB a connection, of which a service has some: beyond it the operating system keeps the file's pages.
            "cache_size=-16384",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that may write takes the write lock at once: one that starts by reading and then writes can be
        # refused as busy at its first write, with its facts already read.
        if connection.get_execution_options().get("read_only", False):
            connection.exec_driver_sql("BEGIN")
        else:
            _take_the_write_lock(connection, pace)


def _take_the_write_lock(connection: Connection, pace: SystemPace) -> None:
    """Whoever waits for another process looks again at once: SQLite's own waiting soon sleeps for 25 to 100 ms."""
    driver: Any = connection.connection.driver_connection
    end = pace.monotonic() + _BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout=0").close()
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as problem:
                if getattr(problem.orig, "sqlite_errorname", "") != "SQLITE_BUSY" or pace.monotonic() > end:
                    raise
                pace.sleep(_BUSY_LOOK_SECONDS)
            else:
                return
    finally:
        driver.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}").close()


class Store:
    """Units of work on one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.postgres = engine.dialect.name == "postgresql"
        self.by_index = open_engine(engine.url, pool_size=4, by_index=True) if self.postgres else engine
        self._reader = engine.execution_options(read_only=True)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that must end with an explicit `commit()`; leaving without it rolls back."""
        with self._transaction(self.engine) as connection:
            yield connection

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """The same for the event path, all of whose statements know the keys of their rows."""
        with self._transaction(self.by_index) as connection:
            yield connection

    @staticmethod
    @contextmanager
    def _transaction(engine: Engine) -> Iterator[Connection]:
        with engine.connect() as connection:
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
        if self.by_index is not self.engine:
            self.by_index.dispose()
