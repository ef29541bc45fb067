"""What Dahua devices say: pushes of ITSAPI, events of the stream in two writings, answers to what we asked.

Neither push nor stream marks what is sent again after an outage: the instant alone tells that it is late.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from controllers.adapters.dahua.orders import CLOCK
from controllers.adapters.listing import taken
from controllers.adapters.port import (
    CREDENTIALS_REFUSED,
    PICTURE_PAYLOAD_BYTES_MAX,
    Accepted,
    Answered,
    Fitting,
    Heard,
    Part,
    Picture,
    Posted,
    Said,
)
from controllers.adapters.reading import (
    colour_of,
    from_json,
    id_of,
    instant_of_epoch,
    instant_of_text,
    jpeg_of,
    share_of_percent,
    small_enough,
    text_of,
)
from controllers.events import CommandResult, DeviceStatus, Kind, Opening, Outcome, PlateEvent, Undecodable
from controllers.plate import normalise

LOCAL_UTC = "local_utc"
"""What it writes as UTC is its local time."""

PREFIX = "/NotificationInfo/"
_EVENT = re.compile(r"\s*Code=(\w{1,60});\s*action=(\w{1,20});\s*index=\d{1,4}(?:;\s*data=(\{.*\}))?\s*", re.DOTALL)
_FIRST_EVENT = "Events[0]."
_READ = "TrafficJunction"
_LINES_MAX = 400
_CLOCK_SAYS = "result="


class _Pic(msgspec.Struct, rename="pascal"):
    content: str = ""


class _Plate(msgspec.Struct, rename="pascal"):
    plate_number: str = ""
    plate_color: str = ""
    confidence: float | None = None
    is_exist: bool = True


class _Snap(msgspec.Struct, rename="pascal"):
    device_id: str = msgspec.field(name="DeviceID", default="")
    accurate_time: str = ""
    snap_time: str = ""
    defence_code: str = ""
    lan_no: int | None = None
    open_strobe: bool = False


class _Snapshot(msgspec.Struct, rename="pascal"):
    plate: _Plate | None = None
    snap_info: _Snap | None = None
    normal_pic: _Pic | None = None
    cutout_pic: _Pic | None = None


class _Push(msgspec.Struct, rename="pascal"):
    picture: _Snapshot | None = None
    device_id: str = msgspec.field(name="DeviceID", default="")


class _Object(msgspec.Struct, rename="pascal"):
    object_type: str = ""
    text: str = ""
    confidence: float | None = None


class _Car(msgspec.Struct, rename="pascal"):
    plate_number: str = ""
    plate_color: str = ""
    lane: int | None = None
    open_strobe: bool = False


class _Event(msgspec.Struct, rename="pascal"):
    """The data of an event of the stream. `UTCMS`: milliseconds beside `UTC`. `PTS`: the camera's running time."""

    event_id: int | None = msgspec.field(name="EventID", default=None)
    group_id: int | None = msgspec.field(name="GroupID", default=None)
    utc: int | None = msgspec.field(name="UTC", default=None)
    utc_ms: int = msgspec.field(name="UTCMS", default=0)
    pts: float | None = msgspec.field(name="PTS", default=None)
    lane: int | None = None
    object: _Object | None = None
    traffic_car: _Car | None = None


_push = msgspec.json.Decoder(_Push, strict=False)
_event = msgspec.json.Decoder(_Event, strict=False)


def posted(message: Posted, fitting: Fitting, now: datetime) -> Heard:
    push = _pushed(message)
    _same_device(_device_in(push), fitting)
    if message.path.endswith(f"{PREFIX}TollgateInfo"):
        return _snapshot(push, fitting, now)
    return Heard(said=(DeviceStatus(online=True),))


def streamed(part: Part, fitting: Fitting, now: datetime) -> Heard:
    """A part of the event stream: a heartbeat, an event with JSON in it, or one in lines of `Events[0].…=…`."""
    small_enough(part.body, PICTURE_PAYLOAD_BYTES_MAX)
    if part.headers.get("content-type", "").startswith("image/"):
        return Heard()
    text = _text(part.body)
    if text.strip() == "Heartbeat":
        return Heard(said=(DeviceStatus(online=True),))
    if text.lstrip().startswith(_FIRST_EVENT):
        return _in_lines(text, fitting, now)
    found = _EVENT.fullmatch(text)
    if found is None:
        raise Undecodable("not_in_schema", "no event: neither Code=… nor Events[0].…")
    if found[1] != _READ or found[2] == "Stop" or found[3] is None:
        return Heard()
    return _event_read(from_json(_event, found[3].encode(), PICTURE_PAYLOAD_BYTES_MAX), fitting, now)


def speaker(message: Posted) -> str:
    return text_of(_device_in(_pushed(message)), "DeviceID")


def answered(message: Answered, fitting: Fitting, now: datetime) -> Heard:
    """`OK` (or the number of a record) says that it has taken it, and nothing of the barrier."""
    small_enough(message.body, PICTURE_PAYLOAD_BYTES_MAX)
    order = message.ask.order
    text = _text(message.body).strip()
    if order is None:
        told = text.startswith(_CLOCK_SAYS) and message.ask.path == CLOCK and message.status == 200
        at = instant_of_text(text.removeprefix(_CLOCK_SAYS).strip(), fitting.zone) if told else None
        return Heard(said=(DeviceStatus(online=True, at=at),) if told else ())
    well = 200 <= message.status < 300 and (text.upper().startswith("OK") or text.startswith("RecNo="))
    detail = None if well else _why(message.status, text)
    if (of_list := taken(order, well=well, detail=detail)) is not None:
        return Heard(said=(of_list,))
    if "/" in order:
        return Heard()
    if well:
        return Heard(said=(Accepted(command=order, at=now),))
    refused = message.status in {400, 501} or 200 <= message.status < 300
    outcome = Outcome.REFUSED if refused else Outcome.FAULT
    return Heard(said=(CommandResult(command=order, outcome=outcome, at=now, detail=detail),))


def _why(status: int, text: str) -> str:
    if status in {401, 403}:
        return CREDENTIALS_REFUSED
    first = " ".join(text.split())[:80]
    return first if first.isprintable() and first else f"http {status}"


def _pushed(message: Posted) -> _Push:
    if message.method != "POST" or PREFIX not in message.path:
        raise Undecodable("bad_path", f"no push of ITSAPI: {message.method[:20]} {message.path[:100]!r}")
    if not message.body.strip():
        return _Push()
    return from_json(_push, message.body, PICTURE_PAYLOAD_BYTES_MAX)


def _device_in(push: _Push) -> str:
    snap = push.picture.snap_info if push.picture is not None else None
    return (snap.device_id if snap is not None else "") or push.device_id


def _same_device(named: str, fitting: Fitting) -> None:
    if named and fitting.serial and named != fitting.serial:
        raise Undecodable("other_device", f"{named[:64]!r} speaks, {fitting.serial!r} is fitted here")


def _snapshot(push: _Push, fitting: Fitting, now: datetime) -> Heard:
    snapshot = push.picture
    if snapshot is None or snapshot.plate is None or snapshot.snap_info is None:
        raise Undecodable("not_in_schema", "a push without Picture.Plate and Picture.SnapInfo")
    plate, snap = snapshot.plate, snapshot.snap_info
    text = snap.accurate_time or snap.snap_time
    event_id = id_of(snap.defence_code or plate.plate_number, text or f"{now:%Y%m%d}", snap.lan_no)
    raw = text_of(plate.plate_number, "PlateNumber", event_id) if plate.is_exist else ""
    event = PlateEvent(
        id=event_id,
        at=instant_of_text(text, fitting.zone, event_id) if text else now,
        lane=fitting.lane_of(snap.lan_no).id,
        kind=Kind.PLATE,
        plate=normalise(raw),
        plate_raw=raw or None,
        plate_colour=colour_of(plate.plate_color),
        confidence=share_of_percent(plate.confidence),
        opening=Opening.LIST if snap.open_strobe else None,
    )
    said: list[Said] = [event]
    for picture, whole in ((snapshot.normal_pic, True), (snapshot.cutout_pic, False)):
        if picture is not None and (jpeg := jpeg_of(picture.content)) is not None:
            said.append(Picture(event=event_id, jpeg=jpeg, whole=whole))
    return Heard(said=tuple(said))


def _event_read(event: _Event, fitting: Fitting, now: datetime) -> Heard:
    car, seen = event.traffic_car or _Car(), event.object
    # What the object says is a plate only where the object is one: it may be the word on a lorry.
    text = car.plate_number or (seen.text if seen is not None and seen.object_type == "Plate" else "")
    at = _captured_at(event, fitting)
    event_id = id_of(event.event_id, event.group_id, event.utc if at is not None else event.pts, event.utc_ms)
    raw = text_of(text, "PlateNumber", event_id)
    read = PlateEvent(
        id=event_id,
        at=at or now,
        lane=fitting.lane_of(car.lane if car.lane is not None else event.lane).id,
        kind=Kind.PLATE,
        plate=normalise(raw),
        plate_raw=raw or None,
        plate_colour=colour_of(car.plate_color),
        confidence=share_of_percent(seen.confidence) if seen is not None and seen.object_type == "Plate" else None,
        opening=Opening.LIST if car.open_strobe else None,
    )
    return Heard(said=(read,))


def _captured_at(event: _Event, fitting: Fitting) -> datetime | None:
    if not event.utc:
        return None
    at = instant_of_epoch(event.utc * 1_000_000 + event.utc_ms % 1000 * 1000)
    return at.replace(tzinfo=fitting.zone).astimezone(UTC) if LOCAL_UTC in fitting.features else at


def _in_lines(text: str, fitting: Fitting, now: datetime) -> Heard:
    """The older writing. Only the first event of a message is read: the device writes one."""
    document: dict[str, Any] = {}
    for line in text.splitlines()[:_LINES_MAX]:
        path, equals, value = line.strip().partition("=")
        if not equals or not path.startswith(_FIRST_EVENT):
            continue
        *holders, name = path.removeprefix(_FIRST_EVENT).split(".")[:4]
        here = document
        for holder in holders:
            here = here.setdefault(holder, {}) if isinstance(here, dict) else {}
        if isinstance(here, dict):
            here[name] = value
    base = document.get("EventBaseInfo")
    code = base.get("Code") if isinstance(base, dict) else None
    if code != _READ:
        return Heard()
    try:
        event = msgspec.convert(document, _Event, strict=False)
    except msgspec.ValidationError as error:
        raise Undecodable("not_in_schema", str(error)[:200]) from None
    return _event_read(event, fitting, now)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Undecodable("not_utf8", str(error)[:200]) from None
