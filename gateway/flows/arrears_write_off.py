"""Giving up what a stay still owes, or what was paid beyond its bill: proposed by one, decided by a second person, with a reason.

Posted against `waived:written_off`: contra income as a benefit is, so that what was earned stays what it was. What is written off is
not due any more, at no gate and on no reminder. A bill that changes later keeps it written off as far as it would still be open.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, insert, select

from billing.ledger import write_off
from controllers.passages import State
from gateway.flows import audit, stay_posting
from gateway.flows.batch import Batch
from gateway.flows.charges_books import By, reason_of
from gateway.flows.charges_refusals import AlreadyProposed
from gateway.flows.payment import batch_of, vehicle_of
from gateway.flows.reading import Sites, Slice, older, within
from gateway.flows.refusals import AmountNotDue, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.two_people import decide, undecided
from gateway.flows.vehicle import Vehicle
from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t
from gateway.store.records import StayRecord
from gateway.wiring import Parts

_WRITE_OFF = t.ArrearsWriteOff.__table__.c
Kind = Literal["owed", "overpaid"]


class WriteOff(msgspec.Struct, frozen=True, kw_only=True):
    """A write-off as it stands. No plate: the stay says whose."""

    id: str
    site: str
    stay: str
    kind: Kind
    amount_fen: int
    reason: str
    state: str
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str


def propose(parts: Parts, stay_id: str, reason: str, by: By, amount_fen: int | None = None) -> WriteOff:
    """Ask for what is open of a stay to be given up, or a part of it: what it owes, or what was paid beyond its bill.

    Raises `AmountNotDue` where so much is not open, `AlreadyProposed`, `NotFound`, `Invalid`.
    """
    words, site = reason_of(reason), stay_id.partition(".")[0]
    with parts.store.writing() as connection:
        now = parts.clock.now()
        _, stay = _locked(parts, connection, stay_id, now)
        kind, open_fen = _open(stay)
        amount = open_fen if amount_fen is None else amount_fen
        if not 0 < amount <= open_fen:
            raise AmountNotDue(f"open of this stay: {open_fen} fen, not {amount}")
        before = connection.execute(
            select(_WRITE_OFF.state).where(_WRITE_OFF.site_id == site, _WRITE_OFF.stay_id == stay_id)
        ).scalars()
        states = list(before)
        if "proposed" in states:
            raise AlreadyProposed("a write-off of this stay is proposed already: decide that one")
        row = {
            "site_id": site,
            "id": derive_in_site(site, "write-off", stay_id, str(len(states))),
            "stay_id": stay_id,
            "kind": kind,
            "amount_fen": amount,
            "reason": words,
            "state": "proposed",
            "proposed_at": now,
            "proposed_by": by.operator,
            "decided_at": None,
            "decided_by": None,
            "decision": "",
            "transaction_id": None,
        }
        connection.execute(insert(t.ArrearsWriteOff).values(**row))
        _audit(connection, "arrears.write_off.propose", row, by, now, words)
        connection.commit()
    return _document(row)


def approve(parts: Parts, write_off_id: str, by: By) -> WriteOff:
    """Post it. Raises `SecondPersonNeeded`, `AlreadyDecided`, `AmountNotDue` where less is open by now, `NotFound`."""
    with parts.store.writing() as connection:
        now = parts.clock.now()
        stay_id = _row(connection, write_off_id).stay_id
        batch, stay = _locked(parts, connection, stay_id, now)
        row = undecided(_row(connection, write_off_id), by, "write-off")
        try:
            kind, open_fen = _open(stay)
            if kind != row.kind:
                raise AmountNotDue(f"of this stay {open_fen} fen {kind} are open by now; propose it again")
            signed = row.amount_fen if kind == "owed" else -row.amount_fen
            postings, posted = write_off(stay.posted, signed)
        except ValueError as problem:
            raise AmountNotDue(f"{problem}; propose it again") from None
        transaction = stay_posting.post(
            batch,
            stay,
            posted,
            postings,
            at=now,
            kind="write_off",
            cause=("stay", stay.id),
            operator=by.operator,
        )
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        changed = decide(
            connection, t.ArrearsWriteOff, row, by, now, state="approved", transaction_id=transaction.id
        )._asdict()
        _audit(connection, "arrears.write_off.approve", changed, by, now, row.reason)
        connection.commit()
    return _document(changed)


def refuse(parts: Parts, write_off_id: str, reason: str, by: By) -> WriteOff:
    """It stays owed. Raises `SecondPersonNeeded`, `AlreadyDecided`, `NotFound`."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        now = parts.clock.now()
        _locked(parts, connection, _row(connection, write_off_id).stay_id, now)
        row = undecided(_row(connection, write_off_id), by, "write-off")
        changed = decide(connection, t.ArrearsWriteOff, row, by, now, state="refused", decision=words)._asdict()
        _audit(connection, "arrears.write_off.refuse", changed, by, now, words)
        connection.commit()
    return _document(changed)


def write_offs(
    connection: Connection, allowed: Sites, page: Slice, *, state: str | None = None
) -> list[tuple[tuple[datetime, str], WriteOff]]:
    """Newest first, each with its key for paging."""
    conditions = [within(t.ArrearsWriteOff.site_id, allowed)]
    if state is not None:
        conditions.append(_WRITE_OFF.state == state)
    conditions += older(page.after, _WRITE_OFF.proposed_at, _WRITE_OFF.id)
    rows = connection.execute(
        select(*_WRITE_OFF)
        .where(*conditions)
        .order_by(_WRITE_OFF.proposed_at.desc(), _WRITE_OFF.id.desc())
        .limit(page.limit + 1)
    )
    return [((row.proposed_at, row.id), _document(row._asdict())) for row in rows]


def _locked(parts: Parts, connection: Connection, stay_id: str, now: datetime) -> tuple[Batch, StayRecord]:
    """A stay that has ended, behind its vehicle's lock. Raises `NotFound`."""
    site = stay_id.partition(".")[0]
    plate, started_at = vehicle_of(connection, site, stay_id)
    batch = batch_of(parts, connection, (site, plate), started_at, now)
    stay = next((one for one in Vehicle(batch, (site, plate)).stays if one.id == stay_id), None)
    if stay is None or stay.state == State.INSIDE:
        raise NotFound("there is no such stay that has ended, or not for you")
    return batch, stay


def _open(stay: StayRecord) -> tuple[Kind, int]:
    """What could be given up, as the ledger has it."""
    owed = sum(stay.posted.owed.values())
    return ("owed", owed) if owed else ("overpaid", stay.posted.prepaid_fen)


def _row(connection: Connection, write_off_id: str) -> Any:
    row = connection.execute(
        select(*_WRITE_OFF).where(_WRITE_OFF.site_id == write_off_id.partition(".")[0], _WRITE_OFF.id == write_off_id)
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such write-off, or not for you")
    return row


def _audit(connection: Connection, action: str, row: dict[str, Any], by: By, now: datetime, reason: str) -> None:
    audit.record(
        connection,
        at=now,
        operator=by.operator,
        action=action,
        site=row["site_id"],
        subject=row["stay_id"],
        origin=by.origin,
        reason=reason,
        detail={"write_off": row["id"], "kind": row["kind"], "amount_fen": row["amount_fen"]},
    )


def _document(row: dict[str, Any]) -> WriteOff:
    return WriteOff(
        id=row["id"],
        site=row["site_id"],
        stay=row["stay_id"],
        kind=row["kind"],
        amount_fen=row["amount_fen"],
        reason=row["reason"],
        state=row["state"],
        proposed_at=row["proposed_at"],
        proposed_by=row["proposed_by"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        decision=row["decision"],
    )
