"""One run: an evening, its night and the morning after, from a seed; then everything is healed, and looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.simulate.faults.checks import Checks
from gateway.cli.simulate.faults.database import SPELLS
from gateway.cli.simulate.faults.ground import CARS, SITE, START, Ground
from gateway.cli.simulate.faults.purse import SimulatedPurse
from gateway.cli.simulate.faults.service import Died, Service, SimulatedLink, SimulatedWorker, Stuck, upward
from gateway.flows.close import close_missed
from gateway.flows.refusals import Refused
from gateway.flows.sweep import sweep
from gateway.wiring import Parts
from simulators.faults.device import Device
from simulators.faults.mix import Mix, stream
from simulators.faults.network import Broker, Line
from simulators.faults.record import Record
from simulators.faults.schedule import Schedule
from simulators.faults.traffic import Driver, visits

_AT_A_BARRIER = 0.7
_TRAFFIC_BEGINS = timedelta(minutes=2)
_TRAFFIC_SECONDS = 3 * 3600.0
_HEALS_AFTER = timedelta(hours=5, minutes=30)  # 02:30, after the close of the day
_CLOSES_AFTER = timedelta(hours=5)
_ENDS_AFTER = timedelta(hours=29, minutes=30)
_DRAINS_WITHIN = timedelta(minutes=40)
_SWEEPS_EVERY = 240.0
_STATUS_EVERY = timedelta(minutes=10)
DAY = date(2026, 3, 31)


@dataclass(frozen=True)
class Plant:
    """What a test puts in the place of a part, to see that the run finds it."""

    worker: type[SimulatedWorker] = SimulatedWorker
    link: type[SimulatedLink] = SimulatedLink


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run. `broken` is the number of the first invariant that did not hold and why, or None."""

    seed: int
    events: int
    faults: dict[str, int]
    digest: str
    broken: tuple[int, str] | None


class Run:
    """One seed with one mix on one ground. `trace` keeps the lines of what happened."""

    def __init__(self, ground: Ground, seed: int, mix: Mix, plant: Plant | None = None, *, trace: bool = False) -> None:
        plant = plant or Plant()
        self.seed, self.mix = seed, mix
        self.record = Record(lines=[] if trace else None)
        self.schedule = Schedule(START)
        self._ground = ground
        ground.restore()
        self.broker = Broker(self.schedule, self.record, upward)
        line = self._line("bridge")
        self.service = Service(
            ground,
            self.schedule,
            self.record,
            mix,
            broker=self.broker,
            line=line,
            seed=seed,
            worker=plant.worker,
            link=plant.link,
        )
        self._lines = [line]
        ground.place.disk = self.service.disk
        self.devices = [self._device(one.id) for one in ground.spec.device]
        purse = SimulatedPurse(self.service, self.schedule, self.record)
        random = stream(seed, "traffic")
        cars = random.sample(CARS, min(mix.vehicles, len(CARS)))
        self.plans = visits(random, len(cars), len(self.devices), _TRAFFIC_SECONDS)
        self.drivers = [
            Driver(
                car,
                plan,
                self.devices,
                schedule=self.schedule,
                record=self.record,
                purse=purse,
                random=stream(seed, f"driver:{car.plate}"),
            )
            for car, plan in zip(cars, self.plans, strict=True)
        ]

    def go(self) -> Result:
        """Run to the end and look at everything."""
        self.service.start()
        for device in self.devices:
            device.connect()
        for driver in self.drivers:
            driver.start(START + _TRAFFIC_BEGINS)
        self._plan_faults()
        self.schedule.after(_SWEEPS_EVERY, self._sweep)
        self.schedule.at(START + _CLOSES_AFTER, lambda: self._job(_close(DAY)))
        try:
            self.schedule.run_until(START + _HEALS_AFTER)
            self._heal()
        except Stuck as problem:
            self.record.breach(self.schedule.now(), 1, str(problem))
        return self._result()

    # Faults -----------------------------------------------------------------------------------------------------------

    def _plan_faults(self) -> None:
        mix, random = self.mix, stream(self.seed, "faults")

        moments = [at for plan in self.plans for one in plan for at in (one.arrives, one.arrives + one.stays)]

        def some_time() -> datetime:
            """Mostly when a vehicle is about to be at a barrier, as far as that can be known."""
            if random.random() < _AT_A_BARRIER:
                return START + _TRAFFIC_BEGINS + timedelta(seconds=random.choice(moments) + random.uniform(-60, 20))
            return START + timedelta(seconds=random.uniform(60, _TRAFFIC_SECONDS * 1.4))

        for _ in range(mix.gate_partitions):
            device = random.choice(self.devices)
            seconds, notices = random.uniform(1, mix.partition_seconds_max), random.uniform(0, 20)
            self.schedule.at(some_time(), lambda d=device, s=seconds, n=notices: self._cut_device(d, s, n))  # type: ignore[misc]
        for _ in range(mix.bridge_partitions):
            seconds, notices = random.uniform(1, mix.partition_seconds_max), random.uniform(0, 20)
            self.schedule.at(some_time(), lambda s=seconds, n=notices: self._cut_bridge(s, n))  # type: ignore[misc]
        for _ in range(mix.broker_restarts):
            self.schedule.at(some_time(), self._restart_broker)
        for _ in range(mix.database_spells):
            spell, seconds = random.choice(SPELLS), random.choice((0.1, 1.0, 5.0, 20.0, random.uniform(1, 300)))
            self.schedule.at(some_time(), lambda k=spell, s=seconds: self._spell(k, s))  # type: ignore[misc]
        for _ in range(mix.clock_steps):
            device = random.choice(self.devices)
            most = mix.clock_step_seconds_max
            at, by = some_time(), timedelta(milliseconds=round(random.uniform(-most, most) * 1000))
            self.schedule.at(at, lambda d=device, b=by: self._step(d, b))  # type: ignore[misc]

    def _cut_device(self, device: Device, seconds: float, notices: float) -> None:
        self.record.fault(self.schedule.now(), "gate_partition", f"{device.name} {seconds:.0f} s")
        device.cut(notices)
        self.schedule.after(max(seconds, notices) + 0.5, device.connect)

    def _cut_bridge(self, seconds: float, notices: float) -> None:
        self.record.fault(self.schedule.now(), "bridge_partition", f"{seconds:.0f} s")
        self.service.cut(notices)
        self.schedule.after(max(seconds, notices) + 0.5, self.service.restore)

    def _restart_broker(self) -> None:
        self.record.fault(self.schedule.now(), "broker_restart")
        self.broker.forgets()
        self.service.lost()
        self.schedule.after(2.0, self.service.restore)
        for device in self.devices:
            device.lost()
            self.schedule.after(2.5, device.connect)

    def _spell(self, spell: str, seconds: float) -> None:
        self.service.disk.spell = next(one for one in SPELLS if one == spell)
        self.record.note(self.schedule.now(), f"the database is {spell} for {seconds:.1f} s")
        self.schedule.after(seconds, self._spell_ends)

    def _spell_ends(self) -> None:
        self.service.disk.spell = None

    def _step(self, device: Device, by: timedelta) -> None:
        total = device.gate.offset + by
        if abs(total) > timedelta(seconds=self.mix.clock_step_seconds_max):
            by = -device.gate.offset  # steps that no one may notice never add up to one that counts
        self.record.fault(self.schedule.now(), "clock_step", f"{device.name} {by.total_seconds():+.3f} s")
        device.step_clock(by)

    # Jobs -------------------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._job(sweep)
        if not self.service.calm:
            self.schedule.after(_SWEEPS_EVERY, self._sweep)

    def _job(self, work: Callable[[Parts], object]) -> None:
        """What the elected process does; a failure is met again at the next round."""
        if not self.service.alive or self.service.disk.held:
            self.schedule.after(1.0, lambda: self._job(work))
            return
        try:
            self.service.same_process(work)
        except (SQLAlchemyError, Died, Refused) as problem:
            self.record.note(self.schedule.now(), f"a job fails: {type(problem).__name__}")
            self.schedule.after(20.0, lambda: self._job(work))

    # The end ----------------------------------------------------------------------------------------------------------

    def _heal(self) -> None:
        """Nothing goes wrong any more. Everybody gets what is owed to them, within a bounded time."""
        self.record.note(self.schedule.now(), "healed")
        self.service.calm = self.service.disk.calm = True
        self.service.disk.spell = None
        for line in self._lines:
            line.calm()
        self.service.deadline = self.schedule.now() + _DRAINS_WITHIN
        if not self.service.alive:
            self.schedule.run_until(self.service.deadline, lambda: self.service.alive)
        # What flew on a connection whose acknowledgements were lost is decided about on the next one.
        self.service.lost()
        self.service.restore()
        for device in self.devices:
            device.connect()
        self.schedule.run_until(self.service.deadline, self._quiet)
        self.schedule.run_until(self.schedule.now() + timedelta(minutes=5))
        self._job(sweep)
        for device in self.devices:
            device.lost()
        self.schedule.run_until(START + _ENDS_AFTER)
        self._job(_close(DAY + timedelta(days=1)))

    def _quiet(self) -> bool:
        return all(driver.done for driver in self.drivers) and not any(len(one.gate.journal) for one in self.devices)

    def _result(self) -> Result:
        checks = Checks(self._ground, self)
        broken = self.record.broken[0] if self.record.broken else checks.first()
        for line in checks.final_state():
            self.record.note(self.schedule.now(), line)
        return Result(
            seed=self.seed,
            events=len(self.record.said),
            faults=dict(self.record.faults),
            digest=self.record.digest(),
            broken=broken,
        )

    def _line(self, name: str) -> Line:
        return Line(name, self.schedule, self.record, self.mix, self.seed)

    def _device(self, name: str) -> Device:
        line = self._line(name)
        self._lines.append(line)
        return Device(
            SITE,
            name,
            self._ground.spec.lanes_of(name),
            schedule=self.schedule,
            record=self.record,
            broker=self.broker,
            line=line,
            status_every=_STATUS_EVERY,
            tells_time=self.mix.tells_time,
        )


def _close(until: date) -> Callable[[Parts], object]:
    return lambda parts: list(close_missed(parts, until))
