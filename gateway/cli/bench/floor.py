"""The other floor: one row, committed so that it survives a power cut, by the bare driver on the same kind of database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg
from sqlalchemy import make_url

# About as many bytes as a plate event on the wire.
_PAYLOAD = b"x" * 300


class CommitFloor:
    """A table of its own beside the database that is measured: same file system, same server, same durability."""

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url)
        self._connection: Any
        if url.get_backend_name() == "sqlite":
            path = Path(str(url.database)).with_name("floor.db")
            self._connection = sqlite3.connect(path, isolation_level=None)
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                self._connection.execute(f"PRAGMA {pragma}").close()
            self._connection.execute("CREATE TABLE IF NOT EXISTS floor (id INTEGER PRIMARY KEY, payload BLOB)")
            self._insert = "INSERT INTO floor (payload) VALUES (?)"
        else:
            where = f"host={url.host} port={url.port} user={url.username} dbname={url.database}"
            self._connection = psycopg.connect(where, autocommit=True, prepare_threshold=0)
            self._connection.execute("CREATE TABLE IF NOT EXISTS bench_floor (id bigserial PRIMARY KEY, payload bytea)")
            self._insert = "INSERT INTO bench_floor (payload) VALUES (%s)"

    def run(self, commits: int) -> list[float]:
        """Seconds that each commit took."""
        found = []
        for _ in range(commits):
            began = perf_counter()
            self._connection.execute(self._insert, (_PAYLOAD,))
            found.append(perf_counter() - began)
        return found

    def close(self) -> None:
        self._connection.close()
