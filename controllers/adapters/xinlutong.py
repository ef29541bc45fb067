"""Xinlutong 信路通 over MQTT: envelopes with JSON as a string inside JSON, in the device's local time.

Source: public drivers tried on a device, where it differs from the vendor's document V10; beside the samples under
`tests/controllers/adapters/xinlutong/samples` stands what of it nobody has verified. It answers commands only after it was told to, with
each connection. Nothing sets its clock, and it marks no history: what comes late counts as kept by its instant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from controllers.adapters.port import (
    PICTURE_PAYLOAD_BYTES_MAX,
    Accepted,
    CannotCarryOut,
    Capabilities,
    Delivery,
    Fitting,
    Heard,
    Hello,
    Listens,
    Message,
    Order,
    Posted,
    Publish,
    Published,
    Reply,
    Riding,
    Said,
    Sent,
)
from controllers.adapters.reading import from_json, id_of, instant_of_text, text_of
from controllers.commands import Action, Command, Receipt
from controllers.events import CommandResult, DeviceStatus, Kind, Outcome, PlateEvent, Undecodable
from controllers.plate import normalise

_TOPIC = re.compile(r"upload/(?P<serial>[0-9A-Za-z_-]{1,40})", re.ASCII)
_VERSION = "1.0.1"


class _Envelope(msgspec.Struct):
    command: str = ""
    sn: str = ""
    time: str = ""
    data: str = ""
    request_id: str = msgspec.field(name="requestId", default="")


class _Data(msgspec.Struct):
    plate: str | None = msgspec.field(name="plateNo", default=None)
    error: int | None = msgspec.field(name="errCode", default=None)
    error_text: str = msgspec.field(name="errInfo", default="")
    about: str = msgspec.field(name="devInfo", default="")


_envelope = msgspec.json.Decoder(_Envelope, strict=False)
_data = msgspec.json.Decoder(_Data, strict=False)
_json = msgspec.json.Encoder().encode


class Xinlutong:
    """Cameras with one relay. A device is named by its serial number."""

    vendor = "xinlutong"
    features: frozenset[str] = frozenset()
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def capabilities(self, fitting: Fitting) -> Capabilities:
        del fitting
        return Capabilities(delivery=Delivery.PUBLISH, actions=frozenset({Action.OPEN}), direct_open=True)

    def listens(self, fitting: Fitting) -> Listens:
        if not fitting.serial:
            return Listens()
        return Listens(topics=(f"upload/{fitting.serial}",), told=(f"download/{fitting.serial}",))

    def speaker(self, message: Message) -> str:
        return _serial_of_topic(_published(message))

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        published = _published(message)
        serial = _serial_of_topic(published)
        envelope = from_json(_envelope, published.payload, self.payload_bytes_max)
        if (envelope.sn and envelope.sn != serial) or (fitting.serial and serial != fitting.serial):
            raise Undecodable(
                "other_device", f"{(envelope.sn or serial)[:64]!r} speaks, {fitting.serial!r} is fitted here"
            )
        data = (
            from_json(_data, envelope.data.encode("utf-8", "replace"), self.payload_bytes_max)
            if envelope.data
            else _Data()
        )
        at = instant_of_text(envelope.time, fitting.zone) if envelope.time else None
        if envelope.command == "Image":
            return Heard(said=(_read(envelope, data, at, fitting, now, retained=published.retained),))
        return Heard(said=_heard(envelope, data, at, now, serial))

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        """Who has connected is told to answer commands; without it, nothing would be heard of an opening."""
        del message, orders
        if heard is None or not fitting.serial or not any(isinstance(one, Hello) for one in heard.said):
            return ()
        said = _json({"enableReply": 1}).decode()
        return (_down(fitting, "Config", f"config-{int(now.timestamp())}", now, said),)

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        if isinstance(order, Receipt):
            return ()
        if not isinstance(order, Command) or order.action is not Action.OPEN:
            raise CannotCarryOut("not_supported", "it is known to open, and nothing else")
        fitting.lane_named(order.lane)
        return (_down(fitting, "Open", order.id, now, ""),)

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Nothing: `hasCar` is of its loop, and its codes are not known."""
        fitting.lane_named(lane)
        return ()

    def redacted(self, message: Message) -> bytes:
        return message.payload if isinstance(message, Published) else message.body


def _published(message: Message) -> Published:
    if not isinstance(message, Published):
        raise Undecodable("bad_path", "xinlutong is spoken over MQTT")
    return message


def _serial_of_topic(published: Published) -> str:
    """Raises `Undecodable` (`bad_topic`)."""
    found = _TOPIC.fullmatch(published.topic)
    if found is None:
        raise Undecodable("bad_topic", f"not a topic of xinlutong: {published.topic[:200]!r}")
    return found["serial"]


def _read(
    envelope: _Envelope, data: _Data, at: datetime | None, fitting: Fitting, now: datetime, *, retained: bool
) -> PlateEvent:
    request = text_of(envelope.request_id, "requestId")
    if not request and at is None:
        raise Undecodable("not_in_schema", "a read without requestId and time")
    event_id = id_of(request or envelope.time, *(() if request else (data.plate,)))
    raw = None if data.plate is None else text_of(data.plate, "plateNo", event_id)
    return PlateEvent(
        id=event_id,
        at=at or now,
        lane=fitting.lane_of().id,
        kind=Kind.PLATE,
        plate=normalise(raw),
        plate_raw=raw,
        buffered=retained,
    )


def _heard(envelope: _Envelope, data: _Data, at: datetime | None, now: datetime, serial: str) -> tuple[Said, ...]:
    request = text_of(envelope.request_id, "requestId")
    match envelope.command:
        case "Conn":
            about = text_of(data.about, "devInfo")
            return (
                Hello(serial=serial, at=at or now, firmware=about),
                DeviceStatus(online=True, at=at, firmware=about),
            )
        case "Rtd":
            return (DeviceStatus(online=True, at=at),)
        case "Open" if 1 <= len(request) <= 64:
            if data.error == 0:
                return (Accepted(command=request, at=at or now),)
            detail = text_of(data.error_text, "errInfo") or f"errCode {data.error}"
            return (CommandResult(command=request, outcome=Outcome.REFUSED, at=at or now, detail=detail),)
    return ()


def _down(fitting: Fitting, command: str, id_: str, now: datetime, data: str) -> Publish:
    """Raises `CannotCarryOut` (`not_supported`) where the serial number is not known."""
    if not fitting.serial:
        raise CannotCarryOut("not_supported", f"{fitting.site}.{fitting.device} has no serial number to address it by")
    envelope: dict[str, Any] = {
        "command": command,
        "data": data,
        "requestId": id_,
        "sn": fitting.serial,
        "time": f"{now.astimezone(fitting.zone):%Y-%m-%d %H:%M:%S}",
        "version": _VERSION,
    }
    return Publish(topic=f"download/{fitting.serial}", payload=_json(envelope))
