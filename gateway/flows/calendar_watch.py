"""The alarm before a year begins whose holidays this installation does not know, where a price depends on them.

The State Council publishes a year's holidays in the autumn before it, and `chinesecalendar` follows with a release. Until that is
installed, stays that reach the new year go to the exception queue: nobody is charged by a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, select

from billing.calendar import newest_known_year
from billing.policy import in_force
from gateway.flows import alarms, policies
from gateway.runtime.logs import logger
from gateway.store.tables import Site
from gateway.wiring import Parts

KIND: Final = "calendar_unknown"
ALARM_FROM: Final = (11, 15)
"""Month and day from which the next year's holidays are missed. They are published about the beginning of November."""

_log = logger(__name__)


def watch_calendar(parts: Parts, known_through: Callable[[int], int | None] = newest_known_year) -> str:
    """One item in the exception queue of each site whose policy needs a year that is not known, and a line in the log.

    `known_through`: the last year from one on that is known. Takes items back once their year is known. The metric tells at any time how far the calendar reaches. Returns what it found.
    """
    now = parts.clock.now()
    today = now.astimezone(parts.settings.zone).date()
    known = known_through(today.year)
    parts.metrics.calendar_known_through.set(known or 0)
    missing = _missing(today, known)
    with parts.store.reading() as connection:
        sites = _that_need_it(connection, now, missing) if missing is not None else []
    if missing is not None and sites:
        _log.warning(
            "the holidays of a year are not known; install a newer chinesecalendar", year=missing, sites=len(sites)
        )
    new, settled = alarms.keep(
        parts,
        KIND,
        {
            (site, str(missing)): f"holidays of {missing}: pip install --upgrade chinesecalendar, then restart"
            for site in sites
        },
        over=lambda subject: _known(subject[1], known),
        resolution="the calendar knows it now",
    )
    if new:
        return f"holidays of {missing} unknown: {len(new)} sites told"
    return f"{len(settled)} sites: known by now" if settled else ""


def _missing(today: date, known: int | None) -> int | None:
    """The year that should be known by now and is not."""
    if known is None:
        return today.year
    if known > today.year or (today.month, today.day) < ALARM_FROM:
        return None
    return today.year + 1


def _known(year: str, known: int | None) -> bool:
    return known is not None and year.isdigit() and int(year) <= known


def _that_need_it(connection: Connection, now: datetime, year: int) -> list[str]:
    """Sites whose policy, as in force now or from a later start in that year on, depends on holidays."""
    versions = policies.versions(connection)
    needing = {
        policy_id
        for policy_id, kept in versions.items()
        if any(
            one.needs_calendar
            for one in kept
            if one is in_force(kept, now) or (one.effective_from > now and one.effective_from.year <= year)
        )
    }
    rows = connection.execute(select(Site.id, Site.policy_id).where(Site.enabled).order_by(Site.id))
    return [site for site, policy_id in rows if policy_id in needing]
