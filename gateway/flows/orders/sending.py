"""Sending approved refunds through their channel, under one number each, until the channel says what became of them.

A refund is dated by its request, as the channel dates it in its statement; it is booked when the channel says that it was made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from billing.ledger import Posting
from gateway.channels.port import Channel, ChannelError, Declined, RefundSaid, RefundState, ToRefund
from gateway.flows.charges_books import REFUND as OWED_BACK
from gateway.flows.charges_books import share
from gateway.flows.orders.receiving import SERVICE, note
from gateway.flows.orders.records import (
    Refund,
    account_of,
    find_refund,
    lock_order,
    lock_refund,
    next_look,
    refund_document,
)
from gateway.flows.orders.refusals import ChannelAway, NoSuchOrder
from gateway.flows.outcome import Situation
from gateway.flows.saving import OutcomeWriter
from gateway.flows.shifts import account
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

_ON_ITS_WAY = ("approved", "sent")
_PROBLEM_MAX = 200
_log = logger(__name__)


def send(parts: Parts, refund_id: str) -> Refund:
    """Ask the channel for a refund, or how it stands. A channel that is away is asked again later. Raises `NoSuchOrder`."""
    order, refund, first = _about_to_send(parts, refund_id)
    if order is None:
        return refund_document(refund)
    try:
        said = _ask(account_of(parts, order.merchant_id, order.channel), order, refund, first=first)
    except Declined as problem:
        said = RefundSaid(number=refund_id, state=RefundState.FAILED, detail=str(problem))
    except (ChannelError, ChannelAway) as problem:
        _log.warning("a refund was not sent", refund=refund_id, channel=order.channel, problem=str(problem))
        return refund_document(refund)
    return conclude(parts, said)


def conclude(parts: Parts, said: RefundSaid, merchant: str | None = None, notice: str | None = None) -> Refund:
    """Bring a refund to what the channel says of it. `merchant`: of whose account a callback is. Raises `NoSuchOrder`."""
    with parts.store.writing() as connection:
        now = parts.clock.now()
        known = find_refund(connection, said.number)
        if known is None:
            raise NoSuchOrder("there is no such refund, or not for you")
        order = lock_order(connection, known.site_id, known.order_id)
        if merchant is not None and order.merchant_id != merchant:
            raise NoSuchOrder("there is no such refund, or not for you")
        refund = lock_refund(connection, known.site_id, known.id)
        if notice is not None:
            note(connection, refund.site_id, notice, refund.id, now)
        # One that was never sent cannot be done: what the channel says then is about something else.
        if refund.sent_at is not None and refund.state in (*_ON_ITS_WAY, "failed"):
            _bring(parts, connection, order, refund, said, now)
        connection.commit()
        return refund_document(find_refund(connection, said.number))


def _about_to_send(parts: Parts, refund_id: str) -> tuple[Any, Any, bool]:
    """Commit that it is asked for before it is: (order, refund, whether this is the first time); without the order: nothing to do."""
    with parts.store.writing() as connection:
        known = find_refund(connection, refund_id)
        if known is None:
            raise NoSuchOrder("there is no such refund, or not for you")
        now = parts.clock.now()
        order = lock_order(connection, known.site_id, known.order_id)
        refund = lock_refund(connection, known.site_id, refund_id)
        if refund.state not in _ON_ITS_WAY:
            return None, refund, False
        _change(
            connection,
            refund,
            state="sent",
            sent_at=refund.sent_at or now,
            looks=refund.looks + 1,
            look_at=next_look(now, refund.looks),
        )
        connection.commit()
        return order, find_refund(connection, refund_id), refund.state == "approved"


def _ask(channel: Channel, order: Any, refund: Any, *, first: bool) -> RefundSaid:
    if not first:
        said = channel.query_refund(refund.id, order.id)
        if said.state is not RefundState.UNKNOWN:
            return said
    asked = ToRefund(
        number=refund.id,
        order=order.id,
        amount_fen=refund.amount_fen,
        order_fen=order.amount_fen,
        reason=refund.reason,
    )
    return channel.refund(asked)


def _bring(parts: Parts, connection: Connection, order: Any, refund: Any, said: RefundSaid, now: datetime) -> None:
    if said.state is RefundState.DONE and said.amount_fen not in {None, refund.amount_fen}:
        said = RefundSaid(number=said.number, state=RefundState.FAILED, detail=f"{said.amount_fen} fen were paid back")
    if said.state is RefundState.FAILED and refund.state != "failed":
        problem = (said.detail or "the channel could not")[:_PROBLEM_MAX]
        _change(connection, refund, state="failed", problem=problem)
        situation = Situation(
            site=refund.site_id,
            kind="refund_failed",
            subject=refund.id,
            at=now,
            stay=refund.stay_id,
            detail=f"{refund.amount_fen} fen: {problem}",
        )
        OutcomeWriter(connection).situations([situation])
    if said.state is not RefundState.DONE:
        return
    desk = share(parts, connection, order.site_id, SERVICE)
    lines = [Posting(OWED_BACK, refund.amount_fen), Posting(account(order.channel, None), -refund.amount_fen)]
    desk.post("refund", ("refund", refund.id), f"refund:{refund.id}:made", lines, at=refund.sent_at)
    _change(connection, refund, state="done", done_at=desk.now, problem="")
    refunded = order.refunded_fen + refund.amount_fen
    connection.execute(
        update(t.PaymentOrder)
        .where(t.PaymentOrder.site_id == order.site_id, t.PaymentOrder.id == order.id)
        .values(refunded_fen=refunded, state="refunded" if refunded == order.paid_fen else order.state)
    )
    desk.audit("refund.made", refund.stay_id, refund=refund.id, order=order.id, amount_fen=refund.amount_fen)


def _change(connection: Connection, refund: Any, **changed: Any) -> None:
    mine = (t.PaymentRefund.site_id == refund.site_id, t.PaymentRefund.id == refund.id)
    connection.execute(update(t.PaymentRefund).where(*mine).values(**changed))
