"""One run: a deployment, the street in front of it, the blows, the way back to quiet, and the verdict."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from random import Random

import msgspec

from gateway.cli.main import CheckFailed
from gateway.cli.simulate.kills import judge
from gateway.cli.simulate.kills.boxes import Box, Heard
from gateway.cli.simulate.kills.deployments import KILL, STOP, Deployment, LaptopDeployment
from gateway.cli.simulate.kills.estate import DEVICES, SITES, furnish, lanes_of
from gateway.cli.simulate.kills.gates import DeviceOrder
from gateway.cli.simulate.kills.street import Probe, Street
from gateway.cli.simulate.kills.supervised import send, wait_for
from gateway.cli.simulate.kills.till import Till
from gateway.wiring import build

_RECOVERS_WITHIN_SECONDS_MAX = 60.0
_QUIET_WITHIN_SECONDS = 150.0
_FIRST_ANSWER_WITHIN_SECONDS = 60.0
_KILLS_OF_TEN = 6


class Blow(msgspec.Struct, frozen=True):
    """Who was struck and how; `seconds` until every gate was answered again, from where recovery counts."""

    victim: str
    how: str
    seconds: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on one deployment. `broken`: what does not hold, in words."""

    on: str
    seed: int
    blows: tuple[Blow, ...]
    vehicles: int
    events: int
    commands: int
    stale_refused: int
    payments: int
    seconds: float
    broken: tuple[str, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """How often each victim was struck, by signal."""
        found: dict[str, Counter[str]] = {}
        for blow in self.blows:
            found.setdefault(blow.victim, Counter())[blow.how] += 1
        return {victim: dict(signals) for victim, signals in sorted(found.items())}

    def recoveries(self) -> list[float]:
        """In seconds, the shortest first."""
        return sorted(blow.seconds for blow in self.blows)


class Run:
    """`count` blows on one deployment; each is to be over `within_seconds` after it."""

    def __init__(self, deployment: Deployment, *, count: int, seed: int, within_seconds: float) -> None:
        self._deployment = deployment
        self._count, self._seed, self._within_seconds = count, seed, within_seconds
        self._random = Random(f"{seed}:{deployment.name}:blows")  # noqa: S311 - a simulation's
        self._blows: list[Blow] = []
        self._broken: list[str] = []

    def to_the_end(self, struck: Callable[[Blow], object]) -> Result:
        """Raises `CheckFailed` where something does not even start. `struck` is told of every blow."""
        began = time.monotonic()
        with ExitStack() as stack:
            stack.callback(self._deployment.close)
            self._deployment.prepare()
            parts = build(self._deployment.settings)
            stack.callback(parts.store.close)
            passwords = furnish(parts)
            self._deployment.start()
            till = Till(parts)
            self._boxes, self._street = self._gates(stack, passwords, till)
            self._street.start()
            self._all_blows(struck)
            self._comes_to_rest()
            self._street.end()
            till.close()
            for box in self._boxes:
                box.process.stop()
            self._broken += self._deployment.stop_ours()
            self._broken += till.failures
            records = judge.Records.read(self._deployment.folder)
            visits = self._street.visits
            self._broken += judge.broken(parts, records, visits, till.taken, self._deployment.folder)
            if isinstance(self._deployment, LaptopDeployment) and (said := self._deployment.integrity()) != "ok":
                self._broken.append(f"SQLite says of its file: {said}")
        return Result(
            on=self._deployment.name,
            seed=self._seed,
            blows=tuple(self._blows),
            vehicles=len(visits),
            events=len(records.events),
            commands=sum(map(len, records.commands.values())),
            stale_refused=records.stale(),
            payments=len(till.taken),
            seconds=round(time.monotonic() - began, 1),
            broken=tuple(self._broken),
        )

    def _gates(self, stack: ExitStack, passwords: dict[str, str], till: Till) -> tuple[list[Box], Street]:
        """Two processes of gates; each serves one device of every site."""
        heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        deployment = self._deployment
        boxes = []
        for device in DEVICES:
            orders = [
                DeviceOrder(site=site, device=device, password=passwords[f"{site}.{device}"], lanes=lanes_of(device))
                for site in SITES
            ]
            box = Box(
                f"gates-{device}",
                orders,
                host=deployment.host,
                port=deployment.broker_port,
                folder=deployment.folder,
                heard=heard,
            )
            stack.callback(box.process.stop, signal.SIGKILL)
            box.process.start()
            boxes.append(box)
        random = Random(f"{self._seed}:{deployment.name}:street")  # noqa: S311 - a simulation's
        return boxes, Street(boxes, heard, till, random)

    def _all_blows(self, struck: Callable[[Blow], object]) -> None:
        if not self._street.probe().done.wait(_FIRST_ANSWER_WITHIN_SECONDS):
            raise CheckFailed(f"on {self._deployment.name} no gate was answered, before anything was struck")
        while len(self._blows) < self._count:
            time.sleep(self._random.uniform(0.05, 1.2))
            blow = self._one_blow()
            if blow is None:
                continue
            self._blows.append(blow)
            struck(blow)
            what = f"blow {len(self._blows)} ({blow.victim}, {blow.how})"
            if self._street.failure is not None:
                raise self._street.failure
            if blow.seconds >= _RECOVERS_WITHIN_SECONDS_MAX:
                self._broken.append(f"{what}: no gate was answered within {_RECOVERS_WITHIN_SECONDS_MAX:.0f} s")
                return
            if blow.seconds >= self._within_seconds:
                self._broken.append(f"{what}: recovered after {blow.seconds:.2f} s, not {self._within_seconds:.0f}")

    def _one_blow(self) -> Blow | None:
        random = self._random
        victim = random.choice(self._deployment.victims)
        how = KILL if random.randrange(10) < _KILLS_OF_TEN else STOP
        seconds = random.uniform(0.1, 3)
        probes: list[Probe] = []

        def struck() -> None:
            probes.append(self._street.probe())

        if victim == "gates":
            ended = self._strike_gates(how, seconds, struck)
        else:
            ended = self._deployment.strike(victim, how, seconds, random, struck)
        if ended is None:
            return None
        probe = probes[0]
        answered = probe.done.wait(max(0.0, ended + _RECOVERS_WITHIN_SECONDS_MAX - time.monotonic()))
        last = probe.began + max(probe.seconds.values()) if answered else ended + _RECOVERS_WITHIN_SECONDS_MAX
        return Blow(victim, how.name.removeprefix("SIG"), round(max(0.0, last - ended), 3))

    def _strike_gates(self, how: signal.Signals, seconds: float, struck: Callable[[], object]) -> float | None:
        pid = self._random.choice(self._boxes).process.pid
        if pid is None or not send([pid], how):
            return None
        struck()
        if how is STOP:
            time.sleep(seconds)
            send([pid], signal.SIGCONT)
        return time.monotonic()

    def _comes_to_rest(self) -> None:
        """Nobody comes any more, everybody at a barrier goes, and the gates get their last receipts."""
        self._street.close()
        looked = threading.Event()

        def quiet() -> bool:
            looked.wait(0.2)
            return self._street.quiet()

        if not wait_for(quiet, _QUIET_WITHIN_SECONDS):
            self._broken.append(f"not quiet after {_QUIET_WITHIN_SECONDS:.0f} s: {self._street.waits_for()}")


def line(results: Sequence[Result]) -> str:
    """A run in one line."""
    seconds = sorted(second for result in results for second in result.recoveries())
    counts = ", ".join(
        f"{victim} {'+'.join(f'{n} {how}' for how, n in sorted(signals.items()))}"
        for result in results
        for victim, signals in result.counts().items()
    )
    total = {name: sum(getattr(result, name) for result in results) for name in ("events", "payments", "vehicles")}
    return (
        f"{len(seconds)} blows ({counts}); {total['vehicles']} vehicles, {total['events']} events, {total['payments']} payments; "
        f"recovered within {seconds[len(seconds) // 2]:.2f} s (half), {seconds[-1]:.2f} s (all)"
        if seconds
        else "nothing was struck"
    )
