"""Reconciliation: what runs found is what their digests say, what was sealed is what the run found, and what a close says of breaks.

That money in suspense is what breaks say is `verify_breaks`; that the records are chained is `verify_closes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Row, and_, func, or_, select

from billing.breaks import UNSETTLED
from billing.close import BreakAt, Document, Record, break_counts
from billing.reconciled import KIND, Differed, Said, Total, counted, digest_of, read_document, read_lines
from gateway.flows.reconciliation.arrived import Missing
from gateway.flows.verify_scope import Failure, Look, chunks
from gateway.flows.verify_totals import wrong_totals
from gateway.store import books
from gateway.store import tables as t

_RUN, _BREAK, _STEP = (
    table.__table__.c for table in (t.ReconciliationRun, t.ReconciliationBreak, t.ReconciliationStep)
)
_CLOSE, _STATEMENT = t.DayClose.__table__.c, t.ChannelStatement.__table__.c


def failures(look: Look) -> Iterator[Failure]:
    """Runs by (site, day, sequence), then the sealed records."""
    yield from _runs(look)
    look.checked["reconciled"] += 0
    for record, lines, sealed_at in books.closes(look.connection, _CLOSE.kind == KIND, *look.scope.days(_CLOSE.day)):
        why = _wrong_record(look, record, lines, sealed_at)
        if why is not None:
            yield Failure("reconciled", f"{record.site}:{record.day}", why)


def _runs(look: Look) -> Iterator[Failure]:
    look.checked["reconciliation_runs"] += 0
    query = select(*_RUN).where(*look.scope.days(_RUN.day)).order_by(_RUN.site_id, _RUN.day, _RUN.sequence)
    before: tuple[Any, ...] = ()
    for chunk in chunks(look.connection.execute(query)):
        for run in chunk:
            follows = before[:2] == (run.site_id, run.day)
            before = (run.site_id, run.day, (before[2] if follows else 0) + 1)
            why = (
                _wrong_run(look, run) if run.sequence == before[2] else f"the run before it, {before[2]}, is not there"
            )
            if why is not None:
                yield Failure("reconciliation_run", f"{run.site_id}:{run.day}:{run.sequence}", why)
            look.count("reconciliation_runs")


def _wrong_run(look: Look, run: Row[Any]) -> str | None:
    try:
        statements = msgspec.convert(run.statements, list[Said])
        totals = msgspec.convert(run.totals, list[Total])
        missing = [Missing(**one) for one in run.missing]
    except (msgspec.ValidationError, TypeError):
        return "what it says cannot be read"
    found = list(_found(look, run.site_id, run.day, run))
    if len(found) != run.breaks:
        return f"it found {run.breaks} breaks, their steps come to {len(found)}"
    if digest_of(statements, missing, totals, found) != bytes(run.digest):
        return "its digest is not that of what it was made with and what was found"
    return _wrong_statements(look, statements) or wrong_totals(look, run, statements, totals)


def _wrong_statements(look: Look, statements: list[Said]) -> str | None:
    rows = look.connection.execute(
        select(_STATEMENT.id, _STATEMENT.merchant_id, _STATEMENT.channel, _STATEMENT.kind, _STATEMENT.digest).where(
            _STATEMENT.id.in_([one.id for one in statements])
        )
    )
    there = {Said(row.merchant_id, row.channel, row.kind, row.id, bytes(row.digest).hex()) for row in rows}
    for one in statements:
        if one not in there:
            return f"statement {one.id} is not the one that it was matched with"
    return None


def _found(look: Look, site: str, day: date, run: Row[Any]) -> Iterator[Differed]:
    """What a run left standing on its day, by the steps up to it. Of a drawer the break is there since its shift ended."""
    at_its_drawer = and_(_STEP.run.is_(None), _STEP.action == "found", _STEP.at <= run.at)
    up_to = or_(_STEP.run <= run.sequence, at_its_drawer)
    last = (
        select(_STEP.break_id, func.max(_STEP.sequence).label("sequence"))
        .join(t.ReconciliationBreak, and_(_BREAK.site_id == _STEP.site_id, _BREAK.id == _STEP.break_id))
        .where(_STEP.site_id == site, _BREAK.day == day, up_to)
        .group_by(_STEP.break_id)
        .subquery()
    )
    rows = look.connection.execute(
        select(_BREAK.id, _BREAK.kind, _STEP.state, _STEP.amount_fen, _STEP.difference_fen)
        .join(last, last.c.break_id == _BREAK.id)
        .join(
            t.ReconciliationStep,
            and_(_STEP.site_id == site, _STEP.break_id == last.c.break_id, _STEP.sequence == last.c.sequence),
        )
        .where(_BREAK.site_id == site, _STEP.state != "cleared")
        .order_by(_BREAK.id)
    )
    for row in rows:
        yield Differed(*row)


def _wrong_record(look: Look, record: Record, compressed: bytes, sealed_at: datetime) -> str | None:
    try:
        document = read_document(record.canonical)
        digest, sealed = read_lines(compressed)
    except ValueError as error:
        return str(error)
    if digest != document.digest or counted(sealed) != document.breaks:
        return "its digest and its figures are not those of the lines kept with it"
    close = books.close_of(look.connection, record.site, record.day)
    if close is None or close.hash.hex() != document.close:
        return "the day's close is not the one that it names"
    run = look.connection.execute(
        select(*_RUN).where(_RUN.site_id == record.site, _RUN.day == record.day, _RUN.sequence == document.run)
    ).one_or_none()
    if run is None:
        return f"its run {document.run} is not there"
    if msgspec.to_builtins(document.statements) != run.statements or msgspec.to_builtins(document.totals) != run.totals:
        return "its statements or totals are not those of its run"
    if sealed_at < run.at:
        return "it was sealed before its run"
    found = {one.id: one for one in _found(look, record.site, record.day, run)}
    said = {
        one.id: msgspec.structs.replace(one, state=found[one.id].state) if one.id in found else one for one in sealed
    }
    wrong = sorted(name for name in found.keys() | said.keys() if found.get(name) != said.get(name))
    return f"break {wrong[0]} was sealed otherwise than its run found it" if wrong else None


def wrong_close(look: Look, record: Record, document: Document, sealed_at: datetime) -> str | None:
    """What a close says of breaks, held against their steps. What was written in its very instant may have come before or after it."""
    steps = (_STEP.site_id == record.site, _STEP.at <= sealed_at)
    instant = select(_STEP.break_id).where(_STEP.site_id == record.site, _STEP.at == sealed_at)
    if look.connection.execute(instant.limit(1)).first():
        return None
    here = and_(_BREAK.site_id == _STEP.site_id, _BREAK.id == _STEP.break_id)
    then = (_BREAK.day <= record.day, or_(_BREAK.ended_at.is_(None), _BREAK.ended_at > sealed_at))
    last = (
        select(_STEP.break_id, func.max(_STEP.sequence).label("sequence"))
        .join(t.ReconciliationBreak, here)
        .where(*steps, *then)
        .group_by(_STEP.break_id)
        .subquery()
    )
    rows = look.connection.execute(
        select(_BREAK.kind, _STEP.state, _BREAK.day, _STEP.amount_fen)
        .select_from(t.ReconciliationStep)
        .join(t.ReconciliationBreak, here)
        .join(last, and_(last.c.break_id == _STEP.break_id, last.c.sequence == _STEP.sequence))
        .where(_STEP.site_id == record.site, _STEP.state.in_(UNSETTLED))
    )
    standing = break_counts(record.day, [BreakAt(row.kind, row.state, row.day, row.amount_fen) for row in rows])
    return None if standing == document.breaks else "the breaks that it carries over are not those that stood then"
