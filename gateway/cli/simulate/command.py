"""The commands below `parkgate simulate`."""

from __future__ import annotations

import click

from gateway.cli.main import LazyGroup

_COMMANDS: dict[str, str] = {
    "faults": "gateway.cli.simulate.faults:faults",
    "gates": "gateway.cli.simulate.gates:gates",
    "kills": "gateway.cli.simulate.kills:kills",
    "statements": "gateway.cli.simulate.statements:statements",
}


@click.group(cls=LazyGroup, places=_COMMANDS)
def simulate() -> None:
    """Simulators: virtual gates for any deployment, faults at every boundary in one process, kills of real processes."""
