"""`parkgate bench statements`: a long WeChat trade bill read and imported, beside only splitting its lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click

from billing.statements import open_statement
from gateway.cli.bench.machine import peak_mib
from gateway.cli.bench.options import DATABASES, common, databases_at_hand, measuring
from gateway.cli.bench.report import progress, table
from gateway.cli.bench.stand import Databases, settings_for, settings_of
from gateway.cli.bench.street import Layout, furnish
from gateway.cli.main import CheckFailed
from gateway.flows.statements import Who, import_file
from gateway.wiring import Parts
from simulators.statement_day import deals
from simulators.statements import wechat_trade

_ROWS, _QUICK_ROWS = 1_000_000, 4_000
_DAY: Final = date(2026, 3, 2)
_LAYOUT: Final = Layout(sites=1, lanes=2, residents=0, relatives=0, deliveries=0)


@click.command()
@click.option("--rows", type=click.IntRange(1_000, 2_000_000), default=None, help="How many; default 1,000,000.")
@click.option("--database", type=click.Choice([*DATABASES, "all"]), default="all", show_default=True)
@click.option("--defer", is_flag=True, hidden=True, help="Return the document instead of printing it.")
@common
def statements(*, rows: int | None, database: str, defer: bool, folder: Any, quick: bool, as_json: bool) -> Any:
    """A WeChat trade bill of a million rows: splitting its lines, reading it as a statement, importing it.

    The transaction begins when the file has been read once to its end: on SQLite everybody else who writes waits for so long.
    """
    rows = rows or (_QUICK_ROWS if quick else _ROWS)
    wanted = databases_at_hand(database)
    with measuring(folder) as made:
        found = [_measure(made, one, rows) for one in wanted]
    if not defer:
        click.echo(json.dumps(found) if as_json else text(found))
    return found


def _measure(made: Databases, database: str, rows: int) -> dict[str, Any]:
    file = made.folder / f"bill-{database}.csv"
    with file.open("wb") as out, progress(rows, f"statements, {database}") as bar:
        for piece in wechat_trade(deals(1, _DAY, rows, 0), "1900000001"):
            out.write(piece)
            bar.step()
    parts, _ = furnish(settings_of(settings_for(made.make(database))), _LAYOUT)
    try:
        split = _seconds(lambda: _split(file))
        read = _seconds(lambda: _read(file))
        imported, held = _import(parts, file, rows)
    finally:
        parts.store.close()
    size = file.stat().st_size
    file.unlink()
    return {
        "database": database,
        "rows": rows,
        "mib": round(size / 1024**2, 1),
        "split_s": round(split, 2),
        "read_s": round(read, 2),
        "import_s": round(imported, 2),
        "transaction_s": round(held, 2),
        "peak_mib": round(peak_mib(), 1),
    }


def _seconds(run: Callable[[], object]) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began


def _split(file: Path) -> int:
    """What any reader in Python does at the least: every line as text, and its cells."""
    with file.open(encoding="utf-8-sig") as lines:
        return sum(len(line.split(",`")) for line in lines)


def _read(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(1 for _ in open_statement("wechat", stream).rows())


def _import(parts: Parts, file: Path, rows: int) -> tuple[float, float]:
    """Seconds in all, and from the end of the first reading."""
    seen, whole = 0, 0.0

    def step(count: int) -> None:
        nonlocal seen, whole
        seen += count
        if not whole and seen >= rows - rows % count:
            whole = perf_counter()

    began = perf_counter()
    with file.open("rb") as stream:
        made = import_file(parts, "wechat", stream, Who(operator="bench"), name=file.name, progress=step)
    ended = perf_counter()
    if made.rows != rows:
        raise CheckFailed(f"{made.rows} rows of {rows} were imported")
    return ended - began, ended - whole


def text(found: list[dict[str, Any]]) -> str:
    """The table for people."""
    heads = ("database", "rows", "MiB", "split s", "read s", "import s", "in transaction s", "MiB peak")
    names = ("database", "rows", "mib", "split_s", "read_s", "import_s", "transaction_s", "peak_mib")
    return table(heads, [tuple(one[name] for name in names) for one in found])
