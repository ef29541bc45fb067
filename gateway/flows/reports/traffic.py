"""Flow, occupancy, turnover and how long vehicles stay: of days that are over by their sums, of others by their stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from operator import sub
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from gateway.flows.posting import day_bounds
from gateway.flows.reading import Sites
from gateway.flows.reports.asking import By, Period, gates_of, sites_of
from gateway.flows.reports.crossed import Crossed
from gateway.flows.sums.counting import LENGTHS, QUARTER, Day, Days, added, lengths_of, quarters_of, slots_of
from gateway.flows.sums.standing import Standing, standing
from gateway.store.tables import DaySum, LaneSum, Stay

_STAY, _DAY, _LANE = Stay.__table__.c, DaySum.__table__.c, LaneSum.__table__.c
_HOUR, _A_DAY = timedelta(hours=1), timedelta(days=1)
_UTC = ZoneInfo("UTC")
_AN_EVEN_DAY = date(2026, 1, 1)

Document = dict[str, Any]


class _Asked:
    """A question put to both: what is kept, and what is counted for it."""

    def __init__(self, connection: Connection, sites: Iterable[str], asked: Period) -> None:
        self.connection, self.asked = connection, asked
        self.standing: Standing = standing(connection, sites, asked.zone)
        self.days: Days = self.standing.live(connection, asked.first, asked.last)

    def rows(self, *columns: Any, by: Sequence[Any] = ()) -> Any:
        """Of the sums that stand in these days."""
        query = select(*columns).where(self.standing.kept(columns[0].table.c, self.asked.first, self.asked.last))
        return self.connection.execute(query.group_by(*by))

    def by_lane(self) -> Iterator[tuple[str, str, int, int]]:
        """Site, lane, entries and exits; some lanes more than once."""
        yield from self.rows(
            _LANE.site_id, _LANE.lane, func.sum(_LANE.entries), func.sum(_LANE.exits), by=(_LANE.site_id, _LANE.lane)
        )
        for (site, _), day in self.days.items():
            yield from ((site, lane, both[0], both[1]) for lane, both in day.lanes.items())

    def by_day(self) -> Iterator[tuple[date, int, int]]:
        """Day, entries and exits; some days more than once."""
        yield from self.rows(_LANE.day, func.sum(_LANE.entries), func.sum(_LANE.exits), by=(_LANE.day,))
        yield from (
            (day, sum(found.quarters[0]), sum(found.quarters[1]))
            for (_, day), found in self.days.items()
            if found.lanes
        )

    def by_quarter(self) -> Iterator[tuple[str, date, bytes]]:
        """Site, day, and by quarter of an hour its entries, then its exits, packed."""
        yield from self.rows(_DAY.site_id, _DAY.day, _DAY.quarters)
        yield from ((site, day, found.packed()[0]) for (site, day), found in self.days.items())

    def by_length(self) -> Iterator[tuple[str, bytes]]:
        """Site, and of a day by band how many stays, and their minutes, packed."""
        yield from self.rows(_DAY.site_id, _DAY.lengths)
        yield from ((site, found.packed()[1]) for (site, _), found in self.days.items())


def flow(connection: Connection, allowed: Sites, asked: Period, by: By) -> list[Document]:
    """Entries and exits. Void stays are not in it; a stay whose exit nobody saw has an entry alone."""
    sites = sites_of(connection, allowed)
    found = _Asked(connection, sites, asked)
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    if by == "site":
        for site in sites:
            counts[site]
    for key, entries, exits in _flows(connection, found, sites, by):
        counts[key][0] += entries
        counts[key][1] += exits
    return [{by: key, "entries": both[0], "exits": both[1]} for key, both in sorted(counts.items())]


def _flows(connection: Connection, found: _Asked, sites: Mapping[str, Any], by: By) -> Iterator[tuple[str, int, int]]:
    """The name under which passages are counted, and how many. A lane and a gate are `{site}.{…}`; an hour is its beginning in local time."""
    match by:
        case "site":
            yield from ((site, entries, exits) for site, _, entries, exits in found.by_lane())
        case "lane" | "gate":
            gates = gates_of(connection, sites) if by == "gate" else {}
            for site, lane, entries, exits in found.by_lane():
                at = gates.get((site, lane)) if by == "gate" else lane
                yield f"{site}.{at}" if at else site, entries, exits
        case "day" | "month":
            size = len("2026-03-02" if by == "day" else "2026-03")
            yield from ((day.isoformat()[:size], entries, exits) for day, entries, exits in found.by_day())
        case "hour" | "hour_of_day":
            yield from _by_hour(found, by)


def _by_hour(found: _Asked, by: By) -> Iterator[tuple[str, int, int]]:
    """Days on which the clocks stay as they are have the same hours: by the hour of the day all of them are one."""
    zone = found.asked.zone
    alike: defaultdict[date | None, list[bytes]] = defaultdict(list)
    names: dict[date, date | None] = {}
    for _, day, quarters in found.by_quarter():
        if day not in names:
            names[day] = None if by == "hour_of_day" and _even(day, zone) else day
        alike[names[day]].append(quarters)
    for one, rows in alike.items():
        start = day_bounds(one or _AN_EVEN_DAY, zone if one else _UTC)[0]
        both = quarters_of(added(rows))
        slots = len(both) // 2
        for slot, (entries, exits) in enumerate(zip(both[:slots], both[slots:], strict=True)):
            if entries or exits:
                hour = (start + slot * QUARTER).astimezone(zone if one else _UTC).replace(minute=0)
                yield hour.isoformat() if by == "hour" else f"{hour:%H}", entries, exits


def _even(day: date, zone: ZoneInfo) -> bool:
    """Whether its 24 hours follow one another."""
    start, end = day_bounds(day, zone)
    return end - start == _A_DAY and start.astimezone(zone).utcoffset() == end.astimezone(zone).utcoffset()


def occupancy(connection: Connection, allowed: Sites, asked: Period) -> Crossed:
    """For each site and hour: how many were inside when it began and at most, and how many spaces there are."""
    sites = sites_of(connection, allowed)
    found = _Asked(connection, sites, asked)
    inside = found.standing.inside_at(connection, asked.first)
    began_at: dict[date, int] = {}
    slots = 0
    for day in asked:
        began_at[day], slots = slots, slots + slots_of(day, asked.zone)
    changes: dict[str, list[int]] = {site: [0] * (slots + 3) for site in sites}
    for site, day, packed in found.by_quarter():
        quarters = quarters_of(packed)
        half, at = len(quarters) // 2, began_at[day]
        changes[site][at : at + half] = map(sub, quarters[:half], quarters[half:])
    hours = [(asked.start + number * _HOUR).astimezone(asked.zone).isoformat() for number in range(-(-slots // 4))]
    stood = [
        _by_hours(
            inside[site] if site in inside else _inside_at(connection, site, asked.start), changes[site], len(hours)
        )
        for site in sites
    ]
    return Crossed(
        list(sites),
        hours,
        {
            "inside": [began for began, _ in stood],
            "most": [most for _, most in stood],
            "capacity": [[row.capacity] * len(hours) for row in sites.values()],
        },
    )


def _by_hours(inside: int, changes: Sequence[int], hours: int) -> tuple[list[int], list[int]]:
    """How many were inside when each hour began, and at most in it, the end of its last quarter included."""
    after = list(accumulate(changes, initial=inside))
    quarters = [after[quarter : 4 * hours + quarter : 4] for quarter in range(5)]
    return quarters[0], list(map(max, *quarters))


def turnover(connection: Connection, allowed: Sites, asked: Period) -> list[Document]:
    """车位周转率: vehicles that came in, for each space and day. Null for a site without spaces."""
    sites = sites_of(connection, allowed)
    return [
        {
            "site": one["site"],
            "entries": one["entries"],
            "capacity": (capacity := sites[one["site"]].capacity),
            "days": asked.days,
            "turnover": round(one["entries"] / capacity / asked.days, 3) if capacity else None,
        }
        for one in flow(connection, allowed, asked, "site")
    ]


def lengths(connection: Connection, allowed: Sites, asked: Period) -> list[Document]:
    """How long those stayed who left in the period: a row a site and band, `up_to_minutes` null for all that is longer."""
    sites = sites_of(connection, allowed)
    of_sites: defaultdict[str, list[bytes]] = defaultdict(lambda: [Day(0).packed()[1]])
    for site, bands in _Asked(connection, sites, asked).by_length():
        of_sites[site].append(bands)
    found = {site: lengths_of(added(of_sites[site])) for site in sites}
    return [
        {
            "site": site,
            "up_to_minutes": end,
            "stays": found[site][2 * number],
            "minutes": found[site][2 * number + 1],
        }
        for site in sites
        for number, end in enumerate(LENGTHS)
    ]


def _inside_at(connection: Connection, site: str, at: datetime) -> int:
    # One that was left behind is inside nobody knows until when: it is not counted as standing there.
    counted = _STAY.state.not_in(("void", "missing_exit"))
    # By the index of exits, one question for each end of it: by that of entries the database would go through every stay since the first.
    began = func.coalesce(_STAY.started_at, _STAY.started_at)
    return sum(
        connection.execute(
            select(func.count()).where(_STAY.site_id == site, began < at, _STAY.entry_at.is_not(None), still, counted)
        ).scalar_one()
        for still in (_STAY.exit_at.is_(None), _STAY.exit_at >= at)
    )
