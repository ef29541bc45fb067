"""What a report is asked about: sites, days, and by what it is broken down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, select

from gateway.flows.posting import day_bounds
from gateway.flows.reading import Sites
from gateway.flows.refusals import Invalid
from gateway.store.tables import Lane, Site

By = Literal["site", "gate", "lane", "hour", "day", "month", "hour_of_day"]

DAYS_MAX = 366
HOURS_MAX_DAYS = 31
HOURLY = "hour"


class Period(msgspec.Struct, frozen=True):
    """Local days, both included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        return day_bounds(self.first, self.zone)[0]

    @property
    def end(self) -> datetime:
        return day_bounds(self.last, self.zone)[1]

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=number) for number in range(self.days))


def period(first: date | None, last: date | None, today: date, zone: ZoneInfo, by: str = "day") -> Period:
    """By default the seven days up to today. Raises `Invalid` for one that is backwards or too long."""
    last = last or (today if first is None else max(first, today))
    first = first or last - timedelta(days=6)
    if first > last:
        raise Invalid(f"from: {first} is after {last}")
    if (last - first).days >= DAYS_MAX:
        raise Invalid(f"from: at most {DAYS_MAX} days at a time")
    if by == HOURLY and (last - first).days >= HOURS_MAX_DAYS:
        raise Invalid(f"from: by hour at most {HOURS_MAX_DAYS} days at a time")
    return Period(first, last, zone)


def sites_of(connection: Connection, allowed: Sites) -> dict[str, Any]:
    """The sites in question: name and capacity by id."""
    rows = connection.execute(select(Site.id, Site.name, Site.capacity, Site.enabled).order_by(Site.id))
    return {row.id: row for row in rows if (allowed is None or row.id in allowed) and row.enabled}


def gates_of(connection: Connection, sites: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """The gate of each lane."""
    rows = connection.execute(select(Lane.site_id, Lane.id, Lane.gate_id).where(Lane.site_id.in_(sorted(sites))))
    return {(row.site_id, row.id): row.gate_id for row in rows}
