"""Hikvision behind the port of all devices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from controllers.adapters.hikvision import orders as told
from controllers.adapters.hikvision import reads
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

ALERT_STREAM = "alert_stream"
"""It is listened to; otherwise it pushes to us."""


class Hikvision:
    """Cameras that drive the barrier. A device is named by its hardware address (`44:a6:42:…`)."""

    vendor = "hikvision"
    features = frozenset({ALERT_STREAM, told.ENTRANCE_API, told.WHITE_LIST})
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def capabilities(self, fitting: Fitting) -> Capabilities:
        return Capabilities(
            delivery=Delivery.REQUEST,
            actions=told.can(fitting),
            position=told.ENTRANCE_API not in fitting.features,
            offline_list=True,
            list_part_entries=told.LIST_PART_ENTRIES,
            direct_open=True,
            resends=ALERT_STREAM not in fitting.features,
        )

    def listens(self, fitting: Fitting) -> Listens:
        return Listens(streams=(told.alert_stream(),) if ALERT_STREAM in fitting.features else ())

    def speaker(self, message: Message) -> str:
        if isinstance(message, Posted | Part):
            return reads.speaker(message)
        if isinstance(message, Answered):
            return ""
        raise _not_spoken()

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
        """Plain and empty: some firmware sends again after anything else."""
        del message, heard, orders, fitting, now
        return (Reply(),)

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        return told.asks(order, fitting, now)

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        return told.ask_position(fitting.lane_named(lane), fitting)

    def ask_time(self, fitting: Fitting) -> Ask:
        del fitting
        return told.ask_time()

    def set_time(self, fitting: Fitting, now: datetime) -> Ask:
        return told.set_time(fitting, now)

    def forget_list(self, fitting: Fitting) -> Ask:
        return told.forget_list(fitting)

    def redacted(self, message: Message) -> bytes:
        """As it is: credentials travel in headers, which are the transport's."""
        return message.payload if isinstance(message, Published) else message.body


def _not_spoken() -> Undecodable:
    return Undecodable("bad_path", "hikvision does not speak MQTT")
