"""`parkgate bench site`: how much of the machine a busy site takes, and a whole city's peak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.bench import machine
from gateway.cli.bench.report import note, percentile, progress, table
from gateway.cli.bench.stand import Arrangement, Databases, stand
from gateway.cli.bench.street import Layout
from gateway.cli.bench.traffic import CENTRE_SHARES, DEMO_SHARES

# A shopping centre: 1,300 spaces and 10,000 vehicles a day through six lanes; its peak hour has an eighth of the day.
CENTRE = Layout(sites=1, devices=3, lanes=6, capacity=1_300, residents=40, relatives=0, deliveries=20)
CITY = Layout(sites=60, lanes=16)
_VEHICLES_A_DAY = 10_000
_PEAK_HOUR = 1 / 8
CENTRE_READS_PER_S = 2 * _VEHICLES_A_DAY * _PEAK_HOUR / 3600
# A read and the `passed` that completes it.
CITY_EVENTS_PER_S = 1_200


@dataclass(frozen=True, kw_only=True)
class Case:
    """A load and the street that bears it. Rates are of reads; each brings a `passed` and a result."""

    name: str
    layout: Layout
    shares: Mapping[str, int]
    reads_per_s: float
    seconds: float


def cases(seconds: float, city_events_per_s: float, city: Layout = CITY) -> tuple[Case, ...]:
    """The busy site for twice as long: it has few events."""
    return (
        Case(
            name="busy site",
            layout=CENTRE,
            shares=CENTRE_SHARES,
            reads_per_s=CENTRE_READS_PER_S,
            seconds=2 * seconds,
        ),
        Case(
            name="city peak",
            layout=city,
            shares=DEMO_SHARES,
            reads_per_s=city_events_per_s / 2,
            seconds=seconds,
        ),
    )


def run(made: Databases, wanted: list[tuple[Case, Arrangement]]) -> list[dict[str, Any]]:
    """Shares are of one processor; `machine` is their sum over all processors of this machine, without the load's own."""
    found = []
    with progress(len(wanted), "site") as bar:
        for case, arrangement in wanted:
            if why := arrangement.absent():
                note(f"left out: {case.name} on {arrangement}. {why}")
                continue
            bar.doing(f"{case.name}, {arrangement}")
            found.append(_measure(made, case, arrangement))
            bar.step()
    return found


def _measure(made: Databases, case: Case, arrangement: Arrangement) -> dict[str, Any]:
    exits = int(case.reads_per_s * case.seconds / 2) + 20
    with stand(arrangement, made, layout=case.layout, exits=exits, shares=case.shares) as running:
        running.driver.open_loop(case.reads_per_s, min(5.0, case.seconds / 2))
        shares = running.shares()
        load = running.driver.open_loop(case.reads_per_s, case.seconds)
        took = shares.so_far()
    if load.unanswered:
        note(f"{case.name} on {arrangement}: {load.unanswered} reads or payments were never answered")
    return {
        "case": case.name,
        "broker": arrangement.broker,
        "database": arrangement.database,
        "bridges": arrangement.bridges,
        "wanted_per_s": round(2 * case.reads_per_s, 2),
        "per_s": round(load.per_s, 2),
        "p50_ms": percentile(load.latencies, 0.5),
        "p99_ms": percentile(load.latencies, 0.99),
        "processors": machine.processors(),
        "shares": took,
        "machine": round(sum(took.values()) / machine.processors(), 4),
    }


def text(found: list[dict[str, Any]]) -> str:
    """The table for people."""
    rows = [
        (
            one["case"],
            one["broker"],
            one["database"],
            one["wanted_per_s"],
            one["per_s"],
            one["p50_ms"],
            one["p99_ms"],
            ", ".join(f"{name} {100 * share:.1f} %" for name, share in one["shares"].items()),
            f"{100 * one['machine']:.1f} % of {one['processors']}",
        )
        for one in found
    ]
    heads = ("case", "broker", "database", "wanted/s", "events/s", "p50 ms", "p99 ms", "of one processor", "machine")
    return table(heads, rows)
