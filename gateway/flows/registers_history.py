"""Every change of a register, with who, when, from where, why, before and after: written with the change itself, read by the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, insert, select

from gateway.flows.reading import Slice
from gateway.flows.registers_kinds import REGISTERS, Row, entry_of
from gateway.store.tables import RegisterChange

# How many changed entries are looked up by their digests; of more the whole register's counts are read.
_LOOKED_UP_MAX = 500
_INSTANTS = ("valid_from", "valid_to", "registered_at", "reviewed_at")
_CHANGE = RegisterChange.__table__.c


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes registers, and why. `source`: file | api | console | system; `digest`: of the file or of the request."""

    operator: str
    source: str
    origin: str = ""
    reason: str = ""
    file: str = ""
    digest: bytes | None = None
    request_key: str | None = None


class Step(msgspec.Struct, frozen=True):
    """What happened to one entry: rows by column, None where there was none.

    `action`: add | change | end | lift | review, and what a flow with a trade of its own calls it.
    """

    action: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


def record(connection: Connection, kind: str, steps: Sequence[Step], who: Who, at: datetime) -> None:
    """In the transaction of the changes, under the lock that keeps others from changing the same entries."""
    if not steps:
        return
    register = REGISTERS[kind]
    entries = [(str(step.after["site_id"]), entry_of(kind, step.after)) for step in steps]
    counts = _counts(connection, kind, entries)
    rows: list[Row] = []
    for step, key in zip(steps, entries, strict=True):
        counts[key] = counts.get(key, 0) + 1
        rows.append(
            {
                "site_id": key[0],
                "kind": kind,
                "entry": key[1],
                "sequence": counts[key],
                "at": at,
                "action": step.action,
                "operator": who.operator[:64],
                "source": who.source,
                "origin": who.origin[:64],
                "file": who.file[:200],
                "reason": who.reason[:2000],
                "digest": who.digest,
                "request_key": who.request_key,
                "before": register.fields(step.before) if step.before is not None else {},
                "after": register.fields(step.after),
            }
        )
    connection.execute(insert(RegisterChange), rows)


def _counts(connection: Connection, kind: str, entries: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How many changes each entry has had."""
    query = (
        select(_CHANGE.site_id, _CHANGE.entry, func.max(_CHANGE.sequence))
        .where(_CHANGE.site_id.in_(sorted({site for site, _ in entries})), _CHANGE.kind == kind)
        .group_by(_CHANGE.site_id, _CHANGE.entry)
    )
    if len(entries) <= _LOOKED_UP_MAX:
        query = query.where(_CHANGE.entry.in_(sorted({entry for _, entry in entries})))
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def repeated(connection: Connection, site: str, request_key: str) -> tuple[str, bytes | None] | None:
    """The kind and digest of the request that came with this idempotency key before; None if none did that changed anything."""
    row = connection.execute(
        select(_CHANGE.kind, _CHANGE.digest).where(_CHANGE.site_id == site, _CHANGE.request_key == request_key).limit(1)
    ).first()
    return None if row is None else (row.kind, None if row.digest is None else bytes(row.digest))


def of_entry(
    connection: Connection, kind: str, row: Mapping[str, Any], page: Slice
) -> list[tuple[tuple[Any, ...], Row]]:
    """What became of one entry, the newest first, each with its key for paging."""
    site, entry = str(row["site_id"]), entry_of(kind, row)
    conditions = [_CHANGE.site_id == site, _CHANGE.kind == kind, _CHANGE.entry == entry]
    if page.after is not None:
        conditions.append(_CHANGE.sequence < _number(page.after[1]))
    found = connection.execute(
        select(RegisterChange).where(and_(*conditions)).order_by(_CHANGE.sequence.desc()).limit(page.limit + 1)
    )
    return [((entry, str(change.sequence)), _document(change)) for change in found]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _document(change: Any) -> Row:
    return {
        "sequence": change.sequence,
        "at": change.at,
        "action": change.action,
        "operator": change.operator,
        "source": change.source,
        "origin": change.origin,
        "file": change.file,
        "digest": bytes(change.digest).hex() if change.digest is not None else None,
        "reason": change.reason,
        "before": _fields(change.before),
        "after": _fields(change.after),
    }


def _fields(stored: Mapping[str, Any]) -> Row | None:
    """A stored document with its instants as instants."""
    if not stored:
        return None
    return {
        name: datetime.fromisoformat(value) if name in _INSTANTS and value is not None else value
        for name, value in stored.items()
    }
