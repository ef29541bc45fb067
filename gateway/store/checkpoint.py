"""Moving SQLite's log into its file, on a thread of its own.

By itself SQLite does it inside whichever commit makes the log too long, and the vehicle of that commit waits for it.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from gateway.runtime.logs import logger
from gateway.store.engine import Store

_log = logger(__name__)

_LOOK_EVERY_SECONDS = 0.5
_LOG_BYTES = 4 * 1024 * 1024
_ENDS_WITHIN_SECONDS = 10


class Checkpointer:
    """For the process whose commits are waited for. Does nothing for PostgreSQL, nor for a database in memory."""

    def __init__(self, store: Store) -> None:
        name = store.engine.url.database
        self._file = Path(name) if not store.postgres and name and name != ":memory:" else None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def start(self) -> None:
        if self._file is not None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_ENDS_WITHIN_SECONDS)

    def _run(self) -> None:
        assert self._file is not None
        log = self._file.with_name(f"{self._file.name}-wal")
        while not self._stopping.wait(_LOOK_EVERY_SECONDS):
            try:
                if log.stat().st_size >= _LOG_BYTES:
                    self._move(self._file)
            except (OSError, sqlite3.Error) as problem:
                # A log that has not begun yet, a full disk: commits still move it when it is much too long.
                _log.debug("no checkpoint this time", problem=str(problem))

    @staticmethod
    def _move(file: Path) -> None:
        """What no reader needs any more; it waits for nobody. The log then starts again from its beginning."""
        with closing(sqlite3.connect(file, timeout=0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
