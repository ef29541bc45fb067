"""The commands below `parkgate bench`."""

from __future__ import annotations

import click

from gateway.cli.main import LazyGroup

_COMMANDS: dict[str, str] = {}


@click.group(cls=LazyGroup, places=_COMMANDS)
def bench() -> None:
    """Benchmarks, each next to its floor measured in the same run."""
