"""`parkgate charges run`: charge a month to the households."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway.cli.common import config_option, open_parts, operator_name
from gateway.cli.main import Refusal


@click.group()
def charges() -> None:
    """Monthly charges: property fees, and passes that are billed monthly."""


@charges.command("run")
@click.option("--month", required=True, help="The month, YYYY-MM.")
@click.option("--site", help="One site; default every site in service.")
@click.option("--preview", is_flag=True, help="Say what would be charged and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@config_option
def run(month: str, site: str | None, preview: bool, as_json: bool, config: Path | None) -> None:
    """Charge every household its property fee and its passes of a month.

    What is charged already stands: run again, it adds what was registered since. Low-income households are charged and waived, with a
    line.
    """
    import msgspec

    from gateway.flows.charges import run as charge
    from gateway.flows.charges_books import By
    from gateway.flows.refusals import Refused

    with open_parts(config) as parts:
        try:
            # Whoever has this command line administers registers.
            found = charge(
                parts,
                month,
                By(operator=operator_name(), role="finance", origin="command line"),
                site,
                preview=preview,
            )
        except Refused as why:
            raise Refusal(str(why)) from None
    if as_json:
        document: dict[str, Any] = {"month": month, "preview": preview, "sites": msgspec.to_builtins(found)}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    wide = max((len(one.site) for one in found), default=0)
    for one in found:
        click.echo(
            f"{one.site:<{wide}}  {len(one.charged):>6} charged, {one.standing} stood; gross {one.gross_fen}, "
            f"waived {one.waived_fen}, payable {one.payable_fen} fen"
        )
        for household in one.without_area[:20]:
            click.echo(f"{one.site:<{wide}}  household {household}: no area_m2, no property fee; import its size")
        for passed in one.overlapping[:20]:
            click.echo(
                f"{one.site:<{wide}}  pass {passed}: a vehicle has the same pass in that month already; not extended"
            )
    click.echo(f"{month}: {'preview, nothing was written' if preview else 'done'}")
