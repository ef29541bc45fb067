"""`parkgate policy`: validate a policy file, load it as a new version."""

from __future__ import annotations

from pathlib import Path

import click

from billing.money import yuan
from billing.policy import POLICY_CHARACTERS_MAX, Policy, PolicyError, Problem, parse
from gateway.cli.common import config_option, open_parts, operator_name, read_text
from gateway.cli.main import Refusal


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
