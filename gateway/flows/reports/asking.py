"""What a report is asked about: sites, days, and by what it is broken down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, select, type_coerce

from gateway.flows.posting import day_bounds
from gateway.flows.reading import Sites
from gateway.flows.refusals import Invalid
from gateway.store.tables import Lane, Site

By = Literal["site", "gate", "lane", "hour", "day", "month", "hour_of_day"]

DAYS_MAX = 366
HOURS_MAX_DAYS = 31
HOURLY = "hour"
# Every zone in use is a whole number of quarters of an hour away from UTC.
_QUARTER = 900
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def quarter(connection: Connection, column: Any) -> ColumnElement[int]:
    """In which quarter of an hour since 1970 an instant lies, as the database counts it."""
    if connection.dialect.name == "postgresql":
        return cast(func.floor(func.extract("epoch", column) / _QUARTER), BigInteger)
    return type_coerce(column, BigInteger) // (_QUARTER * 1_000_000)


def instant_of(number: int) -> datetime:
    """The beginning of a quarter."""
    return _EPOCH + timedelta(seconds=number * _QUARTER)


def place(
    by: By, site: str, lane: str | None, at: datetime, gates: Mapping[tuple[str, str], str], zone: ZoneInfo
) -> str:
    """The name under which a passage is counted. A lane and a gate are `{site}.{…}`; an hour is its beginning in local time."""
    local = at.astimezone(zone)
    match by:
        case "site":
            return site
        case "lane":
            return f"{site}.{lane}" if lane else site
        case "gate":
            gate = gates.get((site, lane or ""))
            return f"{site}.{gate}" if gate else site
        case "hour":
            return local.replace(minute=0, second=0, microsecond=0).isoformat()
        case "hour_of_day":
            return f"{local.hour:02d}"
        case "day":
            return local.date().isoformat()
        case "month":
            return f"{local:%Y-%m}"
