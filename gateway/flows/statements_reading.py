"""What was imported of channels' statements, for those who look after the money. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, select, true

from gateway.flows.reading import Document, Sites, Slice
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.statements import document_of
from gateway.store.tables import ChannelStatement, ChannelStatementRow, Site

_S, _R = ChannelStatement, ChannelStatementRow
_LINE_DIGITS = 10


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which statements; None: all. `replaced`: also those that another took the place of."""

    day: date | None = None
    channel: str | None = None
    merchant: str | None = None
    replaced: bool = False


def _seen(sites: Sites) -> Any:
    """A statement belongs to an account: whoever sees one of its sites sees that it came."""
    if sites is None:
        return true()
    return _S.merchant_id.in_(select(Site.merchant_id).where(Site.id.in_(sorted(sites))))


def statements(
    connection: Connection, sites: Sites, wanted: Wanted, page: Slice
) -> list[tuple[tuple[Any, ...], Document]]:
    """In the order of days, then of ids; one more than the page holds."""
    query = select(_S).where(_seen(sites)).order_by(_S.day, _S.id).limit(page.limit + 1)
    if wanted.day is not None:
        query = query.where(_S.day == wanted.day)
    if wanted.channel is not None:
        query = query.where(_S.channel == wanted.channel)
    if wanted.merchant is not None:
        query = query.where(_S.merchant_id == wanted.merchant)
    if not wanted.replaced:
        query = query.where(_S.replaced_by.is_(None))
    if page.after is not None:
        after = _place(date.fromisoformat, page)
        query = query.where((_S.day > after) | ((_S.day == after) & (_S.id > page.after[1])))
    return [((row.day.isoformat(), row.id), _document(row)) for row in connection.execute(query)]


def statement(connection: Connection, sites: Sites, statement_id: str) -> Document:
    """One of them, also where another took its place. Raises `NotFound` for one of another's account."""
    row = connection.execute(select(_S).where(_S.id == statement_id, _seen(sites))).first()
    if row is None:
        raise NotFound("there is no such statement, or not for you")
    return _document(row)


def from_line(line: int, limit: int) -> Slice:
    """The page of a statement's rows that begins with a line."""
    return Slice((_key(line - 1), ""), limit)


def rows(
    connection: Connection, sites: Sites, statement_id: str, page: Slice
) -> list[tuple[tuple[Any, ...], Document]]:
    """A statement's rows of these sites, by line. Raises `NotFound` for a statement of another's account."""
    statement(connection, sites, statement_id)
    at_each = select(Site.id) if sites is None else select(Site.id).where(Site.id.in_(sorted(sites)))
    query = (
        select(_R)
        .where(_R.site_id.in_(at_each), _R.statement_id == statement_id)
        .order_by(_R.line)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(_R.line > _place(int, page))
    return [((_key(row.line), ""), _row(row)) for row in connection.execute(query)]


def _key(line: int) -> str:
    return f"{line:0{_LINE_DIGITS}d}"


def _place(read: Callable[[str], Any], page: Slice) -> Any:
    """Where the page before ended. Raises `Invalid` for what no list gave."""
    assert page.after is not None
    try:
        return read(page.after[0][:_LINE_DIGITS])
    except ValueError:
        raise Invalid("cursor: not one that this list gave; start without one") from None


def _document(row: Any) -> Document:
    return {
        name: value
        for name, value in msgspec.structs.asdict(document_of(row)).items()
        if name not in {"known", "replaces"}
    }


def _row(row: Any) -> Document:
    return {
        "line": row.line,
        "site": row.site_id,
        "kind": row.kind,
        "status": row.status,
        "order_number": row.order_number,
        "channel_number": row.channel_number,
        "refund_number": row.refund_number,
        "at": row.at,
        "amount_fen": row.amount_fen,
        "fee_millifen": row.fee_millifen,
        "settled_fen": row.settled_fen,
    }
