"""A handful of vehicles and their drivers: they come, wait, pay, lose patience, back away, and leave."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import NamedTuple, Protocol

from controllers.commands import Action, PayPrompt
from controllers.events import PlateColour
from simulators.faults.device import Device
from simulators.faults.record import Passage, Record
from simulators.faults.schedule import Schedule
from simulators.lane import Lane

_LOOKS_EVERY = 1.0
_QUEUES_FOR = 6.0


class Car(NamedTuple):
    plate: str
    colour: PlateColour


class Purse(Protocol):
    """How a driver pays. Neither raises: a driver who is refused tries again, or rings."""

    def pay(self, device: str, event: str, prompt: PayPrompt) -> None:
        """What the display at an exit asks."""
        ...

    def pay_early(self, plate: str) -> None:
        """By phone, while still parking."""
        ...


class Habits(NamedTuple):
    """One visit of one vehicle. Seconds; `patience` ends with the guard's remote, or in backing away."""

    arrives: float
    stays: float
    device_in: int
    device_out: int
    patience: float
    backs_away: bool
    turns_at_exit: bool
    pays_early: bool
    unreadable: bool


def visits(random: Random, cars: int, devices: int, within_seconds: float) -> list[list[Habits]]:
    """Of every car, one visit after the other."""
    found = []
    for _ in range(cars):
        arrives = random.uniform(0, within_seconds * 0.6)
        mine: list[Habits] = []
        while arrives < within_seconds and len(mine) < 2:
            stays = random.choice((random.uniform(120, 900), random.uniform(900, within_seconds * 0.7)))
            mine.append(
                Habits(
                    arrives=arrives,
                    stays=stays,
                    device_in=random.randrange(devices),
                    device_out=random.randrange(devices),
                    patience=random.uniform(15, 90),
                    backs_away=random.random() < 0.1,
                    turns_at_exit=random.random() < 0.08,
                    pays_early=random.random() < 0.15,
                    unreadable=random.random() < 0.05,
                )
            )
            arrives += stays + random.uniform(300, 1800)
        found.append(mine)
    return found


class Driver:
    """Takes one car through its visits. Decides by what it sees: the barrier and the display, never a message."""

    def __init__(
        self,
        car: Car,
        plan: list[Habits],
        devices: list[Device],
        *,
        schedule: Schedule,
        record: Record,
        purse: Purse,
        random: Random,
    ) -> None:
        self.done = not plan
        self._car, self._plan, self._devices = car, plan, devices
        self._schedule, self._record, self._purse, self._random = schedule, record, purse, random
        self._paid_for: set[tuple[str, int]] = set()

    def start(self, at: datetime) -> None:
        for habits in self._plan[:1]:
            self._schedule.at(at + timedelta(seconds=habits.arrives), lambda: self._come(0, inward=True))
        self._began = at

    # ------------------------------------------------------------------------------------------------------------------

    def _come(self, visit: int, *, inward: bool, turned: bool = False) -> None:
        habits = self._plan[visit]
        device = self._devices[habits.device_in if inward else habits.device_out]
        lane = next(one for one in device.gate.lanes.values() if (one.spec.direction == "in") == inward)
        if lane.occupied:
            self._schedule.after(_QUEUES_FOR, lambda: self._come(visit, inward=inward, turned=turned))
            return
        now = self._schedule.now()
        plate = None if habits.unreadable and inward and not turned else self._car.plate
        event = device.gate.vehicle_arrives(lane.spec.id, now, plate=plate, colour=self._car.colour)
        passage = Passage(plate, device.name, lane.spec.id, inward, event.at, event.id)
        self._record.passages.append(passage)
        self._record.note(now, f"{self._car.plate} arrives at {device.name} {lane.spec.id}")
        device.pump()
        backs = habits.backs_away if inward else habits.turns_at_exit
        until = now + timedelta(seconds=habits.patience)
        self._wait(visit, device, lane, passage, until, backs=backs and not turned)

    def _wait(self, visit: int, device: Device, lane: Lane, passage: Passage, until: datetime, *, backs: bool) -> None:
        now = self._schedule.now()
        if lane.opened:
            passage.raised_by = lane.raised_by
            seconds = self._random.uniform(2, 6)
            act = self._back_away if backs else self._pass
            self._schedule.after(seconds, lambda: act(visit, device, lane, passage))
            return
        if not passage.inward:
            self._pay(device, lane)
        if now >= until:
            if passage.inward and backs:
                self._back_away(visit, device, lane, passage)
                return
            device.gate.opened_by_hand(lane.spec.id, now)
            self._record.note(now, f"{self._car.plate} is let through by hand")
            device.pump()
        self._schedule.after(_LOOKS_EVERY, lambda: self._wait(visit, device, lane, passage, until, backs=backs))

    def _pay(self, device: Device, lane: Lane) -> None:
        """What the display shows for the vehicle that stands there, once a read and sum, after finding the phone."""
        newest = lane.newest
        if newest is None:
            return
        for answered in reversed(device.gate.answered):
            command = answered.command
            if command.action is Action.SHOW and command.event == newest.id and command.pay is not None:
                prompt = command.pay
                if (newest.id, prompt.fen) not in self._paid_for:
                    self._paid_for.add((newest.id, prompt.fen))
                    self._schedule.after(
                        self._random.uniform(1, 10), partial(self._purse.pay, device.name, newest.id, prompt)
                    )
                return

    def _pass(self, visit: int, device: Device, lane: Lane, passage: Passage) -> None:
        now = self._schedule.now()
        passage.passed = True
        device.gate.vehicle_passes(lane.spec.id, now)
        self._record.note(now, f"{self._car.plate} passes {lane.spec.id}")
        device.pump()
        if not passage.inward:
            self._next(visit)
            return
        habits = self._plan[visit]
        if habits.pays_early and habits.stays > 600:
            self._record.paid_early.add(self._car.plate)
            self._schedule.after(habits.stays - 300, lambda: self._purse.pay_early(self._car.plate))
        self._schedule.after(habits.stays, lambda: self._come(visit, inward=False))

    def _back_away(self, visit: int, device: Device, lane: Lane, passage: Passage) -> None:
        now = self._schedule.now()
        passage.passed = False
        device.gate.vehicle_reverses(lane.spec.id, now)
        self._record.note(now, f"{self._car.plate} backs away from {lane.spec.id}")
        device.pump()
        if passage.inward:
            self._next(visit)
        else:
            self._record.paid_early.add(self._car.plate)  # whoever turns at the exit may have paid there
            self._schedule.after(self._random.uniform(200, 900), lambda: self._come(visit, inward=False, turned=True))

    def _next(self, visit: int) -> None:
        if visit + 1 >= len(self._plan):
            self.done = True
            return
        at = self._began + timedelta(seconds=self._plan[visit + 1].arrives)
        self._schedule.at(
            max(at, self._schedule.now() + timedelta(seconds=120)), lambda: self._come(visit + 1, inward=True)
        )
