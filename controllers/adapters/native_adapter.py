"""The native gate protocol behind the port of all devices. The codec itself is `native`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from controllers.adapters import native
from controllers.adapters.port import (
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
from controllers.commands import Action, Command, Receipt, WholeList
from controllers.events import DeviceStatus, Undecodable


class Native:
    """Controllers that we can programme, and the simulators. A device is named `{site}.{device}`."""

    vendor = "native"
    features: frozenset[str] = frozenset()
    payload_bytes_max = native.PAYLOAD_BYTES_MAX

    def capabilities(self, fitting: Fitting) -> Capabilities:
        del fitting
        return Capabilities(
            delivery=Delivery.PUBLISH,
            actions=frozenset(Action),
            display=True,
            voice=True,
            position=True,
            passage=True,
            offline_list=True,
            list_version=True,
            direct_open=True,
            resends=True,
        )

    def listens(self, fitting: Fitting) -> Listens:
        return Listens(
            topics=tuple(native.topic(fitting.site, fitting.device, channel) for channel in native.UPWARD),
            told=tuple(native.topic(fitting.site, fitting.device, channel) for channel in native.DOWNWARD),
        )

    def speaker(self, message: Message) -> str:
        address = native.address(_published(message).topic)
        return f"{address.site}.{address.device}"

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        del now
        published = _published(message)
        address = native.address(published.topic)
        if (address.site, address.device) != (fitting.site, fitting.device):
            raise Undecodable("other_device", f"the topic is of {address.site}.{address.device}")
        if address.channel == "result":
            return Heard(said=(native.decode_result(published.payload),))
        if address.channel == "status":
            return Heard(said=(_of_its_lanes(native.decode_status(published.payload), fitting),))
        event = native.decode_event(address, published.payload)
        if all(lane.id != event.lane for lane in fitting.lanes):
            raise Undecodable("unknown_lane", f"no lane {event.lane} of this device", event.id)
        return Heard(said=(event,))

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        """Nothing: a device waits for its receipt, which is an order."""
        del message, heard, orders, fitting, now
        return ()

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        del now
        channel: native.Channel
        if isinstance(order, Command):
            fitting.lane_named(order.lane)
            channel = "command"
        elif isinstance(order, Receipt):
            channel = "receipt"
        else:
            channel = "list" if isinstance(order, WholeList) else "list/delta"
        topic = native.topic(fitting.site, fitting.device, channel)
        return (Publish(topic=topic, payload=native.encode(order), retain=channel == "list"),)

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Nothing: it is told every 30 s and on every change."""
        fitting.lane_named(lane)
        return ()

    def redacted(self, message: Message) -> bytes:
        """A device sends no secret but the card or code of a `door`."""
        return native.without_credential(_published(message).payload)


def _of_its_lanes(status: DeviceStatus, fitting: Fitting) -> DeviceStatus:
    """A device says nothing of a lane that is another's."""
    lanes = {lane.id for lane in fitting.lanes}
    return replace(status, barrier={lane: state for lane, state in status.barrier.items() if lane in lanes})


def _published(message: Message) -> Published:
    if not isinstance(message, Published):
        raise Undecodable("bad_path", "the native protocol is spoken over MQTT")
    return message
