"""日清日对: match a day's records, keep what does not agree, and seal the day once every statement of it has come.

What is there is read in one look without a lock, and matched; what came out is then written with each site's books held alone. Where
another run has written meanwhile, the look is taken again. Running again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, insert, select

from billing.reconciled import digest_of
from gateway.flows.charges_books import By, Desk, hold
from gateway.flows.posting import day_bounds
from gateway.flows.reconciliation import reading, sealing
from gateway.flows.reconciliation.matching import Matched, match
from gateway.flows.reconciliation.standing import Keeper, break_of
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts

SERVICE: Final = "service"
_LOOKS_MAX: Final = 5
# Days that follow one that could be sealed at last; further ones are another run's.
_DAYS_MAX: Final = 62
_ONE: Final = timedelta(days=1)
_RUN, _STATEMENT = t.ReconciliationRun.__table__.c, t.ChannelStatement.__table__.c


class RunsMeet(Refused):
    """Others reconcile the same day at this moment; try again in a minute."""

    status = 409
    slug = "runs-meet"


class Reconciled(msgspec.Struct, frozen=True):
    """A day as it is reconciled. `sealed`: at each of the sites asked for."""

    day: date
    sites: tuple[reading.SiteDay, ...]
    breaks: tuple[reading.Break, ...]

    @property
    def sealed(self) -> bool:
        return all(one.sealed for one in self.sites)


def reconcile_day(
    parts: Parts,
    day: date,
    site: str | None = None,
    operator: str | None = None,
    progress: Callable[[str], object] | None = None,
    *,
    origin: str = "",
) -> Reconciled:
    """Match a day of a site, or of all enabled sites. Its neighbours are matched again where they were matched before.

    `origin`: from where, for the audit trail.
    So what was cut off at midnight clears by itself, and days that waited for this one are sealed, in order. Raises `NotFound` for an
    unknown site, `Invalid` for a day that has not begun, `RunsMeet`.
    """
    sites = _sites(parts, site, day)
    if parts.clock.now() < day_bounds(day, parts.settings.zone)[0]:
        raise Invalid(f"{day} has not begun: there is nothing to match yet")
    todo, done = [*_begun(parts, sites, [day - _ONE]), day, *_begun(parts, sites, [day + _ONE])], 0
    while done < len(todo) and done < _DAYS_MAX:
        sealed = _match_and_keep(parts, todo[done], sites, operator, origin)
        following = todo[done] + _ONE
        if sealed and following not in todo:
            todo += _begun(parts, sites, [following])
        if progress is not None:
            progress(todo[done].isoformat())
        done += 1
    with parts.store.reading() as connection:
        return Reconciled(
            day, tuple(reading.days(connection, sites, day)), tuple(reading.breaks(connection, sites, day))
        )


def _sites(parts: Parts, site: str | None, day: date) -> list[str]:
    """A site, or the street as it was: a site that came later has no such day."""
    with parts.store.reading() as connection:
        known = books.enabled_sites(connection)
        begun = [name for name in known if site is None and books.has_begun(connection, name, day)]
    if site is not None and site not in known:
        raise NotFound(f"there is no site {site:.60} in service")
    if not known:
        raise NotFound("there is no site; apply a site file first")
    return [site] if site is not None else begun or list(known)


def _begun(parts: Parts, sites: Collection[str], days: Collection[date]) -> list[date]:
    """Those of these days that were matched before at one of the sites."""
    with parts.store.reading() as connection:
        rows = connection.execute(
            select(_RUN.day).distinct().where(_RUN.site_id.in_(sorted(sites)), _RUN.day.in_(sorted(days)))
        )
        return sorted(rows.scalars())


def _match_and_keep(parts: Parts, day: date, sites: Collection[str], operator: str | None, origin: str) -> bool:
    """One day of these sites. Whether one of them was sealed by it."""
    left, sealed = sorted(sites), False
    for _ in range(_LOOKS_MAX):
        with parts.store.reading() as connection:
            _one_moment(parts, connection)
            seen = _newest(connection, day, left)
            found = match(parts, connection, day, left)
        again = []
        for one in found:
            kept = _keep(parts, one, seen.get(one.site), operator, origin)
            sealed = sealed or kept is True
            if kept is None:
                again.append(one.site)
        if not again:
            return sealed
        left = again
    raise RunsMeet


def _one_moment(parts: Parts, connection: Connection) -> None:
    if parts.store.postgres:
        # Without this every statement sees its own moment: money that is there and its order that is not.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _newest(connection: Connection, day: date, sites: Collection[str]) -> dict[str, Any]:
    """The last run of a day that wrote anything, by site."""
    rows = connection.execute(
        select(_RUN.site_id, _RUN.sequence, _RUN.digest, _RUN.statements)
        .where(_RUN.day == day, _RUN.site_id.in_(sorted(sites)))
        .order_by(_RUN.sequence)
    )
    return {row.site_id: row for row in rows}


def _keep(parts: Parts, matched: Matched, seen: Any, operator: str | None, origin: str) -> bool | None:
    """Write what a match came to, in one transaction. Whether it sealed the day; None where it is out of date by now."""
    with parts.store.writing() as connection:
        desk = hold(parts, connection, matched.site, By(operator=operator or SERVICE, origin=origin))
        newest = _newest(connection, matched.day, [matched.site]).get(matched.site)
        if (newest.sequence if newest else 0) != (seen.sequence if seen else 0) or not _still(connection, matched):
            return None
        run = newest.sequence if newest else 0
        keeper = Keeper(desk, matched.day, run + 1, _why(newest, matched), operator)
        keeper.keep({one.id: one for one in (break_of(matched.site, row) for row in matched.breaks)})
        standing = sealing.differed(connection, matched.site, matched.day)
        digest = digest_of(matched.statements, matched.missing, matched.totals, standing)
        if keeper.changes or newest is None or bytes(newest.digest) != digest:
            run += 1
            _write_run(desk, matched, run, digest, len(standing), operator)
        sealed = sealing.seal_day(desk, matched, run, standing, operator)
        connection.commit()
    if sealed:
        parts.metrics.days_reconciled.inc()
    return sealed


def _still(connection: Connection, matched: Matched) -> bool:
    """Whether the statements that it was matched with still stand."""
    ids = sorted(one.id for one in matched.statements)
    if not ids:
        return True
    gone = select(_STATEMENT.id).where(_STATEMENT.id.in_(ids), _STATEMENT.replaced_by.is_not(None))
    return connection.execute(gone.limit(1)).first() is None


def _why(newest: Any, matched: Matched) -> str:
    """Why what was there before may be gone now."""
    before = {
        (one["merchant"], one["channel"], one["kind"]): one["id"] for one in (newest.statements if newest else ())
    }
    now = {(one.merchant, one.channel, one.kind): one.id for one in matched.statements}
    if any(now.get(slot, name) != name for slot, name in before.items()):
        return "replaced_statement"
    return "late_statement" if now.keys() - before.keys() else "books"


def _write_run(desk: Desk, matched: Matched, run: int, digest: bytes, breaks: int, operator: str | None) -> None:
    desk.connection.execute(
        insert(t.ReconciliationRun).values(
            site_id=matched.site,
            day=matched.day,
            sequence=run,
            at=desk.now,
            operator=operator,
            statements=msgspec.to_builtins(matched.statements),
            missing=[one._asdict() for one in matched.missing],
            totals=msgspec.to_builtins(matched.totals),
            breaks=breaks,
            digest=digest,
        )
    )
    if operator is not None:
        desk.audit("reconcile", matched.day.isoformat(), run=run, breaks=breaks)
