"""Fixtures for every test: a clock that is set, a store on each database, the parts that flows are handed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, text

from gateway.runtime import collector
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import schema
from gateway.store.engine import Store, open_engine
from gateway.wiring import Parts
from tests import cheap
from tests.servers import PATIENCE_SECONDS, Mosquitto, Postgres

# CI tries the same examples each time, so that red means the change; by hand every run tries others.
hypothesis_settings.register_profile(
    "parkgate", deadline=None, print_blob=True, derandomize="PARKGATE_REQUIRE_SERVERS" in os.environ
)
hypothesis_settings.load_profile("parkgate")
# What these ask of a vendor's bytes fails in modules that hold no test: with it, a failure says what differs.
pytest.register_assert_rewrite("tests.controllers.conformance.checks")
cheap.compiled_once()
cheap.files_in_memory()
cheap.light_passwords()


class FakeClock:
    """Stands still until it is told otherwise."""

    def __init__(self, at: datetime) -> None:
        self._now = at

    def now(self) -> datetime:
        return self._now

    def set(self, at: datetime) -> None:
        self._now = at

    def advance(self, **span: float) -> datetime:
        self._now += timedelta(**span)
        return self._now


class RunningClock(FakeClock):
    """Goes on by a microsecond whenever it is read, as a real one does: what bears one instant must read it once."""

    def now(self) -> datetime:
        return self.advance(microseconds=1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One private cluster for this process, with a template that has the schema."""
    server = Postgres()
    try:
        admin = create_engine(server.url(), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE parkgate_template"))
        admin.dispose()
        template = open_engine(server.url("parkgate_template"))
        schema.upgrade(template)
        template.dispose()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database with the schema."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}_{os.getpid()}"
    admin = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # As files: by the log, as PostgreSQL 15 and later do unless told, a copy takes longer.
        assert admin.dialect.server_version_info is not None
        strategy = "STRATEGY file_copy" if admin.dialect.server_version_info >= (15,) else ""
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE parkgate_template {strategy}"))
    try:
        yield postgres.url(name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = open_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "parkgate.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = cheap.open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 3, 2, 1, 0, tzinfo=UTC))


@pytest.fixture
def parts(store: Store, clock: FakeClock) -> Parts:
    settings = Settings(
        database_url=str(store.engine.url), secret_key="a secret of the tests only", test=True, http_port=0
    )
    return Parts(settings=settings, clock=clock, store=store, metrics=Metrics())


@pytest.fixture(scope="module")
def mosquitto() -> Iterator[Mosquitto]:
    server = Mosquitto()
    yield server
    server.close()


def pytest_configure() -> None:
    """A test asks its own servers: the five seconds that the library gives a stranger are too few where much else runs."""
    waits = httpx._config.DEFAULT_TIMEOUT_CONFIG  # it has no setting for this
    waits.connect = waits.read = waits.write = waits.pool = PATIENCE_SECONDS


def pytest_collection_finish() -> None:
    """All that is loaded by now stays, as in a service that has started: the collector went through it all the time, a sixth of a test."""
    collector.started_up()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """What shares something slow stays on one worker. Not called, and not needed, without pytest-xdist.

    The marker `xdist_group` would say the same, but pytest-xdist 3.8 with pytest 9 takes no notice of it.
    """
    from tests.grouping import ByServer

    return ByServer(config, log)
