"""One lane of a virtual gate: its barrier, its loop, the vehicle in front of it and the newest plate event."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import NamedTuple

from controllers.commands import Action, Command, Reason
from controllers.events import Opening, Outcome, PlateColour, PlateEvent, VehicleType
from simulators.barrier import Barrier, Cause, Movement
from simulators.street import LaneSpec


class Reading(NamedTuple):
    """What the camera makes of the vehicle: the same again at every read of it."""

    plate: str | None
    colour: PlateColour | None = None
    confidence: float | None = None
    vehicle: VehicleType | None = None
    image: str | None = None


class Lane:
    """Moves its barrier and writes down every movement. Pure: instants are given."""

    def __init__(self, spec: LaneSpec, movements: deque[Movement]) -> None:
        self.spec = spec
        self.barrier = Barrier()
        self.newest: PlateEvent | None = None
        self.finished = True  # the newest plate event was passed or reversed, as far as the lane can feel it
        self.reading: Reading | None = None  # of the vehicle at the barrier
        self.read_at: datetime | None = None
        self.opened = False  # the barrier rose for the vehicle at it, whoever raised it
        self.raised_by: Cause | None = None  # who raised it for the vehicle
        self.opening: Opening | None = None  # how it rose when no command of ours raised it
        self.held = False
        self.idle_since: datetime | None = None  # up, and nobody has come
        self._movements = movements

    @property
    def occupied(self) -> bool:
        """The truth of the lane: a vehicle stands at the barrier."""
        return self.reading is not None

    @property
    def loop_occupied(self) -> bool:
        """What the device can know of it."""
        return self.spec.loop and self.occupied

    @property
    def waiting(self) -> bool:
        """A vehicle is there and nothing has opened for it."""
        return self.occupied and not self.opened

    def arrive(self, event: PlateEvent, reading: Reading, now: datetime) -> None:
        if self.barrier.falling(now) and self.spec.loop:
            self._move(up=True, cause=Cause.SAFETY, command=None, now=now)
        self.reading, self.opened, self.opening, self.raised_by = reading, False, None, None
        self.read(event, now)

    def read(self, event: PlateEvent, now: datetime) -> None:
        self.newest, self.finished, self.read_at = event, False, now

    def rise(self, cause: Cause, command: str | None, now: datetime) -> None:
        self._move(up=True, cause=cause, command=command, now=now)
        if self.occupied and not self.opened:
            self.opened, self.raised_by = True, cause
        self.idle_since = None if self.occupied else now

    def open(self, command: Command, now: datetime) -> tuple[Outcome, str | None]:
        """An order to open: for the newest read alone, and only while its vehicle is there."""
        if command.event is not None:
            if self.newest is None or self.newest.id != command.event:
                return Outcome.REFUSED, "its event is not the lane's newest"
            if self.finished:
                return Outcome.REFUSED, "its vehicle has passed or reversed"
        self.rise(Cause.COMMAND, command.id, now)
        return Outcome.DONE, None

    def lower(self, command: Command, now: datetime) -> tuple[Outcome, str | None]:
        """An order to close or to release."""
        if self.loop_occupied:
            return Outcome.REFUSED, "the loop is occupied"
        if not self.spec.loop and command.reason is not Reason.STAFF:
            return Outcome.REFUSED, "no loop: only a person who watches lowers it"
        if command.action is Action.CLOSE and self.held:
            return Outcome.REFUSED, "held open: release it first"
        self.held = False
        self.fall(Cause.COMMAND, command.id, now)
        return Outcome.DONE, None

    def fall(self, cause: Cause, command: str | None, now: datetime) -> None:
        """Never called by anybody who has not asked `loop_occupied`; it asks again all the same."""
        if self.loop_occupied:
            return
        self._move(up=False, cause=cause, command=command, now=now)
        self.idle_since = None

    def starts_again(self, now: datetime) -> None:
        """The power is back: what was read and who held it is forgotten, and the arm stays where it is."""
        self.newest, self.finished, self.held = None, True, False
        if self.barrier.up and not self.occupied:
            self.idle_since = now

    def clear(self, now: datetime) -> None:
        """The vehicle has gone, this way or that. A lane with a loop lowers by itself; the other waits for a person."""
        self.reading, self.read_at = None, None
        self.opened, self.opening, self.raised_by = False, None, None
        if self.spec.loop and not self.held:
            self.fall(Cause.AUTOMATIC, None, now)

    def _move(self, *, up: bool, cause: Cause, command: str | None, now: datetime) -> None:
        moved = self.barrier.rise(now) if up else self.barrier.fall(now)
        if moved:
            event = self.newest.id if self.newest is not None and up and not self.finished else None
            self._movements.append(Movement(self.spec.id, up, cause, command, event, now, self.occupied))
