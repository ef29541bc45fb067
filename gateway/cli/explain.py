"""`parkgate explain`: why a stay costs what it costs, why a gate opened."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from billing.explain import Language
from gateway.cli.common import config_option, open_parts
from gateway.cli.main import Refusal


@click.command()
@click.argument("stay", required=False)
@click.option("--event", metavar="SITE/DEVICE/EVENT", help="Why the gate opened for this read, or why not.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@config_option
def explain(stay: str | None, event: str | None, lang: Language, *, as_json: bool, config: Path | None) -> None:
    """Explain the bills of STAY, or with --event a decision, from what was stored then.

    A pass and a low-income exemption read the same here, resident; the API names them to registrar and finance.
    """
    from gateway.flows.explain import event_explanation, stay_explanation
    from gateway.flows.refusals import Refused

    if (stay is None) == (event is None):
        raise click.UsageError("give either a STAY or --event SITE/DEVICE/EVENT")
    with open_parts(config) as parts:
        try:
            if event is not None:
                names = event.split("/")
                if len(names) != 3 or not all(names):
                    raise Refusal(f"--event {event[:80]!r}: write SITE/DEVICE/EVENT")
                found = event_explanation(parts, names[0], names[1], names[2], language=lang)
            else:
                found = stay_explanation(parts, stay or "", language=lang)
        except Refused as why:
            raise Refusal(f"{event or stay}: {why}") from None
        if as_json:
            click.echo(msgspec.json.encode(found))
            return
    for sentence in found["sentences"]:
        click.echo(sentence)
