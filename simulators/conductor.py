"""Runs a day: owns the simulated clock and the order of everything, so that a seed gives the same day at any speed.

The clock moves in windows of a few seconds. What falls into a window is published together; the clock moves on only when
every event and result of it has its receipt and every promised opening has come. Within a site nothing is concurrent. So
neither threads, nor the network, nor the speed can change what happens, or when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from simulators.agenda import PLANNED, Action, Agenda, Weight
from simulators.clock import monotonic
from simulators.doors import Doors, Visit
from simulators.journeys import DayPlan, Direction, Journey, Outage
from simulators.manners import Manners, StreetManners
from simulators.traffic import Booth, Payer, Traffic
from simulators.transport import Key
from simulators.yard import Unanswered, Yard

# An event more than 10 s late counts as buffered, and device clocks are a second off; an opening after a payment lives
# 8 s from the payment. So what is decided at a window's end is still live, and its command still fresh.
WINDOW = timedelta(seconds=8.5)
WINDOW_AFTER_PAYMENT = timedelta(seconds=6)
# A result has no deadline of its own; it confirms a passage where no sensor does, which is missed after 3 minutes.
RESULTS_WAIT = timedelta(seconds=60)
HOUSEKEEPING_EVERY = timedelta(minutes=1)
PUMP_SECONDS = 0.05
SETTLING_SECONDS = 0.5
SEEN_SECONDS_MAX = 30.0
LIVE_PUMP_SECONDS = 0.25


class Steps(Protocol):
    """The service's own work that time brings about."""

    def advanced(self, now: datetime) -> None:
        """The clock has moved by at least a simulated minute, and everything is answered."""
        ...


class Conductor:
    """One run of a street. `speed` is simulated seconds a real second; None: as fast as it goes.

    `window` is how far apart actions may be and still share one answer: up to so much later than its read a vehicle is
    answered. Zero answers each at its own instant.

    `seen_online(site, device)` is what the service believes of a device; where it is given, the conductor waits until
    the service knows of a connection made or lost, otherwise it gives the news half a second of real time. `booth`: where other
    vendors' devices are.
    """

    def __init__(
        self,
        yard: Yard,
        *,
        seed: str,
        payer: Payer | None,
        steps: Steps | None = None,
        stop: threading.Event | None = None,
        speed: float | None = None,
        window: timedelta = WINDOW,
        seen_online: Callable[[str, str], bool] | None = None,
        manners: Callable[[Journey, Direction], Manners] | None = None,
        progress: Callable[[datetime], None] | None = None,
        booth: Booth | None = None,
    ) -> None:
        self._yard, self._steps, self._speed = yard, steps, speed
        self._stop = stop or threading.Event()
        self._window = window
        self._held = max(window, RESULTS_WAIT) if window else window
        self._seen_online, self._progress = seen_online, progress
        self._agenda = Agenda()
        self.traffic = Traffic(
            yard,
            self._agenda,
            payer,
            manners or (lambda journey, direction: StreetManners(seed, journey, direction)),
            booth,
        )
        self.truth = self.traffic.truth
        self.doors = Doors(yard, self._agenda)
        self.traffic.watchers.append(self.doors.answered)
        self.windows = 0
        self._housekept_at = yard.clock.now()
        self._paced_from: tuple[float, datetime] | None = None

    def open(self) -> None:
        """Connect every gate and wait until the service knows. Raises `Unanswered`."""
        self._yard.open()
        self._until_seen(self._yard.present(), online=True)
        self._yard.keep_time()

    def add(self, plan: DayPlan) -> None:
        """Put a day's plan on the agenda."""
        for journey in plan.journeys:
            self.add_journey(journey)
        for outage in plan.outages:
            self._add_outage(outage)

    def add_journey(self, journey: Journey) -> None:
        self.traffic.plan(journey)

    def add_visits(self, visits: Iterable[Visit]) -> None:
        """Put what people do at small gates on the agenda."""
        self.doors.plan(visits)

    def run(self, until: datetime) -> bool:
        """Carry the agenda out up to `until` (not included) and leave the clock there; False if a stop was requested.

        What is still open then (a driver about to pay) stays on the agenda for the next call.
        """
        self._paced_from = (monotonic(), self._yard.clock.now()) if self._speed is not None else None
        while not self._stop.is_set():
            window = self._agenda.window(self._window, WINDOW_AFTER_PAYMENT, until, held=self._held)
            if not window:
                return self._finish(until)
            if not self._wait_for(window[-1][0]):
                for at, action in window:
                    self._agenda.write(at, action)
                break
            self._play(window)
        return False

    def run_live(self, until: datetime) -> bool:
        """The same against a service that lives in real time: nothing waits for anything. The yard must be `live`."""
        while not self._stop.is_set() and (now := self._yard.clock.now()) < until:
            due = self._agenda.window(timedelta(0), timedelta(0), now)
            for at, action in due:
                action.run(max(at, now))
            dues = []
            for key, gate in self._yard.gates.items():
                if (tick_at := gate.next_due(now)) is not None and tick_at <= now:
                    gate.tick(now)
                    self._yard.send(key)
                elif gate.changed(now):
                    self._yard.send(key)  # an arm has come to rest: nobody waits for that
                dues += [tick_at] if tick_at is not None else []
            self.traffic.react(now)
            next_at = min([*dues, *filter(None, [self._agenda.next_at()])], default=until)
            seconds = (next_at - self._yard.clock.now()).total_seconds()
            self._yard.pump(min(max(seconds, 0.001), LIVE_PUMP_SECONDS))
        return not self._stop.is_set()

    # ------------------------------------------------------------------------------------------------------------------

    def _play(self, window: list[tuple[datetime, Action]]) -> None:
        self._advance(window[-1][0])
        for at, action in window:
            action.run(at)
        self._yard.settle()
        self.traffic.react(self._yard.clock.now())
        self.windows += 1

    def _finish(self, until: datetime) -> bool:
        """Nothing more before `until`: hand over what gates still hold back, and move the clock there."""
        for key in self._yard.gates:
            self._yard.send(key)
        self._yard.settle()
        if not self._wait_for(until):
            return False
        self._advance(until)
        return True

    def _advance(self, to: datetime) -> None:
        clock = self._yard.clock
        clock.advance(max(to, clock.now()))
        if to - self._housekept_at >= HOUSEKEEPING_EVERY:
            self._housekept_at = to
            if self._steps is not None:
                self._steps.advanced(to)
            if self._progress is not None:
                self._progress(to)

    def _wait_for(self, instant: datetime) -> bool:
        """Let real time pass as the speed asks; False if a stop was requested meanwhile."""
        if self._speed is None or self._paced_from is None:
            return True
        started, from_instant = self._paced_from
        target = started + (instant - from_instant).total_seconds() / self._speed
        while (left := target - monotonic()) > 0:
            if self._stop.is_set():
                return False
            self._yard.pump(min(left, PUMP_SECONDS))
        return True

    def _add_outage(self, outage: Outage) -> None:
        key = Key(outage.site, outage.device)

        def cut(_at: datetime) -> None:
            self._yard.cut(key)
            self._until_seen([key], online=False)

        def restore(_at: datetime) -> None:
            self._yard.restore(key)
            self._until_seen([key], online=True)

        self._agenda.write(outage.cut_at, Action(key, cut, Weight.ALONE), PLANNED)
        self._agenda.write(outage.restored_at, Action(key, restore, Weight.ALONE), PLANNED)

    def _until_seen(self, keys: list[Key], *, online: bool) -> None:
        """Until the service knows that these are (not) connected: it opens only for a device that it knows to be there."""
        if self._seen_online is None:
            ends_at = monotonic() + SETTLING_SECONDS
            while (left := ends_at - monotonic()) > 0:
                self._yard.pump(min(left, PUMP_SECONDS))
            return
        deadline = monotonic() + SEEN_SECONDS_MAX
        while missing := [key for key in keys if self._seen_online(key.site, key.device) != online]:
            if monotonic() > deadline:
                names = ", ".join(key.username for key in missing[:10])
                raise Unanswered(f"the service does not know that these are {'on' if online else 'off'}line: {names}")
            self._yard.pump(0.001)
