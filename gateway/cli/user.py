"""`parkgate user add`, `list`, `reset` and `second-factor-off`: staff accounts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gateway.cli.common import config_option, open_parts, operator_name
from gateway.cli.main import Refusal
from gateway.flows import second_factor, users
from gateway.flows.charges_books import By
from gateway.flows.refusals import Refused

_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")


@click.group()
def user() -> None:
    """Staff accounts."""


@user.command("add")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(users.ROLES), help="What the user may do.")
@click.option("--site", "sites", multiple=True, help="Limit the user to this site; may be given several times.")
@_stdin
@config_option
def user_add(name: str, role: str, sites: tuple[str, ...], password_stdin: bool, config: Path | None) -> None:
    """Add an account. Without --password-stdin a password is made and printed once."""
    password = _password() if password_stdin else None
    with open_parts(config) as parts:
        try:
            made = users.add(parts, name, role, list(sites), password, operator=operator_name(), origin="command line")
        except Refused as error:
            raise Refusal(str(error)) from None
    _say(name, made)


@user.command("reset")
@click.argument("name")
@_stdin
@config_option
def user_reset(name: str, password_stdin: bool, config: Path | None) -> None:
    """Give a new password; whoever is logged in under that name is logged out."""
    password = _password() if password_stdin else None
    with open_parts(config) as parts:
        try:
            made = users.reset(parts, name, password, operator=operator_name(), origin="command line")
        except Refused as error:
            raise Refusal(str(error)) from None
    _say(name, made)


@user.command("second-factor-off")
@click.argument("name")
@click.option("--reason", required=True, help="Why, for the audit trail: how you saw that it was them.")
@config_option
def user_second_factor_off(name: str, reason: str, config: Path | None) -> None:
    """Take the second factor away, for who lost phone and recovery codes; whoever is logged in under that name is logged out."""
    by = By(operator=operator_name(), origin="command line")
    with open_parts(config) as parts:
        try:
            with parts.store.writing() as connection:
                second_factor.take_away(parts, connection, name, by, reason)
                connection.commit()
        except Refused as error:
            raise Refusal(str(error)) from None
    click.echo(f"{name}: its password alone signs in")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each user.")
@config_option
def user_list(as_json: bool, config: Path | None) -> None:
    """List the accounts."""
    with open_parts(config) as parts:
        found = users.listed(parts)
        zone = parts.settings.zone
    for account in found:
        made_at = account.created_at.astimezone(zone).isoformat()
        if as_json:
            click.echo(
                json.dumps(
                    {
                        "name": account.name,
                        "role": account.role,
                        "sites": list(account.sites),
                        "enabled": account.enabled,
                        "created_at": made_at,
                    }
                )
            )
        else:
            sites = ", ".join(account.sites) or "all sites"
            click.echo(f"{account.name}  {account.role}  {sites}{'' if account.enabled else '  (disabled)'}")


def _password() -> str:
    try:
        line = sys.stdin.readline(4096)
    except UnicodeDecodeError:
        raise Refusal("the password on standard input is not UTF-8; send it as UTF-8") from None
    password = line.rstrip("\r\n")
    if not password:
        raise Refusal("no password on standard input; send it as one line")
    return password


def _say(name: str, made: str | None) -> None:
    if made is None:
        click.echo(f"{name}: password set")
    else:
        click.echo(f"{name}: the password is {made}")
        click.echo("It is not shown again.", err=True)
