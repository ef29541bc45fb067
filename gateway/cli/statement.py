"""`parkgate statement`: what payment channels said they settled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
from tqdm import tqdm

from billing.money import yuan
from gateway.cli.common import config_option, day_of, open_parts, operator_name
from gateway.cli.main import CheckFailed, Refusal
from gateway.flows import statements as flow
from gateway.flows.refusals import Refused

_CHANNELS = click.Choice(("wechat", "alipay", "unionpay", "cash"))
_MERCHANT_HELP = "Whose it is (收款主体), where it was not told before."


@click.group()
def statement() -> None:
    """Statements of payment channels (渠道账单): fetch them, import a file, record a day without one."""


@statement.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--channel", type=_CHANNELS, required=True, help="Whose form the file has.")
@click.option("--merchant", help=_MERCHANT_HELP)
@click.option("--day", callback=day_of, help="Of which day it must be; needed where the file does not say.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@config_option
def import_(
    channel: str, file: Path, *, merchant: str | None, day: date | None, as_json: bool, config: Path | None
) -> None:
    """Import a channel's own bill file, as downloaded: all of it, or nothing.

    WeChat: 交易账单 (ALL, SUCCESS, REFUND) or 资金账单. Alipay: 业务明细, or the ZIP with it. UnionPay: the ZM file under its own name. Cash: the
    count of a day's shifts. CSV, gzip or ZIP, UTF-8 or GBK. The same file again changes nothing; another file of the same day takes
    the place of the one before, and both stay.
    """
    bar = tqdm(unit=" rows", file=sys.stderr, disable=None, leave=False)
    with _opened(file) as stream, open_parts(config) as parts, bar:
        try:
            found = flow.import_file(
                parts,
                channel,
                stream,
                flow.Who(operator=operator_name(), origin="command line"),
                name=file.name,
                merchant=merchant,
                day=day,
                progress=bar.update,
            )
        except Refused as problem:
            raise Refusal(f"{file}: {problem}") from None
        except OSError as problem:
            raise Refusal(f"{file}: {problem.strerror or problem}; give a readable file") from None
    _say(found, as_json=as_json)


@statement.command()
@click.option("--channel", type=_CHANNELS, required=True)
@click.option("--day", callback=day_of, required=True, help="The day on which the channel had nothing.")
@click.option("--kind", default="trade", show_default=True, help="trade, payments, refunds, fund_flow or count.")
@click.option("--merchant", help=_MERCHANT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@config_option
def empty(channel: str, day: date, *, kind: str, merchant: str | None, as_json: bool, config: Path | None) -> None:
    """Record that a channel had nothing on a day (NO_STATEMENT_EXIST, BILL_NOT_EXIST)."""
    who = flow.Who(operator=operator_name(), origin="command line")
    with open_parts(config) as parts:
        try:
            found = flow.record_empty(parts, channel, day, who, kind=kind, merchant=merchant)
        except Refused as problem:
            raise Refusal(str(problem)) from None
    _say(found, as_json=as_json)


@statement.command()
@click.option("--day", callback=day_of, required=True, help="The business day whose statements are wanted.")
@click.option("--channel", type=_CHANNELS, help="Only this channel's: wechat and alipay hand statements out by API.")
@click.option("--merchant", help="Only this merchant's (收款主体).")
@click.option("--site", help="Only those of the merchant that is paid for this site.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@config_option
def fetch(
    day: date, *, channel: str | None, merchant: str | None, site: str | None, as_json: bool, config: Path | None
) -> None:
    """Fetch a day's statements from the channels and import them: each whole, or not at all.

    They are there from ten o'clock of the next day on, for three months. What is here already is recognised. A channel that does not answer is
    asked three times. Exit status 1: one of them did not come; the job of `serve` and `jobs` goes on asking for it.
    """
    from gateway.flows.statements_fetch import fetch as fetch_all

    who = flow.Who(operator=operator_name(), origin="command line")
    with open_parts(config) as parts:
        try:
            found = fetch_all(parts, day, who, channel=channel, merchant=merchant, site=site)
        except Refused as problem:
            raise Refusal(str(problem)) from None
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    for one in () if as_json else found:
        if one.statement is not None:
            _say(one.statement, as_json=False)
        else:
            click.echo(f"{one.channel} {one.kind} of {one.day}, merchant {one.merchant}: {one.outcome}; {one.why}")
    if away := [one for one in found if not one.here]:
        raise CheckFailed(f"{len(away)} of {len(found)} statements of {day} did not come, first {away[0].why}")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file, not read yet. Raises `Refusal`."""
    try:
        stream = file.open("rb")
    except OSError as problem:
        raise Refusal(f"{file}: {problem.strerror or problem}; give a readable file") from None
    with stream:
        yield stream


def _say(found: flow.Imported, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    what = f"{found.channel} {found.kind} of {found.day}, merchant {found.merchant}"
    told = [f"{found.rows} rows", f"{found.payments} payments {yuan(found.payments_fen)}"]
    told.append(f"{found.refunds} refunds {yuan(found.refunds_fen)}")
    if found.orphans:
        told.append(f"{found.orphans} of no order here")
    if found.known:
        told.append("imported before, nothing changed")
    elif found.replaces:
        told.append(f"in place of {', '.join(found.replaces)}")
    click.echo(f"{what}: {'; '.join(told)}")
