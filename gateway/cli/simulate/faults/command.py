"""The command `parkgate simulate faults`."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gateway.cli.main import CheckFailed
from simulators.faults.mix import RANGES

F = TypeVar("F", bound=Callable[..., Any])

_HELP = {
    "loss": "Of how many messages, on each leg of the wire, nothing arrives.",
    "duplication": "How many arrive twice.",
    "reordering": "How many may overtake others.",
    "delay": "How many are held up on the way.",
    "delay_seconds_max": "For how long, at most.",
    "crash": "How often the process dies at a boundary: before and after load, commit, publish, receipt, acknowledgement.",
    "slow_disk": "How many commits take their time.",
    "slow_seconds_max": "How long, at most.",
    "rival": "How often another bridge is given the same messages and commits first.",
    "gate_partitions": "How often a gate is cut off.",
    "bridge_partitions": "How often the bridge is cut off.",
    "partition_seconds_max": "For how long, at most.",
    "broker_restarts": "How often the broker forgets everything.",
    "database_spells": "How often the database is busy, full, read-only or gone for a while.",
    "clock_steps": "How often a device's clock is set.",
    "clock_step_seconds_max": "By how much, at most.",
    "vehicles": "How many vehicles there are.",
}


def _option_of(name: str) -> str:
    return "--" + name.replace("_", "-")


def _fault_options(command: F) -> F:
    """One option for each part of a mix; what is not given is drawn by each seed."""
    for name, (_, most) in reversed(RANGES.items()):
        share = isinstance(most, float) and most <= 1
        limits: Any = click.IntRange(0, 50) if isinstance(most, int) else click.FloatRange(0, 1 if share else 3600)
        command = click.option(_option_of(name), name, type=limits, default=None, help=_HELP[name])(command)
    return command


@click.command()
@click.option("--seeds", type=click.IntRange(1, 10_000_000), default=200, show_default=True, help="How many runs.")
@click.option("--first", type=click.IntRange(0, 2**53), default=0, show_default=True, help="The first run's seed.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="How many processes.")
@click.option("--trace", is_flag=True, help="Print what happens, line by line.")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON document.")
@_fault_options
def faults(seeds: int, first: int, jobs: int, trace: bool, as_json: bool, **given: float | None) -> None:
    """The whole service against a world that loses, doubles, delays and crashes, in one process from a seed.

    Each seed draws its own mix of faults; an option sets one for all seeds. After each run the invariants are checked against
    what the vehicles truly did. The first failure is printed with the command that runs it again. Interrupted, it tells of the
    runs that are done.
    """
    from gateway.cli.simulate.faults import many

    many.quiet()
    set_to = {name: value for name, value in given.items() if value is not None}
    if trace:
        _traced(first, set_to)
        return
    began = time.monotonic()
    tally = many.Tally()
    found = many.results(range(first, first + seeds), set_to, min(jobs, seeds))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stopped = False
    try:
        with click.progressbar(
            length=seeds, label="Simulating", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            for result in found:
                tally.add(result)
                bar.update(1)
                if tally.failure is not None:
                    break
    except KeyboardInterrupt:
        stopped = True
    finally:
        found.close()
    seconds = time.monotonic() - began
    click.echo(_document(tally, seconds) if as_json else _sentence(tally, seconds))
    if tally.failure is not None and tally.failure.broken is not None:
        number, why = tally.failure.broken
        again = _again(tally.failure.seed, set_to)
        raise CheckFailed(f"invariant {number} does not hold: {why}; again: {again}")
    if stopped:
        sys.exit(130)


def _traced(seed: int, set_to: dict[str, float]) -> None:
    from gateway.cli.simulate.faults.ground import Ground
    from gateway.cli.simulate.faults.run import Run
    from simulators.faults.mix import draw

    with Ground() as ground:
        run = Run(ground, seed, draw(seed, set_to), trace=True)
        result = run.go()
    click.echo(f"{run.mix}")
    for line in run.record.lines or ():
        click.echo(line)
    if result.broken is not None:
        raise CheckFailed(f"invariant {result.broken[0]} does not hold: {result.broken[1]}")


def _again(seed: int, set_to: dict[str, float]) -> str:
    options = "".join(f" {_option_of(name)} {value:g}" for name, value in set_to.items())
    return f"parkgate simulate faults --first {seed} --seeds 1{options}"


def _sentence(tally: Any, seconds: float) -> str:
    injected = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.faults.items()))
    return (
        f"{tally.runs} runs, {tally.events} events, {tally.runs / max(seconds, 1e-9):.1f} runs/s.\n"
        f"Faults injected: {injected or 'none'}"
    )


def _document(tally: Any, seconds: float) -> str:
    failure = tally.failure
    broken = None
    if failure is not None and failure.broken is not None:
        broken = {"seed": failure.seed, "invariant": failure.broken[0], "why": failure.broken[1]}
    return json.dumps(
        {
            "runs": tally.runs,
            "events": tally.events,
            "seconds": round(seconds, 3),
            "runs_per_second": round(tally.runs / max(seconds, 1e-9), 3),
            "faults": dict(sorted(tally.faults.items())),
            "broken": broken,
        },
        ensure_ascii=False,
    )
