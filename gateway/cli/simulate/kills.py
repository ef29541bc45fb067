"""`parkgate simulate kills`."""

from __future__ import annotations

import click


@click.command()
def kills() -> None:
    """Real processes, killed and stopped at random moments."""
