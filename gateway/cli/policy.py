"""`parkgate policy`: validate a policy file, load it as a new version, say what a changed rule would cost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from billing.money import yuan
from billing.policy import POLICY_CHARACTERS_MAX, Policy, PolicyError, Problem, parse
from gateway.cli.main import Refusal
from gateway.cli.plain import config_option, day_of, operator_name, read_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.flows.compare import Side


@click.group()
def policy() -> None:
    """Policies: what a stay costs."""


@policy.command()
@click.argument("file")
@click.pass_context
def check(ctx: click.Context, file: str) -> None:
    """Validate FILE: every problem on its own line with its place in the file, or one line on what was understood."""
    try:
        understood = read_policy(file)
    except PolicyError as error:
        for problem in error.problems:
            click.echo(f"{file}: {problem}", err=True)
        ctx.exit(1)
    click.echo(f"{file}: {summary(understood)}")


@policy.command("apply")
@click.argument("file")
@config_option
def policy_apply(file: str, config: Path | None) -> None:
    """Load FILE as a new version. The same file again changes nothing; where FILE is refused the old version stays."""
    from gateway.cli.common import open_parts
    from gateway.flows import policies

    text = read_text(Path(file))
    with open_parts(config) as parts:
        try:
            loaded = policies.apply(
                parts, text, operator=operator_name(), origin="command line", source=Path(file).name
            )
        except PolicyError as error:
            more = len(error.problems) - 1
            rest = f" (and {more} more; `parkgate policy check` lists them)" if more else ""
            raise Refusal(f"{file}: {error.problems[0]}{rest}") from None
    start = loaded.effective_from.isoformat()
    what = "loaded" if loaded.new else "was loaded before, nothing changed"
    click.echo(f"{loaded.policy_id} version {loaded.version} from {start}: {what}")
    if loaded.new and loaded.started:
        click.echo("its start has passed: who entered since then and is still inside pays by it", err=True)


@policy.command("compare")
@click.argument("old")
@click.argument("new")
@click.option(
    "--from", "from_day", required=True, callback=day_of, help="The first day on which stays left, YYYY-MM-DD."
)
@click.option("--to", "to_day", required=True, callback=day_of, help="The last one.")
@click.option("--site", help="One site; default all whose stays were billed under OLD's id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--xlsx", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write a workbook.")
@config_option
def policy_compare(
    old: str,
    new: str,
    from_day: date,
    to_day: date,
    site: str | None,
    *,
    as_json: bool,
    xlsx: Path | None,
    config: Path | None,
) -> None:
    """Re-price recorded stays under another policy: who pays more, who less, what income becomes. Changes nothing.

    OLD and NEW are each a policy file, or the name of an applied policy: ID (every stay by the version of its entry) or ID:VERSION.
    Rows of fewer than ten households are merged; there is no plate in it.
    """
    from gateway.cli.common import open_parts
    from gateway.cli.export import write_whole
    from gateway.flows.compare import compare
    from gateway.flows.reading import Slice, sites
    from gateway.flows.refusals import Refused

    with open_parts(config) as parts, parts.store.reading() as connection:
        try:
            before, after = _side(connection, "OLD", old), _side(connection, "NEW", new)
            found = compare(parts, connection, before, after, from_day=from_day, to_day=to_day, site=site)
        except Refused as why:
            raise Refusal(str(why)) from None
        names = {one["id"]: one["name"] for one in sites(connection, None, Slice(None, 100_000), disabled=True)}
    if not found["stays"] and not found["left_out"]:
        click.echo(_nothing(found), err=True)
    if xlsx is not None:
        from gateway.flows.compare_sheets import workbook

        try:
            write_whole(xlsx, workbook(found, names))
        except OSError as error:
            raise Refusal(f"--xlsx {xlsx}: {error.strerror or error}; give a file that can be written") from None
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        for line in comparison_lines(found):
            click.echo(line)


def _side(connection: Connection, which: str, given: str) -> Side:
    """A file if there is one of this name, else an applied policy. Raises `Refused`, `Refusal`."""
    from gateway.flows.compare import of_name, of_text

    if Path(given).is_file():
        return of_text(given, read_text(Path(given)))
    if "/" in given or given.endswith(".toml"):
        raise Refusal(
            f"{which} {given}: there is no such file; give a policy file, or ID or ID:VERSION of an applied one"
        )
    return of_name(connection, given)


def _nothing(found: Mapping[str, Any]) -> str:
    where = f"at {found['site']}" if found["site"] else f"under {found['old']['policy']}"
    return f"no stay that left from {found['from']} to {found['to']} was billed {where}; choose other days, or --site"


def comparison_lines(found: Mapping[str, Any]) -> list[str]:
    """The comparison as text: sums in yuan, one table a question."""
    sides = [f"{found[side]['policy']} {','.join(map(str, found[side]['versions']))}" for side in ("old", "new")]
    said = [f"{sides[0]} → {sides[1]}, left {found['from']} to {found['to']}, {found['site'] or 'all sites'}"]
    said += [f"not counted: {count} stays ({why})" for why, count in found["left_out"].items()]
    total = found["total"]
    if total is None:
        said.append(f"fewer than {found['fewest_households']} households: no figures")
        return said
    books = found["books"]
    said.append(
        f"books: gross {yuan(books['gross_fen'])}, waived {yuan(books['waived_fen'])}, payable {yuan(books['payable_fen'])} yuan; "
        f"{sides[0]} gives {yuan(books['priced_again_fen'])} for {books['stays_as_booked']} of {books['stays']} stays as booked"
    )
    said.append(
        f"income {yuan(total['old_payable_fen'])} → {yuan(total['new_payable_fen'])} yuan ({yuan(total['change_fen'])}); "
        + _who_pays(total, found["fewest_households"])
    )
    for key in ("by_group", "by_vehicle", "by_site", "by_hour", "by_length"):
        said += [
            "",
            f"{key.removeprefix('by_'):<16}{'stays':>9}{'old':>13}{'new':>13}{'change':>13}{'more':>8}{'less':>8}",
        ]
        said += [
            f"{row['name']:<16}{row['stays']:>9}{yuan(row['old_payable_fen']):>13}{yuan(row['new_payable_fen']):>13}"
            f"{yuan(row['change_fen']):>13}{_stays(row['pay_more']):>8}{_stays(row['pay_less']):>8}"
            for row in found[key]
        ]
    for one in found["examples"]:
        change = yuan(one["change_fen"])
        said += ["", f"example ({one['group']}, {one['stays_like_it']} stays like it, {change} yuan):"]
        for side, name in (("old", sides[0]), ("new", sides[1])):
            said += [f"  {name}:", *(f"    {sentence}" for sentence in one[side]["zh"])]
    return said


def _who_pays(total: Mapping[str, Any], fewest: int) -> str:
    if total["pay_more"] is None:
        return f"who pays more and who less is of fewer than {fewest} households, and not said"
    return (
        f"{total['pay_more']['stays']} stays pay {yuan(total['pay_more']['fen'])} more, "
        f"{total['pay_less']['stays']} pay {yuan(total['pay_less']['fen'])} less, {total['pay_the_same']['stays']} the same"
    )


def _stays(of: Mapping[str, int] | None) -> str:
    return "-" if of is None else str(of["stays"])


def read_policy(file: str) -> Policy:
    """The policy of a file. Raises Refusal if it cannot be read, PolicyError if it does not hold."""
    try:
        with Path(file).open("rb") as source:
            raw = source.read(POLICY_CHARACTERS_MAX * 4 + 1)
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise Refusal(f"cannot read {file}: {why}; give the path of a policy file") from None
    try:
        return parse(raw.decode())
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise PolicyError([Problem(line, "not UTF-8; save the file as UTF-8")]) from None


def summary(understood: Policy) -> str:
    """One line on what a policy says."""
    vehicles = ", ".join(dict.fromkeys(name for tariff in understood.tariffs for name in tariff.vehicles))
    parts = [f"{_count(len(understood.tariffs), 'tariff')} ({vehicles})"]
    first = understood.tariffs[0]
    parts.append(f"{first.free_minutes} minutes free")
    if first.cap is not None:
        parts.append(f"at most {yuan(first.cap.fen)} yuan per {first.cap.per}")
    if understood.free_classes:
        parts.append(_count(len(understood.free_classes), "free class", "free classes"))
    if understood.passes:
        parts.append(_count(len(understood.passes), "pass", "passes"))
    if understood.discounts:
        parts.append(_count(len(understood.discounts), "discount"))
    if understood.relative_allowance is not None:
        allowance = understood.relative_allowance
        parts.append(f"relatives {allowance.minutes_per_month} minutes a month per {allowance.per}")
    start = understood.effective_from.isoformat()
    return f"{understood.id} version {understood.version} from {start}: {'; '.join(parts)}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
