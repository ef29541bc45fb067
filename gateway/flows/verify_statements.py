"""Channels' statements: what each says of its rows is what they come to, the rows are those that were imported, and which took whose place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, select

from billing.statements import Kind
from gateway.flows.statements_rows import Seal
from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look
from gateway.store import tables as t

_STATEMENT, _ROW = t.ChannelStatement.__table__.c, t.ChannelStatementRow.__table__.c
_LINE = t.AuditEntry.__table__.c
_IMPORTS = ("statement.import ", "statement.empty ")


def failures(look: Look) -> Iterator[Failure]:
    """Statements in the order of (site, id), then rows of no statement."""
    look.checked["statements"] += 0
    query = select(*_STATEMENT).where(*look.scope.days(_STATEMENT.day)).order_by(_STATEMENT.site_id, _STATEMENT.id)
    for chunk in look.rows(query):
        told = _told(look, chunk)
        for statement in chunk:
            why = _wrong(look, statement, told.get(statement.id))
            if why is not None:
                yield Failure("statement", statement.id, why)
            look.count("statements")
    yield from _lost(look)


def _told(look: Look, chunk: list[Row[Any]]) -> dict[str, Row[Any]]:
    """The line that each import left, by statement."""
    actions = [kind + channel for kind in _IMPORTS for channel in {statement.channel for statement in chunk}]
    lines = look.connection.execute(
        select(*_LINE).where(
            _LINE.at.in_(sorted({statement.imported_at for statement in chunk})), _LINE.action.in_(actions)
        )
    )
    return {line.detail.get("statement", ""): line for line in lines}


def _wrong(look: Look, statement: Row[Any], told: Row[Any] | None) -> str | None:
    if told is None:
        return "the audit trail has no import of it at that time"
    said = {"merchant": statement.merchant_id, "kind": statement.kind, "day": statement.day.isoformat()}
    said |= {"rows": statement.rows, "digest": bytes(statement.digest).hex()}
    said |= {"account": statement.account, "orphans": statement.orphans}
    if told.site_id != statement.site_id or told.operator[:64] != statement.imported_by:
        return "the audit trail says that it is of another site, or that somebody else imported it"
    for name, value in said.items():
        if told.detail.get(name, value) != value:  # the first lines said less
            return f"its {name} is {value}, it was imported as {told.detail.get(name)}"
    return _wrong_rows(look, statement, told.detail.get("content")) or _wrong_place(look, statement, told)


def _wrong_rows(look: Look, statement: Row[Any], content: str | None) -> str | None:
    """`content`: the digest of its rows at the import; none was kept of the first ones."""
    seal, count, fen, fee = Seal(), Counter[str](), Counter[str](), 0
    # Its rows stand at the sites of its merchant: by site they are found without going through all rows of all days.
    rows = (
        select(*_ROW).where(_ROW.site_id.in_(select(t.Site.id)), _ROW.statement_id == statement.id).order_by(_ROW.line)
    )
    with look.connection.execute(rows.execution_options(yield_per=ROWS_AT_A_TIME)) as found:
        for row in found.mappings():
            seal.add(dict(row))
            count[row["kind"]] += 1
            fen[row["kind"]] += row["amount_fen"]
            fee += row["fee_millifen"] or 0
            look.count("statement_rows")
    came = {
        "rows": count.total(),
        "payments": count[Kind.PAYMENT],
        "payments_fen": fen[Kind.PAYMENT],
        "refunds": count[Kind.REFUND],
        "refunds_fen": fen[Kind.REFUND],
        "fee_millifen": fee,
    }
    for name, value in came.items():
        if getattr(statement, name) != value:
            return f"its {name} is {getattr(statement, name)}, its rows come to {value}"
    return "its rows are not those that were imported" if content not in {None, seal.hex()} else None


def _wrong_place(look: Look, statement: Row[Any], told: Row[Any]) -> str | None:
    """It took the place of what its import says, and its own place only a statement of the same day took."""
    replaced = select(_STATEMENT.id).where(_STATEMENT.day == statement.day, _STATEMENT.replaced_by == statement.id)
    if set(look.connection.execute(replaced).scalars()) != set(told.detail.get("replaces", ())):
        return "it took the place of others than its import says"
    if statement.replaced_by is None:
        return None
    by = select(_STATEMENT.merchant_id, _STATEMENT.channel, _STATEMENT.kind, _STATEMENT.day)
    named = (_STATEMENT.day == statement.day, _STATEMENT.id == statement.replaced_by)
    after = look.connection.execute(by.where(*named)).first()
    same = (statement.merchant_id, statement.channel, statement.kind, statement.day)
    return None if after is not None and tuple(after) == same else "what took its place is of another day or account"


def _lost(look: Look) -> Iterator[Failure]:
    lost = (
        select(_ROW.statement_id, _ROW.line)
        .outerjoin(t.ChannelStatement, _STATEMENT.id == _ROW.statement_id)
        .where(_STATEMENT.id.is_(None))
        .limit(1)
    )
    for statement, line in look.connection.execute(lost):
        yield Failure("statement", statement, f"line {line} is there, and it is not")
