"""Fresh streets, one after the other: every example gets a database as it was in the beginning, whichever kind it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from gateway.store import schema
from gateway.store import tables as t
from tests.property.event_told import Told, in_order
from tests.property.event_world import World

# Who asks for more examples has the books verified at every step of each; else at its end, where nothing is in order any more.
THOROUGH = "PARKGATE_EXAMPLES" in os.environ
_MOVING = tuple(
    table.__tablename__
    for table in (
        *(t.PlateEventRow, t.Presence, t.Stay, t.Bill, t.CommandRow, t.ExceptionItem, t.Quarantine, t.Payment),
        *(t.AllowanceBalance, t.AllowanceDraw, t.LedgerTransaction, t.Posting, t.DeviceState),
        *(t.StayCorrection, t.StayCorrectionRead),
    )
)


class SqliteWorlds:
    """Fresh worlds, one after the other: before each, the file is what it was in the beginning.

    One engine serves all of them, since an engine compiles every statement anew.
    """

    def __init__(self, empty: Path, policy: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "world.db"
        path.write_bytes(empty.read_bytes())
        self._world = World(f"sqlite:///{path}")
        self._world.settle_down(policy)
        self._template = sqlite3.connect(":memory:", check_same_thread=False)
        with sqlite3.connect(path) as first:
            first.backup(self._template)
        first.close()

    @contextlib.contextmanager
    def fresh(self) -> Iterator[World]:
        connection = self._world.parts.store.engine.raw_connection()
        driver = connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._template.backup(driver)
        connection.close()
        self._world.begin()
        yield self._world

    def close(self) -> None:
        self._template.close()
        self._world.close()
        self._folder.cleanup()


class PostgresWorlds:
    """Fresh worlds, one after the other: before each, what had moved is gone."""

    def __init__(self, url: Callable[[str], str]) -> None:
        self._admin = create_engine(url("postgres"), isolation_level="AUTOCOMMIT")
        self._name = f"world_{os.getpid()}"
        self._sql(f"CREATE DATABASE {self._name}")
        self._world = World(url(self._name))
        schema.upgrade(self._world.parts.store.engine)
        self._world.settle_down()

    def _sql(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    @contextlib.contextmanager
    def fresh(self) -> Iterator[World]:
        with self._world.parts.store.engine.connect() as connection:
            # The ledger lets nobody delete: not even here, but for this.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"TRUNCATE {', '.join(_MOVING)} RESTART IDENTITY CASCADE"))
            connection.execute(text("DELETE FROM audit_entry WHERE action LIKE 'stay.%'"))
            connection.commit()
        self._world.begin()
        yield self._world

    def close(self) -> None:
        self._world.close()
        self._sql(f"DROP DATABASE {self._name} WITH (FORCE)")
        self._admin.dispose()


Worlds = SqliteWorlds | PostgresWorlds


def as_it_should_be(worlds: Worlds, told: Sequence[Told], **more: Any) -> tuple[list[Any], list[Any]]:
    """Stays and payables after every event came once, in order, each in a batch of its own."""
    with worlds.fresh() as world:
        world.clock.set(max(one.at for one in told) + timedelta(hours=1))
        for one in in_order(told):
            world.deliver([one], **more)
        world.hours_later()
        world.check(verified=THOROUGH)
        return world.stays(), world.payable()
