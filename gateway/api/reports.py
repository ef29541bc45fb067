"""Gates before reports: what reads much has a few places only, and on PostgreSQL an end in time.

On SQLite it needs no more: a reader never makes the writer wait, and the places bound what readers take of the processor.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from gateway.api.problems import TooLong, TooMany
from gateway.store.engine import Store

_WAITS_SECONDS = 2.0
_WAITING_MAX = 8
_TAKES_SECONDS_MAX = 20
_CANCELLED = "57014"  # PostgreSQL's query_canceled: here its statement_timeout


class Reports:
    """`places` at the same time; a few more wait a little, so that not every page which asks twice is refused."""

    def __init__(self, store: Store, places: int, *, waits_seconds: float = _WAITS_SECONDS) -> None:
        self._store = store
        self._places = threading.BoundedSemaphore(places)
        self._waiting = threading.BoundedSemaphore(_WAITING_MAX)
        self._waits_seconds = waits_seconds

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises `TooMany` where none becomes free in time."""
        if not self._places.acquire(blocking=False):
            if not self._waiting.acquire(blocking=False):
                raise TooMany("too many reports at once; try again later")
            try:
                found = self._places.acquire(timeout=self._waits_seconds)
            finally:
                self._waiting.release()
            if not found:
                raise TooMany("too many reports at once; try again later")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A place and a consistent look. Raises `TooMany`; `TooLong` when one statement takes more than 20 s."""
        with self.place(), self._store.reading() as connection:
            if self._store.postgres:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_TAKES_SECONDS_MAX}s'")
            try:
                yield connection
            except OperationalError as problem:
                if getattr(problem.orig, "sqlstate", None) == _CANCELLED:
                    raise TooLong from problem
                raise
