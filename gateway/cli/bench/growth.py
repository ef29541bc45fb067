"""`parkgate bench growth`: the same decision with few and with many past stays in the database.

The vehicles that are measured have the same past of their own in both: what grows is everybody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from gateway.cli.bench.events import Right
from gateway.cli.bench.fill import fill, rows
from gateway.cli.bench.report import Progress, note, percentile, progress, ratio, table
from gateway.cli.bench.servers import mosquitto_program
from gateway.cli.bench.stand import Arrangement, Databases, can_be_measured, settings_for, settings_of, settle, stand
from gateway.cli.bench.street import Layout, furnish
from gateway.cli.bench.traffic import Guest, Traffic, Vehicle, inbound, let_in, passed, read
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn
from gateway.wiring import Parts

ARRANGEMENTS = (
    Arrangement(broker="mosquitto", database="sqlite"),
    Arrangement(broker="mosquitto", database="postgresql"),
)
_STAYS_A_VEHICLE = 5
# 25 vehicles with eight events each.
_BATCH = 25 * 8


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Past stays in the small database and in the large one, and reads that are measured in process and end to end."""

    few: int
    stays: int
    in_process: int
    end_to_end: int


FULL = Sizes(few=10_000, stays=5_000_000, in_process=3_000, end_to_end=2_000)
QUICK = Sizes(few=2_000, stays=4_000, in_process=40, end_to_end=30)


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
            small = _measure(made, Arrangement(broker=broker, database=database), sizes, sizes.few, bar)
            large = _measure(made, Arrangement(broker=broker, database=database), sizes, stays, bar)
            for row in (small, large):
                row["ratio"] = {
                    how: round(row[how]["p50_ms"] / small[how]["p50_ms"], 2) for how in ("in_process", "end_to_end")
                }
            found += [small, large]
    return found


def _measure(made: Databases, arrangement: Arrangement, sizes: Sizes, stays: int, bar: Progress) -> dict[str, Any]:
    vehicles = max(stays // _STAYS_A_VEHICLE, 2)
    layout = Layout(stride=max(1, vehicles // Layout().registered))
    url = made.make(arrangement.database)
    try:
        parts, _ = furnish(settings_of(settings_for(url)), layout)
        try:
            bar.doing(f"{arrangement.database}, {stays:,} stays: writing")
            began = perf_counter()
            fill(parts, layout, stays, vehicles, until=parts.clock.now() - timedelta(days=3), step_done=bar.step)
            _own_pasts(parts, layout)
            settle(parts)
            filled_in = perf_counter() - began
            held = rows(parts)
            bar.doing(f"{arrangement.database}, {stays:,} stays: deciding")
            in_process = _in_process(parts, layout, sizes.in_process)
        finally:
            parts.store.close()
        with stand(
            arrangement, made, layout=layout, exits=sizes.end_to_end, floors=False, database_url=url, seed=2
        ) as running:
            running.driver.closed_loop(max(10, sizes.end_to_end // 10), 1)
            load = running.driver.closed_loop(sizes.end_to_end, 1)
    finally:
        made.drop(url)
    return {
        "database": arrangement.database,
        "broker": arrangement.broker,
        "stays": stays,
        "rows": sum(held.values()),
        "filled_in_s": round(filled_in, 1),
        "in_process": {"p50_ms": percentile(in_process, 0.5), "p99_ms": percentile(in_process, 0.99)},
        "end_to_end": {"p50_ms": percentile(load.latencies, 0.5), "p99_ms": percentile(load.latencies, 0.99)},
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
            for visit, days in enumerate((2, 1)):
                came = now - timedelta(days=days, seconds=number)
                messages += _visit(parts, name, vehicle, came, f"own-{number}-{visit}")
    for place in range(0, len(messages), _BATCH):
        path.run(messages[place : place + _BATCH])


def _visit(parts: Parts, site: str, vehicle: Vehicle, came: datetime, name: str) -> list[EventIn]:
    """One stay of twenty minutes: whoever it is, nothing is due."""
    found = []
    for way, lane, at in (("in", "d0-0", came), ("out", "d0-1", came + timedelta(minutes=20))):
        event_id = f"{name}-{way}"
        event = read(event_id, at, lane, vehicle, buffered=True)
        mark = passed(f"{event_id}-p", at + timedelta(seconds=4), lane, event_id, buffered=True)
        found += [inbound(parts, site, "d0", event), inbound(parts, site, "d0", mark)]
    return found


def _in_process(parts: Parts, layout: Layout, reads: int) -> list[float]:
    """A read at a time through the event path, without any broker; its `passed` goes in unmeasured. Seconds."""
    traffic = Traffic(layout, seed=4)
    guests: list[Guest] = traffic.guests(reads, parts.clock.now())
    let_in(parts, layout, guests, name="before")
    settle(parts)
    path = EventPath(parts, planner="bench")
    sites = {layout.site(index): index for index in range(layout.sites)}
    lanes = layout.lanes_of_all()
    warm_up = max(5, reads // 10)
    found: list[float] = []
    for number in range(reads + warm_up):
        spec = lanes[number % len(lanes)]
        site = sites[spec.key.site]
        vehicle = traffic.arrives(site) if spec.inward else traffic.leaves(site)
        if vehicle is None:
            continue
        event = read(f"alone-{number}", parts.clock.now(), spec.lane, vehicle)
        message = inbound(parts, spec.key.site, spec.key.device, event)
        began = perf_counter()
        outcome = path.run([message])
        if number >= warm_up:
            found.append(perf_counter() - began)
        if outcome.commands and outcome.commands[0].action == "open":
            mark = passed(f"alone-{number}-p", parts.clock.now(), spec.lane, event.id)
            path.run([inbound(parts, spec.key.site, spec.key.device, mark)])
            (traffic.entered if spec.inward else traffic.left)(site, vehicle)
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
