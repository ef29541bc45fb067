"""`parkgate export`: a closed day as files for finance."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import date
from pathlib import Path

import click

from gateway.cli.common import config_option, day_of, open_parts
from gateway.cli.main import Refusal


@click.command()
@click.option("--day", "day", required=True, callback=day_of, help="The business day, YYYY-MM-DD.")
@click.option("--format", "form", required=True, type=click.Choice(["json", "csv"]), help="csv: one file a table.")
@click.option("--site", help="One site; default the street.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write to; made if it is not there.",
)
@config_option
def export(day: date, form: str, site: str | None, out: Path, config: Path | None) -> None:
    """Write a closed day's figures to files, for finance. A file is there whole or not at all."""
    from gateway.flows.export import export_day
    from gateway.flows.refusals import Refused

    with open_parts(config) as parts:
        try:
            files = export_day(parts, day, form, site)
        except Refused as why:
            raise Refusal(str(why)) from None
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files:
            write_whole(out / name, content)
            click.echo(str(out / name))
    except OSError as error:
        raise Refusal(f"{out}: {error.strerror or error}; give a folder that can be written with --out") from None


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, after its bytes are on the disk. Raises `OSError`."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
