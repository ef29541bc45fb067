"""The daily close as a job: which day is due, and everything before it that was missed."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.flows.close import close_missed
from gateway.wiring import Parts


def closing_time(close_at: str) -> time:
    """`02:00` as a local time."""
    hours, minutes = close_at.split(":")
    return time(int(hours), int(minutes))


def due_day(now: datetime, zone: ZoneInfo, close_at: str) -> date:
    """The newest day that should be closed by now: yesterday from the closing time on, before it the day before yesterday."""
    local = now.astimezone(zone)
    return local.date() - timedelta(days=1 if local.time().replace(tzinfo=None) >= closing_time(close_at) else 2)


def close_due_days(parts: Parts) -> str:
    """Close what is due, in order; returns what was done. Raises what the close refuses, after closing what it can."""
    until = due_day(parts.clock.now(), parts.settings.zone, parts.settings.close_at)
    closed = 0
    for _ in close_missed(parts, until):
        closed += 1
    return f"{closed} site days closed, up to {until}" if closed else ""
