"""`parkgate reconcile`: hold a day's records against each other (日清日对)."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from tqdm import tqdm

from billing.money import yuan
from gateway.cli.common import config_option, day_of, open_parts, operator_name
from gateway.cli.main import CheckFailed, Refusal

if TYPE_CHECKING:
    from gateway.flows.reconciliation.reading import SiteDay
    from gateway.flows.reconciliation.run import Reconciled


@click.command()
@click.option("--day", "day", required=True, callback=day_of, help="The business day, YYYY-MM-DD.")
@click.option("--site", help="One site; default every site in service.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@config_option
def reconcile(day: date, site: str | None, as_json: bool, config: Path | None) -> None:
    """Match a day: passages, the ledger, the channels' statements, drawers and their counts.

    What differs is a break (对账差异), written once; what was cut off at midnight clears by itself when the neighbour comes. Once every
    statement of the day has come and the day is closed, the result is sealed. Again changes nothing.
    """
    from gateway.flows.reconciliation.matching import DoesNotAddUp
    from gateway.flows.reconciliation.run import RunsMeet, reconcile_day
    from gateway.flows.refusals import Invalid, NotFound

    with open_parts(config) as parts, tqdm(unit=" days", file=sys.stderr, disable=None, leave=False) as bar:
        try:
            found = reconcile_day(
                parts, day, site, operator_name(), progress=lambda _: bar.update(), origin="command line"
            )
        except (NotFound, Invalid) as why:
            raise Refusal(str(why)) from None
        except (RunsMeet, DoesNotAddUp) as why:
            raise CheckFailed(str(why)) from None
    if as_json:
        document = {"day": day, "sealed": found.sealed, "breaks": found.breaks}
        click.echo(msgspec.json.encode(document).decode())
        return
    _say(found)


def _say(found: Reconciled) -> None:
    for one in found.sites:
        for line in _totals(one):
            click.echo(line)
    for item in found.breaks:
        about = item.order or item.stay or item.id
        click.echo(f"{item.site}  {item.kind}  {item.channel or '-'}  {about}  {yuan(item.amount_fen)}  {item.state}")
    if found.sealed:
        click.echo(f"{found.day} is reconciled and sealed; {len(found.breaks)} breaks")
        return
    missing = sorted(
        {f"{one['merchant']} {one['channel']} {one['kind']}" for site in found.sites for one in site.missing}
    )
    why = f"still to come: {', '.join(missing)}" if missing else "close it, and reconcile the days before it, first"
    click.echo(f"{found.day} is not sealed: {why}; {len(found.breaks)} breaks so far")


def _totals(day: SiteDay) -> list[str]:
    """What each side says of a site's channels, by state."""
    return [
        f"{day.site}  {one['side']:<7}  {one['channel']:<8}  {one['state']:<8}  {one['rows']:>7}  {yuan(one['fen']):>14}"
        for one in day.totals
    ]
