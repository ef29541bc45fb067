"""Shifts against the ledger: an ended one has left nothing in its drawer, every step moved what it says, every difference is in suspense."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, and_, exists, func, select

from billing.cash import CASH, OVER, SAFE, SHORT, Place, account_of, code_of, drawer, worth
from gateway.flows.shifts_books import COUNTS, IN_A_DRAWER
from gateway.flows.verify_scope import Failure, Look
from gateway.store import tables as t

_SHIFT = t.Shift.__table__.c
_STEP = t.ShiftStep.__table__.c
_POSTING = t.Posting.__table__.c
_LEDGER = t.LedgerTransaction.__table__.c
_PLACES: dict[str, Place] = {"safe": "safe", "bank": "bank"}
Accounts = dict[str, int]


def failures(look: Look) -> Iterator[Failure]:
    look.checked["shifts"] += 0
    yield from _drawers(look)
    yield from _steps(look)
    yield from _moved_unsaid(look)


def _drawers(look: Look) -> Iterator[Failure]:
    """Every drawer with money in it is that of a shift, and of an ended one nothing is left. Whatever the days asked for."""
    query = (
        select(_POSTING.site_id, _POSTING.account, func.sum(_POSTING.amount_fen).label("fen"))
        .where(IN_A_DRAWER)
        .group_by(_POSTING.site_id, _POSTING.account)
        .order_by(_POSTING.site_id, _POSTING.account)
    )
    for chunk in look.rows(query):
        for site, rows in groupby(chunk, key=attrgetter("site_id")):
            lies = {row.account.removeprefix(CASH): int(row.fen) for row in rows}
            ended = dict(
                look.connection.execute(
                    select(_SHIFT.id, _SHIFT.closed_at).where(_SHIFT.site_id == site, _SHIFT.id.in_(sorted(lies)))
                ).all()
            )
            for shift, fen in lies.items():
                why = _wrong_drawer(shift, fen, ended)
                if why is not None:
                    yield Failure("shift", shift, why)
                look.count("shifts")


def _wrong_drawer(shift: str, fen: int, ended: dict[str, Any]) -> str | None:
    if shift == SAFE:
        return f"{fen} fen are in the safe" if fen < 0 else None
    if shift not in ended:
        return "there is money in its drawer and no such shift"
    return f"it is closed and {fen} fen are in its drawer" if ended[shift] is not None and fen else None


def _steps(look: Look) -> Iterator[Failure]:
    query = select(*_STEP).where(*look.scope.instants(_STEP.at)).order_by(_STEP.site_id, _STEP.shift_id, _STEP.sequence)
    for chunk in look.rows(query):
        for site, found in groupby(chunk, key=attrgetter("site_id")):
            steps = list(found)
            posted = _posted(look, site, [step.transaction_id for step in steps if step.transaction_id])
            breaks = _breaks(look, site, [step.break_id for step in steps if step.break_id])
            rows = _shifts(look, site, {step.shift_id for step in steps} | {step.next_shift or "" for step in steps})
            for step in steps:
                moved = posted.get(step.transaction_id or "", {})
                why = _wrong_count(step) or _wrong_move(step, moved, rows) or _wrong_break(step, breaks)
                why = why or _wrong_shift(look, step, rows)
                if why is not None:
                    yield Failure("shift_step", f"{step.shift_id}:{step.sequence}", why)
                look.count("shift_steps")
    yield from _ended_unsaid(look)


def _wrong_count(step: Row[Any]) -> str | None:
    """What was counted, or moved by count, is what its pieces come to."""
    if step.pieces is None:
        return None
    says = step.amount_fen if step.counted_fen is None else step.counted_fen
    try:
        came = worth(step.pieces)
    except ValueError as problem:
        return str(problem)
    return None if came == says else f"its pieces come to {came} fen, it says {says}"


def _wrong_move(step: Row[Any], posted: Accounts, rows: dict[str, Row[Any]]) -> str | None:
    expected: Accounts = {}
    fen = step.amount_fen or 0
    mine = drawer(step.shift_id)
    if step.place is not None:
        if step.place not in _PLACES:
            return f"there is no place {step.place:.20} for cash"
        out = step.kind in {"deposit", "close"}
        expected = {mine: -fen if out else fen, account_of(_PLACES[step.place]): fen if out else -fen}
    elif step.kind == "handover":
        expected = {drawer(step.next_shift or ""): fen, mine: -fen}
    elif step.kind == "open":
        before = rows[step.shift_id].from_shift if step.shift_id in rows else None
        expected = {mine: fen, drawer(before or ""): -fen}
    expected = {account: amount for account, amount in expected.items() if amount}
    return None if posted == expected else f"its transaction moved {posted}, the step says {expected}"


def _wrong_break(step: Row[Any], breaks: dict[str, Accounts]) -> str | None:
    if step.kind not in {"close", "handover"}:
        return None if step.code is None and step.break_id is None else "a difference is booked while the shift goes on"
    if step.counted_fen is None or step.expected_fen is None or step.amount_fen != step.counted_fen:
        return f"{step.counted_fen} fen were counted, {step.amount_fen} left the drawer"
    fen = step.counted_fen - step.expected_fen
    if step.code != code_of(step.counted_fen, step.expected_fen) or (step.break_id is None) != (fen == 0):
        return f"{fen} fen too much were counted and it says {step.code}"
    expected = {drawer(step.shift_id): fen, f"suspense:{step.break_id}": -fen} if fen else {}
    posted = {account: fen for account, fen in breaks.get(step.break_id or "", {}).items() if account in expected}
    return None if posted == expected else f"{posted} is booked for a difference of {fen} fen"


def _wrong_shift(look: Look, step: Row[Any], rows: dict[str, Row[Any]]) -> str | None:
    """The shift's row says the same as the step that began or ended it."""
    if step.shift_id == SAFE:
        said = step.kind == "safe" and step.counted_fen is None
        return None if said else "no shift is that of the safe"
    if step.kind == "safe":
        return "only the safe has such a step"
    row = rows.get(step.shift_id)
    if row is None:
        return "there is no such shift"
    if step.kind == "open":
        said = (row.cashier, row.opened_at, row.float_fen)
        return None if said == (step.operator, step.at, step.amount_fen) else "its shift was opened otherwise"
    if step.kind not in {"close", "handover"}:
        return None
    if (row.closed_by, row.closed_at) != (step.operator, step.at):
        return f"its shift is closed by {'somebody else' if row.closed_at else 'nobody'}, or at another time"
    if step.kind == "close":
        return None if row.cashier in {step.operator, step.other} else "it was taken from somebody else"
    following = rows.get(step.next_shift or "")
    if following is None or (following.from_shift, following.float_fen) != (row.id, step.amount_fen):
        return "the shift that took over does not say so"
    if step.operator == row.cashier or not _was_named(look, step):
        return "who took over was not named by who handed over"
    return None


def _was_named(look: Look, step: Row[Any]) -> bool:
    """Whether the last count before it went to who took over."""
    last = (
        select(_STEP.other)
        .where(
            _STEP.site_id == step.site_id,
            _STEP.shift_id == step.shift_id,
            _STEP.sequence < step.sequence,
            _STEP.kind.in_(COUNTS),
        )
        .order_by(_STEP.sequence.desc())
        .limit(1)
    )
    named: bool = look.connection.execute(last).scalar() == step.operator
    return named


def _ended_unsaid(look: Look) -> Iterator[Failure]:
    """A closed shift without the step that closed it."""
    said = exists().where(
        _STEP.site_id == _SHIFT.site_id, _STEP.shift_id == _SHIFT.id, _STEP.kind.in_(("close", "handover"))
    )
    query = select(_SHIFT.id).where(_SHIFT.closed_at.is_not(None), *look.scope.instants(_SHIFT.closed_at), ~said)
    for shift in look.connection.execute(query.order_by(_SHIFT.id).limit(1)).scalars():
        yield Failure("shift", shift, "it is closed and no step says so")


def _moved_unsaid(look: Look) -> Iterator[Failure]:
    """A transaction of a drawer, or of a difference in one, that no step has."""
    step = exists().where(_STEP.site_id == _LEDGER.site_id, _STEP.transaction_id == _LEDGER.id)
    broken = exists().where(_STEP.site_id == _LEDGER.site_id, _STEP.break_id == _LEDGER.reference)
    for condition in (
        and_(_LEDGER.reference_kind == "shift", ~step),
        and_(_LEDGER.kind.in_((OVER, SHORT)), ~broken),
    ):
        query = select(_LEDGER.id).where(condition, *look.scope.days(_LEDGER.business_day)).order_by(_LEDGER.id)
        for transaction in look.connection.execute(query.limit(1)).scalars():
            yield Failure("transaction", transaction, "it moves cash and no step of a shift says so")


def _posted(look: Look, site: str, transactions: Sequence[str]) -> dict[str, Accounts]:
    found: dict[str, Accounts] = defaultdict(dict)
    rows = look.connection.execute(
        select(_POSTING.transaction_id, _POSTING.account, func.sum(_POSTING.amount_fen))
        .where(_POSTING.site_id == site, _POSTING.transaction_id.in_(transactions))
        .group_by(_POSTING.transaction_id, _POSTING.account)
    )
    for transaction, account, fen in rows:
        found[transaction][account] = int(fen)
    return found


def _breaks(look: Look, site: str, names: Sequence[str]) -> dict[str, Accounts]:
    """What is booked for a difference when it was found; how it was resolved later is another's to check."""
    found: dict[str, Accounts] = defaultdict(dict)
    rows = look.connection.execute(
        select(_LEDGER.reference, _POSTING.account, func.sum(_POSTING.amount_fen))
        .join(t.Posting, and_(_POSTING.site_id == _LEDGER.site_id, _POSTING.transaction_id == _LEDGER.id))
        .where(
            _LEDGER.site_id == site,
            _LEDGER.reference_kind == "break",
            _LEDGER.reference.in_(names),
            _LEDGER.kind.in_((OVER, SHORT)),
        )
        .group_by(_LEDGER.reference, _POSTING.account)
    )
    for name, account, fen in rows:
        found[name][account] = int(fen)
    return found


def _shifts(look: Look, site: str, names: set[str]) -> dict[str, Row[Any]]:
    rows = look.connection.execute(select(*_SHIFT).where(_SHIFT.site_id == site, _SHIFT.id.in_(sorted(names))))
    return {row.id: row for row in rows}
