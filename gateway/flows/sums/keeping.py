"""The job that sums days that are over, and again those that were changed since."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.flows.sums import accounts, income
from gateway.flows.sums.counting import Days, counted
from gateway.flows.sums.marks import LATE
from gateway.store import books
from gateway.store.tables import DaySum, LaneSum, LateChange, Site, SiteBooks, Stay, Summed
from gateway.wiring import Parts

_SUMMED, _LATE, _STAY = Summed.__table__.c, LateChange.__table__.c, Stay.__table__.c
_BOOKS = SiteBooks.__table__.c
_A_DAY = timedelta(days=1)
# A change of something younger leaves no mark. It is stored within this time, or the day it is about is not summed yet.
SETTLED_AFTER = 2 * LATE
# In one transaction: SQLite's other writers wait for it.
_DAYS_AT_ONCE = 7
_MARKS_AT_ONCE = 500
ROUNDS_A_RUN = 2_000


def keep(parts: Parts) -> str:
    """Sum what is over and not summed, and what was marked since. What one run does is bounded. Returns what was done, in words."""
    zone = parts.settings.zone
    last = (parts.clock.now() - SETTLED_AFTER).astimezone(zone).date() - _A_DAY
    with parts.store.reading() as connection:
        sites = list(connection.execute(select(Site.id).order_by(Site.id)).scalars())
    left, days = ROUNDS_A_RUN, 0
    for site in sites:
        while left:
            with parts.store.writing() as connection:
                done = _round(connection, site, last, zone)
                connection.commit()
            if done is None:
                break
            left, days = left - 1, days + done
    return f"{days} site days summed, up to {last}" if days else ""


def _round(connection: Connection, site: str, last: date, zone: ZoneInfo) -> int | None:
    """What was marked of a site, or its next days: how many days were summed; None where nothing is left to do."""
    through, books_through = _hold(connection, site, zone)
    # First the marks, then the stays: a change that is not in these marks leaves one that outlives this round.
    marks = connection.execute(
        select(_LATE.id, _LATE.at).where(_LATE.site_id == site).order_by(_LATE.id).limit(_MARKS_AT_ONCE)
    ).all()
    if marks:
        stale = {at.astimezone(zone).date() for _, at in marks}
        again = sorted(day for day in stale if through is not None and day <= through)
        for day in again:
            _write(connection, site, day, day, counted(connection, [site], day, day, zone))
        these = _LATE.id.in_([one.id for one in marks])
        for day in sorted(income.days_about(connection, site, select(_LATE.stay_id).where(these))):
            if books_through is not None and day <= books_through:
                income.write(connection, site, day, day)
        connection.execute(delete(LateChange).where(these))
        return len(again)
    closed = connection.execute(select(_BOOKS.closed_through).where(_BOOKS.site_id == site)).scalar()
    if closed is not None and (books_through is None or books_through < closed):
        return _sum_books(connection, site, books_through, closed)
    first = _first(connection, site, zone, last) if through is None else through + _A_DAY
    if first > last:
        return None
    until = min(first + (_DAYS_AT_ONCE - 1) * _A_DAY, last)
    _write(connection, site, first, until, counted(connection, [site], first, until, zone))
    connection.execute(update(Summed).where(_SUMMED.site_id == site).values(through=until))
    return (until - first).days + 1


def _hold(connection: Connection, site: str, zone: ZoneInfo) -> tuple[date | None, date | None]:
    """Up to which day the site is summed, and its ledger; held until this transaction ends. Days of another time zone are forgotten."""
    row = connection.execute(
        select(_SUMMED.zone, _SUMMED.through, _SUMMED.books_through).where(_SUMMED.site_id == site).with_for_update()
    ).first()
    if row is None:
        connection.execute(insert(Summed).values(site_id=site, zone=zone.key))
        return None, None
    if row.zone == zone.key:
        return row.through, row.books_through
    for model in (DaySum, LaneSum):
        connection.execute(delete(model).where(model.site_id == site))
    connection.execute(update(Summed).where(_SUMMED.site_id == site).values(zone=zone.key, through=None))
    return None, row.books_through


def _sum_books(connection: Connection, site: str, through: date | None, closed: date) -> int:
    """The next closed days of a site's ledger: how many."""
    first = (
        through + _A_DAY if through is not None else min(books.first_business_day(connection, site) or closed, closed)
    )
    until = min(first + (_DAYS_AT_ONCE - 1) * _A_DAY, closed)
    income.write(connection, site, first, until)
    accounts.write(connection, site, first, until)
    connection.execute(update(Summed).where(_SUMMED.site_id == site).values(books_through=until))
    return (until - first).days + 1


def _first(connection: Connection, site: str, zone: ZoneInfo, last: date) -> date:
    """The first day of a site in which anything moved; where nothing ever did, the last one that is over."""
    earliest: datetime | None = connection.execute(
        select(func.min(_STAY.started_at)).where(_STAY.site_id == site)
    ).scalar()
    return last if earliest is None else min(earliest.astimezone(zone).date(), last)


def _write(connection: Connection, site: str, first: date, until: date, days: Days) -> None:
    """In place of what stands there."""
    for model in (DaySum, LaneSum):
        connection.execute(delete(model).where(model.site_id == site, model.day >= first, model.day <= until))
    rows: list[dict[str, Any]] = []
    lanes: list[dict[str, Any]] = []
    for (_, day), found in days.items():
        quarters, lengths = found.packed()
        mine = {"site_id": site, "day": day}
        rows.append({**mine, "came": found.came, "went": found.went, "quarters": quarters, "lengths": lengths})
        lanes += [{**mine, "lane": lane, "entries": n[0], "exits": n[1]} for lane, n in found.lanes.items()]
    if rows:
        connection.execute(insert(DaySum), rows)
    if lanes:
        connection.execute(insert(LaneSum), lanes)
