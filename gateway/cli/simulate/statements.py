"""`parkgate simulate statements`: the files that a channel would deliver of a day."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from gateway.cli.common import day_of
from gateway.cli.main import Refusal
from simulators import statement_day
from simulators import statements as forms
from simulators.statements import SHANGHAI, Deal

_KINDS = {
    "wechat": ("trade", "payments", "refunds", "fund_flow"),
    "alipay": ("trade",),
    "unionpay": ("trade",),
    "cash": ("count",),
}
_FORM: dict[str, forms.Form] = {"trade": "ALL", "payments": "SUCCESS", "refunds": "REFUND"}
_ACCOUNTS = {"wechat": "1900000001", "alipay": "20880000000000010156", "unionpay": "777290000000001", "cash": ""}
_ROWS_MAX = 2_000_000
# A ZIP says how long its members are before it has them.
_ZIP_ROWS_MAX = 200_000


@click.command()
@click.option("--channel", type=click.Choice(tuple(_KINDS)), required=True)
@click.option("--kind", default=None, help="wechat: trade (the default), payments, refunds or fund_flow.")
@click.option("--day", callback=day_of, required=True, help="The business day; of UnionPay the settlement day.")
@click.option("--payments", type=click.IntRange(0, _ROWS_MAX), default=20, show_default=True)
@click.option("--refunds", type=click.IntRange(0, 10_000), default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--account", help="The channel's number of the merchant account.")
@click.option("--site", default="xinyi", show_default=True, help="Whose drawers were counted.")
@click.option(
    "--from", "source", type=click.Path(path_type=Path, dir_okay=False), help="Payments and refunds, one JSON a line."
)
@click.option("--gzip", "packed", is_flag=True, help="Pack it as the channel's API does.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="The folder; default here."
)
def statements(
    channel: str,
    kind: str | None,
    day: date,
    *,
    payments: int,
    refunds: int,
    seed: int,
    account: str | None,
    site: str,
    source: Path | None,
    packed: bool,
    out: Path,
) -> None:
    """Write a channel's statement of a day exactly as the channel does, and print its name.

    The payments are invented from the seed, or those of a file. Cash: two shifts of one site.
    """
    kind = kind or _KINDS[channel][0]
    if kind not in _KINDS[channel]:
        raise Refusal(f"--kind {kind[:40]!r} is none that {channel} has; choose one of {', '.join(_KINDS[channel])}")
    if channel == "alipay" and payments + refunds > _ZIP_ROWS_MAX:
        raise Refusal(f"--payments: an Alipay archive here has at most {_ZIP_ROWS_MAX} rows; ask for fewer")
    whose = account or _ACCOUNTS[channel]
    path = out / (_name(channel, kind, whose, day) + (".gz" if packed else ""))
    bar = tqdm(unit=" rows", file=sys.stderr, disable=None, leave=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with bar, _payments(source, seed, day, payments, refunds) as deals, path.open("wb") as file:
            pieces = _pieces(channel, kind, whose, day, site, seed, _counted(deals, bar))
            for piece in _gzipped(pieces) if packed else pieces:
                file.write(piece)
    except (statement_day.BadDeal, ValueError) as problem:
        path.unlink(missing_ok=True)
        raise Refusal(f"{source or channel}: {problem}") from None
    except OSError as problem:
        raise Refusal(
            f"{problem.filename or path}: {problem.strerror or problem}; give another --out or --from"
        ) from None
    click.echo(path)


@contextmanager
def _payments(source: Path | None, seed: int, day: date, payments: int, refunds: int) -> Iterator[Iterable[Deal]]:
    if source is None:
        yield statement_day.deals(seed, day, payments, refunds)
        return
    with source.open(encoding="utf-8") as file:
        yield statement_day.read(file)


def _counted(deals: Iterable[Deal], bar: tqdm[Any]) -> Iterator[Deal]:
    for deal in deals:
        bar.update()
        yield deal


def _pieces(
    channel: str, kind: str, account: str, day: date, site: str, seed: int, deals: Iterator[Deal]
) -> Iterable[bytes]:
    if channel == "cash":
        return forms.cash_count(statement_day.drawers(seed, day, site, 2))
    if channel == "unionpay":
        return forms.unionpay(deals, account)
    if channel == "alipay":
        exported = datetime(day.year, day.month, day.day, 9, 30, tzinfo=SHANGHAI) + timedelta(days=1)
        return [forms.alipay_zip(list(deals), account, day, exported)]
    if kind == "fund_flow":
        return forms.wechat_fund_flow(deals, account)
    return forms.wechat_trade(deals, account, form=_FORM[kind])


def _name(channel: str, kind: str, account: str, day: date) -> str:
    if channel == "wechat":
        return f"{account}_{kind}_{day}.csv"
    if channel == "alipay":
        return f"{account}_{day:%Y%m%d}.csv.zip"
    return forms.unionpay_name(account, day) if channel == "unionpay" else f"cash_{day}.csv"


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    pack = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield pack.compress(piece)
    yield pack.flush()
