"""Paying inside a channel's own app: whose phone it is, an order that only that phone can pay, and what its browser is handed.

The order's code then says for whom it is, as a keyed digest: another phone gets an order of its own, and the one before is closed.
"""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import select

from gateway.channels.port import ChannelError, WithinApp
from gateway.flows.orders.refusals import ChannelAway, ChannelNotOffered
from gateway.flows.refusals import Invalid
from gateway.runtime.channel_settings import SecretMissing
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

_PREFIX = "within:"
_log = logger(__name__)


def offered(parts: Parts, stay_id: str, channel: str) -> WithinApp | None:
    """The account of a stay's merchant, where its phones can pay inside the channel's app."""
    with parts.store.reading() as connection:
        site = select(t.Site.merchant_id).where(t.Site.id == stay_id.partition(".")[0])
        merchant = connection.execute(site).scalar()
    try:
        return parts.channels.within(merchant or "", channel)
    except SecretMissing as problem:
        _log.error("a payment account cannot be used", merchant=merchant, channel=channel, problem=str(problem))
        return None


def sign_in(parts: Parts, stay_id: str, channel: str, back: str) -> str:
    """Where a phone is sent to say whose it is; it comes back with a code. Raises `ChannelNotOffered`."""
    app = offered(parts, stay_id, channel)
    if app is None:
        raise ChannelNotOffered
    return app.sign_in(back, _state(parts, stay_id))


def payer(parts: Parts, stay_id: str, channel: str, code: str, state: str) -> str:
    """Whose phone came back. Raises `ChannelNotOffered`, `ChannelAway`, and `Invalid` where it was not sent for this stay."""
    app = offered(parts, stay_id, channel)
    if app is None:
        raise ChannelNotOffered
    if not hmac.compare_digest(state.encode(), _state(parts, stay_id).encode()):
        raise Invalid("state: it was not sent from this page")
    try:
        return app.who(code)
    except ChannelError as problem:
        _log.warning("a phone was not told apart", channel=channel, problem=str(problem))
        raise ChannelAway from None


def code_for(parts: Parts, payer: str, prepaid: str) -> str:
    """What is kept as the order's code."""
    return f"{_whose(parts, payer)}{prepaid}"


def is_within(code: str | None) -> bool:
    """Whether an order can only be paid inside the app of the phone for which it was made."""
    return code is not None and code.startswith(_PREFIX)


def is_for(parts: Parts, code: str | None, payer: str) -> bool:
    """Whether an order with this code can be paid in the way that is asked for. One that has no code yet becomes what is asked for."""
    return code is None or (code.startswith(_whose(parts, payer)) if payer else not is_within(code))


def call(parts: Parts, order_id: str, stay_id: str, channel: str) -> dict[str, str]:
    """What the app's browser is handed for an order that can be paid. Raises `ChannelNotOffered`, `ChannelAway`."""
    app = offered(parts, stay_id, channel)
    if app is None:
        raise ChannelNotOffered
    order = t.PaymentOrder
    mine = (order.site_id == stay_id.partition(".")[0], order.id == order_id)
    with parts.store.reading() as connection:
        code = connection.execute(select(order.code).where(*mine, order.state == "open")).scalar()
    if code is None:
        raise ChannelAway  # paid or closed since
    return app.call(code.rpartition(":")[2], parts.clock.now())


def _whose(parts: Parts, payer: str) -> str:
    return f"{_PREFIX}{_keyed(parts, 'payer', payer)}:"


def _state(parts: Parts, stay_id: str) -> str:
    return _keyed(parts, "state", stay_id)


def _keyed(parts: Parts, *said: str) -> str:
    text = "\x1f".join(("within", *said)).encode()
    return hmac.new(parts.settings.secret().encode(), text, hashlib.sha256).hexdigest()[:20]
