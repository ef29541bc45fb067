"""What Vzenith devices say: reads, input changes, barrier states, heartbeats, replies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from controllers.adapters.framing import name_of, parts_of
from controllers.adapters.listing import taken
from controllers.adapters.port import (
    PICTURE_PAYLOAD_BYTES_MAX,
    Accepted,
    Fitting,
    Heard,
    Picture,
    Posted,
    Published,
    Said,
)
from controllers.adapters.reading import (
    from_json,
    id_of,
    instant_of_epoch,
    instant_of_text,
    jpeg_of,
    share_of_percent,
    small_enough,
    text_of,
    text_of_base64,
)
from controllers.adapters.vzenith.topics import LEGACY, SHARED_TOPIC, Address, address
from controllers.events import (
    BarrierState,
    CommandResult,
    DeviceStatus,
    Kind,
    Opening,
    Outcome,
    PlateColour,
    PlateEvent,
    Undecodable,
)
from controllers.plate import normalise

POSITION_1_OPEN = "position_1_open"
"""`gate_status` 1 is open and 0 closed: the document does not say; whoever fits the device tries it."""
INPUT_OPEN = "input_open"
"""The first input is wired to the switch at the top: 1 is open."""
INPUT_CLOSED = "input_closed"
"""The first input is wired to the switch at the bottom: 1 is closed."""

_COLOURS = {
    1: PlateColour.BLUE,
    2: PlateColour.YELLOW,
    3: PlateColour.WHITE,
    4: PlateColour.BLACK,
    5: PlateColour.GREEN,
    6: PlateColour.YELLOW_GREEN,
}
_STAYS_OVER = 65
_TURNED_BACK = 66
# Of the table of plate types: a picture of a plate held in front of the camera.
_FAKE_PLATE = 29
# Of the table of openings: by its own list, while it was offline.
_OPENED_BY_LIST = 2
_BARRIER_ORDERS = {"gpio_out", "gate_direct_open", "set_io_lock_status", "io_lock"}
_TIME_IN_PATH = re.compile(r"(\d{8})_(\d{6})_(\d{3})\.", re.ASCII)
_FORM_BYTES_MAX = 16 * 1024


def _named(name: str, default: Any) -> Any:
    """A field of the vendor's, which has another name here."""
    return msgspec.field(name=name, default=default)


class _Timeval(msgspec.Struct):
    sec: int = 0
    usec: int = 0


class _TimeStamp(msgspec.Struct):
    timeval: _Timeval | None = _named("Timeval", None)


class _Output(msgspec.Struct):
    ctrltype: int = 0


class _PlateResult(msgspec.Struct):
    license: str = ""
    plateid: int | None = None
    colour: int = _named("colorType", 0)
    confidence: float = 0
    isoffline: int = 0
    trigger: int = _named("triggerType", 1)
    type: int = 0
    is_fake_plate: int = 0
    time_stamp: _TimeStamp | None = _named("timeStamp", None)
    outputs: tuple[_Output, ...] = _named("gioouts", ())
    image_path: str = _named("imagePath", "")
    full_image_content: str = ""
    small_image_content: str = ""
    image_file: str = _named("imageFile", "")
    image_fragment_file: str = _named("imageFragmentFile", "")


class _Result(msgspec.Struct):
    plate_result: _PlateResult | None = _named("PlateResult", None)
    image_path: str = _named("imagePath", "")


class _AlarmInfoPlate(msgspec.Struct):
    serialno: str = ""
    channel: int = 0
    result: _Result | None = None


class _TriggerResult(msgspec.Struct):
    source: int = 0
    value: int = 0


class _GioResult(msgspec.Struct):
    trigger: _TriggerResult | None = _named("TriggerResult", None)


class _AlarmGioIn(msgspec.Struct):
    serialno: str = ""
    result: _GioResult | None = None


class _Body(msgspec.Struct):
    """The payload of an envelope, and the body of a request: the same pieces under different wrappings."""

    plate: _AlarmInfoPlate | None = _named("AlarmInfoPlate", None)
    input: _AlarmGioIn | None = _named("AlarmGioIn", None)
    gate_status: int | None = None
    timestamp: int | None = None
    serialno: str = ""


class _Payload(_Body):
    body: _Body | None = None


class _Envelope(msgspec.Struct):
    id: str = ""
    sn: str = ""
    timestamp: int | None = None
    code: int | None = None
    payload: _Payload | None = None


_envelope = msgspec.json.Decoder(_Envelope, strict=False)
_body = msgspec.json.Decoder(_Body, strict=False)


def published(message: Published, fitting: Fitting, now: datetime) -> Heard:
    """An MQTT message. The topic's word for who speaks counts; a payload that names another is refused."""
    where = address(message.topic)
    if not where.serial:
        if LEGACY not in fitting.features:
            raise Undecodable(
                "bad_topic", f"{SHARED_TOPIC} is for legacy firmware, which this device is not said to have"
            )
        body = from_json(_body, message.payload, PICTURE_PAYLOAD_BYTES_MAX)
        return _heard_of_body(body, fitting, now, None, in_base64=False)
    _same_device(where.serial, fitting)
    envelope = from_json(_envelope, message.payload, PICTURE_PAYLOAD_BYTES_MAX)
    if envelope.sn and envelope.sn != where.serial:
        raise Undecodable("other_device", f"the payload names {envelope.sn[:64]!r}, the topic another")
    sent_at = None if envelope.timestamp is None else instant_of_epoch(envelope.timestamp * 1_000_000)
    if where.reply:
        return _reply(where, envelope, sent_at or now)
    payload = envelope.payload or _Payload()
    heard = _heard_of_body(payload.body or payload, fitting, now, sent_at, in_base64=True)
    if where.name == "quick_ivs_result":
        return msgspec.structs.replace(heard, more_follows=True)
    return heard


def posted(message: Posted, fitting: Fitting, now: datetime) -> Heard:
    """An HTTP push. The address is ours and the same for all: what it is stands in the body."""
    if message.method != "POST":
        raise Undecodable("bad_path", f"{message.method[:20]!r} is no push")
    form = form_of(message)
    if form is not None:
        if form.get("serialno"):
            _same_device(form["serialno"], fitting)
        return Heard(said=(DeviceStatus(online=True),), takes_orders=True)
    body = from_json(_body, message.body, PICTURE_PAYLOAD_BYTES_MAX)
    heard = _heard_of_body(body, fitting, now, None, in_base64=False)
    return msgspec.structs.replace(heard, takes_orders=body.input is None)


def form_of(message: Posted) -> Mapping[str, str] | None:
    """The fields of a registration or poll, where it comes as a form; None where it is JSON."""
    kind = message.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        small_enough(message.body, _FORM_BYTES_MAX)
        return {
            name_of(part).strip(): part.body.decode("utf-8", "replace")
            for part in parts_of(message.body, message.headers)
        }
    if kind == "application/x-www-form-urlencoded" and not message.body.lstrip().startswith(b"{"):
        small_enough(message.body, _FORM_BYTES_MAX)
        try:
            fields = parse_qs(message.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=32)
        except ValueError as error:
            raise Undecodable("not_form", str(error)[:200]) from None
        return {name: values[0] for name, values in fields.items()}
    return None


def serial_of(message: Published | Posted) -> str:
    """What the message calls its sender."""
    if isinstance(message, Published) and (serial := address(message.topic).serial):
        return serial
    if isinstance(message, Posted) and (form := form_of(message)) is not None:
        return text_of(form.get("serialno", ""), "serialno")
    body = message.payload if isinstance(message, Published) else message.body
    return text_of(_serial_in(from_json(_body, body, PICTURE_PAYLOAD_BYTES_MAX)), "serialno")


def _serial_in(body: _Body) -> str:
    inner = body.plate or body.input
    return (inner.serialno if inner is not None else "") or body.serialno


def _same_device(serial: str, fitting: Fitting) -> None:
    if fitting.serial and serial != fitting.serial:
        raise Undecodable("other_device", f"{serial[:64]!r} speaks, {fitting.serial!r} is fitted here")


def _heard_of_body(body: _Body, fitting: Fitting, now: datetime, sent_at: datetime | None, *, in_base64: bool) -> Heard:
    if serial := _serial_in(body):
        _same_device(serial, fitting)
    if body.plate is not None and body.plate.result is not None:
        return _read(body.plate, fitting, now, in_base64=in_base64)
    if body.timestamp is not None:
        sent_at = instant_of_epoch(body.timestamp * 1_000_000)
    barrier = {}
    if (state := _position(body, fitting)) is not None:
        barrier = {fitting.lane_of().id: state}
    return Heard(said=(DeviceStatus(online=True, at=sent_at, barrier=barrier),))


def _position(body: _Body, fitting: Fitting) -> BarrierState | None:
    if body.gate_status is not None and POSITION_1_OPEN in fitting.features:
        return {0: BarrierState.CLOSED, 1: BarrierState.OPEN}.get(body.gate_status)
    trigger = body.input.result.trigger if body.input and body.input.result else None
    if trigger is None or trigger.source != 0:
        return None
    if INPUT_OPEN in fitting.features:
        return BarrierState.OPEN if trigger.value == 1 else BarrierState.MOVING
    if INPUT_CLOSED in fitting.features:
        return BarrierState.CLOSED if trigger.value == 1 else BarrierState.MOVING
    return None


def _read(alarm: _AlarmInfoPlate, fitting: Fitting, now: datetime, *, in_base64: bool) -> Heard:
    assert alarm.result is not None
    result = alarm.result.plate_result
    if result is None:
        raise Undecodable("not_in_schema", "a result without PlateResult")
    if result.plateid is None:
        raise Undecodable("not_in_schema", "a result without plateid")
    ticket = str(result.plateid)
    if result.trigger == _STAYS_OVER:
        return Heard(ticket=ticket)
    at = _captured_at(result, alarm.result.image_path, fitting)
    # A number alone may come again within 90 days, after a reset; with its second it does not.
    event_id = id_of(result.plateid, f"{at or now:%Y%m%d}" if at is None else int(at.timestamp()))
    if at is None and result.isoffline:
        raise Undecodable("not_in_schema", "history without an instant", event_id)
    turned_back = result.trigger == _TURNED_BACK
    raw = _license(result.license, event_id, in_base64=in_base64)
    fake = result.is_fake_plate == 1 or result.type == _FAKE_PLATE
    event = PlateEvent(
        id=f"{event_id}-back"[:64] if turned_back else event_id,
        at=at or now,
        lane=fitting.lane_of(alarm.channel).id,
        kind=Kind.REVERSED if turned_back else Kind.PLATE,
        plate=None if fake else normalise(raw),
        plate_raw=raw,
        plate_colour=_COLOURS.get(result.colour),
        confidence=share_of_percent(result.confidence),
        opening=Opening.LIST if any(output.ctrltype == _OPENED_BY_LIST for output in result.outputs) else None,
        buffered=result.isoffline != 0,
    )
    said: list[Said] = [event]
    whole, cut = (
        jpeg_of(result.full_image_content or result.image_file),
        jpeg_of(result.small_image_content or result.image_fragment_file),
    )
    if whole is not None:
        said.append(Picture(event=event.id, jpeg=whole))
    if cut is not None:
        said.append(Picture(event=event.id, jpeg=cut, whole=False))
    return Heard(said=tuple(said), read="" if turned_back else ticket, ticket=ticket)


def _captured_at(result: _PlateResult, image_path: str, fitting: Fitting) -> datetime | None:
    """The camera's instant: as such, or of legacy firmware out of the picture's path, in the camera's time zone."""
    timeval = result.time_stamp.timeval if result.time_stamp is not None else None
    if timeval is not None and timeval.sec:
        return instant_of_epoch(timeval.sec * 1_000_000 + timeval.usec)
    found = _TIME_IN_PATH.search(image_path or result.image_path)
    return None if found is None else instant_of_text("".join(found.groups()), fitting.zone)


def _license(text: str, event_id: str, *, in_base64: bool) -> str | None:
    """UTF-8 in base64 over MQTT, plain over HTTP; plain over MQTT, too, where it cannot be base64."""
    if not text:
        return None
    if in_base64 and text.isascii():
        return text_of_base64(text, "license", event_id)
    return text_of(text, "license", event_id)


def _reply(where: Address, envelope: _Envelope, at: datetime) -> Heard:
    """200 says that the device has taken it, and nothing of the barrier."""
    id_ = text_of(envelope.id, "id")
    well = envelope.code == 200
    detail = None if well else f"code {envelope.code}"
    if (of_list := taken(id_, well=well, detail=detail)) is not None:
        return Heard(said=(of_list,))
    if where.name not in _BARRIER_ORDERS or not 1 <= len(id_) <= 64 or "/" in id_:
        return Heard()
    if well:
        return Heard(said=(Accepted(command=id_, at=at),))
    return Heard(said=(CommandResult(command=id_, outcome=Outcome.REFUSED, at=at, detail=detail),))
