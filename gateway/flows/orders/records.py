"""Orders and refunds as rows and as documents, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from gateway.channels.port import Channel
from gateway.flows.orders.refusals import ChannelAway, NoSuchOrder
from gateway.flows.orders.within import is_within
from gateway.flows.reading import Sites, Slice, at_each, older
from gateway.runtime.channel_settings import SecretMissing
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.store.tables.orders import ASKED_ABOUT, ON_ITS_WAY
from gateway.wiring import Parts

ORDER = t.PaymentOrder.__table__.c
REFUND = t.PaymentRefund.__table__.c
ORDER_STATES = ("created", "open", "closing", "paid", "closed", "refunded")
REFUND_STATES = ("proposed", "approved", "refused", "sent", "done", "failed")
# Refunds that have taken their part of what an order holds; one that was only proposed, or was refused, has not.
TAKEN = ("approved", "sent", "done", "failed")
_LOOK_SECONDS_MAX = 3600
_log = logger(__name__)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands. `code`: what a phone scans or opens, while it can be paid; None where only one phone can (`within`)."""

    id: str
    site: str
    stay: str
    channel: str
    amount_fen: int
    state: str
    code: str | None
    quoted_at: datetime
    expires_at: datetime
    trade: str | None
    paid_at: datetime | None
    paid_fen: int
    applied_fen: int
    refunded_fen: int
    payment: str | None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as it stands. `given_up_fen` of it was due, and nobody owes it any more."""

    id: str
    order: str
    site: str
    stay: str
    amount_fen: int
    given_up_fen: int
    reason: str
    state: str
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str
    sent_at: datetime | None
    done_at: datetime | None
    problem: str


def order_document(row: Any) -> Order:
    return Order(
        id=row.id,
        site=row.site_id,
        stay=row.stay_id,
        channel=row.channel,
        amount_fen=row.amount_fen,
        state=row.state,
        code=row.code if row.state == "open" and not is_within(row.code) else None,
        quoted_at=row.quoted_at,
        expires_at=row.expires_at,
        trade=row.trade,
        paid_at=row.paid_at,
        paid_fen=row.paid_fen,
        applied_fen=row.applied_fen,
        refunded_fen=row.refunded_fen,
        payment=row.payment_id,
    )


def refund_document(row: Any) -> Refund:
    return Refund(
        id=row.id,
        order=row.order_id,
        site=row.site_id,
        stay=row.stay_id,
        amount_fen=row.amount_fen,
        given_up_fen=row.given_up_fen,
        reason=row.reason,
        state=row.state,
        proposed_at=row.proposed_at,
        proposed_by=row.proposed_by,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        decision=row.decision,
        sent_at=row.sent_at,
        done_at=row.done_at,
        problem=row.problem,
    )


def find_order(connection: Connection, order_id: str) -> Any:
    """An order's row, wherever it is; None if there is none."""
    return connection.execute(select(*ORDER).where(ORDER.id == order_id)).first()


def find_refund(connection: Connection, refund_id: str) -> Any:
    """A refund's row, wherever it is; None if there is none."""
    return connection.execute(select(*REFUND).where(REFUND.id == refund_id)).first()


def lock_order(connection: Connection, site: str, order_id: str) -> Any:
    """The row, held until the transaction ends. Its vehicle is locked before it, its refunds after it."""
    statement = select(*ORDER).where(ORDER.site_id == site, ORDER.id == order_id).with_for_update()
    return connection.execute(statement).one()


def lock_refund(connection: Connection, site: str, refund_id: str) -> Any:
    """The row, held until the transaction ends. Its order is locked before it."""
    statement = select(*REFUND).where(REFUND.site_id == site, REFUND.id == refund_id).with_for_update()
    return connection.execute(statement).one()


def order(parts: Parts, order_id: str) -> Order:
    """Raises `NoSuchOrder`."""
    with parts.store.reading() as connection:
        row = find_order(connection, order_id)
    if row is None:
        raise NoSuchOrder
    return order_document(row)


def refund(parts: Parts, refund_id: str) -> Refund:
    """Raises `NoSuchOrder`."""
    with parts.store.reading() as connection:
        row = find_refund(connection, refund_id)
    if row is None:
        raise NoSuchOrder("there is no such refund, or not for you")
    return refund_document(row)


def orders(
    connection: Connection, allowed: Sites, page: Slice, *, stay: str | None = None, state: str | None = None
) -> list[tuple[tuple[datetime, str], Order]]:
    """Orders, the newest first, each with its key for paging."""
    conditions = _conditions(at_each(t.PaymentOrder.site_id, allowed), ORDER, ORDER.quoted_at, page, stay, state)
    rows = connection.execute(
        select(*ORDER).where(*conditions).order_by(ORDER.quoted_at.desc(), ORDER.id.desc()).limit(page.limit + 1)
    )
    return [((row.quoted_at, row.id), order_document(row)) for row in rows]


def refunds(
    connection: Connection, allowed: Sites, page: Slice, *, stay: str | None = None, state: str | None = None
) -> list[tuple[tuple[datetime, str], Refund]]:
    """Refunds, the newest first, each with its key for paging."""
    conditions = _conditions(at_each(t.PaymentRefund.site_id, allowed), REFUND, REFUND.proposed_at, page, stay, state)
    rows = connection.execute(
        select(*REFUND).where(*conditions).order_by(REFUND.proposed_at.desc(), REFUND.id.desc()).limit(page.limit + 1)
    )
    return [((row.proposed_at, row.id), refund_document(row)) for row in rows]


def _conditions(allowed: Any, columns: Any, by: Any, page: Slice, stay: str | None, state: str | None) -> list[Any]:
    conditions = [allowed]
    if stay is not None:
        conditions.append(columns.stay_id == stay)
    if state is not None:
        conditions.append(columns.state == state)
    conditions += older(page.after, by, columns.id)
    return conditions


def refunds_of(connection: Connection, site: str, order_id: str) -> Sequence[Any]:
    """All refunds of an order."""
    found = select(*REFUND).where(REFUND.site_id == site, REFUND.order_id == order_id)
    return connection.execute(found.order_by(REFUND.proposed_at, REFUND.id)).fetchall()


def held_fen(order: Any, refunds: Sequence[Any]) -> int:
    """What of an order is on no stay and in no refund that was approved: it is owed back."""
    taken = [one for one in refunds if one.state in TAKEN]
    return int(
        order.paid_fen
        - order.applied_fen
        + sum(one.off_stay_fen for one in taken)
        - sum(one.amount_fen for one in taken)
    )


def due_for_a_look(connection: Connection, now: datetime, most: int) -> tuple[list[Any], list[str]]:
    """Orders (id, merchant, channel) and refunds that the channel should be asked about by now, the longest waiting first."""
    orders = select(ORDER.id, ORDER.merchant_id, ORDER.channel).where(text(ASKED_ABOUT), ORDER.look_at <= now)
    refunds = select(REFUND.id).where(text(ON_ITS_WAY), REFUND.look_at <= now)
    return (
        list(connection.execute(orders.order_by(ORDER.look_at).limit(most))),
        list(connection.execute(refunds.order_by(REFUND.look_at).limit(most)).scalars()),
    )


def open_order(connection: Connection, stay_id: str) -> Any:
    """The row of the order of a stay that can be paid; None if there is none."""
    site = stay_id.partition(".")[0]
    wanted = select(*ORDER).where(ORDER.site_id == site, ORDER.stay_id == stay_id, ORDER.state == "open")
    return connection.execute(wanted).first()


def next_look(now: datetime, looks: int) -> datetime:
    """When a channel is asked again: after 15 s, 30 s, a minute, … an hour."""
    return now + timedelta(seconds=min(15 * 2 ** min(looks, 10), _LOOK_SECONDS_MAX))


def account_of(parts: Parts, merchant: str, channel: str) -> Channel:
    """The account at the channel. Raises `ChannelAway` where it is not, or no more, in the settings."""
    try:
        found = parts.channels.get(merchant, channel)
    except SecretMissing as problem:
        _log.error("a payment account cannot be used", merchant=merchant, channel=channel, problem=str(problem))
        raise ChannelAway from None
    except Exception as problem:  # a key that the library does not read: its words may quote it
        kind = type(problem).__name__
        _log.error("a payment account cannot be used", merchant=merchant, channel=channel, problem=kind)
        raise ChannelAway from None
    if found is None:
        raise ChannelAway
    return found
