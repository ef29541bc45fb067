"""SQLite whose connections fail when they are told to: busy, full, read-only, lost, slow, and with a rival who commits first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any, Literal

from sqlalchemy import Engine, event

from simulators.faults.mix import Mix
from simulators.faults.record import Record
from simulators.faults.schedule import Schedule

Spell = Literal["busy", "full", "read_only", "lost", "lost_at_commit"]
SPELLS: tuple[Spell, ...] = ("busy", "full", "read_only", "lost", "lost_at_commit")
_WORDS: dict[Spell, str] = {
    "busy": "database is locked",
    "full": "database or disk is full",
    "read_only": "attempt to write a readonly database",
    "lost": "server closed the connection unexpectedly",
    "lost_at_commit": "server closed the connection unexpectedly",
}
_BEGIN = "BEGIN IMMEDIATE"
_FAILS_OF = 0.6  # of what is asked of a database in a spell


class Calm:
    """A database with which nothing is wrong."""

    def connects(self) -> None: ...
    def states(self, connection: FaultyConnection, sql: str) -> None: ...
    def commits(self, connection: FaultyConnection) -> None: ...
    def committed(self, connection: FaultyConnection) -> None: ...


class Disk(Calm):
    """One run's faults of the database. `boundary` is called where the process may die."""

    def __init__(
        self, schedule: Schedule, record: Record, mix: Mix, random: Random, boundary: Callable[[str], None]
    ) -> None:
        self.spell: Spell | None = None
        self.calm = False
        self.held = False  # somebody is inside a transaction that writes
        self.rival: Callable[[], None] | None = None
        self._schedule, self._record, self._mix, self._random = schedule, record, mix, random
        self._boundary = boundary

    def connects(self) -> None:
        if self.spell == "lost":
            self._fails("lost", "at connecting")

    def states(self, connection: FaultyConnection, sql: str) -> None:
        word = sql.lstrip()[:6].upper()
        if connection.lost:
            raise sqlite3.OperationalError(_WORDS["lost"])
        if word == "BEGIN" or sql.startswith("BEGIN"):
            self._begins(connection, sql)
            return
        if self.spell == "lost" and self._unlucky():
            connection.lose()
            self._fails("lost", word)
        if word in {"INSERT", "UPDATE", "DELETE", "WITH"} and not sql.startswith("PRAGMA"):
            self._writes(connection, word)

    def _begins(self, connection: FaultyConnection, sql: str) -> None:
        connection.written = False
        if sql == _BEGIN and self.spell == "busy" and self._unlucky():
            self._fails("busy", sql)
        self.held = self.held or sql == _BEGIN

    def _writes(self, connection: FaultyConnection, word: str) -> None:
        if not connection.written:
            connection.written = True
            rival, self.rival = self.rival, None
            if connection.waiting_to_begin:
                if rival is not None:
                    rival()
                connection.begin_now()
            self._boundary("after load")
        if self.spell in {"full", "read_only"} and self._unlucky():
            if self.spell == "full" and self._random.random() < 0.5:
                connection.undo()  # a full disk ends the transaction by itself
            self._fails(self.spell, word)

    def commits(self, connection: FaultyConnection) -> None:
        """Before it."""
        if connection.lost:
            raise sqlite3.OperationalError(_WORDS["lost"])
        if not connection.written:
            return
        self._boundary("before commit")
        if self.spell in {"busy", "full"} and self._unlucky():
            self._fails(self.spell, "COMMIT")
        if not self.calm and self._random.random() < self._mix.slow_disk:
            seconds = self._random.uniform(0.1, self._mix.slow_seconds_max)
            self._record.fault(self._schedule.now(), "slow_disk", f"{seconds:.1f} s")
            self._wait(seconds)

    def committed(self, connection: FaultyConnection) -> None:
        """After it, before anybody has been told."""
        self.held = False
        if not connection.written:
            return
        connection.written = False
        self._boundary("after commit")
        if self.spell == "lost_at_commit" and self._unlucky():
            connection.lose()
            self._fails("lost_at_commit", "COMMIT")

    def _wait(self, seconds: float) -> None:
        """The others go on meanwhile; none of them may write."""
        self._schedule.run_until(self._schedule.now() + timedelta(seconds=seconds))

    def _unlucky(self) -> bool:
        return self._random.random() < _FAILS_OF

    def _fails(self, spell: Spell, where: str) -> None:
        self._record.fault(self._schedule.now(), f"database_{spell}", where)
        raise sqlite3.OperationalError(_WORDS[spell])


class FaultyCursor(sqlite3.Cursor):
    """Asks before each statement whether it may."""

    def execute(self, sql: str, parameters: Any = (), /) -> FaultyCursor:
        connection = self.connection
        assert isinstance(connection, FaultyConnection)
        if connection.may(sql):
            super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> FaultyCursor:
        connection = self.connection
        assert isinstance(connection, FaultyConnection)
        if connection.may(sql):
            super().executemany(sql, parameters)
        return self


class FaultyConnection(sqlite3.Connection):
    """A connection of the pool. `place` is set by whoever opened it."""

    place: Place

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lost = False
        self.written = False
        self.waiting_to_begin = False

    def cursor(self, *_: Any, **__: Any) -> Any:
        return super().cursor(FaultyCursor)

    def may(self, sql: str) -> bool:
        """Whether to run it now. Raises what the fault of the moment raises."""
        disk = self.place.disk
        disk.states(self, sql)
        if sql == _BEGIN and isinstance(disk, Disk) and disk.rival is not None:
            # As on PostgreSQL: what is read is what others have committed by then, until the first write.
            self.waiting_to_begin = True
            return False
        return True

    def begin_now(self) -> None:
        self.waiting_to_begin = False
        super().cursor().execute(_BEGIN)

    def commit(self) -> None:
        disk = self.place.disk
        disk.commits(self)
        self.waiting_to_begin = False
        super().commit()
        disk.committed(self)

    def rollback(self) -> None:
        self.waiting_to_begin = self.written = False
        if isinstance(self.place.disk, Disk):
            self.place.disk.held = False
        if self.lost:
            raise sqlite3.OperationalError(_WORDS["lost"])
        super().rollback()

    def undo(self) -> None:
        super().rollback()

    def lose(self) -> None:
        """The other end is gone, and with it what was not committed."""
        super().rollback()
        self.lost = True


class Place:
    """Where an engine's connections look for the faults of the run under way."""

    def __init__(self, engine: Engine) -> None:
        self.disk: Calm = Calm()

        @event.listens_for(engine, "do_connect")
        def _connect(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
            self.disk.connects()
            options["factory"] = self._made

    def _made(self, *arguments: Any, **options: Any) -> FaultyConnection:
        made = FaultyConnection(*arguments, **options)
        made.place = self
        return made
