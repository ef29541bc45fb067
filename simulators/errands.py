"""Short visits: vehicles that nobody knows drive in and out again, for trying somebody's deployment in real time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

from simulators.journeys import Journey, Vehicle
from simulators.manners import seconds
from simulators.street import SiteSpec
from simulators.traffic import Turn
from simulators.vehicles import Plates
from simulators.yard import Yard

LAST_LEAVES_BEFORE_END = timedelta(seconds=20)


def errands(
    sites: Iterable[SiteSpec],
    seed: int,
    start: datetime,
    end: datetime,
    *,
    per_hour: float,
    stay: timedelta,
    twice: float = 0.0,
) -> list[Journey]:
    """Visits to each site with an entry and an exit for vehicles, `per_hour` on average; all have left before `end`. In order. `twice`: the share whose reads are sent twice."""
    found: list[Journey] = []
    plates = Plates()
    for site in sites:
        random = Random(f"{seed}:errands:{site.id}")
        there = {one.id for one in site.device}
        lanes = [lane for gate in site.barriers() for lane in gate.lane if lane.device in there]
        ways_in, ways_out = ([one.id for one in lanes if one.direction == way] for way in ("in", "out"))
        at = start + seconds(random.expovariate(per_hour / 3600))
        while ways_in and ways_out and at + stay * 1.5 + LAST_LEAVES_BEFORE_END < end:
            plate, colour = plates.civil(random)
            found.append(
                Journey(
                    id=f"{site.id}-{len(found)}",
                    site=site.id,
                    vehicle=Vehicle(plate=plate, colour=colour, kind="visitor"),
                    lane_in=random.choice(ways_in),
                    lane_out=random.choice(ways_out),
                    enter_at=at,
                    leave_at=at + stay * random.uniform(0.5, 1.5),
                    read_in=plate,
                    read_out=plate,
                    sent_twice=random.random() < twice,
                )
            )
            at += seconds(random.expovariate(per_hour / 3600))
    return sorted(found, key=lambda one: (one.enter_at or start, one.id))


class Mishaps:
    """`share` of the reads find a camera that is busy when it is asked to open."""

    def __init__(self, yard: Yard, seed: int, share: float) -> None:
        self._yard, self._share, self._random = yard, share, Random(f"{seed}:mishaps")

    def read(self, turn: Turn) -> None:
        if self._random.random() < self._share and (link := self._yard.links.get(turn.key)) is not None:
            link.camera.busy = 1
