"""The queue of breaks, and one of them with its evidence and its history. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from billing.breaks import UNSETTLED, age_days
from gateway.flows.breaks_books import BREAK, STEP, Step, break_row, moved, step_of
from gateway.flows.breaks_evidence import Evidence, evidence_of
from gateway.flows.reading import Sites, Slice, older, site_of, within
from gateway.flows.refusals import NotFound
from gateway.store import tables as t
from gateway.store.tables.reconciliation import UNSETTLED as IN_THE_QUEUE

STEPS_MAX = 1000
NOBODY = "-"


class BreakState(msgspec.Struct, frozen=True, kw_only=True):
    """A break as it stands. `difference_fen`: what the other side has beyond the books. `suspense_fen`: what stands in suspense, a debit positive.

    `age_days`: since its day, until it was settled. `due`: it was carried over to a day that has come. `amount_fen` of a
    `voucher_count` is a number of vouchers.
    """

    id: str
    site: str
    day: date
    kind: str
    about: str
    channel: str
    account: str
    order: str
    refund: str
    stay: str | None
    shift: str | None
    subject: str
    amount_fen: int
    difference_fen: int
    suspense_fen: int
    waits_for: date | None
    state: str
    owner: str | None
    carried_to: date | None
    due: bool
    age_days: int
    resolution: str | None
    cleared_by: str | None
    found_at: datetime
    ended_at: datetime | None
    version: int


class WholeBreak(BreakState, frozen=True, kw_only=True):
    """The same with what it is told by, and everything that became of it."""

    evidence: Evidence
    steps: list[Step]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which breaks; None: all. `owner`: a name, or `-` for what nobody has taken on. `states`: any of these."""

    states: Sequence[str] | None = UNSETTLED
    kind: str | None = None
    owner: str | None = None
    day: date | None = None
    channel: str | None = None


def breaks(
    connection: Connection, allowed: Sites, wanted: Wanted, page: Slice, now: datetime
) -> list[tuple[tuple[datetime, str], BreakState]]:
    """Newest first, each with its key for paging. `now` in the sites' zone."""
    conditions: list[Any] = [within(t.ReconciliationBreak.site_id, allowed)]
    if wanted.states is not None:
        # In the words of the index `ix_reconciliation_break_unsettled`: what was settled long ago is not gone through.
        queue = wanted.states == UNSETTLED
        conditions.append(text(IN_THE_QUEUE) if queue else BREAK.state.in_(wanted.states))
    for column, value in ((BREAK.kind, wanted.kind), (BREAK.day, wanted.day), (BREAK.channel, wanted.channel)):
        if value is not None:
            conditions.append(column == value)
    if wanted.owner is not None:
        conditions.append(BREAK.owner.is_(None) if wanted.owner == NOBODY else BREAK.owner == wanted.owner)
    conditions += older(page.after, BREAK.found_at, BREAK.id)
    query = select(*BREAK).where(*conditions).order_by(BREAK.found_at.desc(), BREAK.id.desc()).limit(page.limit + 1)
    rows = connection.execute(query).all()
    states = states_of(connection, rows, now)
    return [((row.found_at, row.id), state) for row, state in zip(rows, states, strict=True)]


def whole_break(connection: Connection, allowed: Sites, break_id: str, now: datetime) -> WholeBreak:
    """Raises `NotFound`, also for another's. `now` in the site's zone."""
    site = site_of(break_id)
    if allowed is not None and site not in allowed:
        raise NotFound("there is no such break, or not for you")
    row = break_row(connection, site, break_id)
    (state,) = states_of(connection, [row], now)
    steps = connection.execute(
        select(*STEP)
        .where(STEP.site_id == site, STEP.break_id == break_id)
        .order_by(STEP.sequence.desc())
        .limit(STEPS_MAX)
    ).all()
    return WholeBreak(
        **msgspec.structs.asdict(state),
        evidence=evidence_of(connection, row),
        steps=[step_of(one) for one in reversed(steps)],
    )


def states_of(connection: Connection, rows: Sequence[Any], now: datetime) -> list[BreakState]:
    """In the order of the rows."""
    taken: dict[tuple[str, str], int] = {}
    for site in {row.site_id for row in rows}:
        of_site = moved(connection, site, [row.id for row in rows if row.site_id == site])
        taken |= {(site, name): fen for name, fen in of_site.items()}
    return [_state(row, taken[row.site_id, row.id], now) for row in rows]


def _state(row: Any, taken: int, now: datetime) -> BreakState:
    today = now.date()
    until = today if row.ended_at is None else row.ended_at.astimezone(now.tzinfo).date()
    return BreakState(
        id=row.id,
        site=row.site_id,
        day=row.day,
        kind=row.kind,
        about=row.about,
        channel=row.channel,
        account=row.account,
        order=row.order_number,
        refund=row.refund_number,
        stay=row.stay_id,
        shift=row.shift_id,
        subject=row.subject,
        amount_fen=row.amount_fen,
        difference_fen=row.difference_fen,
        suspense_fen=row.suspense_fen - taken,
        waits_for=row.waits_for,
        state=row.state,
        owner=row.owner,
        carried_to=row.carried_to,
        due=row.state == "carried_over" and row.carried_to is not None and row.carried_to <= today,
        age_days=age_days(row.day, until),
        resolution=row.resolution,
        cleared_by=row.cleared_by,
        found_at=row.found_at,
        ended_at=row.ended_at,
        version=row.version,
    )
