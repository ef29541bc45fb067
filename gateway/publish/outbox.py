"""The outbox of the gates: which committed commands wait to be published, and which nobody may publish any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import literal_column, select, update

from gateway.publish.wire import topic_of
from gateway.store import tables as t
from gateway.store.engine import Store
from gateway.store.prepared import find

_ANOTHER_BRIDGE_AFTER = timedelta(seconds=2)
_AT_ONCE = 500

_COMMAND = t.CommandRow
_PLANNED = (
    select(
        _COMMAND.site_id,
        _COMMAND.id,
        _COMMAND.device_id,
        _COMMAND.payload,
        _COMMAND.action,
        _COMMAND.expires_at,
        _COMMAND.planner,
        _COMMAND.planned_at,
    )
    # In words, not as parameters: only then does a partial index serve. The first condition is the index's own.
    .where(_COMMAND.state.in_([literal_column("'planned'"), literal_column("'sent'")]))
    .where(_COMMAND.state == literal_column("'planned'"))
    .order_by(_COMMAND.planned_at, _COMMAND.id)
    .limit(_AT_ONCE)
)


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
    with store.reading() as connection:
        rows = find(connection, _PLANNED)
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


def claim(store: Store, site: str, command: str, now: datetime) -> bool:
    """Make a command ours to tell: sent, before it is. False: it was told before, by whomever, or is stale. One transaction."""
    with store.writing() as connection:
        claimed = connection.execute(
            update(_COMMAND)
            .where(
                _COMMAND.site_id == site, _COMMAND.id == command, _COMMAND.state == "planned", _COMMAND.expires_at > now
            )
            .values(state="sent")
        ).rowcount
        connection.commit()
    return bool(claimed)
