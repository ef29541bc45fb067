"""The queue of what needs a person: one works on an item at a time, and whoever is done with it says what came of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from gateway.flows import audit
from gateway.flows.charges_books import By, reason_of
from gateway.flows.reading import Sites, at_each, exception_document
from gateway.flows.refusals import NotFound
from gateway.flows.staff_refusals import AlreadyResolved, Claimed
from gateway.store import tables as t
from gateway.wiring import Parts

# Who claimed an item and went home does not keep it from others.
CLAIM_FOR = timedelta(minutes=15)
_ITEM = t.ExceptionItem.__table__.c


def claim(parts: Parts, allowed: Sites, item_id: str, by: By) -> dict[str, Any]:
    """Take an item. Taking one's own again keeps it. Raises `NotFound`, `AlreadyResolved`, `Claimed`."""
    with parts.store.writing() as connection:
        now, item = parts.clock.now(), _open(connection, allowed, item_id)
        not_anothers(item, by, now)
        _change(connection, item, claimed_by=by.operator, claimed_at=now)
        _note(connection, now, "exception.claim", item, by, "")
        found = _read(connection, item)
        connection.commit()
    return found


def release(parts: Parts, allowed: Sites, item_id: str, by: By) -> dict[str, Any]:
    """Give an item back. Raises `NotFound`, `AlreadyResolved`, `Claimed` where it is somebody else's."""
    with parts.store.writing() as connection:
        now, item = parts.clock.now(), _open(connection, allowed, item_id)
        not_anothers(item, by, now)
        _change(connection, item, claimed_by=None, claimed_at=None)
        _note(connection, now, "exception.release", item, by, "")
        found = _read(connection, item)
        connection.commit()
    return found


def resolve(parts: Parts, allowed: Sites, item_id: str, resolution: str, note: str, by: By) -> dict[str, Any]:
    """Say what came of an item. The same said again by the same person changes nothing.

    Raises `NotFound`, `Invalid`, `AlreadyResolved`, `Claimed` while somebody else works on it.
    """
    words = reason_of(resolution, "resolution")
    said = f"{words}: {note.strip()}" if note.strip() else words
    reason_of(said, "note")
    with parts.store.writing() as connection:
        now, item = parts.clock.now(), _item(connection, allowed, item_id)
        if item.state == "resolved" and (item.resolved_by, item.resolution) == (by.operator, said):
            return exception_document(item)
        _still_open(item)
        not_anothers(item, by, now)
        done = {"state": "resolved", "resolved_at": now, "resolved_by": by.operator, "resolution": said}
        # Should it happen again, it is nobody's.
        _change(connection, item, **done, claimed_by=None, claimed_at=None)
        _note(connection, now, "exception.resolve", item, by, said)
        found = _read(connection, item)
        connection.commit()
    return found


def _item(connection: Connection, allowed: Sites, item_id: str) -> Any:
    """Raises `NotFound`."""
    wanted = select(*_ITEM).where(at_each(t.ExceptionItem.site_id, allowed), _ITEM.id == item_id).with_for_update()
    row = connection.execute(wanted).first()
    if row is None:
        raise NotFound("there is no such item, or not for you")
    return row


def _open(connection: Connection, allowed: Sites, item_id: str) -> Any:
    """Raises `NotFound`, `AlreadyResolved`."""
    item = _item(connection, allowed, item_id)
    _still_open(item)
    return item


def _still_open(item: Any) -> None:
    if item.state != "open":
        raise AlreadyResolved(f"{item.resolved_by} has resolved this already")


def not_anothers(item: Any, by: By, now: datetime) -> None:
    """Whoever answers an item may not take it out of another's hands. Raises `Claimed`."""
    if item.claimed_by not in {None, by.operator} and now - item.claimed_at < CLAIM_FOR:
        raise Claimed(f"{item.claimed_by} works on this already")


def _change(connection: Connection, item: Any, **changed: Any) -> None:
    connection.execute(
        update(t.ExceptionItem).where(_ITEM.site_id == item.site_id, _ITEM.id == item.id).values(**changed)
    )


def _read(connection: Connection, item: Any) -> dict[str, Any]:
    wanted = select(*_ITEM).where(_ITEM.site_id == item.site_id, _ITEM.id == item.id)
    return exception_document(connection.execute(wanted).one())


def _note(connection: Connection, now: datetime, action: str, item: Any, by: By, reason: str) -> None:
    audit.record(
        connection,
        at=now,
        operator=by.operator,
        action=action,
        site=item.site_id,
        subject=item.id,
        origin=by.origin,
        reason=reason,
        detail={"kind": item.kind},
    )
