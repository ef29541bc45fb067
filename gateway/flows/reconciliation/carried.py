"""挂账: what a close says of breaks: those of its day and of days before that nobody has settled. Writes nothing."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, select, text

from billing.close import BreakAt
from gateway.store import tables as t
from gateway.store.tables.reconciliation import UNSETTLED

_BREAK = t.ReconciliationBreak.__table__.c


def at_close(connection: Connection, site: str, day: date) -> list[BreakAt]:
    """As they stand at this moment."""
    rows = connection.execute(
        select(_BREAK.kind, _BREAK.state, _BREAK.day, _BREAK.amount_fen).where(
            _BREAK.site_id == site, text(UNSETTLED), _BREAK.day <= day
        )
    )
    return [BreakAt(row.kind, row.state, row.day, row.amount_fen) for row in rows]
