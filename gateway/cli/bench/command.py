"""The commands below `parkgate bench`."""

from __future__ import annotations

import json
from typing import Any

import click

from gateway.cli.main import LazyGroup

_COMMANDS: dict[str, str] = {
    "events": "gateway.cli.bench.commands:events",
    "memory": "gateway.cli.bench.commands:memory",
    "site": "gateway.cli.bench.commands:site",
    "backlog": "gateway.cli.bench.commands:backlog",
    "growth": "gateway.cli.bench.commands:growth",
    "compare": "gateway.cli.bench.compare:compare",
    "console": "gateway.cli.bench.console:console",
    "exports": "gateway.cli.bench.exports:exports",
    "plates": "gateway.cli.bench.plates:plates",
    "reconcile": "gateway.cli.bench.reconcile:bench_reconcile",
    "statements": "gateway.cli.bench.statements:statements",
}
# In this order, the quickest to tell first.
_ALL = ("events", "memory", "site", "backlog", "growth")


@click.group(cls=LazyGroup, places=_COMMANDS, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--quick", is_flag=True, help="Small sizes: does it run, not how fast is it.")
@click.pass_context
def bench(context: click.Context, as_json: bool, quick: bool) -> None:
    """Benchmarks, each next to its floor measured in the same run. Without a name: all of them, one after the other.

    They start the servers that they need and stop them again; what is not installed is left out, and said.
    """
    del quick  # the commands look it up, wherever it stands
    if context.invoked_subcommand is not None:
        return
    found: dict[str, Any] = {}
    for name in _ALL:
        command = bench.get_command(context, name)
        assert command is not None
        if not as_json:
            click.echo(f"\n{name}")
        with command.make_context(name, ["--defer"] if as_json else [], parent=context) as its:
            found[name] = command.invoke(its)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
