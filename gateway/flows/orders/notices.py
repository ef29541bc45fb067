"""Callbacks of the channels: only what is really the channel's is believed, and each counts once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sqlalchemy import select

from gateway.channels.port import Forged, Notice, OrderSaid, OrderState, RefundSaid
from gateway.flows.orders.receiving import money_came
from gateway.flows.orders.records import account_of, find_order, find_refund
from gateway.flows.orders.refusals import ChannelAway, NotTheChannels
from gateway.flows.orders.sending import conclude
from gateway.flows.refusals import Refused
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

ID_MAX = 200
Became = Literal["counted", "repeated", "nothing"]
_log = logger(__name__)


def hear(parts: Parts, channel: str, headers: Mapping[str, str], body: bytes) -> Became:
    """Take a callback. When this returns, what it says is committed.

    Raises `NotTheChannels`; `NoSuchOrder`, `AmountDiffers`, and what the database refuses: then the channel sends it again.
    """
    try:
        became = _hear(parts, channel, headers, body)
    except NotTheChannels as refused:
        count = "probe" if refused.probe else "forged"
        parts.metrics.payment_notices.labels(channel=channel, outcome=count).inc()
        if not refused.probe:
            _log.warning("a notice was refused", channel=channel, why=refused.detail)
        raise
    except Refused as refused:
        parts.metrics.payment_notices.labels(channel=channel, outcome=refused.slug).inc()
        _log.error("a notice was not taken", channel=channel, why=refused.detail)
        raise
    parts.metrics.payment_notices.labels(channel=channel, outcome=became).inc()
    return became


def _hear(parts: Parts, channel: str, headers: Mapping[str, str], body: bytes) -> Became:
    why, probe, away = "there is no account at this channel", False, False
    now = parts.clock.now()
    for merchant in parts.channels.merchants_at(channel):
        try:
            notice = account_of(parts, merchant, channel).notice(headers, body, now)
        except Forged as forged:
            why, probe = str(forged), probe or forged.probe
        except ChannelAway:
            away = True  # one merchant's keys hold no other's up
        else:
            return _believe(parts, merchant, channel, notice)
    if away:
        raise ChannelAway  # it may be of that account: then it comes again
    raise NotTheChannels(why, probe=probe)


def _believe(parts: Parts, merchant: str, channel: str, notice: Notice) -> Became:
    known = f"{channel}:{merchant}:{notice.id}"[:ID_MAX]
    if notice.said is not None and _heard_before(parts, notice.said, known):
        return "repeated"
    if isinstance(notice.said, RefundSaid):
        conclude(parts, notice.said, merchant, known)
        return "counted"
    if isinstance(notice.said, OrderSaid) and notice.said.state is OrderState.PAID:
        return "counted" if money_came(parts, merchant, channel, notice.said, known).new else "repeated"
    return "nothing"


def _heard_before(parts: Parts, said: OrderSaid | RefundSaid, known: str) -> bool:
    with parts.store.reading() as connection:
        find = find_refund if isinstance(said, RefundSaid) else find_order
        about = find(connection, said.number)
        if about is None:
            return False
        mine = (t.PaymentNotice.site_id == about.site_id, t.PaymentNotice.id == known)
        return connection.execute(select(t.PaymentNotice.id).where(*mine)).first() is not None
