"""`parkgate bench compare`: a month of recorded stays priced again under two policies, beside only reading their rows."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from time import perf_counter
from typing import Any, Final

import click
import psycopg
from sqlalchemy import make_url

from billing.policy import parse
from gateway.cli.bench.month import DAYS, Month
from gateway.cli.bench.options import DATABASES, common, databases_at_hand, measuring
from gateway.cli.bench.report import progress, table
from gateway.cli.bench.stand import Databases, settings_for, settings_of, settle
from gateway.cli.bench.street import POLICY, Layout, furnish
from gateway.cli.demo.house import rule_file
from gateway.cli.main import CheckFailed
from gateway.flows.compare import compare as compare_flow
from gateway.flows.compare import of_name, of_text
from gateway.wiring import Parts

_STAYS, _QUICK_STAYS = 100_000, 6_000
_ROUNDS: Final = 3
_FROM: Final = date(2026, 3, 1)
_LAYOUT: Final = Layout(sites=4, lanes=2, residents=0, relatives=0, deliveries=0)
_FLOOR: Final = (
    "SELECT s.site_id, s.id, s.plate, s.plate_colour, s.household_id, s.entry_at, s.exit_at, s.gross_fen, s.payable_fen, "
    "b.policy_id, b.policy_version, b.holder, CAST(b.facts AS text) FROM stay s "
    "JOIN bill b ON b.site_id = s.site_id AND b.stay_id = s.id AND b.sequence = s.bills "
    "WHERE s.state = 'left' ORDER BY b.fixed_at, s.site_id, s.id"
)


@click.command()
@click.option("--stays", type=click.IntRange(1_000, 500_000), default=None, help="How many; default 100,000.")
@click.option("--database", type=click.Choice([*DATABASES, "all"]), default="all", show_default=True)
@click.option("--defer", is_flag=True, hidden=True, help="Return the document instead of printing it.")
@common
def compare(*, stays: int | None, database: str, defer: bool, folder: Any, quick: bool, as_json: bool) -> Any:
    """`policy compare` over a month of 100,000 recorded stays, beside only reading their rows with the bare driver.

    The policy that billed them must give what was booked, to the fen.
    """
    stays = stays or (_QUICK_STAYS if quick else _STAYS)
    wanted = databases_at_hand(database)
    with measuring(folder) as made:
        found = [_measure(made, one, stays) for one in wanted]
    if not defer:
        click.echo(json.dumps(found) if as_json else text(found))
    return found


def _measure(made: Databases, database: str, stays: int) -> dict[str, Any]:
    url = made.make(database)
    parts, _ = furnish(settings_of(settings_for(url)), _LAYOUT)
    try:
        billed = rule_file("hushu.toml")
        start = datetime.combine(_FROM, time.min, parts.settings.zone)
        with progress(stays, f"compare, {database}") as bar:
            Month(parts, _LAYOUT, parse(billed), start).write(stays, bar)
        settle(parts)
        # A round that only warms the disk's cache, for both.
        _timed(lambda: _read(url))
        floors, ours = [], []
        found: dict[str, Any] = {}
        for _ in range(_ROUNDS):
            floors.append(_timed(lambda: _read(url)))
            ours.append(_timed(lambda: found.update(_compare(parts, billed))))
    finally:
        parts.store.close()
    books = found["books"]
    if not books["reproduced"] or books["stays"] != stays:
        raise CheckFailed(f"the policy that billed {stays} stays does not give what was booked: {books}")
    floor, own = min(floors), min(ours)
    return {
        "database": database,
        "stays": stays,
        "pay_more": found["total"]["pay_more"]["stays"],
        "read_s": round(floor[0], 2),
        "read_cpu_s": round(floor[1], 2),
        "compare_s": round(own[0], 2),
        "compare_cpu_s": round(own[1], 2),
        "ratio": round(own[0] / floor[0], 1),
    }


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of processors: our own and those of processes that have ended."""
    before, began = os.times(), perf_counter()
    run()
    took, after = perf_counter() - began, os.times()
    return took, sum(after[:4]) - sum(before[:4])


def _read(url: str) -> int:
    """Every row that a comparison looks at, by the bare driver, into Python."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        file = sqlite3.connect(str(parsed.database))
        try:
            return len(file.execute(_FLOOR).fetchall())
        finally:
            file.close()
    where = f"host={parsed.host} port={parsed.port} user={parsed.username} dbname={parsed.database}"
    with psycopg.connect(where) as server:
        return len(server.execute(_FLOOR).fetchall())


def _compare(parts: Parts, billed: str) -> dict[str, Any]:
    dearer = billed.replace("version = 3", "version = 4").replace("fen = 400 }", "fen = 500 }")
    with parts.store.reading() as connection:
        return compare_flow(
            parts,
            connection,
            of_name(connection, POLICY),
            of_text("new", dearer),
            from_day=_FROM,
            to_day=_FROM + timedelta(days=DAYS - 1),
        )


def text(found: list[dict[str, Any]]) -> str:
    """The table for people."""
    rows = [
        (
            one["database"],
            one["stays"],
            one["pay_more"],
            one["read_s"],
            one["read_cpu_s"],
            one["compare_s"],
            one["compare_cpu_s"],
            one["ratio"],
        )
        for one in found
    ]
    heads = ("database", "stays", "pay more", "read s", "cpu s", "compare s", "cpu s", "× read")
    return table(heads, rows)
