"""`parkgate device`: devices' accounts after `site apply` has made them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.common import config_option, open_parts, operator_name
from gateway.cli.main import CheckFailed, Refusal
from gateway.wiring import Parts

if TYPE_CHECKING:
    from gateway.flows.charges_books import By
    from gateway.flows.estate import Credential

_LINES_MAX = 200_000
_NAMED_MAX = 10


@click.group()
def device() -> None:
    """Devices' accounts: at the broker, a new password, none at all."""


@device.command("accounts")
@click.option(
    "--credentials",
    type=click.File("r", encoding="utf-8"),
    help="What `site apply --json` printed of new devices; - is standard input.",
)
@click.option("--bridges", default="", help='The ids of the bridges, such as "1 2"; their password is broker_url\'s.')
@config_option
def device_accounts(credentials: Iterable[str] | None, bridges: str, config: Path | None) -> None:
    """Bring Mosquitto's accounts and roles in line with the estate, while it runs.

    Every device may use its own topics and nothing else; who is out of service or revoked is thrown out. Doing it again changes nothing.
    """
    passwords = _passwords(credentials or ())
    with open_parts(config) as parts:
        missing = bring_in_line(parts, passwords, _bridges(parts, bridges))
    if missing:
        named = ", ".join(missing[:_NAMED_MAX]) + (" …" if len(missing) > _NAMED_MAX else "")
        # No failure: everything else is as it should be, and a deployment that starts with this must not wait for them.
        click.echo(
            f"parkgate: the broker does not know the passwords of {len(missing)} devices: {named}; hand over what "
            "`site apply --json` printed with --credentials, or give them new ones with `parkgate device rotate`",
            err=True,
        )


@device.command("rotate")
@click.argument("names", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for the audit trail.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each device and nothing else.")
@config_option
def device_rotate(names: tuple[str, ...], reason: str, as_json: bool, config: Path | None) -> None:
    """Give devices new passwords; the ones before end now, and so do their connections.

    NAMES are site.device. Each password is printed now and never again. A revoked device comes back with it.
    """
    from gateway.flows.device_access import renew
    from gateway.flows.refusals import Refused

    with open_parts(config) as parts:
        for name in names:
            try:
                made = renew(parts, None, name, reason, _by())
            except Refused as error:
                raise Refusal(str(error)) from None
            _say(made, as_json)
            if parts.settings.broker_admin_url:
                bring_in_line(parts, {made.username: made.password}, {})


@device.command("revoke")
@click.argument("names", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for the audit trail.")
@config_option
def device_revoke(names: tuple[str, ...], reason: str, config: Path | None) -> None:
    """Let devices in no longer, from now on: lost, stolen, or misused.

    NAMES are site.device. Applying the site file again does not let them in; `parkgate device rotate` does.
    """
    from gateway.flows.device_access import revoke
    from gateway.flows.refusals import Refused

    with open_parts(config) as parts:
        for name in names:
            try:
                revoke(parts, None, name, reason, _by())
            except Refused as error:
                raise Refusal(str(error)) from None
        if parts.settings.broker_admin_url:
            bring_in_line(parts, {}, {})
    click.echo(f"revoked: {', '.join(names)}")


def bring_in_line(parts: Parts, passwords: Mapping[str, str], bridges: Mapping[str, str]) -> tuple[str, ...]:
    """Tell the broker what differs. Returns the devices whose passwords it does not know. Raises `Refusal`, `CheckFailed`."""
    from gateway.bridge.broker_accounts import plan
    from gateway.bridge.dynamic_security import BrokerDoesNotAnswer, administered
    from gateway.flows.device_access import accounts
    from gateway.runtime.settings import Broker

    if not parts.settings.broker_admin_url:
        raise Refusal("broker_admin_url is not set: who administers Mosquitto; set PARKGATE_BROKER_ADMIN_URL")
    wanted = accounts(parts.store, parts.settings.zone)
    if wrong := [one.problem for one in wanted if one.problem]:
        raise Refusal(f"{wrong[0]}; correct the site file")
    administrator = Broker(parts.settings.broker_admin_url)
    # The entrypoint knows the administrator's password, and no other.
    refused = administrator.password if bridges else None
    try:
        with administered(administrator) as broker:
            found = plan(
                wanted,
                passwords,
                broker.known(),
                share_group=parts.settings.share_group,
                bridges=bridges,
                refused=refused,
            )
            broker.tell(found.commands)
    except BrokerDoesNotAnswer as problem:
        raise CheckFailed(str(problem)) from None
    return found.without_password


def _by() -> By:
    """Whoever has this command line administers devices."""
    from gateway.flows.charges_books import By

    return By(operator=operator_name(), role="manager", origin="command line")


def _bridges(parts: Parts, ids: str) -> dict[str, str]:
    """The bridges' accounts. Raises `Refusal` where nobody says their password."""
    if not ids.split():
        return {}
    password = parts.settings.broker.password
    if not password:
        raise Refusal(
            "--bridges needs the bridges' password; give it in PARKGATE_BROKER_URL, mqtt://user:password@host:port"
        )
    return {f"parkgate.bridge-{one}": password for one in ids.split()}


def _passwords(lines: Iterable[str]) -> dict[str, str]:
    """From what `site apply --json` printed; of accounts that it made at devices nothing is said here. Raises `Refusal`."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if number > _LINES_MAX:
            raise Refusal(f"more than {_LINES_MAX} lines; hand them over in several files")
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            if "login" not in said:
                found[f"{said['site']}.{said['device']}"] = said["password"]
        except (ValueError, KeyError, TypeError):
            raise Refusal(
                f"line {number} is not what `parkgate site apply --json` prints; hand it over unchanged"
            ) from None
    return found


def _say(made: Credential, as_json: bool) -> None:
    if as_json:
        said = {"site": made.site, "device": made.device, "username": made.username, "password": made.password}
        click.echo(json.dumps(said))
    else:
        click.echo(f"{made.username}  {made.password}")
    # Whoever reads them from a pipe has each before the broker is told.
    sys.stdout.flush()
