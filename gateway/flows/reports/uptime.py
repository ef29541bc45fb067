"""Device uptime: how long each was online of the time that it was watched, and how often it was away."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, or_, select

from gateway.flows.posting import day_bounds
from gateway.flows.reading import Sites
from gateway.flows.reports.asking import Period, sites_of
from gateway.store.tables import DeviceSpell

_SPELL = DeviceSpell.__table__.c
ByDevice = Literal["device", "site", "day", "month"]


class _Sum(msgspec.Struct):
    online: timedelta = timedelta()
    away: timedelta = timedelta()
    absences: int = 0
    longest: timedelta = timedelta()


def uptime(connection: Connection, allowed: Sites, asked: Period, now: datetime, by: ByDevice) -> list[dict[str, Any]]:
    """Minutes online and away, absences that began, the longest, and what part of the watched time a device was online, in percent.

    Time in which nobody watched counts as neither: before a device was first seen, and after it was taken out of service.
    """
    end = min(asked.end, now)
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    rows = connection.execute(
        select(_SPELL.site_id, _SPELL.device_id, _SPELL.since, _SPELL.until, _SPELL.online)
        .where(
            _SPELL.site_id.in_(sorted(sites_of(connection, allowed))),
            _SPELL.since < end,
            or_(_SPELL.until.is_(None), _SPELL.until > asked.start),
        )
        .order_by(_SPELL.site_id, _SPELL.device_id, _SPELL.since)
    )
    for site, device, since, until, online in rows:
        began, over = max(since, asked.start), min(until or end, end)
        for key, first, last in _pieces(by, site, device, began, over, asked):
            found = sums[key]
            if online:
                found.online += last - first
                continue
            found.away += last - first
            found.longest = max(found.longest, last - first)
            found.absences += first == since
    return [_row(by, key, found) for key, found in sorted(sums.items())]


def _pieces(
    by: ByDevice, site: str, device: str, began: datetime, over: datetime, asked: Period
) -> list[tuple[str, datetime, datetime]]:
    """The spell within the period, cut at midnight where it is told by days or months."""
    if by in {"device", "site"}:
        return [(f"{site}.{device}" if by == "device" else site, began, over)] if began < over else []
    pieces, day = [], began.astimezone(asked.zone).date()
    while began < over:
        end = min(day_bounds(day, asked.zone)[1], over)
        pieces.append((day.isoformat() if by == "day" else f"{day:%Y-%m}", began, end))
        began, day = end, day + timedelta(days=1)
    return pieces


def _row(by: ByDevice, key: str, found: _Sum) -> dict[str, Any]:
    watched = found.online + found.away
    return {
        by: key,
        "online_minutes": found.online // timedelta(minutes=1),
        "away_minutes": found.away // timedelta(minutes=1),
        "absences": found.absences,
        "longest_minutes": found.longest // timedelta(minutes=1),
        "uptime_percent": round(100 * (found.online / watched), 2) if watched else None,
    }
