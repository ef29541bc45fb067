"""The scheduled part: orders whose callback did not come, orders that nobody paid, refunds on their way."""

from __future__ import annotations

from gateway.flows.orders.looking import look
from gateway.flows.orders.records import due_for_a_look
from gateway.flows.orders.refusals import ChannelAway
from gateway.flows.orders.sending import send
from gateway.flows.refusals import Refused
from gateway.runtime.logs import logger
from gateway.wiring import Parts

# One round: a channel that is away costs some seconds for each.
AT_ONCE = 50
_log = logger(__name__)


def tend(parts: Parts) -> str:
    """Ask the channels about what is due for a look; returns what was done. Does nothing where no channel is set up."""
    if not parts.channels:
        return ""
    with parts.store.reading() as connection:
        orders, refunds = due_for_a_look(connection, parts.clock.now(), AT_ONCE)
    away: set[tuple[str, str]] = set()
    for order in orders:
        at = order.merchant_id, order.channel
        if at in away:
            continue  # each would wait for its time-out in vain
        try:
            look(parts, order.id)
        except ChannelAway:
            away.add(at)
        except Refused as problem:
            _log.warning("an order was not brought to what its channel says", order=order.id, problem=problem.detail)
    for refund in refunds:
        send(parts, refund)
    return f"{len(orders)} orders and {len(refunds)} refunds asked about" if orders or refunds else ""
