"""What is in the drawers: shifts as they stand, with what the ledger expects in each. Writes nothing.

A count is blind: of an open drawer its own cashier reads what is expected only while a count holds, and of another's drawer nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from billing.cash import SAFE
from gateway.flows.reading import Sites, Slice, older, within
from gateway.flows.refusals import NotFound
from gateway.flows.shifts_books import COUNTS, Step, in_drawers, site_of, step_of
from gateway.store import tables as t

_SHIFT = t.Shift.__table__.c
_STEP = t.ShiftStep.__table__.c
_STEPS_MAX = 1000


class Seen(msgspec.Struct, frozen=True):
    """Who reads: the account, and whether it reads what others' drawers hold."""

    name: str
    supervises: bool


class ShiftState(msgspec.Struct, frozen=True, kw_only=True):
    """A shift. Amounts are null where they are not for the reader; what was counted and how it differed, of the last count."""

    id: str
    site: str
    drawer: str | None
    cashier: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    from_shift: str | None
    to_shift: str | None = None
    offered_to: str | None = None
    float_fen: int | None = None
    expected_fen: int | None = None
    counted_fen: int | None = None
    difference_fen: int | None = None
    code: str | None = None


def shifts(
    connection: Connection,
    allowed: Sites,
    seen: Seen,
    page: Slice,
    *,
    state: str | None = None,
    cashier: str | None = None,
) -> list[tuple[tuple[datetime, str], ShiftState]]:
    """Shifts, newest first, each with its key for paging. Whose shift is at which drawer is no secret, what it holds is."""
    conditions: list[Any] = [within(t.Shift.site_id, allowed)]
    if cashier is not None:
        conditions.append(_SHIFT.cashier == cashier)
    if state is not None:
        conditions.append(_SHIFT.closed_at.is_(None) if state == "open" else _SHIFT.closed_at.is_not(None))
    conditions += older(page.after, _SHIFT.opened_at, _SHIFT.id)
    rows = connection.execute(
        select(*_SHIFT).where(*conditions).order_by(_SHIFT.opened_at.desc(), _SHIFT.id.desc()).limit(page.limit + 1)
    ).all()
    by_site: dict[str, list[Any]] = {}
    for row in rows:
        by_site.setdefault(row.site_id, []).append(row)
    states = {one.id: one for site, mine in by_site.items() for one in _states(connection, site, mine, seen)}
    return [((row.opened_at, row.id), states[row.id]) for row in rows]


def shift(connection: Connection, allowed: Sites, seen: Seen, shift_id: str) -> dict[str, Any]:
    """One shift with its steps, as far as they are for the reader. Raises `NotFound`."""
    site = site_of(connection, shift_id)
    row = None
    if allowed is None or site in allowed:
        row = connection.execute(select(*_SHIFT).where(_SHIFT.site_id == site, _SHIFT.id == shift_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such shift, or not for you")
    (found,) = _states(connection, site, [row], seen)
    steps: list[Step] = []
    if _reads(row, seen):
        query = select(*_STEP).where(_STEP.site_id == site, _STEP.shift_id == shift_id).order_by(_STEP.sequence)
        steps = [step_of(one) for one in connection.execute(query.limit(_STEPS_MAX))]
    return {**msgspec.to_builtins(found, builtin_types=(datetime,)), "steps": [_plain(step) for step in steps]}


def safes(connection: Connection, allowed: Sites) -> list[dict[str, Any]]:
    """What is in the safe of each site, by site."""
    sites = connection.execute(select(t.Site.id).where(within(t.Site.id, allowed), t.Site.enabled).order_by(t.Site.id))
    return [{"site": site, "amount_fen": in_drawers(connection, site, [SAFE])[SAFE]} for site in sites.scalars()]


def _reads(row: Any, seen: Seen) -> bool:
    return bool(row.cashier == seen.name or seen.supervises)


def _states(connection: Connection, site: str, rows: list[Any], seen: Seen) -> list[ShiftState]:
    """Shifts of one site."""
    ids = [row.id for row in rows]
    lies = in_drawers(connection, site, [row.id for row in rows if row.closed_at is None])
    last: dict[str, Any] = {}
    steps = select(*_STEP).where(
        _STEP.site_id == site, _STEP.shift_id.in_(ids), _STEP.kind.in_((*COUNTS, "close", "handover"))
    )
    for step in connection.execute(steps.order_by(_STEP.shift_id, _STEP.sequence)):
        last[step.shift_id] = step
    return [_state(row, last.get(row.id), lies.get(row.id), seen) for row in rows]


def _state(row: Any, last: Any, lies: int | None, seen: Seen) -> ShiftState:
    """`last`: the newest count, or the end; `lies`: what the ledger has in an open drawer."""
    found = ShiftState(
        id=row.id,
        site=row.site_id,
        drawer=row.drawer,
        cashier=row.cashier,
        state="open" if row.closed_at is None else "closed",
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        from_shift=row.from_shift,
        to_shift=None if last is None else last.next_shift,
        offered_to=last.other if last is not None and last.kind in {"offer", "force"} else None,
    )
    if not _reads(row, seen):
        return found
    more: dict[str, Any] = {"float_fen": row.float_fen}
    if last is not None:
        more |= {
            "counted_fen": last.counted_fen,
            "difference_fen": last.counted_fen - last.expected_fen,
            "code": last.code,
        }
    stands = last is not None and (lies is None or last.expected_fen == lies)
    if row.closed_at is not None:
        more["expected_fen"] = None if last is None else last.expected_fen
    elif row.cashier != seen.name or stands:
        more["expected_fen"] = lies
    return msgspec.structs.replace(found, **more)


def _plain(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(step, builtin_types=(datetime,))
    return found
