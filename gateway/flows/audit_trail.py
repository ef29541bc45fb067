"""The audit trail, searched: who did what, when, where. Writes nothing.

Lines about certificates and passes (ADR 0012) are for registrar and finance alone: to others such a line says who changed a register or a
pass and when, and it is not found by what it is about.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, not_, or_, select, true

from gateway.flows.reading import Document, Sites, Slice, older
from gateway.store.tables import AuditEntry

_LINE = AuditEntry.__table__.c
_SEALED_ENDS: Final = (" certificates", " passes")
_SEALED_BEGINS: Final = ("pass.",)


class TrailFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines. `action`, and `subject`, what it was done to: its name, or the beginning of it and `*`: `registry.*`; `since` and `until` bound
    the instant, `until` is outside.
    """

    operator: str | None = None
    action: str | None = None
    subject: str | None = None
    site: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def search(
    connection: Connection, allowed: Sites, wanted: TrailFilter, page: Slice, *, truly: bool
) -> list[tuple[tuple[Any, ...], Document]]:
    """Lines, the newest first, each with its key for paging. Who has not all sites sees no line that is of none."""
    conditions: list[ColumnElement[bool]] = [true() if allowed is None else _LINE.site_id.in_(sorted(allowed))]
    if wanted.site is not None:
        conditions.append(_LINE.site_id == wanted.site)
    if wanted.operator is not None:
        conditions.append(_LINE.operator == wanted.operator)
    if wanted.action is not None:
        conditions.append(_named(_LINE.action, wanted.action))
    if wanted.subject is not None:
        conditions.append(_named(_LINE.subject, wanted.subject))
    if (wanted.action is not None or wanted.subject is not None) and not truly:
        conditions.append(not_(_sealed_lines()))
    if wanted.since is not None:
        conditions.append(_LINE.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(_LINE.at < wanted.until)
    if page.after is not None:
        conditions += older((page.after[0], int(page.after[1])), _LINE.at, _LINE.id)
    rows = connection.execute(
        select(*_LINE).where(*conditions).order_by(_LINE.at.desc(), _LINE.id.desc()).limit(page.limit + 1)
    )
    return [((row.at, str(row.id)), _document(row, truly)) for row in rows]


def _named(column: ColumnElement[str], asked: str) -> ColumnElement[bool]:
    return column.startswith(asked[:-1], autoescape=True) if asked.endswith("*") else column == asked


def _sealed_lines() -> ColumnElement[bool]:
    ends = (_LINE.action.endswith(one, autoescape=True) for one in _SEALED_ENDS)
    return or_(*ends, *(_LINE.action.startswith(one, autoescape=True) for one in _SEALED_BEGINS))


def _document(row: Any, truly: bool) -> Document:
    sealed = not truly and (row.action.endswith(_SEALED_ENDS) or row.action.startswith(_SEALED_BEGINS))
    return {
        "id": row.id,
        "at": row.at,
        "operator": row.operator,
        "action": row.action.partition(".")[0] if sealed else row.action,
        "site": row.site_id or None,
        "subject": "" if sealed else row.subject,
        "origin": row.origin,
        "reason": "" if sealed else row.reason,
        "detail": {} if sealed else row.detail,
        "sealed": sealed,
    }
