"""The seeded world of a street: the same seed gives the same households, vehicles, days and mishaps."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from zoneinfo import ZoneInfo

from simulators.day import DayPlanner
from simulators.journeys import DayPlan
from simulators.manners import seconds
from simulators.population import HOUSEHOLDS, Row, settle
from simulators.street import Street

FIRST_DAY = date(2026, 3, 2)
CLOCK_ERROR_SECONDS_MAX = 1.0


class World:
    """`households` scales everything with it: 14,000 make the whole of Hushu street and at least 5,000 stays a day."""

    def __init__(
        self,
        street: Street,
        seed: int | str,
        *,
        first_day: date = FIRST_DAY,
        timezone: str = "Asia/Shanghai",
        households: int = HOUSEHOLDS,
    ) -> None:
        self.street, self.seed, self.first_day = street, str(seed), first_day
        self._people = settle(street, self.seed, first_day, households)
        self._planner = DayPlanner(
            street.with_gates(), self._people, self.seed, ZoneInfo(timezone), first_day, households / HOUSEHOLDS
        )

    def registers(self) -> dict[str, list[Row]]:
        """Rows to import, by kind, with the columns of the import: households, vehicles, relatives, certificates,
        passes, free-vehicles, blocklist.
        """
        return {kind: [dict(row) for row in rows] for kind, rows in self._people.registers.items()}

    def plan(self, day: date) -> DayPlan:
        """The journeys of a day, from its local midnight to the next. Raises `ValueError` before the first day."""
        if day < self.first_day:
            raise ValueError(f"this world begins on {self.first_day}")
        return self._planner.plan(day)

    def clock_offsets(self) -> dict[str, timedelta]:
        """How far each device's clock is off, by "{site}.{device}": at most a second."""
        return {
            f"{site.id}.{device.id}": seconds(
                Random(f"{self.seed}:clock:{site.id}.{device.id}").uniform(
                    -CLOCK_ERROR_SECONDS_MAX, CLOCK_ERROR_SECONDS_MAX
                )
            )
            for site in self.street.site
            for device in site.device
        }
