"""Which days of which sites stand as sums, and which have to be counted from their stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, false, func, select, tuple_

from gateway.flows.sums import income
from gateway.flows.sums.counting import Days, counted
from gateway.store.tables import DaySum, LateChange, Summed

_DAY, _LATE, _SUMMED = DaySum.__table__.c, LateChange.__table__.c, Summed.__table__.c
_A_DAY = timedelta(days=1)
# More days than this one by one would take longer than all of their sites in one go.
_STALE_MAX = 200


@dataclass(frozen=True)
class Standing:
    """Of some sites: up to which day each is summed, and the days before that whose sums hold no more."""

    through: dict[str, date]
    stale: frozenset[tuple[str, date]]
    sites: Sequence[str]
    zone: ZoneInfo

    def kept(self, table: Any, first: date | None, last: date) -> ColumnElement[bool]:
        """Rows of sums that stand, in these days."""
        if not self.through:
            return false()
        conditions = [table.site_id.in_(sorted(self.through)), table.day <= last]
        if first is not None:
            conditions.append(table.day >= first)
        stale = [one for one in sorted(self.stale) if one[1] <= last and (first is None or one[1] >= first)]
        if stale:
            conditions.append(tuple_(table.site_id, table.day).not_in(stale))
        return and_(*conditions)

    def live(self, connection: Connection, first: date, last: date) -> Days:
        """All other days among these, counted from their stays."""
        found: Days = {}
        for since, until, sites in self.open(first, last):
            found |= counted(connection, sites, since, until, self.zone)
        return found

    def inside_at(self, connection: Connection, first: date) -> dict[str, int]:
        """How many were inside when a day began, at each site that is summed at all."""
        before = first - _A_DAY
        query = select(_DAY.site_id, func.sum(_DAY.came - _DAY.went)).where(self.kept(_DAY, None, before))
        inside = dict.fromkeys(self.through, 0)
        inside.update((site, int(count)) for site, count in connection.execute(query.group_by(_DAY.site_id)))
        for (site, _), day in self._counted_before(connection, before).items():
            inside[site] += day.came - day.went
        return inside

    def _counted_before(self, connection: Connection, last: date) -> Days:
        earliest = min([*self.through.values(), *(day for _, day in self.stale)], default=last)
        only = Standing(self.through, self.stale, sorted(self.through), self.zone)
        return only.live(connection, earliest, last) if earliest <= last else {}

    def open(self, first: date, last: date) -> Iterator[tuple[date, date, Collection[str]]]:
        """The other days among these, as stretches with their sites."""
        since: defaultdict[date, list[str]] = defaultdict(list)
        for site in self.sites:
            through = self.through.get(site)
            since[first if through is None else max(first, through + _A_DAY)].append(site)
        yield from ((day, last, some) for day, some in sorted(since.items()) if day <= last)
        again: defaultdict[date, list[str]] = defaultdict(list)
        for site, day in self.stale:
            if first <= day <= last:
                again[day].append(site)
        yield from ((day, day, some) for day, some in sorted(again.items()))


def standing(connection: Connection, sites: Iterable[str], zone: ZoneInfo) -> Standing:
    """How it stands with these sites now. One whose days are of another time zone is not summed."""
    wanted = sorted(sites)
    rows = connection.execute(
        select(_SUMMED.site_id, _SUMMED.through).where(
            _SUMMED.site_id.in_(wanted), _SUMMED.zone == zone.key, _SUMMED.through.is_not(None)
        )
    )
    through: dict[str, date] = {row[0]: row[1] for row in rows}
    late = connection.execute(select(_LATE.site_id, _LATE.at).where(_LATE.site_id.in_(sorted(through))).distinct())
    stale = {(site, at.astimezone(zone).date()) for site, at in late}
    return _bounded(through, {(site, day) for site, day in stale if day <= through[site]}, wanted, zone)


def books_standing(connection: Connection, sites: Iterable[str], zone: ZoneInfo, *, by_lane: bool) -> Standing:
    """The same of the ledger's business days. Where a stay left matters only `by_lane`: a change of it long after leaves the sums as they are."""
    wanted = sorted(sites)
    rows = connection.execute(
        select(_SUMMED.site_id, _SUMMED.books_through).where(
            _SUMMED.site_id.in_(wanted), _SUMMED.books_through.is_not(None)
        )
    )
    through: dict[str, date] = {row[0]: row[1] for row in rows}
    stale: set[tuple[str, date]] = set()
    if by_lane:
        late = connection.execute(select(_LATE.site_id).where(_LATE.site_id.in_(sorted(through))).distinct())
        for site in late.scalars():
            days = income.days_about(connection, site, select(_LATE.stay_id).where(_LATE.site_id == site))
            stale.update((site, day) for day in days if day <= through[site])
    return _bounded(through, stale, wanted, zone)


def _bounded(through: dict[str, date], stale: set[tuple[str, date]], sites: Sequence[str], zone: ZoneInfo) -> Standing:
    if len(stale) > _STALE_MAX:
        spoilt = {site for site, _ in stale}
        through = {site: day for site, day in through.items() if site not in spoilt}
        stale = set()
    return Standing(through, frozenset(stale), sites, zone)
