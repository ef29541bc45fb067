"""Vzenith behind the port of all devices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from controllers.adapters.port import (
    PICTURE_PAYLOAD_BYTES_MAX,
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
from controllers.adapters.vzenith import orders as told
from controllers.adapters.vzenith import reads, topics
from controllers.events import Undecodable

# In a poll the device sends the password of its own account: in a form or in JSON.
_PASSWORD = re.compile(rb'("pass_wd"\s*:\s*"|[& ]?pass_wd=|name="\s*pass_wd"\s*)[^"&\r\n]*', re.IGNORECASE)


class Vzenith:
    """Cameras with a relay. A device is named by its serial number."""

    vendor = "vzenith"
    features = frozenset(
        {
            topics.HTTP,
            topics.SERIAL_FIRST,
            topics.LEGACY,
            reads.POSITION_1_OPEN,
            reads.INPUT_OPEN,
            reads.INPUT_CLOSED,
            told.DIRECT_OPEN,
            told.OLD_IO_LOCK,
            told.LED_BOARD,
            told.SPEAKER,
        }
    )
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def capabilities(self, fitting: Fitting) -> Capabilities:
        has = fitting.features
        over_http, legacy = topics.HTTP in has, topics.LEGACY in has
        return Capabilities(
            delivery=Delivery.ANSWER if over_http else Delivery.PUBLISH,
            actions=told.can(fitting),
            display=told.LED_BOARD in has and not legacy,
            voice=(told.LED_BOARD in has or (over_http and told.SPEAKER in has)) and not legacy,
            position=bool(has & {reads.POSITION_1_OPEN, reads.INPUT_OPEN, reads.INPUT_CLOSED}) and not legacy,
            offline_list=not legacy,
            list_part_entries=told.LIST_PART_ENTRIES,
            direct_open=told.DIRECT_OPEN in has and not over_http and not legacy,
            clock=not legacy,
            resends=over_http,
            replies=not over_http and not legacy,
        )

    def listens(self, fitting: Fitting) -> Listens:
        return Listens(topics=topics.upward(fitting), told=topics.told(fitting))

    def speaker(self, message: Message) -> str:
        return reads.serial_of(_heard_from(message))

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        message = _heard_from(message)
        if isinstance(message, Published):
            return reads.published(message, fitting, now)
        return reads.posted(message, fitting, now)

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        if isinstance(message, Published):
            return ()
        if heard is None or not heard.takes_orders:
            return (told.nothing_to_say(),)
        return (told.response(heard, orders, fitting, now),)

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        return told.order_over_mqtt(order, fitting, now)

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Nothing: it is told on every change, where it is told at all."""
        fitting.lane_named(lane)
        return ()

    def tell_time(self, fitting: Fitting, now: datetime) -> tuple[Publish, ...]:
        return told.tell_time(fitting, now)

    def redacted(self, message: Message) -> bytes:
        if isinstance(message, Published):
            return message.payload
        return _PASSWORD.sub(rb"\1***", message.body)


def _heard_from(message: Message) -> Published | Posted:
    if not isinstance(message, Published | Posted):
        raise Undecodable("bad_path", "nothing is asked of a device of vzenith")
    return message
