"""`parkgate bill`: price a stay and explain it, or a file of stays line by line, without any database."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import IO, Final

import click
import msgspec

from billing.batch import LINE_CHARACTERS_MAX, answer, check_month
from billing.benefits import Benefits, parse_voucher
from billing.bill import StayToPrice, price
from billing.calendar import parse_instant
from billing.errors import CannotPrice
from billing.explain import Language, sentences
from billing.money import FEN_MAX
from billing.policy import Policy, PolicyError
from gateway.cli.main import CheckFailed, Refusal
from gateway.cli.policy import read_policy

_LINE_BYTES_MAX: Final = LINE_CHARACTERS_MAX * 4


@click.command()
@click.option("--policy", "policy_file", required=True, metavar="FILE", help="The policy (TOML).")
@click.option("--entry", metavar="T", help="2026-11-20T09:00, in the policy's zone or with an offset.")
@click.option("--exit", "exit_", metavar="T")
@click.option("--vehicle", default=None, metavar="TYPE", help="small (the default), large or motorcycle.")
@click.option("--allowance", multiple=True, metavar="YYYY-MM=MIN", help="Relative allowance left in a month.")
@click.option("--voucher", multiple=True, metavar="minutes:N|amount:N|whole_stay", help="In the order presented.")
@click.option("--batch", metavar="FILE.jsonl", help="One JSON stay a line in, one bill a line out; - reads stdin.")
@click.option("--json", "as_json", is_flag=True, help="The bill as one JSON document.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", help="Language of the explanation.")
def bill(
    *,
    policy_file: str,
    entry: str | None,
    exit_: str | None,
    vehicle: str | None,
    allowance: tuple[str, ...],
    voucher: tuple[str, ...],
    batch: str | None,
    as_json: bool,
    lang: Language,
) -> None:
    """Price a stay and explain it, without any database."""
    if batch is not None and (entry or exit_ or vehicle or allowance or voucher):
        raise click.UsageError("--batch takes everything about a stay from its line; leave the other options out")
    if batch is None and (entry is None or exit_ is None):
        raise click.UsageError("--entry and --exit are needed, or --batch FILE")
    policy = _policy(policy_file)
    if batch is not None:
        _price_lines(policy, batch)
        return
    assert entry is not None
    assert exit_ is not None
    try:
        stay = StayToPrice(
            parse_instant(entry, policy.timezone), parse_instant(exit_, policy.timezone), vehicle or "small"
        )
        benefits = Benefits(
            allowance=_allowance(allowance), vouchers=tuple(parse_voucher(presented) for presented in voucher)
        )
        priced = price(policy, stay, benefits)
    except CannotPrice as problem:
        raise Refusal(str(problem)) from None
    if as_json:
        click.echo(msgspec.json.encode(priced.document()))
    else:
        for sentence in sentences(priced, lang, policy, stay=stay, allowance=benefits.allowance):
            click.echo(sentence)


def _policy(policy_file: str) -> Policy:
    try:
        return read_policy(policy_file)
    except PolicyError as problem:
        raise Refusal(f"{policy_file}: {problem}") from None


def _allowance(given: tuple[str, ...]) -> dict[str, int] | None:
    months: dict[str, int] = {}
    for text in given:
        month, equals, minutes = text.partition("=")
        if not equals or not minutes.isascii() or not minutes.isdigit() or len(minutes) > 9:
            raise Refusal(f"--allowance {text[:40]!r}: write YYYY-MM=MINUTES, such as 2026-11=60")
        if check_month(month) in months:
            raise Refusal(f"--allowance: {month} is given twice")
        months[month] = min(int(minutes), FEN_MAX)
    return months or None


def _price_lines(policy: Policy, batch: str) -> None:
    if batch == "-":
        wrong, lines = _stream(policy, sys.stdin.buffer, flush=True)
    else:
        try:
            file = Path(batch).open("rb")  # noqa: SIM115 - opening and reading fail with different words
        except OSError as problem:
            raise Refusal(f"cannot read {batch}: {problem.strerror}") from None
        with file:
            wrong, lines = _stream(policy, file, flush=False)
    if wrong:
        raise CheckFailed(f"{wrong} of {lines} lines could not be priced; each says why on its own line of the output")


def _stream(policy: Policy, source: IO[bytes], *, flush: bool) -> tuple[int, int]:
    """Answer line by line, so that a file may be larger than memory. Returns how many were wrong, of how many."""
    from tqdm import tqdm

    wrong = lines = 0
    status = os.fstat(source.fileno())
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    out = sys.stdout.buffer
    # disable=None: a bar on a terminal, none in a pipe.
    with tqdm(total=size, unit="B", unit_scale=True, file=sys.stderr, disable=None, leave=False) as bar:
        while raw := source.readline(_LINE_BYTES_MAX):
            read = len(raw)
            whole = raw
            while not raw.endswith(b"\n") and (raw := source.readline(_LINE_BYTES_MAX)):
                read += len(raw)  # the rest of a line that is too long is passed over, never kept
                whole += b"" if len(whole) > _LINE_BYTES_MAX else raw
            lines += 1
            document = _answer(policy, whole.removeprefix(b"\xef\xbb\xbf") if lines == 1 else whole)
            wrong += "error" in document
            out.write(msgspec.json.encode(document) + b"\n")
            if flush:
                out.flush()
            bar.update(read)
    out.flush()
    return wrong, lines


def _answer(policy: Policy, raw: bytes) -> dict[str, object]:
    try:
        line = raw.decode()
    except UnicodeDecodeError as problem:
        return {"error": f"The line is not a stay: not UTF-8 at byte {problem.start + 1}"}
    return answer(policy, line)
