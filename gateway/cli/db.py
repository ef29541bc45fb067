"""`parkgate db upgrade` and `db check`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.common import config_option, database_name, open_parts
from gateway.cli.main import CheckFailed
from gateway.store import schema


@click.group()
def db() -> None:
    """The database's schema."""


@db.command("upgrade")
@config_option
def db_upgrade(config: Path | None) -> None:
    """Bring the database to this version's schema; all of it or nothing."""
    with open_parts(config, current_schema=False) as parts:
        before, after = schema.upgrade(parts.store.engine)
        where = database_name(parts.settings)
    click.echo(f"{where}: already at {after}" if before == after else f"{where}: {before or 'empty'} → {after}")


@db.command("check")
@config_option
def db_check(config: Path | None) -> None:
    """Exit 1 if the schema is not current or a table differs from the code's."""
    with open_parts(config, current_schema=False) as parts:
        where = database_name(parts.settings)
        revision, newest = schema.current(parts.store.engine), schema.newest()
        if revision != newest:
            raise CheckFailed(f"{where} is at {revision or 'nothing'}, not at {newest}; run `parkgate db upgrade`")
        differences = schema.differences(parts.store.engine)
    if differences:
        raise CheckFailed(f"{where} differs from the code in {len(differences)} places, first: {differences[0]}")
    click.echo(f"{where}: current ({newest})")
