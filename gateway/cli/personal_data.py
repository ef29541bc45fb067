"""`parkgate personal-data`: a person's data exported or erased, and what the daily deletion did."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.cli.common import config_option, open_parts, operator_name
from gateway.cli.main import CheckFailed, Refusal

if TYPE_CHECKING:
    from gateway.flows.personal_data import Asking
    from gateway.flows.refusals import Refused
    from gateway.wiring import Parts

F = TypeVar("F", bound=Callable[..., Any])
_ROLES = ("registrar", "manager")
_DIGEST_BYTES = 32


def _subject(command: F) -> F:
    for option in (
        click.option("--reason", help="Why it is asked for; stands in the register of requests."),
        click.option(
            "--identity", metavar="REF", help="Where it is on record that the identity of who asks was checked."
        ),
        click.option("--household", metavar="SITE/ID", help="A household, such as xinyi/3-502."),
        click.option("--plate", metavar="P", help="A vehicle, at every site."),
    ):
        command = option(command)
    return command


def _member(command: F) -> F:
    for option in (
        click.option("--password-stdin", is_flag=True, help="The password of --user on standard input, one line."),
        click.option(
            "--user", metavar="NAME", help="Act as this account (registrar or manager) instead of the login name."
        ),
    ):
        command = option(command)
    return command


@click.group("personal-data")
def personal_data() -> None:
    """What is held of a person: exported on request, or erased by two members of staff (docs/privacy.md)."""


@personal_data.command("export")
@_subject
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The ZIP to write; must not exist."
)
@click.option(
    "--role", type=click.Choice(_ROLES), default="registrar", help="For whom: a manager's copy has no low-income data."
)
@_member
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@config_option
def export(
    *,
    plate: str | None,
    household: str | None,
    identity: str | None,
    reason: str | None,
    out: Path,
    role: str,
    user: str | None,
    password_stdin: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Write everything held of a plate or a household to one ZIP: tables, JSON, pictures."""
    from gateway.flows import personal_data as flow
    from gateway.flows.personal_data_subject import subject_of
    from gateway.flows.refusals import Refused

    if out.exists():
        raise Refusal(f"{out}: there is such a file; give another name with --out")
    with open_parts(config) as parts:
        try:
            asking = _asking(parts, user, password_stdin, identity, reason, role)
            made = flow.export(parts, subject_of(plate, household), asking, out)
        except Refused as why:
            raise _refusal(why) from None
        except OSError as error:
            raise Refusal(f"{out}: {error.strerror or error}; give a folder that can be written with --out") from None
    if as_json:
        click.echo(json.dumps({"id": made.id, "file": str(out), "rows": made.counts}, ensure_ascii=False))
        return
    rows = ", ".join(f"{count} {kind}" for kind, count in made.counts.items() if count)
    click.echo(f"{out}: {rows or 'nothing'}; request {made.id}")


@personal_data.command("erase")
@_subject
@click.option("--approve", metavar="ID", help="Erase what somebody else has proposed.")
@click.option("--reject", metavar="ID", help="Do not erase it; --reason says why.")
@click.option(
    "--again",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="After a restore: erase whom this list names (`requests --erased` of the database before).",
)
@_member
@click.option("--json", "as_json", is_flag=True, help="Print the request as JSON.")
@config_option
def erase(
    *,
    plate: str | None,
    household: str | None,
    identity: str | None,
    reason: str | None,
    approve: str | None,
    reject: str | None,
    again: Path | None,
    user: str | None,
    password_stdin: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Propose an erasure, or as a second person approve or reject one.

    Refused (exit status 1) while the vehicle is inside, owes, or a dispute is open. Afterwards the books still hold: `parkgate verify`.
    """
    from gateway.flows import personal_data as flow
    from gateway.flows.personal_data_subject import subject_of
    from gateway.flows.refusals import Refused

    about = plate is not None or household is not None
    if sum((about, approve is not None, reject is not None, again is not None)) != 1:
        raise Refusal("say whom (--plate or --household), or which request (--approve, --reject), or --again FILE")
    with open_parts(config) as parts:
        try:
            who, origin, sites, _ = _who(parts, user, password_stdin)
            if again is not None:
                _again(parts, again, who)
                return
            if approve is not None:
                done = flow.approve(parts, approve, operator=who, origin=origin, sites=sites)
            elif reject is not None:
                done = flow.reject(parts, reject, operator=who, origin=origin, reason=reason or "", sites=sites)
            else:
                asking = _grounds(who, origin, sites, identity, reason, role="registrar")
                done = flow.propose(parts, subject_of(plate, household), asking)
        except Refused as why:
            raise _refusal(why) from None
        document = _shown(parts, done)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    said = {
        "proposed": f"proposed as {done['id']}; another member of staff: parkgate personal-data erase --approve {done['id']}",
        "erased": f"{done['id']}: erased ({', '.join(f'{count} {table}' for table, count in done['done'].items())})",
    }
    click.echo(said.get(done["state"], f"{done['id']}: {done['state']}"))


@personal_data.command("requests")
@click.option("--state", type=click.Choice(["exported", "proposed", "erased", "rejected", "expired"]))
@click.option(
    "--erased", is_flag=True, help="The list for `erase --again`: keyed digests, one a line. Keep it with the backups."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each request.")
@config_option
def requests(state: str | None, erased: bool, as_json: bool, config: Path | None) -> None:
    """The register of requests, the newest first."""
    from gateway.flows import personal_data_requests as register

    with open_parts(config) as parts:
        if erased:
            with parts.store.reading() as connection:
                for digest, key in sorted(register.erased(connection).items(), key=lambda one: one[1]):
                    click.echo(f"{digest.hex()} {key}")
            return
        for _, found in register.listed(parts, None, state, None, 10_000):
            document = _shown(parts, found)
            if as_json:
                click.echo(json.dumps(document, ensure_ascii=False))
            else:
                decided = f", {document['decided_by']} {document['decided_at']}" if document["decided_by"] else ""
                click.echo(
                    f"{document['id']}  {document['state']}  {document['subject'] or document['about']}"
                    f"{' (another secret_key: reject it and propose again)' if document['unreadable'] else ''}"
                    f"  {document['asked_by']} {document['asked_at']}{decided}"
                )


@personal_data.command("retention")
@click.option("--run", is_flag=True, help="Delete what is due now, instead of in the night.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each day and kind.")
@config_option
def retention(run: bool, as_json: bool, config: Path | None) -> None:
    """What the daily deletion did: a row a day and kind of data, counts only."""
    from gateway.flows.retention import retire
    from gateway.flows.retention_report import ROWS_SHOWN_MAX, runs

    with open_parts(config) as parts:
        if run:
            retire(parts)
        with parts.store.reading() as connection:
            found = [_shown(parts, row) for row in runs(connection, None, None, ROWS_SHOWN_MAX)]
    for row in found:
        if as_json:
            click.echo(json.dumps(row))
        else:
            more = "  (more tomorrow)" if row["unfinished"] else ""
            click.echo(f"{row['day']}  {row['kind']:15} {row['deleted']:8}{more}")


@personal_data.command("scrub")
@config_option
def scrub(config: Path | None) -> None:
    """Write a SQLite file anew, so that nothing erased is left in its free pages; the nightly deletion does it after an erasure.

    About a second for 100 MiB, during which gates wait; devices keep their events.
    """
    import sqlite3

    from gateway.flows.personal_data_requests import scrubbed
    from gateway.store.scrub import scrub as write_anew

    with open_parts(config) as parts:
        try:
            done = write_anew(parts.store)
        except sqlite3.Error as error:
            raise CheckFailed(f"the file could not be written anew: {error}; try again when less is going on") from None
        if done is None:
            click.echo("not a SQLite file; see docs/privacy.md for PostgreSQL")
            return
        scrubbed(parts, parts.clock.now(), 0, whole=done.whole)
    if not done.whole:
        raise CheckFailed("the file is written anew, but somebody still reads from its log; try again")
    click.echo(f"{done.bytes_before} bytes before, {done.bytes_after} after")


def _asking(
    parts: Parts, user: str | None, password_stdin: bool, identity: str | None, reason: str | None, role: str
) -> Asking:
    who, origin, sites, own = _who(parts, user, password_stdin)
    return _grounds(who, origin, sites, identity, reason, "manager" if "manager" in {own, role} else role)


def _grounds(
    who: str, origin: str, sites: frozenset[str] | None, identity: str | None, reason: str | None, role: str
) -> Asking:
    from gateway.flows.personal_data import Asking

    return Asking(
        operator=who,
        origin=origin,
        sites=sites,
        identity=identity or "",
        reason=reason or "",
        sees_low_income=role == "registrar",
    )


def _who(parts: Parts, user: str | None, password_stdin: bool) -> tuple[str, str, frozenset[str] | None, str | None]:
    """Name, origin, sites and role of who acts: an account with its password, or the login name of this computer."""
    from gateway.flows.users import authenticate

    if user is None:
        return operator_name(), "command line", None, None
    if not password_stdin:
        raise Refusal("--user needs --password-stdin: send the password as one line")
    found = authenticate(parts.store, user, sys.stdin.readline(4096).rstrip("\r\n"))
    if found is None:
        raise Refusal("the name or the password is wrong")
    if found.role not in _ROLES:
        raise Refusal(f"{found.name} is a {found.role}; a registrar or a manager may do this")
    return found.name, "command line", frozenset(found.sites) or None, found.role


def _again(parts: Parts, file: Path, who: str) -> None:
    from gateway.flows.personal_data_again import erase_again

    try:
        lines = [line.split()[0] for line in file.read_text("ascii").splitlines() if line.strip()]
        digests = [bytes.fromhex(line) for line in lines]
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror or error}; give a readable file") from None
    except ValueError:
        raise Refusal(f"{file}: not a list of `parkgate personal-data requests --erased`") from None
    if any(len(digest) != _DIGEST_BYTES for digest in digests):
        raise Refusal(f"{file}: not a list of `parkgate personal-data requests --erased`")
    erased, needed = erase_again(parts, digests, operator=who, origin="command line")
    click.echo(f"{erased} erased again")
    if needed:
        raise CheckFailed(f"{needed} cannot be erased yet (inside, owing or disputed); run it again later")


def _refusal(why: Refused) -> click.ClickException:
    """What stands in the way is exit status 1; what was said wrongly is 2."""
    from http import HTTPStatus

    conflict = why.status == HTTPStatus.CONFLICT
    return CheckFailed(str(why)) if conflict else Refusal(str(why))


def _shown(parts: Parts, document: dict[str, Any]) -> dict[str, Any]:
    """With its instants in the site's time zone, as text."""
    zone = parts.settings.zone
    return {
        name: value.astimezone(zone).isoformat() if hasattr(value, "astimezone") else value
        for name, value in document.items()
    }
