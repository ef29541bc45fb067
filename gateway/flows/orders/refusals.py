"""What is refused about orders and refunds."""

from __future__ import annotations

from gateway.flows.refusals import Refused


class ChannelNotOffered(Refused):
    """The site's merchant has no account at this payment channel."""

    status = 422
    slug = "channel-not-offered"


class ChannelAway(Refused):
    """The payment channel does not answer, or does not take the order; try again, or another way to pay."""

    status = 503
    slug = "channel-away"


class OrderNotPaid(Refused):
    """Nothing of this order can be paid back: it was not paid, or all of it is on its way back already."""

    status = 409
    slug = "order-not-paid"


class AmountDiffers(Refused):
    """The channel says another amount than the order's: a person must look at it."""

    status = 409
    slug = "amount-differs"


class NoSuchOrder(Refused):
    """There is no such order, or not for you."""

    status = 404
    slug = "not-found"


class NotTheChannels(Refused):
    """The notice is not the channel's own."""

    status = 401
    slug = "not-the-channels"

    def __init__(self, detail: str = "", *, probe: bool = False) -> None:
        super().__init__(detail)
        self.probe = probe
