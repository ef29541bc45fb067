"""A day of a site as its stays have it. Reports of open days and the sums of those that are over are counted here and nowhere else."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from gateway.flows.posting import day_bounds
from gateway.store.tables import Stay

_STAY = Stay.__table__.c
QUARTER = timedelta(minutes=15)
_MINUTE = timedelta(minutes=1)
# Upper ends in minutes, not included; the last has none.
LENGTHS = (30, 60, 120, 240, 480, 1440, None)
_ENDS = [end for end in LENGTHS if end is not None]
_NOT_LEFT = ("void", "inside")
# One that was left behind is inside nobody knows until when: it is not counted as standing there.
_NOWHERE = "missing_exit"

Days = dict[tuple[str, date], "Day"]
_AtDay = Callable[[str, datetime], tuple["Day", int]]


class Day:
    """`lanes`: entries and exits by lane; `quarters`: the same by quarter of an hour; `lengths`: stays and minutes of those who left, by band.

    `came`, `went`: what changed how many stand inside, of the stays that are known to have done both or may still.
    """

    __slots__ = ("came", "lanes", "lengths", "quarters", "went")

    def __init__(self, slots: int) -> None:
        self.came = self.went = 0
        self.lanes: dict[str, list[int]] = {}
        self.quarters = ([0] * slots, [0] * slots)
        self.lengths = [0] * (2 * len(LENGTHS))

    def pass_through(self, way: int, lane: str | None, slot: int) -> None:
        """One more entry (0) or exit (1)."""
        self.lanes.setdefault(lane or "", [0, 0])[way] += 1
        self.quarters[way][slot] += 1

    def stayed(self, minutes: int) -> None:
        band = 2 * bisect_right(_ENDS, minutes)
        self.lengths[band] += 1
        self.lengths[band + 1] += minutes

    def packed(self) -> tuple[bytes, bytes]:
        """`quarters` and `lengths` as they are kept."""
        slots = [*self.quarters[0], *self.quarters[1]]
        return struct.pack(f"<{len(slots)}I", *slots), struct.pack(f"<{len(self.lengths)}Q", *self.lengths)


def quarters_of(packed: bytes) -> tuple[int, ...]:
    """Entries, then exits."""
    return struct.unpack(f"<{len(packed) // 4}I", packed)


def lengths_of(packed: bytes) -> tuple[int, ...]:
    """Stays and minutes, by band."""
    return struct.unpack(f"<{len(packed) // 8}Q", packed)


def added(rows: Sequence[bytes]) -> bytes:
    """Rows of one length, added part by part: each is one number, of which no part ever flows over into the next."""
    return sum(int.from_bytes(one, "little") for one in rows).to_bytes(len(rows[0]), "little")


def slots_of(day: date, zone: ZoneInfo) -> int:
    """How many quarters of an hour a local day has."""
    start, end = day_bounds(day, zone)
    return -(-(end - start) // QUARTER)


def counted(connection: Connection, sites: Iterable[str], first: date, last: date, zone: ZoneInfo) -> Days:
    """These local days of these sites, both ends included. A day in which nothing moved is not in it."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    starts = [day_bounds(day, zone)[0] for day in days]
    bounds = (starts[0], day_bounds(last, zone)[1])
    slots = [slots_of(day, zone) for day in days]
    found: Days = {}

    def at_its_day(site: str, at: datetime) -> tuple[Day, int]:
        number = bisect_right(starts, at) - 1
        day = found.get((site, days[number]))
        if day is None:
            day = found[site, days[number]] = Day(slots[number])
        return day, (at - starts[number]) // QUARTER

    wanted = sorted(sites)
    _entries(connection, wanted, bounds, at_its_day)
    _exits(connection, wanted, bounds, at_its_day)
    return found


def _entries(
    connection: Connection, sites: Sequence[str], bounds: tuple[datetime, datetime], at_its_day: _AtDay
) -> None:
    rows = connection.execute(
        select(_STAY.site_id, _STAY.started_at, _STAY.entry_lane, _STAY.state).where(
            _STAY.site_id.in_(sites),
            _STAY.started_at >= bounds[0],
            _STAY.started_at < bounds[1],
            _STAY.entry_at.is_not(None),
            _STAY.state != "void",
        )
    )
    for site, at, lane, state in rows:
        day, slot = at_its_day(site, at)
        day.pass_through(0, lane, slot)
        day.came += state != _NOWHERE


def _exits(connection: Connection, sites: Sequence[str], bounds: tuple[datetime, datetime], at_its_day: _AtDay) -> None:
    rows = connection.execute(
        select(_STAY.site_id, _STAY.exit_at, _STAY.exit_lane, _STAY.entry_at, _STAY.state).where(
            _STAY.site_id.in_(sites), _STAY.exit_at >= bounds[0], _STAY.exit_at < bounds[1], _STAY.state != "void"
        )
    )
    for site, at, lane, entry_at, state in rows:
        day, slot = at_its_day(site, at)
        day.went += entry_at is not None and state != _NOWHERE
        if state in _NOT_LEFT:
            continue
        day.pass_through(1, lane, slot)
        if entry_at is not None:
            day.stayed((at - entry_at) // _MINUTE)
