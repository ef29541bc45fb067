"""How far days are reconciled, and what of them does not agree. Writes nothing, and needs no engine."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gateway.store import tables as t

_BREAK, _RUN, _CLOSE = (table.__table__.c for table in (t.ReconciliationBreak, t.ReconciliationRun, t.DayClose))


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """A break as `parkgate reconcile --json` prints it."""

    id: str
    site: str
    kind: str
    channel: str | None
    order: str | None
    stay: str | None
    amount_fen: int
    state: str


class SiteDay(msgspec.Struct, frozen=True, kw_only=True):
    """A site's day. `run`: the newest match that said something new, 0 before the first. `missing`: statements that have not come."""

    site: str
    run: int = 0
    statements: list[dict[str, Any]] = []
    missing: list[dict[str, str]] = []
    totals: list[dict[str, Any]] = []
    breaks: int = 0
    sealed: bool = False
    sequence: int | None = None
    hash: str | None = None


def breaks(connection: Connection, sites: Collection[str], day: date) -> list[Break]:
    """What of a day differs, or differed and was explained by people; what cleared by itself is left out."""
    rows = connection.execute(
        select(*_BREAK)
        .where(_BREAK.site_id.in_(sorted(sites)), _BREAK.day == day, _BREAK.state != "cleared")
        .order_by(_BREAK.site_id, _BREAK.id)
    )
    return [
        Break(
            id=row.id,
            site=row.site_id,
            kind=row.kind,
            channel=row.channel or None,
            order=row.order_number or None,
            stay=row.stay_id,
            amount_fen=row.amount_fen,
            state=row.state,
        )
        for row in rows
    ]


def days(connection: Connection, sites: Collection[str], day: date) -> list[SiteDay]:
    """The day at each of these sites, in order."""
    here = sorted(sites)
    runs = connection.execute(select(*_RUN).where(_RUN.site_id.in_(here), _RUN.day == day).order_by(_RUN.sequence))
    newest = {row.site_id: row for row in runs}
    sealed = connection.execute(
        select(_CLOSE.site_id, _CLOSE.sequence, _CLOSE.hash).where(
            _CLOSE.site_id.in_(here), _CLOSE.kind == "reconciled", _CLOSE.day == day
        )
    )
    records = {row.site_id: row for row in sealed}
    return [_day(site, newest.get(site), records.get(site)) for site in here]


def _day(site: str, run: Any, record: Any) -> SiteDay:
    told = {} if record is None else {"sealed": True, "sequence": record.sequence, "hash": bytes(record.hash).hex()}
    if run is None:
        return SiteDay(site=site, **told)
    matched = {"statements": run.statements, "missing": run.missing, "totals": run.totals, "breaks": run.breaks}
    return SiteDay(site=site, run=run.sequence, **matched, **told)
