"""`parkgate bench backlog`: devices come back after an outage with all that they have kept, while vehicles go on coming.

As the protocol has it: live events first, and of a device at most 32 buffered ones without a receipt.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from controllers.adapters import native
from controllers.commands import Receipt
from controllers.events import Opening, PlateEvent
from gateway.cli.bench.driver import Driver, Round
from gateway.cli.bench.report import note, percentile, progress, table
from gateway.cli.bench.stand import Arrangement, Databases, stand
from gateway.cli.bench.street import LaneSpec, Layout
from gateway.cli.bench.traffic import Traffic, Vehicle, passed, read
from gateway.cli.main import CheckFailed
from gateway.runtime.clock import Clock
from simulators.gate import Message
from simulators.journal import BUFFERED_UNRECEIPTED_MAX
from simulators.transport import Key

BUFFERED, QUICK_BUFFERED = 100_000, 400
DEVICES = 20
LIVE_READS_PER_S = 40.0
_OUTAGE = timedelta(hours=4)
_STAYS_FOR = timedelta(minutes=50)
_EVENTS_A_STAY = 4
_DRAINS_WITHIN_SECONDS = 1_800.0


class Backlog:
    """What all devices have kept: whole stays of strangers, in the order of their times."""

    def __init__(self, driver: Driver, layout: Layout, traffic: Traffic, clock: Clock, events: int) -> None:
        self._driver = driver
        devices: dict[Key, list[LaneSpec]] = {}
        for spec in layout.lanes_of_all():
            devices.setdefault(spec.key, []).append(spec)
        each = max(1, events // (_EVENTS_A_STAY * len(devices)))
        now = clock.now()
        self._kept = {
            key: iter(_kept(lanes, traffic.strangers(each), now - _OUTAGE, now - timedelta(minutes=2)))
            for key, lanes in devices.items()
        }
        self._under_way: dict[Key, set[str]] = {key: set() for key in devices}
        self.events = each * _EVENTS_A_STAY * len(devices)
        self.drained = 0

    @property
    def done(self) -> bool:
        return self.drained >= self.events

    def send(self) -> None:
        """After whatever is live: fill up to the protocol's limit."""
        for key, under_way in self._under_way.items():
            while len(under_way) < BUFFERED_UNRECEIPTED_MAX:
                event = next(self._kept[key], None)
                if event is None:
                    break
                under_way.add(event.id)
                self._driver.transport.publish(key, Message("event", native.encode_event(event)))

    def receipted(self, key: Key, receipt: Receipt) -> None:
        """A device forgets what is in the database."""
        under_way = self._under_way[key]
        before = len(under_way)
        under_way.difference_update(receipt.events)
        self.drained += before - len(under_way)


def _kept(lanes: list[LaneSpec], vehicles: list[Vehicle], begin: datetime, end: datetime) -> list[PlateEvent]:
    """One device's journal: every vehicle comes in and leaves while nobody was there to ask."""
    inward = [one.lane for one in lanes if one.inward]
    outward = [one.lane for one in lanes if not one.inward]
    step = (end - _STAYS_FOR - begin) / max(1, len(vehicles))
    events: list[PlateEvent] = []
    for number, vehicle in enumerate(vehicles):
        came = begin + number * step
        for way, at, lane, how in (
            ("in", came, inward[number % len(inward)], Opening.LIST),
            ("out", came + _STAYS_FOR, outward[number % len(outward)], Opening.OFFLINE_EXIT),
        ):
            name = f"kept-{number:07d}-{way}"
            events.append(read(name, at, lane, vehicle, opening=how, buffered=True))
            events.append(passed(f"{name}-p", at + timedelta(seconds=4), lane, name, buffered=True))
    return sorted(events, key=lambda event: event.at)


def run(
    made: Databases, arrangement: Arrangement, *, events: int, reads_per_s: float, devices: int, seconds: float
) -> dict[str, Any]:
    """Live decisions before, while the backlog drains, and after. Raises `CheckFailed` if it does not drain."""
    layout = Layout(sites=devices)
    exits = int(reads_per_s * seconds * 2) + events // 500 + 50
    with (
        progress(3, f"backlog, {arrangement}") as bar,
        stand(arrangement, made, layout=layout, exits=exits) as running,
    ):
        driver = running.driver
        driver.open_loop(reads_per_s, min(5.0, seconds))
        before = driver.open_loop(reads_per_s, seconds)
        bar.step()
        backlog = Backlog(driver, layout, running.traffic, running.parts.clock, events)
        driver.watcher, driver.between_turns = backlog, backlog.send
        began = perf_counter()
        during = driver.open_loop(reads_per_s, _DRAINS_WITHIN_SECONDS, until=lambda: backlog.done)
        drained_in = perf_counter() - began
        if not backlog.done:
            raise CheckFailed(f"{backlog.events - backlog.drained} buffered events are still not in the database")
        driver.watcher, driver.between_turns = None, lambda: None
        bar.step()
        after = driver.open_loop(reads_per_s, seconds)
        bar.step()
    unanswered = before.unanswered + during.unanswered + after.unanswered
    if unanswered:
        note(f"{arrangement}: {unanswered} live reads or payments were never answered")
    p99 = [percentile(one.latencies, 0.99) for one in (before, during, after)]
    return {
        "broker": arrangement.broker,
        "database": arrangement.database,
        "devices": len(driver.keys),
        "buffered": backlog.events,
        "drained_s": round(drained_in, 1),
        "drained_per_s": round(backlog.events / drained_in, 1),
        "live_reads_per_s": reads_per_s,
        "unanswered": unanswered,
        "undisturbed": _live(before),
        "draining": _live(during),
        "afterwards": _live(after),
        "p99_ratio": round(p99[1] / p99[0], 2) if p99[0] else None,
    }


def _live(found: Round) -> dict[str, Any]:
    return {
        "reads": len(found.latencies),
        "p50_ms": percentile(found.latencies, 0.5),
        "p99_ms": percentile(found.latencies, 0.99),
    }


def text(found: list[dict[str, Any]]) -> str:
    """The table for people."""

    def rows(one: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        for when in ("undisturbed", "draining", "afterwards"):
            yield one["broker"], one["database"], when, one[when]["reads"], one[when]["p50_ms"], one[when]["p99_ms"]

    lines = [
        table(("broker", "database", "live", "reads", "p50 ms", "p99 ms"), [row for one in found for row in rows(one)])
    ]
    lines += [
        f"{one['broker']}, {one['database']}: {one['buffered']:,} buffered events of {one['devices']} devices in "
        f"{one['drained_s']:,} s ({one['drained_per_s']:,}/s); live p99 {one['p99_ratio']} times its undisturbed value"
        for one in found
    ]
    return "\n".join(lines)


__all__ = ["BUFFERED", "DEVICES", "LIVE_READS_PER_S", "QUICK_BUFFERED", "Backlog", "run", "text"]
