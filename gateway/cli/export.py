"""`parkgate export`: closed days as files for finance."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import BinaryIO

import click

from gateway.cli.common import config_option, day_of, open_parts
from gateway.cli.main import Refusal

FORMATS = ("xlsx", "csv", "json", "beancount", "accounting", "pdf")


@click.command()
@click.option("--day", callback=day_of, help="The business day, YYYY-MM-DD.")
@click.option("--from", "first", callback=day_of, help="Instead of --day: the first of several, with --to.")
@click.option("--to", "last", callback=day_of, help="The last of them.")
@click.option("--month", help="Instead of --day: a whole month, YYYY-MM.")
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(FORMATS),
    help="csv: one file a table; accounting: vouchers for Yonyou and Kingdee.",
)
@click.option("--site", help="One site; default the street.")
@click.option("--merchant", help="Instead of --site: the sites for which this merchant (收款主体) is paid.")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With accounting: account codes and VAT rates; default the setting accounting_mapping.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write to; made if it is not there.",
)
@config_option
def export(
    *,
    day: date | None,
    first: date | None,
    last: date | None,
    month: str | None,
    form: str,
    site: str | None,
    merchant: str | None,
    mapping: Path | None,
    out: Path,
    config: Path | None,
) -> None:
    """Write closed days' figures to files, for finance. All files are there whole, or none is."""
    from tqdm import tqdm

    from billing.exports import NotAPeriod, period_of
    from gateway.flows.export import export_to
    from gateway.flows.refusals import Refused

    if mapping is not None and form != "accounting":
        raise Refusal("--mapping is for --format accounting; leave it out")
    try:
        period = period_of(day, first, last, month)
    except NotAPeriod as why:
        raise Refusal(f"{why}; the options are --day, --from with --to, and --month") from None
    with (
        open_parts(config) as parts,
        tqdm(unit=" transactions", unit_scale=True, file=sys.stderr, disable=None, leave=False) as bar,
    ):

        def begins(total: int) -> Callable[[int], None]:
            bar.reset(total)

            def tick(count: int) -> None:
                bar.update(count)

            return tick

        try:
            made = export_to(parts, period, form, out, site=site, merchant=merchant, mapping=mapping, begins=begins)
        except Refused as why:
            raise Refusal(str(why)) from None
        except OSError as error:
            raise Refusal(f"{out}: {error.strerror or error}; give a folder that can be written with --out") from None
    for path in made:
        click.echo(str(path))


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, after its bytes are on the disk. Raises `OSError`."""
    from gateway.flows.export_writing import write_together

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_together(path.parent, [(path.name, write)])
