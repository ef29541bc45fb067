"""Flow, occupancy, turnover and how long vehicles stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, and_, case, func, literal_column, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.types import BigInteger

from gateway.flows.reading import Sites
from gateway.flows.reports.asking import By, Period, gates_of, instant_of, place, quarter, sites_of
from gateway.store.tables import Stay

_STAY = Stay.__table__.c
_GONE = ("void", "inside")
# Upper ends in minutes, not included; the last has none.
LENGTHS = (30, 60, 120, 240, 480, 1440, None)

Document = dict[str, Any]
_What = Literal["place", "time", "both"]


def flow(connection: Connection, allowed: Sites, asked: Period, by: By) -> list[Document]:
    """Entries and exits. Void stays are not in it; a stay whose exit nobody saw has an entry alone."""
    sites = sites_of(connection, allowed)
    gates = gates_of(connection, sites) if by == "gate" else {}
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    what: _What = "place" if by in {"site", "gate", "lane"} else "time"
    for way, number, (site, lane, at, passages) in _counted(connection, sites, asked, what):
        del way
        counts[place(by, site, lane, at, gates, asked.zone)][number] += passages
    if by == "site":
        for site in sites:
            counts[site]
    return [{by: key, "entries": found[0], "exits": found[1]} for key, found in sorted(counts.items())]


def occupancy(connection: Connection, allowed: Sites, asked: Period) -> list[Document]:
    """For each site and hour: how many were inside when it began and at most, and how many spaces there are."""
    sites = sites_of(connection, allowed)
    changes: defaultdict[str, defaultdict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for _, number, (site, _, at, passages) in _counted(connection, sites, asked):
        changes[site][at] += -passages if number else passages
    rows = []
    for site, row in sites.items():
        inside = _inside_at(connection, site, asked.start)
        at = asked.start
        while at < asked.end:
            began = most = inside
            for step in range(4):
                inside += changes[site][at + step * timedelta(minutes=15)]
                most = max(most, inside)
            rows.append(
                {
                    "site": site,
                    "hour": at.astimezone(asked.zone).isoformat(),
                    "inside": began,
                    "most": most,
                    "capacity": row.capacity,
                }
            )
            at += timedelta(hours=1)
    return rows


def turnover(connection: Connection, allowed: Sites, asked: Period) -> list[Document]:
    """车位周转率: vehicles that came in, for each space and day. Null for a site without spaces."""
    sites = sites_of(connection, allowed)
    came: defaultdict[str, int] = defaultdict(int)
    for _, number, (site, _, _, passages) in _counted(connection, sites, asked, "place"):
        came[site] += 0 if number else passages
    return [
        {
            "site": site,
            "entries": came[site],
            "capacity": row.capacity,
            "days": asked.days,
            "turnover": round(came[site] / row.capacity / asked.days, 3) if row.capacity else None,
        }
        for site, row in sites.items()
    ]


def lengths(connection: Connection, allowed: Sites, asked: Period) -> list[Document]:
    """How long those stayed who left in the period: a row a site and band, `up_to_minutes` null for all that is longer."""
    sites = sites_of(connection, allowed)
    minutes = _minutes(connection)
    bands = [*((minutes < end, number) for number, end in enumerate(LENGTHS) if end is not None)]
    band = case(*bands, else_=len(LENGTHS) - 1)
    rows = connection.execute(
        select(_STAY.site_id, band, func.count(), func.sum(minutes))
        .where(_left(sites, asked), _STAY.entry_at.is_not(None))
        .group_by(_STAY.site_id, band)
    )
    found = {(site, number): (count, int(total)) for site, number, count, total in rows}
    return [
        {
            "site": site,
            "up_to_minutes": end,
            "stays": found.get((site, number), (0, 0))[0],
            "minutes": found.get((site, number), (0, 0))[1],
        }
        for site in sites
        for number, end in enumerate(LENGTHS)
    ]


def _minutes(connection: Connection) -> Any:
    """Whole minutes of a stay, as the database counts them."""
    if connection.dialect.name == "postgresql":
        return sql_cast(func.floor(func.extract("epoch", _STAY.exit_at - _STAY.entry_at) / 60), BigInteger)
    exit_at, entry_at = sql_cast(_STAY.exit_at, BigInteger), sql_cast(_STAY.entry_at, BigInteger)
    return (exit_at - entry_at) // 60_000_000


def _left(sites: Iterable[str], asked: Period) -> Any:
    return and_(
        _STAY.site_id.in_(sorted(sites)),
        _STAY.exit_at >= asked.start,
        _STAY.exit_at < asked.end,
        _STAY.state.not_in(_GONE),
    )


def _counted(
    connection: Connection, sites: Iterable[str], asked: Period, what: _What = "both"
) -> Iterator[tuple[str, int, tuple[str, str | None, datetime, int]]]:
    """Entries (0) and exits (1) by lane and quarter of an hour; of what nobody asks, one stands for all.

    A year of a street has a million lanes' quarters, and 35,000 quarters.
    """
    one_place: Any = literal_column("''")
    one_time: Any = literal_column("0")
    came = and_(
        _STAY.site_id.in_(sorted(sites)),
        _STAY.started_at >= asked.start,
        _STAY.started_at < asked.end,
        _STAY.entry_at.is_not(None),
        _STAY.state != "void",
    )
    for way, number, at, lane, condition in (
        ("entries", 0, _STAY.entry_at, _STAY.entry_lane, came),
        ("exits", 1, _STAY.exit_at, _STAY.exit_lane, _left(sites, asked)),
    ):
        when = quarter(connection, at)
        of_place: list[Any] = [_STAY.site_id, lane] if what != "time" else []
        of_time: list[Any] = [when] if what != "place" else []
        columns: list[Any] = [*(of_place or (one_place, one_place)), *(of_time or (one_time,)), func.count()]
        rows = connection.execute(select(*columns).where(condition).group_by(*of_place, *of_time))
        for site, name, slot, count in rows:
            yield way, number, (site, name, instant_of(int(slot)), count)


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
