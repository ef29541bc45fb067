"""The commands below `parkgate simulate`."""

from __future__ import annotations

import click

from gateway.cli.main import LazyGroup

_COMMANDS: dict[str, str] = {
    "faults": "gateway.cli.simulate.faults:faults",
    "kills": "gateway.cli.simulate.kills:kills",
    "statements": "gateway.cli.simulate.statements:statements",
}


@click.group(cls=LazyGroup, places=_COMMANDS)
def simulate() -> None:
    """Simulators: faults at every boundary in one process, and kills of real processes."""
