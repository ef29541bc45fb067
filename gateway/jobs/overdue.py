"""The alarm that a day is not closed: somebody is told while the job still tries."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from gateway.flows import alarms
from gateway.flows.close import next_days
from gateway.jobs.alerting import tell
from gateway.jobs.daily_close import due_day
from gateway.runtime.logs import logger
from gateway.wiring import Parts

KIND: Final = "day_not_closed"
GRACE: Final = timedelta(hours=1)
"""How long the close may take, with its repeats every five minutes, before somebody is told."""
_log = logger(__name__)


def watch_closes(parts: Parts) -> str:
    """One item a site whose oldest open day is overdue, taken back once that day is closed; a line in the log, and the metric. Returns what it found."""
    until = due_day(parts.clock.now() - GRACE, parts.settings.zone, parts.settings.close_at)
    with parts.store.reading() as connection:
        open_since = {site: day for site, day in next_days(connection).items() if day <= until}
    overdue = sum((until - day).days + 1 for day in open_since.values())
    parts.metrics.days_overdue.set(overdue)
    lasting = {
        (site, day.isoformat()): f"parkgate close --day {day} --site {site} says why"
        for site, day in open_since.items()
    }
    new, _ = alarms.keep(
        parts,
        KIND,
        lasting,
        over=lambda subject: subject[0] not in open_since or date.fromisoformat(subject[1]) < open_since[subject[0]],
        resolution="the day is closed",
    )
    for site, subject in new:
        _log.error("a day is not closed; docs/operations.md says what to do", site=site, day=subject)
    tell(parts, "未能日结", [(one, lasting[one]) for one in new])
    return f"{overdue} site days are not closed" if overdue else ""
