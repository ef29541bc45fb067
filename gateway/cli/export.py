"""`parkgate export`: closed days as files for finance."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from gateway.cli.common import config_option, day_of, open_parts
from gateway.cli.main import Refusal

if TYPE_CHECKING:
    from billing.exports import Period

FORMATS = ("xlsx", "csv", "json", "beancount", "accounting", "pdf")
_MONTH = re.compile(r"(?:19[7-9]\d|2\d{3})-\d\d")


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
    mapping: Path | None,
    out: Path,
    config: Path | None,
) -> None:
    """Write closed days' figures to files, for finance. All files are there whole, or none is."""
    from tqdm import tqdm

    from gateway.flows.export import export_to
    from gateway.flows.refusals import Refused

    period = _period(day, first, last, month)
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
            made = export_to(parts, period, form, out, site=site, mapping=mapping, begins=begins)
        except Refused as why:
            raise Refusal(str(why)) from None
        except OSError as error:
            raise Refusal(f"{out}: {error.strerror or error}; give a folder that can be written with --out") from None
    for path in made:
        click.echo(str(path))


def _period(day: date | None, first: date | None, last: date | None, month: str | None) -> Period:
    """The one way in which the days were named. Raises `Refusal`."""
    from billing.exports import NotAPeriod, Period, month_of

    ranged = first is not None or last is not None
    if [day is not None, ranged, month is not None].count(True) != 1 or (first is None) != (last is None):
        raise Refusal("say which days: --day D, --from D --to D, or --month YYYY-MM")
    if day is not None:
        return Period(day, day)
    if month is not None:
        with suppress(ValueError):
            if _MONTH.fullmatch(month):
                return month_of(date.fromisoformat(f"{month}-01"))
        raise Refusal(f"--month {month[:40]!r} is no month; write it as YYYY-MM")
    assert first is not None
    assert last is not None
    try:
        return Period(first, last)
    except NotAPeriod as why:
        raise Refusal(f"--to: {why}") from None


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, after its bytes are on the disk. Raises `OSError`."""
    from gateway.flows.export_writing import write_together

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_together(path.parent, [(path.name, write)])
