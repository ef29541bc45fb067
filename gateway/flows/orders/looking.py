"""Asking a channel about an order whose callback did not come, and closing what nobody has paid."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from gateway.channels.port import ChannelError, OrderSaid, OrderState
from gateway.flows.orders import records
from gateway.flows.orders.receiving import money_came
from gateway.flows.orders.records import account_of, find_order, next_look, open_order
from gateway.flows.orders.refusals import AmountDiffers, ChannelAway, NoSuchOrder
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

_log = logger(__name__)
# Between one time that a driver asks and the next; the job has its own pace.
_AT_LEAST = timedelta(seconds=3)
_UNPAID = ("created", "open", "closing")


def look(parts: Parts, order_id: str) -> records.Order:
    """Ask the channel how an order stands, and bring ours to it. What is too late is closed.

    Raises `NoSuchOrder`, `ChannelAway`, `AmountDiffers`.
    """
    with parts.store.reading() as connection:
        row = find_order(connection, order_id)
    if row is None:
        raise NoSuchOrder
    if row.state in _UNPAID:
        # First of all, so that what fails is not asked again at once, whatever fails.
        now = parts.clock.now()
        again = next_look(now, row.looks)
        # Not later than when it must be closed.
        again = min(again, row.expires_at) if now < row.expires_at else again
        _change(parts, row, look_at=again, looks=row.looks + 1)
        said = _ask(parts, row)
        if said.state is OrderState.PAID:
            money_came(parts, row.merchant_id, row.channel, said)
        elif said.state is OrderState.CLOSED:
            _change(parts, row, state="closed", code=None)
        elif row.state == "closing" or row.expires_at <= parts.clock.now():
            settle_unpaid(parts, row)
    return records.order(parts, order_id)


def look_for(parts: Parts, stay_id: str) -> None:
    """A driver says that it is paid: ask, where nobody has asked a moment ago. Raises what `look` raises."""
    with parts.store.reading() as connection:
        row = open_order(connection, stay_id)
    if row is not None and parts.clock.now() - row.quoted_at >= _AT_LEAST * (row.looks + 1):
        look(parts, row.id)


def payable(parts: Parts, stay_id: str, due_fen: int) -> records.Order | None:
    """The order of a stay that can be paid at this moment, and says what is due."""
    with parts.store.reading() as connection:
        row = open_order(connection, stay_id)
    if row is None or row.amount_fen != due_fen or row.expires_at <= parts.clock.now():
        return None
    return records.order_document(row)


def settle_unpaid(parts: Parts, row: Any) -> OrderState:
    """Close an order at its channel; where somebody was faster, book the payment. A channel that is away is asked again later."""
    try:
        state = account_of(parts, row.merchant_id, row.channel).close(row.id)
        if state is OrderState.PAID:
            money_came(parts, row.merchant_id, row.channel, _ask(parts, row))
    except (ChannelError, ChannelAway, AmountDiffers) as problem:
        _log.warning("an order was not closed", order=row.id, channel=row.channel, problem=str(problem))
        return OrderState.UNKNOWN
    if state is OrderState.CLOSED:
        _change(parts, row, state="closed", code=None)
    return state


def _ask(parts: Parts, row: Any) -> OrderSaid:
    try:
        return account_of(parts, row.merchant_id, row.channel).query(row.id)
    except ChannelError as problem:
        _log.warning("an order could not be asked about", order=row.id, channel=row.channel, problem=str(problem))
        raise ChannelAway from None


def _change(parts: Parts, row: Any, **changed: Any) -> None:
    """Only what is not paid: a callback may have been faster."""
    with parts.store.writing() as connection:
        connection.execute(
            update(t.PaymentOrder)
            .where(
                t.PaymentOrder.site_id == row.site_id,
                t.PaymentOrder.id == row.id,
                t.PaymentOrder.state.in_(_UNPAID),
            )
            .values(**changed)
        )
        connection.commit()
