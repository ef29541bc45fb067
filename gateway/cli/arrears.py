"""`parkgate arrears`: remind of what is owed."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.common import config_option, open_parts, operator_name
from gateway.cli.main import Refusal


@click.group()
def arrears() -> None:
    """What stays that have ended still owe."""


@arrears.command("remind")
@click.option("--site", help="One site; default every site.")
@click.option("--preview", is_flag=True, help="Write the file and put nothing on record.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
def remind(site: str | None, preview: bool, file: Path, config: Path | None) -> None:
    """Write FILE (CSV) with a message for every vehicle that is due for a reminder, and put on record that it was handed out."""
    from gateway.flows import arrears_reminders
    from gateway.flows.charges_books import By

    allowed = frozenset({site}) if site is not None else None
    sender = arrears_reminders.CsvSender()
    try:
        # Before anything is on record: a file that cannot be written reminds nobody.
        with file.open("wb") as out, open_parts(config) as parts:
            if preview:
                with parts.store.reading() as connection:
                    messages = arrears_reminders.to_remind(parts, connection, allowed)
                sender.send(messages)
            else:
                by = By(operator=operator_name(), role="finance", origin="command line")
                messages = arrears_reminders.remind(parts, sender, allowed, by).messages
            out.write(sender.file)
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror or error}; give a file that can be written") from None
    click.echo(f"{file}: {len(messages)} messages{', nothing was put on record' if preview else ''}")
