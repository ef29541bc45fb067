"""Paying back: proposed by one, decided by a second person, then sent through the channel by which it came (`sending`).

Approved, the money stands in `liability:refund`. What the order holds beyond the bill is there already; the rest comes off the stay:
first what was paid beyond its bill, then what was due, which is given up (`waived:written_off`), so that nobody owes it again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert

from billing.ledger import Posting, give_back
from controllers.passages import State
from gateway.flows import audit, stay_posting
from gateway.flows.charges_books import REFUND as OWED_BACK
from gateway.flows.charges_books import By, reason_of, share
from gateway.flows.charges_refusals import AlreadyDecided
from gateway.flows.invoices.asking import money_went_back
from gateway.flows.orders.records import (
    Refund,
    find_order,
    find_refund,
    held_fen,
    lock_order,
    lock_refund,
    refund_document,
    refunds_of,
)
from gateway.flows.orders.refusals import NoSuchOrder, OrderNotPaid
from gateway.flows.payment import batch_of, vehicle_of
from gateway.flows.refusals import AmountNotDue, KeyReused, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.shifts import account
from gateway.flows.taking import key_of
from gateway.flows.two_people import change, decide, undecided
from gateway.flows.vehicle import Vehicle
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.wiring import Parts

# WeChat Pay takes fifty refunds of one order.
REFUNDS_MAX = 50


def propose(
    parts: Parts,
    order_id: str,
    reason: str,
    by: By,
    amount_fen: int | None = None,
    idempotency_key: str | None = None,
) -> Refund:
    """Ask for an order to be paid back, whole (what is left of it) or in part.

    Raises `OrderNotPaid`, `AmountNotDue` for more than is left, `KeyReused`, `NoSuchOrder`, `Invalid`.
    """
    words, key = reason_of(reason), key_of(idempotency_key)
    with parts.store.writing() as connection:
        now = parts.clock.now()
        known = find_order(connection, order_id)
        if known is None:
            raise NoSuchOrder
        order = lock_order(connection, known.site_id, order_id)
        before = refunds_of(connection, order.site_id, order_id)
        first = next((one for one in before if one.idempotency_key == key), None)
        if first is not None:
            if first.reason != words or amount_fen not in {None, first.amount_fen}:
                raise KeyReused
            return refund_document(first)
        left = order.paid_fen - sum(one.amount_fen for one in before if one.state != "refused")
        if not left or len(before) >= REFUNDS_MAX:
            raise OrderNotPaid
        wanted = left if amount_fen is None else amount_fen
        if not 0 < wanted <= left:
            raise AmountNotDue(f"left of this order: {left} fen, not {wanted}")
        row = {
            "site_id": order.site_id,
            "id": derive("pr", order.site_id, order_id, str(len(before)), now.isoformat()).replace("-", ""),
            "order_id": order_id,
            "stay_id": order.stay_id,
            "amount_fen": wanted,
            "reason": words,
            "state": "proposed",
            "proposed_at": now,
            "proposed_by": by.operator,
            "look_at": now,
            "idempotency_key": key,
        }
        connection.execute(
            insert(t.PaymentRefund).values(**row, off_stay_fen=0, given_up_fen=0, decision="", problem="", looks=0)
        )
        made = find_refund(connection, row["id"])
        _audit(connection, "refund.propose", made, by, now, words)
        connection.commit()
    return refund_document(made)


def approve(parts: Parts, refund_id: str, amount_fen: int, by: By) -> Refund:
    """Owe it back; sending follows. `amount_fen` is what the approver saw. One transaction.

    Raises `SecondPersonNeeded`, `AlreadyDecided`, `AmountNotDue`, `NoSuchOrder`, and `NotFound` where it would have to come off a stay
    that goes on, or that is no more.
    """
    with parts.store.deciding() as connection:
        now = parts.clock.now()
        known = _known(connection, refund_id)
        batch = stay = None
        try:
            plate, started_at = vehicle_of(connection, known.site_id, known.stay_id)
        except NotFound:
            plate = "#"
        if not plate.startswith("#"):
            batch = batch_of(parts, connection, (known.site_id, plate), started_at, now)
            stays = Vehicle(batch, (known.site_id, plate)).stays
            stay = next((one for one in stays if one.id == known.stay_id), None)
        order = lock_order(connection, known.site_id, known.order_id)
        refund = undecided(lock_refund(connection, known.site_id, refund_id), by, "refund")
        if refund.amount_fen != amount_fen:
            raise AmountNotDue(f"the refund is {refund.amount_fen} fen, not {amount_fen}")
        off = max(0, amount_fen - held_fen(order, refunds_of(connection, order.site_id, order.id)))
        given_up, transaction = 0, None
        if off:
            if batch is None or stay is None or stay.state != State.LEFT:
                raise NotFound("it would come off a stay that goes on, or that is no more: wait for its exit")
            given_up, transaction = _take_off(batch, stay, order, refund, off, by)
            OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
            money_went_back(connection, order.site_id, order.stay_id, stay.paid_fen, now)
            desk = share(parts, connection, order.site_id, by)
            lines = [Posting(account(order.channel, None), off), Posting(OWED_BACK, -off)]
            desk.post("refund", ("refund", refund.id), f"refund:{refund.id}", lines, at=now, operator=by.operator)
        changed = {"off_stay_fen": off, "given_up_fen": given_up, "off_transaction_id": transaction, "look_at": now}
        decided = decide(connection, t.PaymentRefund, refund, by, now, state="approved", **changed)
        _audit(connection, "refund.approve", decided, by, now, refund.reason)
        connection.commit()
    return refund_document(decided)


def refuse(parts: Parts, refund_id: str, reason: str, by: By) -> Refund:
    """It stays where it is: what is owed back is still owed. Raises `SecondPersonNeeded`, `AlreadyDecided`, `NoSuchOrder`."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        now = parts.clock.now()
        known = _known(connection, refund_id)
        lock_order(connection, known.site_id, known.order_id)
        refund = undecided(lock_refund(connection, known.site_id, refund_id), by, "refund")
        decided = decide(connection, t.PaymentRefund, refund, by, now, state="refused", decision=words)
        _audit(connection, "refund.refuse", decided, by, now, words)
        connection.commit()
    return refund_document(decided)


def again(parts: Parts, refund_id: str, by: By) -> Refund:
    """Send one that the channel could not make once more, under the same number. Raises `AlreadyDecided`, `NoSuchOrder`."""
    with parts.store.writing() as connection:
        now = parts.clock.now()
        known = _known(connection, refund_id)
        lock_order(connection, known.site_id, known.order_id)
        refund = lock_refund(connection, known.site_id, refund_id)
        if refund.state != "failed":
            raise AlreadyDecided(f"the refund is {refund.state}, not failed")
        changed = change(connection, t.PaymentRefund, refund, state="approved", problem="", looks=0, look_at=now)
        _audit(connection, "refund.again", changed, by, now, "")
        connection.commit()
    return refund_document(changed)


def _take_off(batch: Any, stay: Any, order: Any, refund: Any, off: int, by: By) -> tuple[int, str]:
    """Take money off the stay that it paid; returns what is given up with it, and the transaction."""
    before = stay.posted.written_off_fen
    try:
        postings, posted = give_back(stay.posted, account(order.channel, None), off)
    except ValueError as problem:
        raise AmountNotDue(f"{problem}; propose less") from None
    stay.paid_fen -= off
    made = stay_posting.post(
        batch,
        stay,
        posted,
        postings,
        at=batch.now,
        kind="refund",
        cause=("refund", refund.id),
        operator=by.operator,
    )
    return posted.written_off_fen - before, made.id


def _known(connection: Connection, refund_id: str) -> Any:
    found = find_refund(connection, refund_id)
    if found is None:
        raise NoSuchOrder("there is no such refund, or not for you")
    return found


def _audit(connection: Connection, action: str, refund: Any, by: By, now: Any, reason: str) -> None:
    audit.record(
        connection,
        at=now,
        operator=by.operator,
        action=action,
        site=refund.site_id,
        subject=refund.stay_id,
        origin=by.origin,
        reason=reason,
        detail={"refund": refund.id, "order": refund.order_id, "amount_fen": refund.amount_fen},
    )
