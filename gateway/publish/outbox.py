"""The outbox of the gates: which committed commands wait to be published, and which nobody may publish any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select

from gateway.publish.wire import topic_of
from gateway.store import tables as t
from gateway.store.engine import Store

_ANOTHER_BRIDGE_AFTER = timedelta(seconds=2)
_AT_ONCE = 500


class Waiting(NamedTuple):
    site: str
    id: str
    device: str
    topic: str
    payload: bytes
    action: str
    expires_at: datetime


def waiting(store: Store, now: datetime, planner: str) -> list[Waiting]:
    """Commands planned and not published: our own, nobody's, and those of a bridge that seems to have died."""
    command = t.CommandRow
    statement = (
        select(
            command.site_id,
            command.id,
            command.device_id,
            command.payload,
            command.action,
            command.expires_at,
            command.planner,
            command.planned_at,
        )
        .where(command.state == "planned")
        .order_by(command.planned_at, command.id)
        .limit(_AT_ONCE)
    )
    with store.reading() as connection:
        rows = connection.execute(statement).fetchall()
    return [
        Waiting(
            row.site_id,
            row.id,
            row.device_id,
            topic_of(row.site_id, row.device_id),
            row.payload,
            row.action,
            row.expires_at,
        )
        for row in rows
        if row.planner in {planner, None} or now - row.planned_at > _ANOTHER_BRIDGE_AFTER
    ]
