"""The ideal bridge's rows: one transaction a batch by the bare driver, as durable as ours, in the shape that each database takes fastest."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psycopg
from sqlalchemy import make_url

_BILL_FEN = 1_000
_NEW_EVENT = "INSERT INTO ideal_event VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"


class Read(NamedTuple):
    """A plate event: its row, its stay's, and the open command (`id`, `topic`, `command`) that answers it."""

    site: str
    device: str
    event: str
    at: datetime
    plate: str
    inward: bool
    payload: bytes
    id: str
    topic: str
    command: bytes


class Completed(NamedTuple):
    """A `passed`: its row, and the mark on the read that it completes."""

    site: str
    device: str
    event: str
    at: datetime
    read: str
    payload: bytes


class Said(NamedTuple):
    """A result: the command is done with."""

    site: str
    command: str


class Rows(Protocol):
    """A database. Tables have names of their own, so that they may stand anywhere."""

    def store(
        self, reads: Sequence[Read], completed: Sequence[Completed], said: Sequence[Said]
    ) -> set[tuple[str, str]]:
        """All of it in one transaction, committed. The commands planned, by site and id: not those of events seen before."""
        ...

    def close(self) -> None: ...


def open_store(database_url: str) -> Rows:
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return _Sqlite(Path(str(url.database)))
    return _Postgres(f"host={url.host} port={url.port} user={url.username} dbname={url.database}")


# A vehicle has one stay that is written again and again: as many writes as with one row a stay, and nobody need have been let in before.
_TABLES = """
CREATE TABLE IF NOT EXISTS ideal_event (site text, device text, event text, at {instant}, plate text, completes text, completed boolean,
    payload {bytes}, PRIMARY KEY (site, device, event)) {clustered};
CREATE TABLE IF NOT EXISTS ideal_stay (site text, plate text, entered_by text, entered_at {instant}, left_by text, left_at {instant},
    PRIMARY KEY (site, plate)) {clustered};
CREATE TABLE IF NOT EXISTS ideal_bill (site text, event text, plate text, fen bigint, at {instant}, PRIMARY KEY (site, event)) {clustered};
CREATE TABLE IF NOT EXISTS ideal_posting (site text, event text, account text, fen bigint, PRIMARY KEY (site, event, account)) {clustered};
CREATE TABLE IF NOT EXISTS ideal_outbox (site text, id text, topic text, payload {bytes}, done boolean, PRIMARY KEY (site, id)) {clustered}
"""


class _Sqlite:
    """Statement by statement: there is no round trip to save."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=64)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=16000"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        for table in _TABLES.format(instant="real", bytes="blob", clustered="WITHOUT ROWID").split(";"):
            self._connection.execute(table)

    def close(self) -> None:
        self._connection.close()

    def store(
        self, reads: Sequence[Read], completed: Sequence[Completed], said: Sequence[Said]
    ) -> set[tuple[str, str]]:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        planned = set()
        for read in reads:
            at = read.at.timestamp()
            if run(_NEW_EVENT, (*read[:3], at, read.plate, None, False, read.payload)).rowcount == 1:
                planned.add((read.site, read.id))
                self._consequences(read, at)
        for mark in completed:
            if run(_NEW_EVENT, (*mark[:3], mark.at.timestamp(), None, mark.read, False, mark.payload)).rowcount == 1:
                key = (mark.site, mark.device, mark.read)
                run("UPDATE ideal_event SET completed = true WHERE site = ? AND device = ? AND event = ?", key)
        self._connection.executemany("UPDATE ideal_outbox SET done = true WHERE site = ? AND id = ?", said)
        run("COMMIT")
        return planned

    def _consequences(self, read: Read, at: float) -> None:
        run = self._connection.execute
        which = "entered" if read.inward else "left"
        run(
            f"INSERT INTO ideal_stay (site, plate, {which}_by, {which}_at) VALUES (?,?,?,?)"  # noqa: S608 - two words of ours
            f" ON CONFLICT (site, plate) DO UPDATE SET {which}_by = excluded.{which}_by, {which}_at = excluded.{which}_at",
            (read.site, read.plate, read.event, at),
        )
        if not read.inward:
            run("INSERT INTO ideal_bill VALUES (?,?,?,?,?)", (read.site, read.event, read.plate, _BILL_FEN, at))
            for account, fen in (("receivable", _BILL_FEN), ("income", -_BILL_FEN)):
                run("INSERT INTO ideal_posting VALUES (?,?,?,?)", (read.site, read.event, account, fen))
        run("INSERT INTO ideal_outbox VALUES (?,?,?,?,?)", (read.site, read.id, read.topic, read.command, False))


# One round trip and one flush a batch. Everything that follows from an event that is new follows from `seen`; sorted, so that two
# workers wait for one another and never in a circle.
_ALL_AT_ONCE = f"""
WITH read AS MATERIALIZED (SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::text[], %b::boolean[], %b::bytea[],
        %b::text[], %b::text[], %b::bytea[]) AS a(site, device, event, at, plate, inward, payload, id, topic, command)),
    mark AS MATERIALIZED (SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::text[], %b::bytea[])
        AS a(site, device, event, at, read, payload)),
    marked AS (INSERT INTO ideal_event SELECT site, device, event, at, NULL, read, false, payload FROM mark ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING RETURNING site, device, completes),
    completed AS (UPDATE ideal_event e SET completed = true FROM marked m
        WHERE e.site = m.site AND e.device = m.device AND e.event = m.completes),
    said AS (UPDATE ideal_outbox o SET done = true FROM (SELECT * FROM unnest(%b::text[], %b::text[]) AS s(site, id) ORDER BY 1, 2) s
        WHERE o.site = s.site AND o.id = s.id),
    stored AS (INSERT INTO ideal_event SELECT site, device, event, at, plate, NULL, false, payload FROM read ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING RETURNING site, device, event),
    seen AS MATERIALIZED (SELECT read.* FROM read JOIN stored USING (site, device, event)),
    entered AS (INSERT INTO ideal_stay (site, plate, entered_by, entered_at) SELECT site, plate, event, at FROM seen WHERE inward ORDER BY 1, 2
        ON CONFLICT (site, plate) DO UPDATE SET entered_by = excluded.entered_by, entered_at = excluded.entered_at),
    gone AS (INSERT INTO ideal_stay (site, plate, left_by, left_at) SELECT site, plate, event, at FROM seen WHERE NOT inward ORDER BY 1, 2
        ON CONFLICT (site, plate) DO UPDATE SET left_by = excluded.left_by, left_at = excluded.left_at),
    billed AS (INSERT INTO ideal_bill SELECT site, event, plate, {_BILL_FEN}, at FROM seen WHERE NOT inward),
    posted AS (INSERT INTO ideal_posting SELECT site, event, account, fen FROM seen,
        (VALUES ('receivable', {_BILL_FEN}), ('income', -{_BILL_FEN})) AS side(account, fen) WHERE NOT inward)
INSERT INTO ideal_outbox SELECT site, id, topic, command, false FROM seen RETURNING site, id
"""  # noqa: S608 - a number of ours


class _Postgres:
    """Arrays in one statement, prepared and planned once."""

    def __init__(self, where: str) -> None:
        connection = self._connection = psycopg.connect(where, autocommit=True, prepare_threshold=0)
        connection.execute("SELECT pg_advisory_lock(1)")
        for table in _TABLES.format(instant="timestamptz", bytes="bytea", clustered="").split(";"):
            connection.execute(table.encode())
        connection.execute("SELECT pg_advisory_unlock(1)")
        # A batch is joined to itself by hashing (by nested loops a large one would take as long as everything else), tables by their keys.
        for setting in (
            "enable_seqscan = off",
            "enable_mergejoin = off",
            "jit = off",
            "plan_cache_mode = force_generic_plan",
        ):
            connection.execute(f"SET {setting}".encode())
        self._cursor = connection.cursor(binary=True)
        self._statement = _ALL_AT_ONCE.encode()

    def close(self) -> None:
        self._connection.close()

    def store(
        self, reads: Sequence[Read], completed: Sequence[Completed], said: Sequence[Said]
    ) -> set[tuple[str, str]]:
        columns: list[Any] = [
            *_columns(reads, len(Read._fields)),
            *_columns(completed, len(Completed._fields)),
            *_columns(said, len(Said._fields)),
        ]
        return set(self._cursor.execute(self._statement, columns).fetchall())


def _columns(rows: Sequence[tuple[Any, ...]], many: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(many)]
