"""`parkgate simulate faults`."""

from __future__ import annotations

import click


@click.command()
def faults() -> None:
    """The service against a world that loses, doubles, delays and crashes."""
