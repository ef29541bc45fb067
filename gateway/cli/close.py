"""`parkgate close`: seal a business day (日结)."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import click
from tqdm import tqdm

from gateway.cli.common import config_option, day_of, open_parts, operator_name
from gateway.cli.main import CheckFailed, Refusal


@click.command()
@click.option("--day", "day", required=True, callback=day_of, help="The business day, YYYY-MM-DD.")
@click.option("--site", help="One site; default every site in service.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@config_option
def close(day: date, site: str | None, as_json: bool, config: Path | None) -> None:
    """Seal a day: its passages, ledger and cash, chained to the day before.

    Open breaks and exceptions are carried over (挂账). Refused only while the day is not over, the books do not balance or the
    day before is open. Closing again prints the same.
    """
    from gateway.flows.close import close_day
    from gateway.flows.refusals import NotClosable, NotFound

    # A terminal sees how far it is; a pipe sees nothing.
    with open_parts(config) as parts, tqdm(unit=" sites", file=sys.stderr, disable=None, leave=False) as bar:
        try:
            closed = close_day(
                parts, day, site, operator=operator_name(), progress=lambda _: bar.update(), origin="command line"
            )
        except NotClosable as why:
            raise CheckFailed(str(why)) from None
        except NotFound as why:
            raise Refusal(str(why)) from None
    if as_json:
        sites = [{"site": one.site, "sequence": one.sequence, "hash": one.hash.hex()} for one in closed.sites]
        document = {"day": day.isoformat(), "sites": sites, "street_hash": closed.street_hash.hex()}
        click.echo(json.dumps(document))
        return
    wide = max(len(one.site) for one in closed.sites)
    for one in closed.sites:
        click.echo(f"{one.site:<{wide}}  {one.sequence:>5}  {one.hash.hex()}")
    click.echo(f"{day} is closed; street {closed.street_hash.hex()}")
