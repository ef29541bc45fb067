"""`parkgate verify`: re-derive ledger, bills and closes."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import click
import msgspec
from tqdm import tqdm

from gateway.cli.common import config_option, day_of, open_parts
from gateway.cli.main import CheckFailed, Refusal


@click.command()
@click.option("--from", "from_day", callback=day_of, help="First business day; default the first there is.")
@click.option("--to", "to_day", callback=day_of, help="Last business day; default the last there is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@config_option
def verify(from_day: date | None, to_day: date | None, as_json: bool, config: Path | None) -> None:
    """Check that the books hold, and name the first thing that does not.

    Transactions sum to zero, say what they said and lead to their cause; bills priced again give the same; stays, payments,
    allowances and ledger agree; closes are chained and their figures are those of their rows. Exit 1 if something does not hold.
    """
    from gateway.flows.verify import verify as check

    if from_day is not None and to_day is not None and to_day < from_day:
        raise Refusal(f"--to {to_day} is before --from {from_day}; exchange them")
    with open_parts(config) as parts, tqdm(unit=" checks", file=sys.stderr, disable=None, leave=False) as bar:
        report = check(parts, from_day, to_day, progress=lambda _: bar.update())
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(report)))
    else:
        for kind, count in report.checked.items():
            click.echo(f"{kind:<20}{count:>10}")
        if report.ok:
            click.echo("everything holds")
    failure = report.first_failure
    if failure is not None:
        raise CheckFailed(f"{failure.what} {failure.id}: {failure.why}")
