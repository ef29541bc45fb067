"""`parkgate bench events`: from publishing a plate event to receiving its command, beside what broker and disk take by themselves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.bench.driver import Round
from gateway.cli.bench.profile import Profile
from gateway.cli.bench.report import Progress, Right, note, percent, percentile, progress, ratio, table
from gateway.cli.bench.stand import Arrangement, Databases, Stand, can_be_measured, settle, stand
from gateway.cli.bench.street import SMALL, Layout
from gateway.runtime.laps import IDLE, STAGES

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
    """All rounds of one number in flight, pooled: latencies in seconds, and the events or messages of a stretch."""

    latencies: list[float] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0

    def add(self, found: Round) -> None:
        self.latencies += found.latencies
        self.events, self.seconds = self.events + found.events, self.seconds + found.seconds

    @property
    def p50_ms(self) -> float:
        return percentile(self.latencies, 0.5)

    @property
    def p99_ms(self) -> float:
        return percentile(self.latencies, 0.99)

    @property
    def per_s(self) -> float:
        return round(self.events / self.seconds, 1) if self.seconds else 0.0


@dataclass
class _Rounds:
    """One arrangement's, by events in flight."""

    profile: Profile
    ours: dict[int, _Figures] = field(default_factory=lambda: defaultdict(_Figures))
    echo: dict[int, _Figures] = field(default_factory=lambda: defaultdict(_Figures))
    ideal: dict[int, _Figures] = field(default_factory=lambda: defaultdict(_Figures))
    commits: list[float] = field(default_factory=list)
    payments: int = 0
    unanswered: int = 0


@dataclass
class Measured:
    """Rows as in the JSON document; for people and for `--details` the echo's rate of each, the ideal's figures, and shares by stage."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)

    @property
    def detailed(self) -> list[dict[str, Any]]:
        return [row | more for row, more in zip(self.rows, self.details, strict=True)]


def run(
    made: Databases, sizes: Sizes, arrangements: tuple[Arrangement, ...] = ARRANGEMENTS, *, ideal: bool = True
) -> Measured:
    """Rows for every arrangement and number in flight. `ideal`: with the ideal bridge beside ours."""
    found = Measured()
    possible = can_be_measured(arrangements)
    with progress(len(possible) * sizes.rounds * len(sizes.reads), "events") as bar:
        for one in possible:
            bar.doing(str(one))
            exits = sizes.rounds * sum(sizes.reads.values()) // 2
            with stand(one, made, layout=sizes.layout, exits=exits, floors=True, ideal_too=ideal) as running:
                rounds = _measure(running, sizes, bar)
            _report(one, rounds, found)
    return found


def _measure(running: Stand, sizes: Sizes, bar: Progress) -> _Rounds:
    """Rounds of ours and of what is beside it take turns, so that a machine that is busy for a while is busy for all."""
    floors = running.floors
    assert floors is not None
    running.driver.closed_loop(sizes.warm_up, 12)
    floors.echoed.run(sizes.warm_up, 12)
    if floors.ideal is not None:
        floors.ideal.closed_loop(sizes.warm_up, 12)
    settle(running.parts)
    found = _Rounds(Profile(running.metrics))
    for _ in range(sizes.rounds):
        for in_flight, reads in sizes.reads.items():
            found.commits += floors.commits.run(sizes.commits)
            found.echo[in_flight].add(floors.echoed.run(min(sizes.echoes, reads), in_flight))
            if floors.ideal is not None:
                found.ideal[in_flight].add(floors.ideal.closed_loop(reads, in_flight))
            saturated = in_flight == max(sizes.reads)
            if saturated:
                found.profile.begin()
            ours = running.driver.closed_loop(reads, in_flight)
            if saturated:
                found.profile.end()
            found.ours[in_flight].add(ours)
            found.payments, found.unanswered = found.payments + ours.payments, found.unanswered + ours.unanswered
            bar.step()
    return found


def _report(one: Arrangement, rounds: _Rounds, found: Measured) -> None:
    if rounds.unanswered:
        note(f"{one}: {rounds.unanswered} reads or payments were never answered; the figures leave them out")
    if not rounds.payments:
        note(f"{one}: nobody paid; the mix is not the demo's")
    stages = rounds.profile.shares()
    for in_flight, ours in rounds.ours.items():
        echo, ideal = rounds.echo[in_flight], rounds.ideal[in_flight]
        found.rows.append(
            {
                "broker": one.broker,
                "database": one.database,
                "bridges": one.bridges,
                "in_flight": in_flight,
                "p50_ms": ours.p50_ms,
                "p99_ms": ours.p99_ms,
                "per_s": ours.per_s,
                "echo_p50_ms": echo.p50_ms,
                "echo_p99_ms": echo.p99_ms,
                "commit_p50_ms": percentile(rounds.commits, 0.5),
                "commit_p99_ms": percentile(rounds.commits, 0.99),
            }
        )
        more: dict[str, Any] = {"echo_per_s": echo.per_s}
        if ideal.events:
            more |= {"ideal_p50_ms": ideal.p50_ms, "ideal_p99_ms": ideal.p99_ms, "ideal_per_s": ideal.per_s}
        if in_flight == max(rounds.ours):
            more["stages"] = stages
        found.details.append(more)


_NAMES = ("broker", "database", "bridges")


def text(found: Measured) -> str:
    """For people: ours beside the floors, ours beside the ideal, and what the worker spends its time on."""
    rows = found.detailed
    parts = [_beside_the_floors(rows)]
    if any("ideal_p50_ms" in row for row in rows):
        parts.append(_beside_the_ideal(rows))
    parts.append(_by_stage(rows))
    return "\n\n".join(parts)


def _beside_the_floors(rows: list[dict[str, Any]]) -> str:
    """`× floor`: our p50 over that of an echo and a commit together."""
    keys = ("in_flight", "p50_ms", "p99_ms", "per_s", "echo_p50_ms", "echo_p99_ms", "echo_per_s", "commit_p50_ms")
    heads = [*_NAMES, "in flight", "p50 ms", "p99 ms", "events/s", "echo p50", "echo p99", "echo/s", "commit p50"]
    return table(
        [*heads, "commit p99", "× floor"],
        [
            (
                *(row[key] for key in (*_NAMES, *keys, "commit_p99_ms")),
                Right(ratio(row["p50_ms"], row["echo_p50_ms"] + row["commit_p50_ms"])),
            )
            for row in rows
        ],
    )


def _beside_the_ideal(rows: list[dict[str, Any]]) -> str:
    """`× ideal`: ours over that of the bridge that decides and prices nothing."""
    heads = [*_NAMES, "in flight", "p50 ms", "ideal", "× ideal", "p99 ms", "ideal", "× ideal", "events/s", "ideal/s"]
    return table(
        [*heads, "of ideal"],
        [
            (
                *(row[key] for key in (*_NAMES, "in_flight", "p50_ms", "ideal_p50_ms")),
                Right(ratio(row["p50_ms"], row["ideal_p50_ms"])),
                row["p99_ms"],
                row["ideal_p99_ms"],
                Right(ratio(row["p99_ms"], row["ideal_p99_ms"])),
                row["per_s"],
                row["ideal_per_s"],
                Right(percent(row["per_s"] / row["ideal_per_s"])),
            )
            for row in rows
        ],
    )


def _by_stage(rows: list[dict[str, Any]]) -> str:
    """At saturation, shares of the time in which the worker did not wait for messages."""
    stages = [stage for stage in STAGES if stage != IDLE]
    return table(
        [*_NAMES, "in flight", *stages],
        [
            (*(row[key] for key in (*_NAMES, "in_flight")), *(Right(percent(row["stages"][stage])) for stage in stages))
            for row in rows
            if row.get("stages")
        ],
    )
