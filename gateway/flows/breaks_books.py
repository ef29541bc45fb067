"""What every step at a break shares: the break behind its site's books, what stands of it in suspense, and the row that says what was done.

A step takes its site's books alone, as a run does that finds or clears breaks: no two of them ever meet.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from billing.breaks import Break, Proposal
from gateway.flows.breaks_refusals import BreakChanged
from gateway.flows.charges_books import Asked, By, Desk, hold
from gateway.flows.reading import site_of
from gateway.flows.refusals import KeyReused, NotFound
from gateway.flows.taking import content_of
from gateway.store import tables as t
from gateway.wiring import Parts

BREAK = t.ReconciliationBreak.__table__.c
STEP = t.ReconciliationStep.__table__.c


class Record(msgspec.Struct, frozen=True):
    """A record by its kind and id. Of a `line` the id is `statement:line`, of a `command` its own."""

    kind: str
    id: str


class Offer(msgspec.Struct, frozen=True):
    """A resolution as it is kept: where the money goes, by account, and what explains it."""

    to: dict[str, int] = {}
    with_: list[Record] = msgspec.field(default_factory=list, name="with")

    @property
    def breaks(self) -> tuple[str, ...]:
        return tuple(one.id for one in self.with_ if one.kind == "break")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it stands, for ever. `version` is the break's after it. `moved_fen` left suspense, a debit positive."""

    break_id: str = msgspec.field(name="break")
    site: str
    version: int
    action: str
    state: str
    at: datetime
    by: str | None = None
    reason: str = ""
    resolution: str | None = None
    to: dict[str, int] = {}
    with_: list[Record] = msgspec.field(default_factory=list, name="with")
    carried_to: date | None = None
    moved_fen: int = 0
    transaction: str | None = None


def hold_break(parts: Parts, connection: Connection, break_id: str, by: By) -> tuple[Desk, Any]:
    """Its site's books, alone, and the break behind them. Raises `NotFound`."""
    site = site_of(break_id)
    try:
        desk = hold(parts, connection, site, by)
    except NotFound:
        raise _no_break() from None
    return desk, break_row(connection, site, break_id)


def break_row(connection: Connection, site: str, break_id: str) -> Any:
    """Raises `NotFound`."""
    row = connection.execute(select(*BREAK).where(BREAK.site_id == site, BREAK.id == break_id)).one_or_none()
    if row is None:
        raise _no_break()
    return row


def _no_break() -> NotFound:
    return NotFound("there is no such break, or not for you")


def as_seen(row: Any, version: int | None) -> None:
    """Whoever decides says what they saw. Raises `BreakChanged`."""
    if version is not None and version != row.version:
        raise BreakChanged(f"the break is at version {row.version}, you saw {version}: look again")


def moved(connection: Connection, site: str, ids: Collection[str]) -> dict[str, int]:
    """What resolutions have taken out of suspense, by break, a debit positive."""
    found = connection.execute(
        select(STEP.break_id, func.sum(STEP.moved_fen))
        .where(STEP.site_id == site, STEP.break_id.in_(sorted(ids)), STEP.moved_fen != 0)
        .group_by(STEP.break_id)
    )
    return dict.fromkeys(ids, 0) | {break_id: int(fen) for break_id, fen in found}


def item_of(connection: Connection, row: Any) -> Break:
    """The break as it matters for a decision, with what was proposed for it."""
    return Break(
        id=row.id,
        kind=row.kind,
        channel=row.channel,
        amount_fen=row.amount_fen,
        suspense_fen=row.suspense_fen - moved(connection, row.site_id, [row.id])[row.id],
        state=row.state,
        owner=row.owner,
        carried_to=row.carried_to,
        proposal=_proposed(connection, row) if row.state == "awaiting_approval" else None,
    )


def last_proposal(connection: Connection, row: Any) -> Any:
    """The newest step that proposed a resolution."""
    return connection.execute(
        select(*STEP)
        .where(STEP.site_id == row.site_id, STEP.break_id == row.id, STEP.action == "propose")
        .order_by(STEP.sequence.desc())
        .limit(1)
    ).one()


def _proposed(connection: Connection, row: Any) -> Proposal:
    step = last_proposal(connection, row)
    offer = offer_of(step.offer)
    return Proposal(how=step.resolution, by=step.operator, to=offer.to, others=offer.breaks)


def offer_of(kept: Any) -> Offer:
    return msgspec.convert(kept or {}, Offer)


def first_under(desk: Desk, asked: Asked) -> Step | None:
    """The step that was made under this key. Raises `KeyReused` where it was another."""
    row = desk.connection.execute(
        select(*STEP).where(STEP.site_id == desk.site, STEP.idempotency_key == asked.key)
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.content_hash) != asked.content:
        raise KeyReused
    return step_of(row)


def write(
    desk: Desk, row: Any, action: str, now_is: Break, asked: Asked | None = None, *, reason: str = "", **said: Any
) -> Step:
    """Put a step into the books, and how the break stands after it."""
    version = row.version + 1
    ended = desk.now if now_is.state == "resolved" else None
    step = {
        "site_id": desk.site,
        "break_id": row.id,
        "sequence": version,
        "at": desk.now,
        "action": action,
        "state": now_is.state,
        "operator": desk.by.operator,
        "reason": reason,
        "amount_fen": row.amount_fen,
        "difference_fen": row.difference_fen,
        "moved_fen": 0,
        **said,
    }
    if asked is not None:
        step |= {"idempotency_key": asked.key, "content_hash": asked.content}
    changed = {
        "state": now_is.state,
        "owner": now_is.owner,
        "carried_to": now_is.carried_to,
        "resolution": said.get("resolution") if ended else None,
        "ended_at": ended,
        "version": version,
    }
    if action == "note":
        changed = {"version": version}
    desk.connection.execute(insert(t.ReconciliationStep).values(**step))
    mine = (BREAK.site_id == desk.site, BREAK.id == row.id)
    desk.connection.execute(update(t.ReconciliationBreak).where(*mine).values(**changed))
    detail = {"kind": row.kind, "version": version, "state": now_is.state, "digest": digest_of(step)}
    desk.audit(f"break.{action}", row.id, reason=reason, **detail, **({"owner": now_is.owner} if now_is.owner else {}))
    return step_of(step)


_SAID = ("action", "state", "operator", "resolution", "other_id", "amount_fen", "difference_fen", "moved_fen")


def digest_of(row: Any) -> str:
    """What a step says but for its words, as the audit trail keeps it (SHA-256, hex): a person is taken out of words."""
    found = dict(row) if isinstance(row, dict) else row._asdict()
    offer, until = offer_of(found.get("offer")), found.get("carried_to")
    return content_of(
        found["at"].astimezone(UTC).isoformat(),
        *(found.get(name) for name in (*_SAID, "transaction_id")),
        sorted(offer.to.items()),
        [(one.kind, one.id) for one in offer.with_],
        None if until is None else until.isoformat(),
    ).hex()


def step_of(row: Any) -> Step:
    """A row of `reconciliation_step`, read or about to be written."""
    found = dict(row) if isinstance(row, dict) else row._asdict()
    offer = offer_of(found.get("offer"))
    return Step(
        break_id=found["break_id"],
        site=found["site_id"],
        version=found["sequence"],
        action=found["action"],
        state=found["state"],
        at=found["at"],
        by=found["operator"],
        reason=found["reason"],
        resolution=found.get("resolution"),
        to=offer.to,
        with_=offer.with_,
        carried_to=found.get("carried_to"),
        moved_fen=found["moved_fen"],
        transaction=found.get("transaction_id"),
    )
