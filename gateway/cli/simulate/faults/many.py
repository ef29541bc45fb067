"""Many seeds, one after the other or in several processes; the first failure ends it."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.util import Finalize

from gateway.cli.simulate.faults.ground import Ground
from gateway.cli.simulate.faults.run import Result, Run
from gateway.runtime import logs
from simulators.faults.mix import draw

_SEEDS_AT_ONCE = 4
_ground: list[Ground] = []


@dataclass(slots=True)
class Tally:
    """What came of all runs so far. `failure` is the first that broke an invariant."""

    runs: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failure: Result | None = None

    def add(self, result: Result) -> None:
        self.runs += 1
        self.events += result.events
        self.faults.update(result.faults)
        if self.failure is None and result.broken is not None:
            self.failure = result


def quiet() -> None:
    """A simulated outage is no news."""
    logs.configure("critical", form="text")
    logging.getLogger("sqlalchemy").setLevel(logging.CRITICAL)


def results(seeds: Sequence[int], set_to: Mapping[str, float], jobs: int) -> Generator[Result, None, None]:
    """In the order of the seeds. Each process keeps one database for all of its runs."""
    if jobs <= 1:
        with Ground() as ground:
            for seed in seeds:
                yield Run(ground, seed, draw(seed, set_to)).go()
        return
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawning, initializer=_begin) as pool:
        asked = [(seed, dict(set_to)) for seed in seeds]
        try:
            yield from pool.map(_one, asked, chunksize=_SEEDS_AT_ONCE)
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Whoever interrupts a terminal's processes interrupts all of them: the first of them ends the others."""
    quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _one(asked: tuple[int, dict[str, float]]) -> Result:
    seed, set_to = asked
    if not _ground:
        _ground.append(Ground())
        # A process of a pool ends without whatever else runs at a program's exit.
        Finalize(None, _ground[0].close, exitpriority=1)
    return Run(_ground[0], seed, draw(seed, set_to)).go()
