"""`parkgate bench events`: from publishing a plate event to receiving its command, beside what broker and disk take by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.cli.bench.driver import Round
from gateway.cli.bench.report import Progress, note, percentile, progress, ratio, table
from gateway.cli.bench.stand import Arrangement, Databases, Stand, can_be_measured, settle, stand
from gateway.cli.bench.street import SMALL, Layout

ARRANGEMENTS = (
    Arrangement(broker="mosquitto", database="sqlite"),
    Arrangement(broker="mosquitto", database="postgresql"),
    Arrangement(broker="embedded", database="sqlite"),
    Arrangement(broker="embedded", database="postgresql"),
    Arrangement(broker="mosquitto", database="postgresql", bridges=2),
    Arrangement(broker="mosquitto", database="postgresql", bridges=4),
)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Reads a round by events in flight (the last is saturation), how many rounds, and the floors' samples a round."""

    reads: dict[int, int]
    rounds: int
    echoes: int
    commits: int
    warm_up: int
    layout: Layout = field(default_factory=Layout)


FULL = Sizes(reads={1: 1_000, 12: 1_500, 50: 2_000, 200: 4_000}, rounds=3, echoes=2_000, commits=500, warm_up=400)
QUICK = Sizes(reads={1: 20, 12: 40, 50: 60}, rounds=1, echoes=60, commits=20, warm_up=10, layout=SMALL)


@dataclass
class _Figures:
    """All rounds of one number in flight, pooled."""

    ours: list[float] = field(default_factory=list)
    echo: list[float] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0
    echoes: int = 0
    echo_seconds: float = 0.0

    def add(self, ours: Round, echo: Round) -> None:
        self.ours += ours.latencies
        self.echo += echo.latencies
        self.events, self.seconds = self.events + ours.events, self.seconds + ours.seconds
        self.echoes, self.echo_seconds = self.echoes + echo.events, self.echo_seconds + echo.seconds


@dataclass
class Measured:
    """Rows as in the JSON document, and the echo's rate of each for people."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    echo_per_s: list[float] = field(default_factory=list)


def run(made: Databases, sizes: Sizes, arrangements: tuple[Arrangement, ...] = ARRANGEMENTS) -> Measured:
    """Rows for every arrangement and number in flight."""
    found = Measured()
    possible = can_be_measured(arrangements)
    with progress(len(possible) * sizes.rounds * len(sizes.reads), "events") as bar:
        for one in possible:
            bar.doing(str(one))
            exits = sizes.rounds * sum(sizes.reads.values()) // 2
            with stand(one, made, layout=sizes.layout, exits=exits) as running:
                _measure(running, sizes, found, bar)
    return found


def _measure(running: Stand, sizes: Sizes, found: Measured, bar: Progress) -> None:
    """Rounds of ours and of the floors take turns, so that a machine that is busy for a while is busy for both."""
    assert running.echoed is not None
    assert running.commits is not None
    running.driver.closed_loop(sizes.warm_up, 12)
    running.echoed.run(sizes.warm_up, 12)
    settle(running.parts)
    figures = {in_flight: _Figures() for in_flight in sizes.reads}
    commits: list[float] = []
    payments = unanswered = 0
    for _ in range(sizes.rounds):
        for in_flight, reads in sizes.reads.items():
            commits += running.commits.run(sizes.commits)
            echo = running.echoed.run(min(sizes.echoes, reads), in_flight)
            ours = running.driver.closed_loop(reads, in_flight)
            figures[in_flight].add(ours, echo)
            payments, unanswered = payments + ours.payments, unanswered + ours.unanswered
            bar.step()
    if unanswered:
        note(f"{running.arrangement}: {unanswered} reads or payments were never answered; the figures leave them out")
    if not payments:
        note(f"{running.arrangement}: nobody paid; the mix is not the demo's")
    one = running.arrangement
    for in_flight, sums in figures.items():
        found.echo_per_s.append(round(sums.echoes / sums.echo_seconds, 1))
        found.rows.append(
            {
                "broker": one.broker,
                "database": one.database,
                "bridges": one.bridges,
                "in_flight": in_flight,
                "p50_ms": percentile(sums.ours, 0.5),
                "p99_ms": percentile(sums.ours, 0.99),
                "per_s": round(sums.events / sums.seconds, 1),
                "echo_p50_ms": percentile(sums.echo, 0.5),
                "echo_p99_ms": percentile(sums.echo, 0.99),
                "commit_p50_ms": percentile(commits, 0.5),
                "commit_p99_ms": percentile(commits, 0.99),
            }
        )


def text(found: Measured) -> str:
    """The table for people. `× floor`: our p50 over that of an echo and a commit together."""
    heads = ["broker", "database", "bridges", "in flight", "p50 ms", "p99 ms", "events/s"]
    heads += ["echo p50", "echo p99", "echo/s", "commit p50", "commit p99", "× floor"]
    rows = [
        (
            *(row[key] for key in ("broker", "database", "bridges", "in_flight", "p50_ms", "p99_ms", "per_s")),
            row["echo_p50_ms"],
            row["echo_p99_ms"],
            rate,
            row["commit_p50_ms"],
            row["commit_p99_ms"],
            Right(ratio(row["p50_ms"], row["echo_p50_ms"] + row["commit_p50_ms"])),
        )
        for row, rate in zip(found.rows, found.echo_per_s, strict=True)
    ]
    return table(heads, rows)


class Right:
    """A word that stands to the right, like a figure."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __str__(self) -> str:
        return self._word
