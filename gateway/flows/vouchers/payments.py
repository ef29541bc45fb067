"""What buyers pay for what their vouchers took off bills, and what they still owe.

A buyer has one account at a site: its months are owed on it, what it pays goes off it. So does a month below zero, in which more was
taken back than used. What is still due of a month follows from that and is not stored: what goes off, goes off the oldest month first.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec
from sqlalchemy import Connection, func, select

from billing.ledger import Posting
from billing.vouchers import owed_on, still_due
from gateway.flows.charges_books import By, Money, asked_as, check_money, hold, payment_under, take
from gateway.flows.reading import Sites, within
from gateway.flows.refusals import AmountNotDue, NotFound
from gateway.store.tables import ChargePayment, VoucherBuyer, VoucherStatement
from gateway.wiring import Parts

PURPOSE = "voucher"
"""Of a payment whose subject is a buyer of its site."""

Buyer = tuple[str, str]
"""By site and id."""


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A buyer's payment; `due_fen` is what it still owes after it."""

    id: str
    site: str
    buyer: str
    channel: str
    amount_fen: int
    due_fen: int


def pay(parts: Parts, site: str, buyer: str, money: Money, by: By, idempotency_key: str | None = None) -> Paid:
    """Take money from a buyer: all that it owes for the months that are billed, or a part of it. One transaction.

    Raises `AmountNotDue` for more than it owes, `NotFound`, `KeyReused`, `Invalid`, `ChannelClosed`.
    """
    check_money(parts, money)
    asked = asked_as(idempotency_key, PURPOSE, buyer, msgspec.to_builtins(money))
    with parts.store.writing() as connection:
        desk = hold(parts, connection, site, by)
        first = payment_under(desk, asked)
        due = _due_of(connection, site, buyer)
        if first is not None:
            return _paid(first.id, site, buyer, money, due)
        if money.amount_fen > due:
            raise AmountNotDue(f"due for the months that are billed: {due} fen, not {money.amount_fen}")
        against = [Posting(owed_on(buyer), -money.amount_fen)]
        payment = take(desk, PURPOSE, buyer, money, asked, against)
        desk.audit("voucher.pay", buyer, payment=payment, channel=money.channel, amount_fen=money.amount_fen)
        connection.commit()
    return _paid(payment, site, buyer, money, due - money.amount_fen)


def due_by_month(connection: Connection, allowed: Sites) -> dict[Buyer, dict[str, int]]:
    """What each buyer still owes, in fen, by month; buyers without a month are missing."""
    statement, payment = VoucherStatement, ChargePayment
    months: dict[Buyer, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(
        select(statement.site_id, statement.buyer_id, statement.month, statement.fen).where(
            within(statement.site_id, allowed)
        )
    ):
        months[row.site_id, row.buyer_id][row.month] = row.fen
    paid = connection.execute(
        select(payment.site_id, payment.subject, func.sum(payment.amount_fen))
        .where(within(payment.site_id, allowed), payment.purpose == PURPOSE)
        .group_by(payment.site_id, payment.subject)
    )
    sums = {(site, buyer): int(fen) for site, buyer, fen in paid}
    return {buyer: still_due(of_buyer, sums.get(buyer, 0)) for buyer, of_buyer in months.items()}


def _due_of(connection: Connection, site: str, buyer: str) -> int:
    """Raises `NotFound`."""
    known = select(VoucherBuyer.id).where(VoucherBuyer.site_id == site, VoucherBuyer.id == buyer)
    if connection.execute(known).first() is None:
        raise NotFound(f"buyer {buyer[:60]} is not registered at {site[:60]}")
    return sum(due_by_month(connection, [site]).get((site, buyer), {}).values())


def _paid(payment: str, site: str, buyer: str, money: Money, due: int) -> Paid:
    return Paid(id=payment, site=site, buyer=buyer, channel=money.channel, amount_fen=money.amount_fen, due_fen=due)
