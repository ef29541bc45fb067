"""Orders at payment channels: what each received is on its stay, owed back or paid back, to the fen, and the ledger says the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, func, select

from gateway.flows.charges_books import REFUND as OWED_BACK
from gateway.flows.orders.records import ORDER, REFUND, TAKEN, held_fen
from gateway.flows.shifts import account
from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look
from gateway.store.tables import LedgerTransaction, Payment, Posting, Site

_LEDGER = LedgerTransaction.__table__.c
_Sums = dict[str, dict[str, int]]


def failures(look: Look) -> Iterator[Failure]:
    """Orders in the order of (site, id), each with its refunds."""
    look.checked["orders"] += 0
    for site in look.connection.execute(select(Site.id).order_by(Site.id)).scalars().all():
        after = ""
        while page := _page(look, site, after):
            after = page[-1].id
            ids = [order.id for order in page]
            refunds: dict[str, list[Any]] = defaultdict(list)
            for row in look.connection.execute(select(*REFUND).where(REFUND.site_id == site, REFUND.order_id.in_(ids))):
                refunds[row.order_id].append(row)
            of_orders = _sums(look.connection, site, "payment", ids)
            of_refunds = _sums(look.connection, site, "refund", [one.id for rows in refunds.values() for one in rows])
            paid = _payments(look.connection, site, [order.payment_id for order in page if order.payment_id])
            for order in page:
                why = _wrong_order(order, refunds[order.id], of_orders[order.id], paid)
                if why is not None:
                    yield Failure("order", order.id, why)
                for refund in refunds[order.id]:
                    why = _wrong_refund(order, refund, of_refunds[refund.id])
                    if why is not None:
                        yield Failure("refund", refund.id, why)
                look.count("orders")


def _page(look: Look, site: str, after: str) -> list[Any]:
    conditions = [ORDER.site_id == site, ORDER.id > after, *look.scope.instants(ORDER.quoted_at)]
    return list(look.connection.execute(select(*ORDER).where(*conditions).order_by(ORDER.id).limit(ROWS_AT_A_TIME)))


def _payments(connection: Connection, site: str, ids: list[str]) -> dict[str, Any]:
    """By id."""
    payment = Payment.__table__.c
    found = select(payment.id, payment.stay_id, payment.channel, payment.amount_fen, payment.idempotency_key)
    return {row.id: row for row in connection.execute(found.where(payment.site_id == site, payment.id.in_(ids)))}


def _sums(connection: Connection, site: str, kind: str, ids: list[str]) -> _Sums:
    """What the ledger holds by cause and account, without what a refund took off its stay: that is the stay's."""
    found: _Sums = defaultdict(dict)
    off = select(REFUND.off_transaction_id).where(REFUND.site_id == site, REFUND.off_transaction_id.is_not(None))
    query = (
        select(_LEDGER.reference, Posting.account, func.sum(Posting.amount_fen))
        .join(Posting, and_(Posting.site_id == _LEDGER.site_id, Posting.transaction_id == _LEDGER.id))
        .where(
            _LEDGER.site_id == site,
            _LEDGER.reference_kind == kind,
            _LEDGER.reference.in_(ids),
            _LEDGER.id.not_in(off),
        )
        .group_by(_LEDGER.reference, Posting.account)
    )
    for reference, name, fen in connection.execute(query):
        if fen:
            found[reference][name] = int(fen)
    return found


def _wrong_order(order: Any, refunds: list[Any], posted: dict[str, int], payments: dict[str, Any]) -> str | None:
    payment = payments.get(order.payment_id)
    applied = 0
    if payment is not None and payment.idempotency_key == f"order:{order.id}":
        applied = payment.amount_fen if (payment.stay_id, payment.channel) == (order.stay_id, order.channel) else 0
    if applied != order.applied_fen:
        return f"{order.applied_fen} fen are said to be on its stay, its payment has {applied}"
    if (order.paid_at is not None) != (order.paid_fen == order.amount_fen):
        return f"{order.paid_fen} fen of {order.amount_fen} are said to be paid, {order.paid_at or 'never'}"
    beyond = order.paid_fen - order.applied_fen
    if posted != _both(order, beyond):
        return f"{beyond} fen are beyond its bill, the ledger has {posted}"
    made = sum(one.amount_fen for one in refunds if one.state == "done")
    if made != order.refunded_fen:
        return f"{order.refunded_fen} fen are said to be paid back, its refunds sum to {made}"
    if held_fen(order, refunds) < 0:
        return "more is on its way back than it holds"
    return None


def _wrong_refund(order: Any, refund: Any, posted: dict[str, int]) -> str | None:
    left = refund.off_stay_fen - (refund.amount_fen if refund.state == "done" else 0)
    if posted != _both(order, left):
        return f"it is {refund.state} with {refund.off_stay_fen} fen off its stay, the ledger has {posted}"
    if refund.state not in TAKEN and refund.off_stay_fen:
        return f"it is {refund.state} and took {refund.off_stay_fen} fen off its stay"
    return None


def _both(order: Any, fen: int) -> dict[str, int]:
    return {account(order.channel, None): fen, OWED_BACK: -fen} if fen else {}
