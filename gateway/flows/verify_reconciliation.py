"""Reconciliation: what runs found is what their digests say, what was sealed is what the run found, and what a close says of breaks.

That money in suspense is what breaks say is `verify_breaks`; that the records are chained is `verify_closes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from billing.breaks import UNSETTLED
from billing.close import BreakAt, Document, Record, break_counts
from billing.reconciled import KIND, Differed, Said, Total, counted, digest_of, read_document, read_lines
from gateway.flows.reconciliation.arrived import Missing
from gateway.flows.verify_scope import Failure, Look
from gateway.flows.verify_totals import LOOKED_WITHIN, wrong_totals
from gateway.store import books
from gateway.store import tables as t

_RUN, _BREAK, _STEP = (
    table.__table__.c for table in (t.ReconciliationRun, t.ReconciliationBreak, t.ReconciliationStep)
)
_TOLD = t.AuditEntry.__table__.c
_CLOSE, _STATEMENT = t.DayClose.__table__.c, t.ChannelStatement.__table__.c


def failures(look: Look) -> Iterator[Failure]:
    """Runs by (site, day, sequence), then the sealed records."""
    yield from _runs(look)
    look.checked["reconciled"] += 0
    for record, lines, sealed_at in books.closes(look.connection, _CLOSE.kind == KIND, *look.scope.days(_CLOSE.day)):
        why = _wrong_record(look, record, lines, sealed_at)
        if why is not None:
            yield Failure("reconciled", f"{record.site}:{record.day}", why)
    yield from _unsealed(look)


def _unsealed(look: Look) -> Iterator[Failure]:
    """Days that were complete, closed, and the day before sealed, well before they were matched: such a match seals its day."""
    sealed = aliased(t.DayClose)
    closed = and_(_CLOSE.site_id == _RUN.site_id, _CLOSE.day == _RUN.day, _CLOSE.kind == "close")
    there = exists().where(sealed.site_id == _RUN.site_id, sealed.day == _RUN.day, sealed.kind == KIND)
    runs = select(_RUN.site_id, _RUN.day, _RUN.at, _RUN.missing, _CLOSE.sealed_at).join(t.DayClose, closed)
    found = look.connection.execute(runs.where(~there, *look.scope.days(_RUN.day)).order_by(_RUN.site_id, _RUN.day))
    for run in [one for one in found if not one.missing and one.sealed_at < one.at - LOOKED_WITHIN]:
        follows = select(_CLOSE.sealed_at).where(
            _CLOSE.site_id == run.site_id, _CLOSE.day == run.day - timedelta(days=1), _CLOSE.kind == KIND
        )
        before = look.connection.execute(follows).scalar()
        if before is not None and before < run.at - LOOKED_WITHIN:
            yield Failure("reconciled", f"{run.site_id}:{run.day}", "it was matched whole and its record is not there")


def _runs(look: Look) -> Iterator[Failure]:
    look.checked["reconciliation_runs"] += 0
    query = select(*_RUN).where(*look.scope.days(_RUN.day)).order_by(_RUN.site_id, _RUN.day, _RUN.sequence)
    before: Row[Any] | None = None
    for chunk in look.rows(query):
        for run in chunk:
            if before is not None and (before.site_id, before.day) != (run.site_id, run.day):
                before = None
            follows = 1 + (before.sequence if before is not None else 0)
            why = _wrong_run(look, run) if run.sequence == follows else f"the run before it, {follows}, is not there"
            why = why or _wrong_steps(look, run, before) or _untold(look, run)
            before = run
            if why is not None:
                yield Failure("reconciliation_run", f"{run.site_id}:{run.day}:{run.sequence}", why)
            look.count("reconciliation_runs")
    yield from _lost(look)


def _lost(look: Look) -> Iterator[Failure]:
    """Matches that left steps, or a line in the audit trail, and are not there."""
    there = exists().where(_RUN.site_id == _STEP.site_id, _RUN.day == _BREAK.day, _RUN.sequence == _STEP.run)
    here = and_(_BREAK.site_id == _STEP.site_id, _BREAK.id == _STEP.break_id)
    steps = select(_STEP.break_id, _STEP.run).join(t.ReconciliationBreak, here).where(_STEP.run.is_not(None), ~there)
    for row in look.connection.execute(steps.where(*look.scope.days(_BREAK.day)).order_by(_STEP.break_id)):
        yield Failure("break", row.break_id, f"match {row.run} of its day left a step of it, and is not there")
    told = select(_TOLD.site_id, _TOLD.subject, _TOLD.detail).where(_TOLD.action == "reconcile").order_by(_TOLD.id)
    for chunk in look.rows(told):
        of_days = [line for line in chunk if look.scope.holds(date.fromisoformat(line.subject))]
        runs = {(line.site_id, line.subject, line.detail["run"]) for line in of_days}
        days = sorted({date.fromisoformat(day) for _, day, _ in runs})
        found = look.connection.execute(select(_RUN.site_id, _RUN.day, _RUN.sequence).where(_RUN.day.in_(days)))
        for site, day, run in sorted(runs - {(row.site_id, row.day.isoformat(), row.sequence) for row in found}):
            yield Failure(
                "reconciliation_run", f"{site}:{day}:{run}", "the audit trail tells of it, and it is not there"
            )


def _untold(look: Look, run: Row[Any]) -> str | None:
    """Who started it, and when, is in the audit trail; what the service started itself is not."""
    told = select(_TOLD.operator, _TOLD.detail).where(
        *(
            _TOLD.action == "reconcile",
            _TOLD.site_id == run.site_id,
            _TOLD.subject == run.day.isoformat(),
            _TOLD.at == run.at,
        )
    )
    said = [line.operator for line in look.connection.execute(told) if line.detail["run"] == run.sequence]
    expected = [] if run.operator is None else [run.operator]
    return None if said == expected else f"the audit trail says that {said or 'nobody'} started it, not {run.operator}"


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


def _wrong_steps(look: Look, run: Row[Any], before: Row[Any] | None) -> str | None:
    """Its steps are of its instant and by whom it is; and it has some, or says something else than the one before it."""
    of_run = select(_STEP.break_id, _STEP.at, _STEP.operator).join(
        t.ReconciliationBreak, and_(_BREAK.site_id == _STEP.site_id, _BREAK.id == _STEP.break_id)
    )
    mine = (
        _STEP.site_id == run.site_id,
        _BREAK.site_id == run.site_id,
        _BREAK.day == run.day,
        _STEP.run == run.sequence,
    )
    steps = look.connection.execute(of_run.where(*mine).order_by(_STEP.break_id)).all()
    for step in steps:
        if (step.at, step.operator) != (run.at, run.operator):
            return f"break {step.break_id} has a step of it of another time, or by somebody else"
    says_the_same = before is not None and bytes(before.digest) == bytes(run.digest)
    return "it says nothing that the one before it does not" if says_the_same and not steps else None


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
