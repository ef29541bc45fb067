"""The native gate protocol, version 1: topics and payloads, both directions (so simulators speak it too).

Source: the gate protocol document, `docs/gate-protocol.md`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar, cast

import msgspec

from controllers.adapters.reading import from_json, storable, utc
from controllers.commands import Command, ListDelta, Receipt, WholeList
from controllers.events import (
    CommandResult,
    DeviceStatus,
    Kind,
    Opening,
    PlateColour,
    PlateEvent,
    Undecodable,
    VehicleType,
)
from controllers.plate import normalise

PAYLOAD_BYTES_MAX = 64 * 1024
ROOT = "parkgate/v1"

T = TypeVar("T")
Channel = Literal["event", "status", "result", "command", "receipt", "list", "list/delta"]
UPWARD: tuple[Channel, ...] = ("event", "result", "status")
DOWNWARD: tuple[Channel, ...] = ("command", "receipt", "list", "list/delta")

_NAME = re.compile(r"[a-z0-9-]{1,40}")
_TOPIC = re.compile(
    rf"{ROOT}/(?P<site>[a-z0-9-]{{1,40}})/(?P<device>[a-z0-9-]{{1,40}})/(?P<channel>event|status|result)"
)
# A whole text, or what is left of one in a wreck.
_CREDENTIAL = re.compile(rb'("credential"\s*:\s*)"(?:[^"\\]|\\.)*"?')
_ID_IN_WRECK = re.compile(rb'"(?:id|command)"\s*:\s*"([^"\\\x00-\x1f]{1,64})"')


class Address(NamedTuple):
    """Which device speaks, and on which channel. The topic says so; a payload cannot."""

    site: str
    device: str
    channel: Channel


def valid_name(name: str) -> bool:
    """Sites, devices and lanes are `[a-z0-9-]{1,40}`; `street` is reserved."""
    return _NAME.fullmatch(name) is not None and name != "street"


def topic(site: str, device: str, channel: Channel) -> str:
    return f"{ROOT}/{site}/{device}/{channel}"


def address(topic_name: str) -> Address:
    """Who speaks on an upward topic. Raises `Undecodable` (`bad_topic`) for any other."""
    match = _TOPIC.fullmatch(topic_name)
    if match is None or match["site"] == "street":
        raise Undecodable("bad_topic", f"not a topic of the native protocol: {topic_name[:200]!r}")
    return Address(match["site"], match["device"], cast("Channel", match["channel"]))


class WireEvent(msgspec.Struct, frozen=True, kw_only=True, rename={"for_": "for"}):
    """The `event` payload exactly as on the wire. Unknown fields are ignored."""

    id: str
    at: datetime
    lane: str
    kind: Kind
    plate: str | None = None
    plate_colour: PlateColour | None = None
    confidence: float | None = None
    vehicle: VehicleType | None = None
    for_: str | None = None
    opening: Opening | None = None
    image: str | None = None
    credential: str | None = None
    buffered: bool = False
    site: str | None = None
    device: str | None = None


_event = msgspec.json.Decoder(WireEvent)
_result = msgspec.json.Decoder(CommandResult)
_status = msgspec.json.Decoder(DeviceStatus)
_encode = msgspec.json.Encoder().encode


def decode_event(address_: Address, payload: bytes) -> PlateEvent:
    """A neutral event. Raises `Undecodable`, with the id where it can be read."""
    wire = _decode(_event, payload)
    named = (wire.site or address_.site, wire.device or address_.device)
    if named != (address_.site, address_.device):
        raise Undecodable("other_device", f"the payload names {'/'.join(named)[:100]}, the topic another", wire.id)
    if not 1 <= len(wire.id) <= 64:
        raise Undecodable("not_in_schema", "an id has 1 to 64 characters", None)
    if not storable(wire.id):
        raise Undecodable("not_in_schema", "an id has no control characters", None)
    if _NAME.fullmatch(wire.lane) is None:
        raise Undecodable("not_in_schema", "a lane is [a-z0-9-]{1,40}", wire.id)
    if wire.confidence is not None and not 0 <= wire.confidence <= 1:
        raise Undecodable("not_in_schema", "a confidence is between 0 and 1", wire.id)
    if any(text is not None and not storable(text) for text in (wire.plate, wire.for_, wire.image, wire.credential)):
        raise Undecodable("not_in_schema", "a text is too long or holds control characters", wire.id)
    return PlateEvent(
        id=wire.id,
        at=utc(wire.at, wire.id),
        lane=wire.lane,
        kind=wire.kind,
        plate=normalise(wire.plate),
        plate_raw=wire.plate,
        plate_colour=wire.plate_colour,
        confidence=wire.confidence,
        vehicle=wire.vehicle,
        for_event=wire.for_,
        opening=wire.opening,
        image=wire.image,
        credential=wire.credential,
        buffered=wire.buffered,
    )


def decode_result(payload: bytes) -> CommandResult:
    result = _decode(_result, payload)
    if not 1 <= len(result.command) <= 64 or not storable(result.command) or not storable(result.detail or ""):
        raise Undecodable("not_in_schema", "a command id has 1 to 64 characters, a detail at most 300")
    return msgspec.structs.replace(result, at=utc(result.at, result.command))


def decode_status(payload: bytes) -> DeviceStatus:
    status = _decode(_status, payload)
    return status if status.at is None else msgspec.structs.replace(status, at=utc(status.at, None))


def encode_event(event: PlateEvent) -> bytes:
    wire = WireEvent(
        id=event.id,
        at=event.at,
        lane=event.lane,
        kind=event.kind,
        plate=event.plate_raw if event.plate_raw is not None else event.plate,
        plate_colour=event.plate_colour,
        confidence=event.confidence,
        vehicle=event.vehicle,
        for_=event.for_event,
        opening=event.opening,
        image=event.image,
        credential=event.credential,
        buffered=event.buffered,
    )
    document = msgspec.to_builtins(wire)
    del document["site"], document["device"]
    return _encode(document)


def without_credential(payload: bytes) -> bytes:
    """A payload as it may be kept: a card or code at a door is taken out of it."""
    return _CREDENTIAL.sub(rb"\1null", payload) if b"credential" in payload else payload


def encode(message: Command | Receipt | WholeList | ListDelta | CommandResult | DeviceStatus) -> bytes:
    """Any other message as on the wire. The last will is `{"online": false}` and nothing else."""
    if isinstance(message, DeviceStatus) and not message.online:
        return b'{"online":false}'
    return _encode(message)


def decode_command(payload: bytes) -> Command:
    return msgspec.json.decode(payload, type=Command)


def decode_receipt(payload: bytes) -> Receipt:
    return msgspec.json.decode(payload, type=Receipt)


def decode_list(payload: bytes) -> WholeList:
    return msgspec.json.decode(payload, type=WholeList)


def decode_delta(payload: bytes) -> ListDelta:
    return msgspec.json.decode(payload, type=ListDelta)


def _decode(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    found = _ID_IN_WRECK.search(payload[: PAYLOAD_BYTES_MAX * 2])
    wreck_id = found[1].decode("utf-8", "ignore") or None if found else None
    return from_json(decoder, payload, PAYLOAD_BYTES_MAX, wreck_id)
