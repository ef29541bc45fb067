"""The second sealed record of a site's day: once it is closed and every statement of it has come and was matched, days in order."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Connection, exists, select

from billing.chain import FIRST_PREVIOUS, Record
from billing.close import Sealed
from billing.reconciled import KIND, DayMatched, Differed, seal
from gateway.flows.charges_books import Desk
from gateway.flows.reconciliation.matching import Matched
from gateway.store import books
from gateway.store import tables as t

_BREAK, _RUN, _STATEMENT, _SITE = (
    table.__table__.c for table in (t.ReconciliationBreak, t.ReconciliationRun, t.ChannelStatement, t.Site)
)


def seal_day(desk: Desk, matched: Matched, run: int, standing: list[Differed], operator: str | None) -> bool:
    """Seal the day if it can be; whether this did. A day that is sealed stays as it was sealed. `standing`: its breaks, as `differed`."""
    close = books.close_of(desk.connection, matched.site, matched.day)
    if matched.missing or close is None:
        return False
    previous = books.newest_record(desk.connection, matched.site, KIND)
    if not _follows(desk, matched.site, matched.day, previous):
        return False
    day = DayMatched(
        site=matched.site,
        day=matched.day,
        close=close.hash,
        run=run,
        statements=matched.statements,
        totals=matched.totals,
        breaks=standing,
    )
    sealed = seal(
        day,
        sequence=previous.sequence + 1 if previous else 1,
        previous_hash=previous.hash if previous else FIRST_PREVIOUS,
    )
    _store(desk, sealed, operator)
    return True


def differed(connection: Connection, site: str, day: date) -> list[Differed]:
    """The breaks of a day as they stand; without those that cleared by themselves."""
    rows = connection.execute(
        select(_BREAK.id, _BREAK.kind, _BREAK.state, _BREAK.amount_fen, _BREAK.difference_fen)
        .where(_BREAK.site_id == site, _BREAK.day == day, _BREAK.state != "cleared")
        .order_by(_BREAK.id)
    )
    return [Differed(*row) for row in rows]


def _follows(desk: Desk, site: str, day: date, previous: Record | None) -> bool:
    """Whether it is this day's turn. The first is the first one that anybody has begun to reconcile."""
    if previous is not None:
        return day == previous.day + timedelta(days=1)
    merchant = select(_SITE.merchant_id).where(_SITE.id == site).scalar_subquery()
    first = books.first_close_day(desk.connection, site) or day
    told = exists().where(_STATEMENT.merchant_id == merchant, _STATEMENT.day < day, _STATEMENT.day >= first)
    begun = exists().where(_RUN.site_id == site, _RUN.day < day, _RUN.day >= first)
    return not desk.connection.execute(select(told | begun)).scalar_one()


def _store(desk: Desk, sealed: Sealed, operator: str | None) -> None:
    books.put_record(desk.connection, sealed, desk.now, operator)
    if operator is not None:
        desk.audit("reconcile.seal", sealed.record.day.isoformat(), sequence=sealed.record.sequence)
