"""What recognisers have in common that only read: no barrier, no display, no list. A relay of its own may stand beside the camera."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from controllers.adapters import relay
from controllers.adapters.port import (
    CannotCarryOut,
    Capabilities,
    Delivery,
    Fitting,
    Heard,
    Listens,
    Message,
    Order,
    Posted,
    Publish,
    Published,
    Reply,
    Riding,
    Sent,
)
from controllers.adapters.reading import instant_of_epoch
from controllers.commands import Command, Receipt
from controllers.events import Undecodable


class ReadsOnly(ABC):
    """A recogniser. A device is one of its cameras, named as the recogniser names it."""

    features = frozenset({relay.RELAY})

    @property
    @abstractmethod
    def vendor(self) -> str: ...

    @property
    @abstractmethod
    def payload_bytes_max(self) -> int: ...

    @abstractmethod
    def camera(self, message: Message) -> str:
        """Which camera a message of the recogniser is about, empty where it does not say. Raises `Undecodable`."""

    @abstractmethod
    def heard(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        """What a message of the recogniser says. Raises `Undecodable`."""

    def topics(self, fitting: Fitting) -> tuple[str, ...]:
        del fitting
        return ()

    def capabilities(self, fitting: Fitting) -> Capabilities:
        return Capabilities(delivery=Delivery.PUBLISH, actions=relay.actions(fitting))

    def listens(self, fitting: Fitting) -> Listens:
        return Listens(topics=(*self.topics(fitting), *relay.topics(fitting)), told=relay.told(fitting))

    def speaker(self, message: Message) -> str:
        if isinstance(message, Published) and relay.is_answer(message.topic):
            return ""
        return self.camera(message)

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        if isinstance(message, Published) and relay.is_answer(message.topic):
            return relay.heard(message, fitting, now)
        named = self.camera(message)
        if named and fitting.serial and named != fitting.serial:
            raise Undecodable("other_device", f"{named[:64]!r} speaks, {fitting.serial!r} is fitted here")
        return self.heard(message, fitting, now)

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        """A plain 200, whatever it was: else it comes again, or the recogniser gives up on us."""
        del heard, orders, fitting, now
        return (Reply(),) if isinstance(message, Posted) else ()

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        del now
        if isinstance(order, Receipt):
            return ()
        if not isinstance(order, Command):
            raise CannotCarryOut("not_supported", "a recogniser keeps no list")
        return (relay.order(order, fitting),)

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Nothing: nobody sees the barrier."""
        fitting.lane_named(lane)
        return ()

    def redacted(self, message: Message) -> bytes:
        return message.payload if isinstance(message, Published) else message.body


def instant_of_seconds(seconds: float, event_id: str | None = None) -> datetime:
    """From seconds since 1970 with a fraction."""
    microseconds = seconds * 1_000_000
    if not isfinite(microseconds):
        raise Undecodable("not_in_schema", "an instant out of range", event_id)
    return instant_of_epoch(round(microseconds), event_id)


def over_http(message: Message, vendor: str) -> Posted:
    """Raises `Undecodable` (`bad_path`)."""
    if not isinstance(message, Posted) or message.method != "POST":
        raise Undecodable("bad_path", f"{vendor} posts")
    return message
