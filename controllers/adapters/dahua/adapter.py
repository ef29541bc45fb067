"""Dahua behind the port of all devices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from controllers.adapters.dahua import orders as told
from controllers.adapters.dahua import reads
from controllers.adapters.port import (
    PICTURE_PAYLOAD_BYTES_MAX,
    Answered,
    Ask,
    Capabilities,
    Delivery,
    Fitting,
    Heard,
    Listens,
    Message,
    Order,
    Part,
    Posted,
    Publish,
    Published,
    Reply,
    Riding,
    Sent,
)
from controllers.events import Undecodable

EVENT_STREAM = "event_stream"
"""It is listened to; otherwise it pushes to us. Never both: the two number their reads differently."""

# Devices differ in which of the two they read.
_TAKEN = Reply(headers=(("Content-Type", "application/json"),), body=b'{"Result":true,"result":"true"}')


class Dahua:
    """Cameras that drive the barrier. A device is named by its `DeviceID`."""

    vendor = "dahua"
    features = frozenset({EVENT_STREAM, reads.LOCAL_UTC})
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def capabilities(self, fitting: Fitting) -> Capabilities:
        return Capabilities(
            delivery=Delivery.REQUEST,
            actions=told.ACTIONS,
            offline_list=True,
            list_part_entries=1,
            direct_open=True,
            resends=EVENT_STREAM not in fitting.features,
        )

    def listens(self, fitting: Fitting) -> Listens:
        return Listens(streams=(told.event_stream(),) if EVENT_STREAM in fitting.features else ())

    def speaker(self, message: Message) -> str:
        """Empty in the stream, which names nobody."""
        if isinstance(message, Posted):
            return reads.speaker(message)
        if isinstance(message, Published):
            raise _not_spoken()
        return ""

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        if isinstance(message, Posted):
            return reads.posted(message, fitting, now)
        if isinstance(message, Part):
            return reads.streamed(message, fitting, now)
        if isinstance(message, Answered):
            return reads.answered(message, fitting, now)
        raise _not_spoken()

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        """Taken: it would send again otherwise, quarantined or not."""
        del message, heard, orders, fitting, now
        return (_TAKEN,)

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        return told.asks(order, fitting, now)

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Nothing: no driver has been seen to ask."""
        fitting.lane_named(lane)
        return ()

    def ask_time(self, fitting: Fitting) -> Ask:
        del fitting
        return told.ask_time()

    def set_time(self, fitting: Fitting, now: datetime) -> Ask:
        return told.set_time(fitting, now)

    def forget_list(self, fitting: Fitting) -> Ask:
        del fitting
        return told.forget_list()

    def redacted(self, message: Message) -> bytes:
        """As it is: credentials travel in headers, which are the transport's."""
        return message.payload if isinstance(message, Published) else message.body


def _not_spoken() -> Undecodable:
    return Undecodable("bad_path", "dahua does not speak MQTT")
