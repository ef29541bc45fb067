"""`parkgate bench growth`: the same decision with few and with many past stays in the database.

The vehicles that are measured have the same past of their own in both: what grows is everybody else's.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import cycle, islice
from time import perf_counter
from typing import Any

from gateway.cli.bench.fill import fill, rows
from gateway.cli.bench.report import Progress, Right, note, percentile, progress, ratio, table
from gateway.cli.bench.servers import mosquitto_program
from gateway.cli.bench.stand import Arrangement, Databases, can_be_measured, settings_for, settings_of, settle, stand
from gateway.cli.bench.street import SMALL, Layout, furnish
from gateway.cli.bench.traffic import Traffic, Vehicle, inbound, let_in, passed, read
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn
from gateway.wiring import Parts

ARRANGEMENTS = (
    Arrangement(broker="mosquitto", database="sqlite"),
    Arrangement(broker="mosquitto", database="postgresql"),
)
_STAYS_A_VEHICLE = 5
_ROUNDS = 5
# 25 vehicles with eight events each.
_BATCH = 25 * 8


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Past stays in the small database and in the large one, and reads that are measured in process and end to end."""

    few: int
    stays: int
    in_process: int
    end_to_end: int
    layout: Layout = field(default_factory=Layout)


FULL = Sizes(few=10_000, stays=5_000_000, in_process=3_000, end_to_end=2_000)
QUICK = Sizes(few=2_000, stays=4_000, in_process=40, end_to_end=30, layout=SMALL)


def run(made: Databases, kinds: tuple[Arrangement, ...], sizes: Sizes, stays: int) -> list[dict[str, Any]]:
    """A row a database and size; the larger one's `ratio` is that of its p50 to the smaller one's."""
    found: list[dict[str, Any]] = []
    alone = [Arrangement(broker="embedded", database=one.database) for one in kinds]
    wanted = [one.database for one in can_be_measured(alone)]
    broker = "mosquitto" if mosquitto_program() else "embedded"
    if broker == "embedded":
        note("Mosquitto is not installed (Debian's package: mosquitto): end to end with the embedded broker")
    with progress(len(wanted) * (sizes.few + stays), "growth") as bar:
        for database in wanted:
            found += _measure(made, Arrangement(broker=broker, database=database), sizes, stays, bar)
    return found


def _measure(
    made: Databases, arrangement: Arrangement, sizes: Sizes, stays: int, bar: Progress
) -> list[dict[str, Any]]:
    """Both databases are there at once, and their rounds take turns: a machine that is busy for a while is busy for both."""
    with ExitStack() as stack:
        both = [_Filled(made, arrangement, sizes, many, bar) for many in (sizes.few, stays)]
        for one in both:
            stack.callback(made.drop, one.url)
        bar.doing(f"{arrangement.database}: deciding")
        for _ in range(_ROUNDS):
            for one in both:
                one.decide(sizes.in_process // _ROUNDS)
        for one in both:
            one.parts.store.close()
        stands = [
            stack.enter_context(
                stand(
                    arrangement,
                    made,
                    layout=one.layout,
                    exits=sizes.end_to_end,
                    database_url=one.url,
                    seed=2,
                )
            )
            for one in both
        ]
        for running in stands:
            running.driver.closed_loop(max(10, sizes.end_to_end // 10), 1)
        for _ in range(_ROUNDS):
            for one, running in zip(both, stands, strict=True):
                one.end_to_end += running.driver.closed_loop(sizes.end_to_end // _ROUNDS, 1).latencies
    rows_ = [one.row(arrangement) for one in both]
    for row in rows_:
        row["ratio"] = {
            how: round(row[how]["p50_ms"] / rows_[0][how]["p50_ms"], 2) for how in ("in_process", "end_to_end")
        }
    return rows_


class _Filled:
    """A database with so many past stays, and what is measured on it."""

    def __init__(self, made: Databases, arrangement: Arrangement, sizes: Sizes, stays: int, bar: Progress) -> None:
        vehicles = max(stays // _STAYS_A_VEHICLE, 2)
        self.stays = stays
        self.layout = replace(sizes.layout, stride=max(1, vehicles // sizes.layout.registered))
        self.url = made.make(arrangement.database)
        self.in_process: list[float] = []
        self.end_to_end: list[float] = []
        self.parts, _ = furnish(settings_of(settings_for(self.url)), self.layout)
        bar.doing(f"{arrangement.database}, {stays:,} stays: writing")
        began = perf_counter()
        until = self.parts.clock.now() - timedelta(days=3)
        fill(self.parts, self.layout, stays, vehicles, until=until, step_done=bar.step)
        _own_pasts(self.parts, self.layout)
        self.filled_in = perf_counter() - began
        self._traffic = Traffic(self.layout, seed=4)
        guests = self._traffic.guests(sizes.in_process, self.parts.clock.now())
        let_in(self.parts, self.layout, guests, name="before")
        settle(self.parts)
        self.rows = sum(rows(self.parts).values())
        self._path = EventPath(self.parts, planner="bench")
        self._lanes = cycle(self.layout.lanes_of_all())
        self._sites = {self.layout.site(index): index for index in range(self.layout.sites)}
        self._count = 0
        self.decide(max(5, sizes.in_process // 10))
        self.in_process = []

    def decide(self, reads: int) -> None:
        """A read at a time through the event path, without any broker; its `passed` goes in unmeasured."""
        for spec in islice(self._lanes, reads):
            site = self._sites[spec.key.site]
            vehicle = self._traffic.arrives(site) if spec.inward else self._traffic.leaves(site)
            if vehicle is None:
                continue
            self._count += 1
            event = read(f"alone-{self._count}", self.parts.clock.now(), spec.lane, vehicle)
            message = inbound(self.parts, spec.key.site, spec.key.device, event)
            began = perf_counter()
            outcome = self._path.run([message])
            self.in_process.append(perf_counter() - began)
            if outcome.commands and outcome.commands[0].action == "open":
                mark = passed(f"{event.id}-p", self.parts.clock.now(), spec.lane, event.id)
                self._path.run([inbound(self.parts, spec.key.site, spec.key.device, mark)])
                (self._traffic.entered if spec.inward else self._traffic.left)(site, vehicle)

    def row(self, arrangement: Arrangement) -> dict[str, Any]:
        return {
            "database": arrangement.database,
            "broker": arrangement.broker,
            "stays": self.stays,
            "rows": self.rows,
            "filled_in_s": round(self.filled_in, 1),
            "in_process": {"p50_ms": percentile(self.in_process, 0.5), "p99_ms": percentile(self.in_process, 0.99)},
            "end_to_end": {"p50_ms": percentile(self.end_to_end, 0.5), "p99_ms": percentile(self.end_to_end, 0.99)},
        }


def _own_pasts(parts: Parts, layout: Layout) -> None:
    """The last two stays of every registered vehicle, through the event path, each vehicle's in one batch.

    One by one, the first of them would make the fold look back at rows that were only written for size.
    """
    now = parts.clock.now()
    path = EventPath(parts, planner="bench")
    messages: list[EventIn] = []
    traffic = Traffic(layout, seed=3)
    for site in range(layout.sites):
        name = layout.site(site)
        for number, vehicle in enumerate(traffic.registered(site)):
            for turn, days in enumerate((2, 1)):
                came = now - timedelta(days=days, seconds=number)
                messages += visit(parts, name, vehicle, came, f"own-{number}-{turn}")
    for place in range(0, len(messages), _BATCH):
        path.run(messages[place : place + _BATCH])


def visit(parts: Parts, site: str, vehicle: Vehicle, came: datetime, name: str) -> list[EventIn]:
    """One stay of twenty minutes: whoever it is, nothing is due."""
    found = []
    for way, lane, at in (("in", "d0-0", came), ("out", "d0-1", came + timedelta(minutes=20))):
        event_id = f"{name}-{way}"
        event = read(event_id, at, lane, vehicle, buffered=True)
        mark = passed(f"{event_id}-p", at + timedelta(seconds=4), lane, event_id, buffered=True)
        found += [inbound(parts, site, "d0", event), inbound(parts, site, "d0", mark)]
    return found


def text(found: list[dict[str, Any]]) -> str:
    """The table for people."""
    measured = [
        (
            one["database"],
            one["stays"],
            one["rows"],
            one["in_process"]["p50_ms"],
            one["in_process"]["p99_ms"],
            one["end_to_end"]["p50_ms"],
            one["end_to_end"]["p99_ms"],
            Right(ratio(one["ratio"]["in_process"], 1)),
            Right(ratio(one["ratio"]["end_to_end"], 1)),
        )
        for one in found
    ]
    heads = (
        "database",
        "stays",
        "rows",
        "decide p50",
        "decide p99",
        "end to end p50",
        "p99",
        "× decide",
        "× end to end",
    )
    return table(heads, measured)
