"""`parkgate bench reconcile`: the day's match over a million payments, beside the bare join of the same rows in the same engine."""

from __future__ import annotations

import gc
import json
import math
import os
import resource
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any, Final

import click
import polars as pl

from billing.reconciliation import Found, Given, adds_up, reconcile
from gateway.cli.bench import machine
from gateway.cli.bench.options import plain
from gateway.cli.bench.reconcile_rows import TRUTH, Made, make
from gateway.cli.bench.report import progress, table
from gateway.cli.main import CheckFailed

_PAYMENTS, _QUICK_PAYMENTS = 1_000_000, 20_000
_ROUNDS, _QUICK_ROUNDS = 5, 2
_HERE: Final = Path("/proc/self")
_SETTLES_WITHIN_SECONDS: Final = 10
_RESET_PEAK: Final = "5"
"""proc(5), clear_refs: the most that was resident is from now on."""


@click.command(name="reconcile")
@click.option("--payments", type=click.IntRange(2_400, 20_000_000), default=None, help="How many; default 1,000,000.")
@click.option("--seed", type=click.IntRange(0, 1_000_000), default=1, show_default=True)
@click.option("--defer", is_flag=True, hidden=True, help="Return the document instead of printing it.")
@plain
def bench_reconcile(*, payments: int | None, seed: int, defer: bool, quick: bool, as_json: bool) -> Any:
    """A million payments against a million rows of statements, one in 200 a break, beside only joining them by order number.

    In turns. The breaks that come out must be those that were put there, and the totals must add up.
    """
    payments = payments or (_QUICK_PAYMENTS if quick else _PAYMENTS)
    rounds = _QUICK_ROUNDS if quick else _ROUNDS
    join, match = [], []
    peak = {"join": 0.0, "match": 0.0}
    with progress(2 * rounds + 1, "reconcile") as bar:
        made = make(payments, seed)
        _settle()
        bar.step()
        for _ in range(rounds):
            join.append(_timed(peak, "join", lambda: _bare_join(made.given)))
            bar.step()
            match.append(_timed(peak, "match", lambda: _held_to(made)))
            bar.step()
    found = {
        "payments": made.given.books.height,
        "rows": made.given.channel.height,
        "breaks": made.truth.height,
        "rounds": rounds,
        "join_s": round(median(join), 3),
        "match_s": round(median(match), 3),
        "ratio": round(median(match) / median(join), 2),
        "join_peak_mib": round(peak["join"], 1),
        "match_peak_mib": round(peak["match"], 1),
        "polars": pl.__version__,
    }
    if not defer:
        click.echo(json.dumps(found) if as_json else text(found))
    return found


def text(found: dict[str, Any]) -> str:
    """The table for people."""
    heads = ("payments", "rows", "breaks", "join s", "match s", "× join", "MiB join", "MiB match")
    names = ("payments", "rows", "breaks", "join_s", "match_s", "ratio", "join_peak_mib", "match_peak_mib")
    told = f"Polars {found['polars']}; median of {found['rounds']} in turns; exactly the breaks that were put there."
    return table(heads, [tuple(found[name] for name in names)]) + "\n" + told


def _timed(peak: dict[str, float], name: str, work: Callable[[], float]) -> float:
    """The seconds that `work` says it took; the most that was resident meanwhile, with the rows themselves."""
    _forget_peak()
    seconds = work()
    peak[name] = max(peak[name], _peak_mib())
    return seconds


def _bare_join(given: Given) -> float:
    """Both sides by order number, whatever is on one alone too; only the amount is carried along, and compared."""
    began = perf_counter()
    ours, theirs = (side.lazy().select("order_number", "amount_fen") for side in (given.books, given.channel))
    both = ours.join(theirs, on="order_number", how="full")
    both.select((pl.col("amount_fen") != pl.col("amount_fen_right")).sum()).collect()
    return perf_counter() - began


def _held_to(made: Made) -> float:
    began = perf_counter()
    found = reconcile(made.given)
    seconds = perf_counter() - began
    _check(found, made.truth)
    return seconds


def _check(found: Found, truth: pl.DataFrame) -> None:
    """Raises `CheckFailed` unless the breaks are those that are there."""
    around = pl.col("about").is_in(["payment", "refund"])
    told = found.breaks.select(
        "kind",
        pl.col("order_number", "refund_number").fill_null(""),
        subject=pl.when(around).then(pl.lit("")).otherwise("subject"),
    ).sort(TRUTH)
    if not told.equals(truth):
        missed, invented = (one.join(other, on=TRUTH, how="anti") for one, other in ((truth, told), (told, truth)))
        raise CheckFailed(
            f"{missed.height} breaks were missed and {invented.height} invented: {missed.head(3).rows()}, {invented.head(3).rows()}"
        )
    if wrong := adds_up(found):
        raise CheckFailed(f"the totals do not add up: {wrong[0]}")


def _settle() -> None:
    """What making the rows took for a moment goes back to the system: it is not part of the match."""
    gc.collect()
    before = math.inf
    for _ in range(_SETTLES_WITHIN_SECONDS):
        if (now := machine.resident_mib(os.getpid())) >= before:
            return
        before = now
        sleep(1)


def _forget_peak() -> None:
    try:
        (_HERE / "clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return


def _peak_mib() -> float:
    try:
        for line in (_HERE / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
