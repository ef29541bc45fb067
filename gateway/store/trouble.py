"""What is wrong with a database that does not take what it is given, and what to do, in words for whoever is called."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft


class Trouble(NamedTuple):
    """`kind` is `full`, `read_only`, `busy` or `away`: a metric's label. `words` say what it is and what to do."""

    kind: str
    words: str


FULL = Trouble("full", "its disk is full; nothing was stored, make room and it goes on by itself")
READ_ONLY = Trouble("read_only", "it is read-only; nothing was stored, make it writable and it goes on by itself")
BUSY = Trouble("busy", "others hold its locks for too long; nothing was stored, try again")
AWAY = Trouble("away", "it does not answer; nothing was stored, see whether it runs")

# Primary result codes of SQLite; the extended ones have them in their lowest byte.
_SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
}
# SQLSTATE of PostgreSQL, by its beginning; the longest that fits.
_POSTGRES = {"53100": FULL, "25006": READ_ONLY, "55P03": BUSY, "40": BUSY, "53300": AWAY, "57P": AWAY, "08": AWAY}


def trouble_of(problem: SQLAlchemyError) -> Trouble | None:
    """What is wrong with the database; None where it is well and what it was given is at fault."""
    if isinstance(problem, NoConnectionLeft):
        return BUSY
    if not isinstance(problem, DBAPIError):
        return None
    if not problem.connection_invalidated and not isinstance(
        problem, (OperationalError, InterfaceError, InternalError)
    ):
        return None
    code = getattr(problem.orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF, AWAY)
    state = getattr(problem.orig, "sqlstate", None) or ""
    for length in (5, 3, 2):
        found = _POSTGRES.get(state[:length])
        if found is not None:
            return found
    return AWAY


def said(problem: SQLAlchemyError) -> str:
    """The database's own words, on one line and without what it was given."""
    own = str(getattr(problem, "orig", None) or problem).strip().splitlines()
    return own[0][:300] if own else "no answer"
