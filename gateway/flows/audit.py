"""Every change leaves a line: who, when, what, from where, why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from gateway.store.prepared import put
from gateway.store.tables import AuditEntry
from gateway.wiring import Parts

_ENTRY = insert(AuditEntry)


def record(
    connection: Connection,
    *,
    at: datetime,
    operator: str,
    action: str,
    site: str = "",
    subject: str = "",
    origin: str = "",
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """One line, in the transaction of the change itself. Never holds a credential or a benefit's true name with a household."""
    put(
        connection,
        _ENTRY,
        {
            "at": at,
            "operator": operator[:64],
            "action": action[:60],
            "site_id": site[:40],
            "subject": subject[:200],
            "origin": origin[:64],
            "reason": reason[:2000],
            "detail": detail or {},
        },
    )


def note(
    parts: Parts,
    *,
    operator: str,
    action: str,
    site: str = "",
    subject: str = "",
    origin: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """A line in a transaction of its own, for a change that a flow of several transactions has made."""
    with parts.store.writing() as connection:
        record(
            connection,
            at=parts.clock.now(),
            operator=operator,
            action=action,
            site=site,
            subject=subject,
            origin=origin,
            detail=detail,
        )
        connection.commit()
