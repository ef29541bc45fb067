"""What was deleted also leaves the file: SQLite keeps it in free pages and in its log until somebody writes over it.

PostgreSQL's autovacuum gives the space of dead rows to new ones; when the old bytes are written over is not for us to say. There
disks are encrypted, and `docs/privacy.md` says what else to do.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from gateway.store.engine import Store

_TRIES = 50
_WAIT_SECONDS = 0.1
_BUSY_SECONDS = 30


class Scrubbed(msgspec.Struct, frozen=True):
    """`whole`: the log is empty as well. False where somebody went on reading what was there before: do it again later."""

    bytes_before: int
    bytes_after: int
    whole: bool


def zeroing(connection: Connection) -> None:
    """What this connection deletes from now on is overwritten with zeros at once. Nothing to do on PostgreSQL."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def file_of(store: Store) -> Path | None:
    """The file of a SQLite database on a disk; None for all others."""
    name = store.engine.url.database
    return Path(name) if not store.postgres and name and name != ":memory:" else None


def scrub(store: Store) -> Scrubbed | None:
    """Write the whole file anew and empty its log. None where there is no file. Raises `sqlite3.Error`.

    It takes about a second for 100 MiB, during which nobody else can write: devices keep their events meanwhile.
    """
    file = file_of(store)
    if file is None:
        return None
    before = _size(file)
    with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON").fetchall()
        # Not onto the disk: the copy that it makes would be one more place to clear.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("VACUUM")
        whole = False
        for _ in range(_TRIES):
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            whole = not busy
            if whole:
                break
            time.sleep(_WAIT_SECONDS)
    return Scrubbed(before, _size(file), whole)


def _size(file: Path) -> int:
    return sum(one.stat().st_size for one in (file, file.with_name(f"{file.name}-wal")) if one.exists())
