"""The records of a day that no channel has: drawers, exits, openings, stays and vouchers. Imports Polars."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, and_, literal_column, or_, select

from billing.policy import Policy
from billing.reconciliation.frames import COUNTS, EXITS, INSIDE, OPENINGS, SHIFTS, VOUCHERS, frame
from billing.vouchers import BookDay
from gateway.flows.reconciliation.frames import chunks
from gateway.flows.vouchers.counting import counted
from gateway.flows.vouchers.day import report
from gateway.store import tables as t

ENDS = ("close", "handover")
# Nobody's reason: it drove out, or was let out, and who let it out has not said why.
_NO_REASON = frozenset({"hand", "unpaid"})
_SHIFT, _STEP, _STAY = t.Shift.__table__.c, t.ShiftStep.__table__.c, t.Stay.__table__.c
_ITEM, _STATEMENT, _TOLD = (
    t.ExceptionItem.__table__.c,
    t.ChannelStatement.__table__.c,
    t.ChannelStatementRow.__table__.c,
)

PolicyOf = Callable[[str, datetime], Policy | None]


@dataclass(frozen=True)
class Day:
    """A business day of some sites: the instants [start, end), and up to when anything is known."""

    connection: Connection
    sites: Collection[str]
    day: date
    start: datetime
    end: datetime


def shifts(day: Day) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Shifts that ended on the day, and those that began on it and have not ended; with their counts.

    What was counted when a shift ended is its count. A shift that never ended here is counted by a statement of counts, if one came.
    """
    ended = and_(_SHIFT.closed_at >= day.start, _SHIFT.closed_at < day.end)
    goes_on = and_(_SHIFT.closed_at.is_(None), _SHIFT.opened_at >= day.start, _SHIFT.opened_at < day.end)
    rows = day.connection.execute(
        select(_SHIFT.site_id, _SHIFT.id, _SHIFT.float_fen, _SHIFT.closed_at)
        .where(_SHIFT.site_id.in_(sorted(day.sites)), or_(ended, goes_on))
        .order_by(_SHIFT.site_id, _SHIFT.id)
    ).all()
    handed, ends = _steps(day.connection, [(row.site_id, row.id) for row in rows])
    found = [
        {
            "shift": row.id,
            "site": row.site_id,
            "day": day.day,
            "float_fen": row.float_fen,
            "handed_fen": handed.get((row.site_id, row.id), 0),
        }
        for row in rows
    ]
    counts = [
        {
            "shift": end.shift_id, "site": end.site_id, "day": day.day, "statement": f"shift:{end.shift_id}", "line": end.sequence,
            "at": end.at, "counted_fen": end.counted_fen,
        }
        for end in ends
    ]  # fmt: skip
    known = {(end.site_id, end.shift_id) for end in ends}
    counts += [one for one in _counted_elsewhere(day) if (one["site"], one["shift"]) not in known]
    return frame(found, SHIFTS), frame(counts, COUNTS)


def _steps(connection: Connection, of: Collection[tuple[str, str]]) -> tuple[dict[tuple[str, str], int], list[Any]]:
    """What was brought out of drawers before their end, and the steps that ended them."""
    handed: dict[tuple[str, str], int] = {}
    ends: list[Any] = []
    for site in sorted({site for site, _ in of}):
        for some in chunks({shift for of_site, shift in of if of_site == site}):
            steps = select(*_STEP).where(_STEP.site_id == site, _STEP.shift_id.in_(some)).order_by(_STEP.sequence)
            for row in connection.execute(steps):
                if row.kind == "deposit":
                    handed[site, row.shift_id] = handed.get((site, row.shift_id), 0) + row.amount_fen
                elif row.kind in ENDS and row.amount_fen is not None and row.counted_fen is not None:
                    ends.append(row)
    return handed, ends


def _counted_elsewhere(day: Day) -> Iterator[dict[str, Any]]:
    rows = day.connection.execute(
        select(_TOLD.site_id, _TOLD.order_number, _TOLD.statement_id, _TOLD.line, _TOLD.at, _TOLD.amount_fen)
        .join(t.ChannelStatement, _STATEMENT.id == _TOLD.statement_id)
        .where(
            _TOLD.site_id.in_(sorted(day.sites)), _TOLD.kind == "settlement", _STATEMENT.channel == "cash",
            _STATEMENT.day == day.day, _STATEMENT.replaced_by.is_(None),
        )
    )  # fmt: skip
    for row in rows:
        yield {
            "shift": row.order_number, "site": row.site_id, "day": day.day, "statement": row.statement_id, "line": row.line,
            "at": row.at, "counted_fen": row.amount_fen,
        }  # fmt: skip


def exits(day: Day) -> pl.DataFrame:
    """Those who left with something due that they have not paid."""
    rows = day.connection.execute(
        select(_STAY.site_id, _STAY.id, _STAY.exit_at, _STAY.payable_fen, _STAY.paid_fen, _STAY.exit_reason, _STAY.posted).where(
            _STAY.site_id.in_(sorted(day.sites)), _STAY.exit_at >= day.start, _STAY.exit_at < day.end,
            _STAY.state == "left", _STAY.payable_fen > _STAY.paid_fen,
        )
    ).all()  # fmt: skip
    said = _resolved(day.connection, "unpaid_exit", [(row.site_id, row.id) for row in rows])
    return frame(
        (
            {
                "stay": row.id, "site": row.site_id, "at": row.exit_at, "day": day.day,
                "due_fen": row.payable_fen - (row.posted or {}).get("written_off_fen", 0), "paid_fen": row.paid_fen,
                "owed_fen": sum((row.posted or {}).get("owed", {}).values()),
                "reason": None if row.exit_reason in _NO_REASON and (row.site_id, row.id) not in said else row.exit_reason,
            }
            for row in rows
        ),
        EXITS,
    )  # fmt: skip


def openings(day: Day) -> pl.DataFrame:
    """Rises of a barrier that a passage told of, and nothing else; a person may since have said what it was."""
    rows = _situations(day, "opened_without_event")
    return frame(
        (
            {
                "id": row.event_id or row.id,
                "site": row.site_id,
                "at": row.opened_at,
                "day": day.day,
                "event": _said(row),
            }
            for row in rows
        ),
        OPENINGS,
    )


def inside(day: Day, policy_of: PolicyOf) -> pl.DataFrame:
    """Stays that another entry of their vehicle ended on the day, and those inside for longer than their policy holds possible.

    Of the latter, those that became so on the day: each is one break, on one day.
    """
    over = _situations(day, "missing_exit")
    found = [
        {"stay": row.stay_id or row.subject, "site": row.site_id, "day": day.day, "entry_at": row.opened_at - timedelta(microseconds=1),
         "seen_again_at": row.opened_at, "as_of": day.end}
        for row in over if _said(row) is None
    ]  # fmt: skip
    # Written out, so that a database sees that its partial index serves.
    here: ColumnElement[bool] = literal_column("state = 'inside'")
    rows = day.connection.execute(
        select(_STAY.site_id, _STAY.id, _STAY.entry_at).where(
            _STAY.site_id.in_(sorted(day.sites)), here, _STAY.entry_at < day.start, _STAY.exit_at.is_(None)
        )
    )
    for row in rows:
        policy = policy_of(row.site_id, row.entry_at)
        if policy is None or policy.plausible_days_max is None:
            continue
        until = row.entry_at + timedelta(days=policy.plausible_days_max)
        if day.start <= until < day.end:
            found.append(
                {
                    "stay": row.id,
                    "site": row.site_id,
                    "day": day.day,
                    "entry_at": row.entry_at,
                    "impossible_from": until,
                    "as_of": day.end,
                }
            )
    return frame(found, INSIDE)


def vouchers(day: Day) -> pl.DataFrame:
    """Books that moved on the day, as the vouchers themselves stand; where something else than the sum is wrong, that as well."""
    movement = t.VoucherMovement.__table__.c
    found = []
    for site in sorted(day.sites):
        moved = {one.book: one for one in report(day.connection, (movement.site_id == site,), day.day) if one.moved}
        for book, why in counted(day.connection, site, moved) if moved else ():
            found.append(_book(site, day.day, moved[book], wrong=why is not None))
    return frame(found, VOUCHERS)


def _book(site: str, day: date, one: BookDay, *, wrong: bool) -> dict[str, Any]:
    stock = one.stands
    # Its steps always come to their own sum: what the vouchers themselves, or the register, say differently is at least one.
    became = stock.used + stock.void + stock.expired + stock.outstanding
    off = 1 if wrong and stock.issued == became else 0
    return {
        "book": one.book, "site": site, "day": day, "issued": stock.issued + off, "used": stock.used, "void": stock.void,
        "expired": stock.expired, "outstanding": stock.outstanding,
    }  # fmt: skip


def _situations(day: Day, kind: str) -> list[Any]:
    """What was put before a person on the day."""
    return list(
        day.connection.execute(
            select(*_ITEM).where(
                _ITEM.site_id.in_(sorted(day.sites)), _ITEM.kind == kind, _ITEM.opened_at >= day.start, _ITEM.opened_at < day.end
            )
        )
    )  # fmt: skip


def _said(row: Any) -> str | None:
    """What a person said of a situation; None while nobody has."""
    return None if row.state == "open" else row.resolution or row.state


def _resolved(connection: Connection, kind: str, subjects: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (site, subject) of which a person has said why."""
    found: set[tuple[str, str]] = set()
    for site in sorted({site for site, _ in subjects}):
        for some in chunks({name for of_site, name in subjects if of_site == site}):
            rows = connection.execute(
                select(_ITEM.subject).where(
                    _ITEM.site_id == site, _ITEM.kind == kind, _ITEM.subject.in_(some), _ITEM.state != "open"
                )
            )
            found |= {(site, row.subject) for row in rows}
    return found


__all__ = ["ENDS", "Day", "exits", "inside", "openings", "shifts", "vouchers"]
