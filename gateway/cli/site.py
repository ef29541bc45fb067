"""`parkgate site apply`: the estate from a TOML file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.cli.common import config_option, open_parts, operator_name, read_text
from gateway.cli.main import Refusal


@click.group()
def site() -> None:
    """Sites, gates, lanes and devices."""


@site.command("apply")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON line for each new device, one for each account made for us at a device, and nothing else.",
)
@config_option
def site_apply(file: Path, as_json: bool, config: Path | None) -> None:
    """Apply a site file.

    Applying it again changes nothing. What is missing from the file is disabled, never deleted, and comes back with it.
    The password of a new device is printed now and never again. What a device lacks to be of use, such as the serial number of a
    camera at the broker, is said on standard error each time, and applied all the same.
    """
    from gateway.flows import estate

    text = read_text(file)
    with open_parts(config) as parts:
        try:
            applied = estate.apply(parts, text, operator=operator_name(), origin="command line", source=str(file.name))
        except estate.EstateInvalid as error:
            raise Refusal(f"{file}: {error}") from None
    for gap in applied.gaps:
        click.echo(f"{file}: {gap}", err=True)
    if as_json:
        for new in applied.credentials:
            click.echo(
                json.dumps({"site": new.site, "device": new.device, "username": new.username, "password": new.password})
            )
        for made in applied.logins:
            click.echo(
                json.dumps(
                    {
                        "site": made.site,
                        "device": made.device,
                        "login": made.login,
                        "login_password": made.password,
                    }
                )
            )
        return
    click.echo(f"{applied.added} added, {applied.changed} changed, {applied.disabled} disabled")
    for name in applied.passwords_changed:
        click.echo(f"password changed: {name}")
    if applied.credentials:
        wide = max(len(new.username) for new in applied.credentials)
        click.echo("\nNew devices. These passwords are not shown again:")
        click.echo(f"{'user name':<{wide}}  password")
        for new in applied.credentials:
            click.echo(f"{new.username:<{wide}}  {new.password}")
    if applied.logins:
        click.echo("\nSet these accounts up at the devices themselves. Their passwords are not shown again:")
        for made in applied.logins:
            click.echo(f"{made.site}.{made.device}  {made.login}  {made.password}")
