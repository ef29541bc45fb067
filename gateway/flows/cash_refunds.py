"""Giving cash back: proposed by one, approved by a second person, then handed over out of the open shift of whoever pays it out.

Nothing is booked before the money leaves the drawer. Then it comes off the stay (first what was paid beyond its bill, then what was due,
which is given up so that nobody is asked for it again) and off the drawer it leaves, in one transaction: what should be in there follows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, func, insert, select

from billing.ledger import Posting, give_back
from controllers.passages import State
from gateway.flows import audit, stay_posting
from gateway.flows.charges_books import By, reason_of
from gateway.flows.charges_refusals import AlreadyDecided
from gateway.flows.invoices.asking import money_went_back
from gateway.flows.payment import batch_of, vehicle_of
from gateway.flows.reading import Sites, Slice, at_each, older
from gateway.flows.refusals import AmountNotDue, KeyReused, NotFound, Refused
from gateway.flows.saving import OutcomeWriter
from gateway.flows.shifts import CASH, account
from gateway.flows.shifts_books import in_drawers
from gateway.flows.shifts_refusals import ShiftClosed
from gateway.flows.taking import key_of
from gateway.flows.two_people import change, decide, undecided
from gateway.flows.vehicle import Vehicle
from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t
from gateway.wiring import Parts

REFUND = t.CashRefund.__table__.c
_PAYMENT = t.Payment.__table__.c
_SHIFT = t.Shift.__table__.c
STATES = ("proposed", "approved", "refused", "paid")
# A payment is one visit's: nobody gives it back in more parts.
REFUNDS_MAX = 20
_NO_PAYMENT = "there is no such payment, or not for you"


class NotCash(Refused):
    """The payment was not cash: what a channel received goes back through the channel."""

    status = 409
    slug = "not-cash"


class NotInTheDrawer(Refused):
    """There is not so much in your drawer: bring money from the safe, or let another till pay it out."""

    status = 409
    slug = "not-in-the-drawer"


class CashRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as it stands. `shift`: out of whose drawer it went; `given_up_fen` of it was due, and nobody owes it any more."""

    id: str
    site: str
    stay: str
    payment: str
    amount_fen: int
    given_up_fen: int
    reason: str
    state: str
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str
    paid_at: datetime | None
    paid_by: str | None
    shift: str | None


class StayPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of a stay, and what of it went back or is about to, in cash."""

    id: str
    stay: str
    channel: str
    amount_fen: int
    refunds_fen: int
    at: datetime
    operator: str | None


def site_of(parts: Parts, payment_id: str) -> str:
    """The site of a payment. Raises `NotFound`."""
    with parts.store.reading() as connection:
        return str(_payment(connection, payment_id).site_id)


def propose(
    parts: Parts,
    payment_id: str,
    reason: str,
    by: By,
    amount_fen: int | None = None,
    idempotency_key: str | None = None,
) -> CashRefund:
    """Ask for cash to be given back: what is left of a payment, or a part of it.

    Raises `NotCash`, `AmountNotDue` for more than is left, `KeyReused`, `NotFound`, `Invalid`.
    """
    words, key = reason_of(reason), key_of(idempotency_key)
    with parts.store.writing() as connection:
        now = parts.clock.now()
        payment = _payment(connection, payment_id, locking=True)
        if payment.channel != CASH:
            raise NotCash
        before = _of(connection, payment)
        first = next((one for one in before if one.idempotency_key == key), None)
        if first is not None:
            if first.reason != words or amount_fen not in {None, first.amount_fen}:
                raise KeyReused
            return document(first)
        left = payment.amount_fen - sum(one.amount_fen for one in before if one.state != "refused")
        wanted = left if amount_fen is None else amount_fen
        if not 0 < wanted <= left or len(before) >= REFUNDS_MAX:
            raise AmountNotDue(f"left of this payment: {left} fen, not {wanted}")
        row = {
            "site_id": payment.site_id,
            "id": derive_in_site(payment.site_id, "cash refund", payment_id, str(len(before))),
            "payment_id": payment_id,
            "stay_id": payment.stay_id,
            "amount_fen": wanted,
            "reason": words,
            "state": "proposed",
            "proposed_at": now,
            "proposed_by": by.operator,
            "idempotency_key": key,
        }
        connection.execute(insert(t.CashRefund).values(**row, given_up_fen=0, decision=""))
        made = _row(connection, row["id"])
        _audit(connection, "cash_refund.propose", made, by, now, words)
        connection.commit()
    return document(made)


def approve(parts: Parts, refund_id: str, amount_fen: int, by: By) -> CashRefund:
    """It may be handed over. `amount_fen` is what the approver saw. Raises `SecondPersonNeeded`, `AlreadyDecided`, `AmountNotDue`, `NotFound`."""
    with parts.store.writing() as connection:
        now = parts.clock.now()
        refund = undecided(_row(connection, refund_id, locking=True), by, "refund")
        if refund.amount_fen != amount_fen:
            raise AmountNotDue(f"the refund is {refund.amount_fen} fen, not {amount_fen}")
        decided = decide(connection, t.CashRefund, refund, by, now, state="approved")
        _audit(connection, "cash_refund.approve", decided, by, now, refund.reason)
        connection.commit()
    return document(decided)


def refuse(parts: Parts, refund_id: str, reason: str, by: By) -> CashRefund:
    """The stay keeps it. Raises `SecondPersonNeeded`, `AlreadyDecided`, `NotFound`, `Invalid`."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        now = parts.clock.now()
        refund = undecided(_row(connection, refund_id, locking=True), by, "refund")
        decided = decide(connection, t.CashRefund, refund, by, now, state="refused", decision=words)
        _audit(connection, "cash_refund.refuse", decided, by, now, words)
        connection.commit()
    return document(decided)


def pay_out(parts: Parts, refund_id: str, by: By) -> CashRefund:
    """Hand it over, out of the open shift of whoever asks. One transaction; a repeat is answered the same.

    Raises `AlreadyDecided` where it is not approved, `ShiftClosed`, `NotInTheDrawer`, `AmountNotDue`, and `NotFound` where its stay goes
    on, or is no more.
    """
    with parts.store.deciding() as connection:
        now = parts.clock.now()
        known = _row(connection, refund_id)
        site = known.site_id
        plate, started_at = vehicle_of(connection, site, known.stay_id)
        batch = batch_of(parts, connection, (site, plate), started_at, now)
        payment = _payment(connection, known.payment_id, locking=True)
        refund = _row(connection, refund_id, locking=True)
        if refund.state == "paid":
            return document(refund)
        if refund.state != "approved":
            raise AlreadyDecided(f"the refund is {refund.state}, not approved")
        stay = next((one for one in Vehicle(batch, (site, plate)).stays if one.id == refund.stay_id), None)
        if stay is None or stay.state != State.LEFT:
            raise NotFound("it would come off a stay that goes on, or that is no more: wait for its exit")
        shift = _drawer(connection, site, by, refund.amount_fen)
        given_up, transaction = _take_off(batch, stay, payment, refund, shift, by)
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        money_went_back(connection, site, refund.stay_id, stay.paid_fen, now)
        said = {"shift_id": shift, "transaction_id": transaction, "given_up_fen": given_up}
        paid = change(connection, t.CashRefund, refund, state="paid", paid_at=now, paid_by=by.operator, **said)
        _audit(connection, "cash_refund.pay", paid, by, now, refund.reason)
        connection.commit()
    return document(paid)


def refunds(
    connection: Connection, allowed: Sites, page: Slice, *, stay: str | None = None, state: str | None = None
) -> list[tuple[tuple[datetime, str], CashRefund]]:
    """Newest first, each with its key for paging."""
    conditions = [at_each(t.CashRefund.site_id, allowed)]
    if stay is not None:
        conditions.append(REFUND.stay_id == stay)
    if state is not None:
        conditions.append(REFUND.state == state)
    conditions += older(page.after, REFUND.proposed_at, REFUND.id)
    rows = connection.execute(
        select(*REFUND).where(*conditions).order_by(REFUND.proposed_at.desc(), REFUND.id.desc()).limit(page.limit + 1)
    )
    return [((row.proposed_at, row.id), document(row)) for row in rows]


def payments(connection: Connection, stay_id: str, page: Slice) -> list[tuple[tuple[datetime, str], StayPayment]]:
    """The payments of a stay, newest first, each with its key for paging."""
    conditions = [_PAYMENT.site_id == stay_id.partition(".")[0], _PAYMENT.stay_id == stay_id]
    conditions += older(page.after, _PAYMENT.at, _PAYMENT.id)
    rows = connection.execute(
        _paid().where(*conditions).order_by(_PAYMENT.at.desc(), _PAYMENT.id.desc()).limit(page.limit + 1)
    )
    return [((row.at, row.id), _stay_payment(row)) for row in rows]


def one_payment(parts: Parts, payment_id: str) -> StayPayment:
    """One payment. Raises `NotFound`."""
    with parts.store.reading() as connection:
        row = connection.execute(_paid().where(*_this(payment_id))).one_or_none()
    if row is None:
        raise NotFound(_NO_PAYMENT)
    return _stay_payment(row)


def _paid() -> Select[Any]:
    """Payments, each with what of it is given back or proposed to be."""
    back = (
        select(func.coalesce(func.sum(REFUND.amount_fen), 0))
        .where(REFUND.site_id == _PAYMENT.site_id, REFUND.payment_id == _PAYMENT.id, REFUND.state != "refused")
        .scalar_subquery()
    )
    return select(
        _PAYMENT.stay_id.label("stay"),
        _PAYMENT.id,
        _PAYMENT.channel,
        _PAYMENT.amount_fen,
        _PAYMENT.at,
        _PAYMENT.operator,
        back.label("refunds_fen"),
    )


def _stay_payment(row: Row[Any]) -> StayPayment:
    return StayPayment(**{**row._asdict(), "refunds_fen": int(row.refunds_fen)})


def one_refund(parts: Parts, refund_id: str) -> CashRefund:
    """One refund. Raises `NotFound`."""
    with parts.store.reading() as connection:
        return document(_row(connection, refund_id))


def document(row: Any) -> CashRefund:
    return CashRefund(
        id=row.id,
        site=row.site_id,
        stay=row.stay_id,
        payment=row.payment_id,
        amount_fen=row.amount_fen,
        given_up_fen=row.given_up_fen,
        reason=row.reason,
        state=row.state,
        proposed_at=row.proposed_at,
        proposed_by=row.proposed_by,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        decision=row.decision,
        paid_at=row.paid_at,
        paid_by=row.paid_by,
        shift=row.shift_id,
    )


def _take_off(batch: Any, stay: Any, payment: Any, refund: Any, shift: str, by: By) -> tuple[int, str]:
    """Take it off the stay, and out of the drawer it leaves; returns what is given up with it, and the transaction."""
    before, came = stay.posted.written_off_fen, account(CASH, payment.shift_id)
    try:
        postings, posted = give_back(stay.posted, came, refund.amount_fen)
    except ValueError as problem:
        raise AmountNotDue(str(problem)) from None
    # What the stay received stands with the shift that took it; the coins lie in the drawer of the one that pays out.
    lines = (*(line for line in postings if line.account != came), Posting(account(CASH, shift), -refund.amount_fen))
    stay.paid_fen -= refund.amount_fen
    cause = ("refund", refund.id)
    made = stay_posting.post(batch, stay, posted, lines, at=batch.now, kind="refund", cause=cause, operator=by.operator)
    return posted.written_off_fen - before, made.id


def _drawer(connection: Connection, site: str, by: By, fen: int) -> str:
    """The open shift of whoever pays out, held until the transaction ends. Raises `ShiftClosed`, `NotInTheDrawer`."""
    mine = (_SHIFT.site_id == site, _SHIFT.cashier == by.operator, _SHIFT.closed_at.is_(None))
    shift: str | None = connection.execute(select(_SHIFT.id).where(*mine).with_for_update()).scalar()
    if shift is None:
        raise ShiftClosed("you have no open shift at this site: open one first")
    if in_drawers(connection, site, [shift])[shift] < fen:
        raise NotInTheDrawer
    return shift


def _payment(connection: Connection, payment_id: str, *, locking: bool = False) -> Any:
    wanted = select(*_PAYMENT).where(*_this(payment_id))
    row = connection.execute(wanted.with_for_update() if locking else wanted).one_or_none()
    if row is None:
        raise NotFound(_NO_PAYMENT)
    return row


def _this(payment_id: str) -> tuple[ColumnElement[bool], ...]:
    return at_each(t.Payment.site_id, None), _PAYMENT.id == payment_id


def _of(connection: Connection, payment: Any) -> list[Any]:
    mine = (REFUND.site_id == payment.site_id, REFUND.payment_id == payment.id)
    return list(connection.execute(select(*REFUND).where(*mine)))


def _row(connection: Connection, refund_id: str, *, locking: bool = False) -> Any:
    wanted = select(*REFUND).where(REFUND.site_id == refund_id.partition(".")[0], REFUND.id == refund_id)
    row = connection.execute(wanted.with_for_update() if locking else wanted).one_or_none()
    if row is None:
        raise NotFound("there is no such refund, or not for you")
    return row


def _audit(connection: Connection, action: str, refund: Any, by: By, now: datetime, reason: str) -> None:
    audit.record(
        connection,
        at=now,
        operator=by.operator,
        action=action,
        site=refund.site_id,
        subject=refund.stay_id,
        origin=by.origin,
        reason=reason,
        detail={"refund": refund.id, "payment": refund.payment_id, "amount_fen": refund.amount_fen},
    )
