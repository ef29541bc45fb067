"""`parkgate bench exports`: a closed month in every format, each in a process of its own, beside only copying the ledger's rows."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click
from sqlalchemy import make_url

from billing.policy import parse
from gateway.cli.bench.month import DAYS, Month
from gateway.cli.bench.options import common, measuring
from gateway.cli.bench.report import progress, table
from gateway.cli.bench.stand import Databases, settings_for, settings_of, settle
from gateway.cli.bench.street import Layout, furnish
from gateway.cli.demo.house import rule_file
from gateway.cli.export import FORMATS
from gateway.cli.main import CheckFailed
from gateway.flows.close import close_day

_STAYS, _QUICK_STAYS = 300_000, 3_000
_FROM: Final = date(2026, 3, 1)
_LAYOUT: Final = Layout(sites=10, lanes=2, residents=0, relatives=0, deliveries=0)
_QUICK_LAYOUT: Final = replace(_LAYOUT, sites=2)
_FLOOR: Final = (
    "SELECT t.*, p.account, p.amount_fen FROM ledger_transaction t "
    "JOIN posting p ON p.site_id = t.site_id AND p.transaction_id = t.id ORDER BY t.business_day, t.site_id, t.at, t.id"
)
# What the kernel tells of a child that has ended includes its parent's memory before the child became another program.
_TELLS: Final = (
    "import atexit; atexit.register(lambda: print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]))"
)


@click.command()
@click.option("--stays", type=click.IntRange(1_000, 1_000_000), default=None, help="How many; default 300,000.")
@click.option("--defer", is_flag=True, hidden=True, help="Return the document instead of printing it.")
@common
def exports(*, stays: int | None, defer: bool, folder: Any, quick: bool, as_json: bool) -> Any:
    """`export --month` of 300,000 recorded stays of ten sites in every format: seconds, and the most memory that it held.

    Beside it, `copy`: the bare driver's rows of the ledger into one CSV file, one by one.
    """
    with measuring(folder) as made:
        layout, usual = (_QUICK_LAYOUT, _QUICK_STAYS) if quick else (_LAYOUT, _STAYS)
        found = _measure(made, layout, stays or usual)
    if not defer:
        click.echo(json.dumps(found) if as_json else text(found))
    return found


def _measure(made: Databases, layout: Layout, stays: int) -> dict[str, Any]:
    url = made.make("sqlite")
    values = settings_for(url)
    parts, _ = furnish(settings_of(values), layout)
    try:
        with progress(stays, "stays") as bar:
            start = datetime.combine(_FROM, time.min, parts.settings.zone)
            Month(parts, layout, parse(rule_file("hushu.toml")), start).write(stays, bar)
        with progress(DAYS, "closes") as bar:
            for number in range(DAYS):
                close_day(parts, _FROM + timedelta(days=number), operator="bench")
                bar.step()
        settle(parts)
    finally:
        parts.store.close()
    file = Path(str(make_url(url).database))
    out = file.parent / "exports"
    out.mkdir()
    rows = _copied(file, out / "floor.csv")
    run = f"from {__name__} import _copied; from pathlib import Path; _copied(Path({str(file)!r}), Path({str(out / 'floor.csv')!r}))"
    found = [_one("copy", run, {}, out)]
    environment = {f"PARKGATE_{name.upper()}": value for name, value in values.items()}
    for form in FORMATS:
        words = ["export", "--month", f"{_FROM:%Y-%m}", "--format", form, "--out", str(out)]
        found.append(_one(form, f"from gateway.cli.main import main; main({words!r})", environment, out))
    return {"stays": stays, "postings": rows, "formats": found}


def _copied(file: Path, out: Path) -> int:
    """Every posting of the ledger with its transaction, by the bare driver, into a file."""
    store = sqlite3.connect(str(file))
    try:
        with out.open("w", encoding="utf-8", newline="") as written:
            writer = csv.writer(written)
            count = 0
            for row in store.execute(_FLOOR):
                writer.writerow(row)
                count += 1
        return count
    finally:
        store.close()


def _one(name: str, code: str, environment: dict[str, str], out: Path) -> dict[str, Any]:
    """Runs it alone. Memory is the largest resident size of its process, as Linux counts it."""
    for left in out.iterdir():
        left.unlink()
    began = perf_counter()
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", f"{_TELLS}; {code}"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CheckFailed(f"the export as {name} ended with {done.returncode}")
    return {
        "format": name,
        "seconds": round(perf_counter() - began, 1),
        "peak_mib": round(int(done.stdout.split()[-1]) / 1024),
        "files_mib": round(sum(made.stat().st_size for made in out.iterdir()) / 1024 / 1024, 1),
    }


def text(found: dict[str, Any]) -> str:
    """The table for people."""
    rows = [(one["format"], one["seconds"], one["peak_mib"], one["files_mib"]) for one in found["formats"]]
    heads = ("format", "seconds", "peak MiB", "files MiB")
    return f"{found['stays']:,} stays, {found['postings']:,} postings\n" + table(heads, rows)
