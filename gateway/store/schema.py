"""Bring a database to this version's schema, and say how far it is."""

from __future__ import annotations

from importlib.resources import as_file, files

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from gateway.store.tables import Base


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    with as_file(files("gateway.store.migrations")) as folder:
        config.set_main_option("script_location", str(folder))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def newest() -> str:
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def current(engine: Engine) -> str | None:
    """The revision of the database; None if it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Run what is missing, all of it or nothing. Returns the revision before and after."""
    before = current(engine)
    if before == newest():
        return before, before
    with engine.connect() as connection, connection.begin():
        command.upgrade(_config(connection), "head")
    return before, newest()


def knows(revision: str) -> bool:
    """Whether this version has that revision of the schema."""
    return revision in {one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()}


def move(connection: Connection, revision: str) -> None:
    """Bring the schema to a revision, forth or back, in the transaction of the connection. Going back loses what came later."""
    now = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(_config())
    if now == revision:
        return
    back = now is not None and revision not in {one.revision for one in script.walk_revisions(now, "head")}
    (command.downgrade if back else command.upgrade)(_config(connection), revision)


def differences(engine: Engine) -> list[str]:
    """Where the database's tables differ from the code's; empty when they agree."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return [str(difference)[:200] for difference in compare_metadata(context, Base.metadata)]
