"""What no event will tell: an opening that nobody passed through."""

from __future__ import annotations

from sqlalchemy import select, text, update

from controllers.decide import CONFIRM_WITHIN
from gateway.flows.outcome import Situation
from gateway.flows.saving import OutcomeWriter
from gateway.store import tables as t
from gateway.wiring import Parts

_AT_ONCE = 500


def sweep(parts: Parts) -> int:
    """Opened, and neither passed nor reversed within 3 minutes: an exception, once.

    One round. Returns how many reads it dealt with. Does nothing on a quiet street.
    """
    event = t.PlateEventRow
    before = parts.clock.now() - CONFIRM_WITHIN
    statement = (
        select(event.site_id, event.device_id, event.event_id, event.lane_id, event.at)
        .where(text("decision = 'open' AND NOT completed"), event.at < before)
        .order_by(event.at)
        .limit(_AT_ONCE)
    )
    with parts.store.reading() as connection:
        if not connection.execute(statement.limit(1)).first():
            return 0
    with parts.store.writing() as connection:
        rows = connection.execute(statement.with_for_update(skip_locked=True)).fetchall()
        writer = OutcomeWriter(connection)
        writer.situations(
            Situation(
                site=row.site_id,
                kind="not_confirmed",
                subject=f"{row.device_id}:{row.event_id}",
                at=row.at + CONFIRM_WITHIN,
                lane=row.lane_id,
                event=row.event_id,
            )
            for row in rows
        )
        for row in rows:
            connection.execute(
                update(event)
                .where(event.site_id == row.site_id, event.device_id == row.device_id, event.event_id == row.event_id)
                .values(completed=True)
            )
        connection.commit()
    return len(rows)
