"""`parkgate backup` and `parkgate restore`."""

from __future__ import annotations

import click


@click.command()
def backup() -> None:
    """A consistent copy of the database while everything runs."""


@click.command()
def restore() -> None:
    """A database from a copy."""
