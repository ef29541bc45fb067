"""`parkgate bench memory`: what the service holds in memory while events pass through it, which must not grow with them."""

from __future__ import annotations

from typing import Any

from gateway.cli.bench import machine
from gateway.cli.bench.report import note, progress, table
from gateway.cli.bench.stand import Arrangement, Databases, stand
from gateway.cli.bench.street import Layout

EVENTS, QUICK_EVENTS = 200_000, 400
SAMPLES = 20
_EVENTS_A_READ = 2
_IN_FLIGHT = 100
_LEAVES_OF = 2


def run(made: Databases, arrangement: Arrangement, events: int, layout: Layout | None = None) -> dict[str, Any]:
    """Samples of the resident memory, by events so far. `growth`: the last quarter's mean over the second quarter's.

    The first quarter is left out: caches, statements and pools fill up.
    """
    samples: list[dict[str, Any]] = []
    reads = max(SAMPLES, events // _EVENTS_A_READ)
    with (
        progress(SAMPLES, f"memory, {arrangement}") as bar,
        stand(arrangement, made, layout=layout, exits=reads // _LEAVES_OF) as running,
    ):
        names = ["broker", *(name for name in running.processes if name.startswith(("bridge", "service")))]
        passed_through = 0
        seconds = 0.0
        for _ in range(SAMPLES):
            found = running.driver.closed_loop(reads // SAMPLES, _IN_FLIGHT)
            passed_through += found.events + found.tail
            seconds += found.seconds
            mib = {name: round(machine.resident_mib(running.processes[name]), 1) for name in names}
            samples.append({"events": passed_through, "mib": mib})
            if found.unanswered:
                note(f"{found.unanswered} reads or payments were never answered")
            bar.step()
    return {
        "broker": arrangement.broker,
        "database": arrangement.database,
        "events": passed_through,
        "per_s": round(passed_through / seconds, 1),
        "growth": {name: _growth([one["mib"][name] for one in samples]) for name in names},
        "samples": samples,
    }


def _growth(mib: list[float]) -> float:
    quarter = len(mib) // 4
    early, late = sum(mib[quarter : 2 * quarter]), sum(mib[-quarter:])
    return round(late / early, 3) if early else 0.0


def text(found: list[dict[str, Any]]) -> str:
    """The table for people."""
    rows = [
        (
            one["broker"],
            one["database"],
            name,
            one["events"],
            one["samples"][0]["mib"][name],
            one["samples"][len(one["samples"]) // 2]["mib"][name],
            one["samples"][-1]["mib"][name],
            growth,
        )
        for one in found
        for name, growth in one["growth"].items()
    ]
    return table(("broker", "database", "process", "events", "MiB first", "MiB half", "MiB last", "growth"), rows)
