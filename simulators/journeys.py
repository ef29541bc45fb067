"""What vehicles set out to do in a day: the plan that the conductor carries out, and the truth of what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from controllers.events import PlateColour, VehicleType

Direction = Literal["in", "out"]
Raised = Literal["command", "list", "offline_exit", "hand", "nobody"]


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle as it really is. `plate` None: it has none (无牌车). `kind` is who drives it, for the figures only."""

    plate: str | None
    colour: PlateColour | None
    kind: str
    vehicle: VehicleType | None = None
    known_as: str = ""

    @property
    def name(self) -> str:
        """Names it in the truth, plate or no plate."""
        return self.plate or self.known_as


@dataclass(frozen=True, slots=True)
class Journey:
    """One visit to a site: in, and out again. Instants are UTC.

    Without `enter_at` the vehicle is taken to be inside already; without `leave_at` it stays. `read_in`/`read_out` are
    what the camera makes of the plate (None: nothing). `slips_in`/`slips_out`: it drives through on another's bumper,
    unread; `waved_*`: a guard raises the barrier for it by hand, unread. `sent_twice`: the network repeats its reads.
    """

    id: str
    site: str
    vehicle: Vehicle
    lane_in: str
    lane_out: str
    enter_at: datetime | None = None
    leave_at: datetime | None = None
    read_in: str | None = None
    read_out: str | None = None
    backs_out: bool = False
    slips_in: bool = False
    slips_out: bool = False
    waved_in: bool = False
    waved_out: bool = False
    sent_twice: bool = False
    pays_early_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """The network of one device is gone from `cut_at` to `restored_at`."""

    site: str
    device: str
    cut_at: datetime
    restored_at: datetime


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A day of the street. `start` and `end` are the local midnights, in UTC."""

    day: date
    start: datetime
    end: datetime
    journeys: tuple[Journey, ...]
    outages: tuple[Outage, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """What one vehicle really did at one lane.

    `event` is its first plate event there and `last_event` its newest (None: it was never read); `read` what the
    camera made of it; `passed_at` None means that it backed away. `paid_fen` was paid at the barrier.
    """

    journey: str
    site: str
    device: str
    lane: str
    direction: Direction
    vehicle: str
    kind: str
    event: str | None
    last_event: str | None
    read: str | None
    read_at: datetime
    passed_at: datetime | None
    raised_by: Raised
    paid_fen: int = 0


@dataclass(frozen=True, slots=True)
class TrueStay:
    """What one vehicle really stayed, for the check of the books against the truth. Early payment is `paid_early_fen`."""

    entry: Passage
    exit: Passage | None
    paid_early_fen: int = 0


class Truth:
    """Every passage of the run, in the order in which the vehicles left the lanes."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.stays: list[TrueStay] = []
        self._inside: dict[tuple[str, str], tuple[Passage, int]] = {}

    def is_inside(self, site: str, vehicle: str) -> bool:
        return (site, vehicle) in self._inside

    def inside(self, site: str) -> int:
        """How many vehicles are inside a site now."""
        return sum(there == site for there, _ in self._inside)

    def left_lane(self, passage: Passage) -> None:
        """A vehicle has left a lane: through it, or back."""
        self.passages.append(passage)
        if passage.passed_at is None:
            return
        place = (passage.site, passage.vehicle)
        was = self._inside.pop(place, None)
        if passage.direction == "in":
            self._inside[place] = (passage, 0)
        elif was is not None:
            self.stays.append(TrueStay(was[0], passage, was[1]))

    def paid_early(self, site: str, vehicle: str, fen: int) -> None:
        entry, before = self._inside[site, vehicle]
        self._inside[site, vehicle] = (entry, before + fen)

    def still_inside(self) -> list[TrueStay]:
        """Stays that have not ended."""
        return [TrueStay(entry, None, fen) for entry, fen in self._inside.values()]
