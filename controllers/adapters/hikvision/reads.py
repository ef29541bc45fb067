"""What Hikvision devices say: reads (in one message or two), heartbeats, answers to what we asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from controllers.adapters import xml
from controllers.adapters.framing import name_of, parts_of
from controllers.adapters.hikvision.orders import TIME
from controllers.adapters.listing import taken
from controllers.adapters.port import (
    CREDENTIALS_REFUSED,
    PICTURE_PAYLOAD_BYTES_MAX,
    Accepted,
    Answered,
    Busy,
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
    instant_of_text,
    jpeg_of,
    share_of_percent,
    small_enough,
    text_of,
)
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
from controllers.plate import PLATE_LENGTH_MAX, PROVINCES, normalise

_PERCENT = re.compile(r"100|[1-9]?[0-9]", re.ASCII)
_COLOUR_PREFIX = re.compile(rf"([蓝黄白绿](?=.)|黄绿(?=.)|黑(?=[{PROVINCES}]))(.+)")
_POSITIONS = {"1": BarrierState.CLOSED, "2": BarrierState.OPEN}
_CHANNEL = re.compile(r"/channels/(\d{1,4})/")
# Of `ResponseStatus`: 0 and 1 are well, 2 busy, 3 a fault of the device, 4 to 6 what it does not take, 7 it must be restarted.
_WELL, _BUSY, _REFUSED = {0, 1}, 2, {4, 5, 6}


class _Status(msgspec.Struct, rename="camel"):
    status_code: int
    status_string: str = ""
    sub_status_code: str = ""


_status = msgspec.json.Decoder(_Status, strict=False)


def posted(message: Posted, fitting: Fitting, now: datetime) -> Heard:
    """A push of the listening server: XML alone, or a form of XML and pictures."""
    if message.method not in {"POST", "PUT"}:
        raise Undecodable("bad_path", f"{message.method[:20]!r} is no push")
    parts = _parts(message)
    heard = _alert(_xml_of(parts), fitting, now)
    event = next((one for one in heard.said if isinstance(one, PlateEvent)), None)
    if event is None:
        return heard
    pictures = [
        Picture(event=event.id, jpeg=jpeg, whole="plate" not in name_of(part).lower())
        for part in parts
        if (jpeg := jpeg_of(part.body)) is not None
    ]
    return msgspec.structs.replace(heard, said=(*heard.said, *pictures))


def streamed(part: Part, fitting: Fitting, now: datetime) -> Heard:
    """A part of the alert stream. Its pictures come as parts of their own, which do not say of what read they are."""
    small_enough(part.body, PICTURE_PAYLOAD_BYTES_MAX)
    if jpeg_of(part.body) is not None or part.headers.get("content-type", "").startswith("image/"):
        return Heard()
    return _alert(xml.parse(part.body), fitting, now)


def speaker(message: Posted | Part) -> str:
    """Its hardware address: every firmware tells it, and it is printed on the device."""
    if isinstance(message, Posted):
        root = _xml_of(_parts(message))
    elif jpeg_of(message.body) is not None or message.headers.get("content-type", "").startswith("image/"):
        return ""
    else:
        small_enough(message.body, PICTURE_PAYLOAD_BYTES_MAX)
        root = xml.parse(message.body)
    return text_of(root.word("macAddress").lower(), "macAddress")


def answered(message: Answered, fitting: Fitting, now: datetime) -> Heard:
    """What became of what we asked: the device has taken it, or has not. Whether the barrier moved is `position`'s to ask.

    Steps before the command itself (`c1/open` before `c1`) say nothing where they went well, and speak for it where not.
    """
    small_enough(message.body, PICTURE_PAYLOAD_BYTES_MAX)
    order = message.ask.order
    if order is None:
        return _time(message, fitting) if message.ask.path == TIME else _position(message, fitting)
    well, busy, outcome, detail = _verdict(message)
    of_list = taken(order, well=well, detail=None if well else detail)
    if of_list is not None:
        return Heard(said=(of_list,))
    command, _, step = order.partition("/")
    said: Said
    if busy:
        said = Busy(command=command, at=now)
    elif not well:
        said = CommandResult(command=command, outcome=outcome, at=now, detail=detail)
    elif step:
        return Heard()
    else:
        said = Accepted(command=command, at=now)
    return Heard(said=(said,))


def _verdict(message: Answered) -> tuple[bool, bool, Outcome, str | None]:
    """Whether it went well, whether it is busy, and otherwise what became of it."""
    if message.status == 401:
        return False, False, Outcome.FAULT, CREDENTIALS_REFUSED
    status = _status_in(message.body)
    if status is None:
        if 200 <= message.status < 300:
            return True, False, Outcome.DONE, None
        detail = CREDENTIALS_REFUSED if message.status == 403 else f"http {message.status}"
        return False, False, Outcome.FAULT, detail
    detail = (status.sub_status_code or status.status_string or f"status {status.status_code}")[:100]
    outcome = Outcome.REFUSED if status.status_code in _REFUSED else Outcome.FAULT
    return status.status_code in _WELL, status.status_code == _BUSY, outcome, text_of(detail, "status")


def _status_in(body: bytes) -> _Status | None:
    """In XML, or in JSON where JSON was sent. None where it says nothing at all."""
    body = body.strip()
    if not body:
        return None
    if body.startswith(b"{"):
        return from_json(_status, body, PICTURE_PAYLOAD_BYTES_MAX)
    root = xml.parse(body)
    code = root.word("statusCode")
    if not (code.isascii() and code.isdigit() and len(code) < 6):
        raise Undecodable("not_in_schema", "an answer without a status")
    return _Status(int(code), root.word("statusString"), root.word("subStatusCode"))


def _time(message: Answered, fitting: Fitting) -> Heard:
    if message.status != 200 or message.ask.method != "GET":
        return Heard()
    text = xml.parse(message.body).word("localTime")
    return Heard(said=(DeviceStatus(online=True, at=instant_of_text(text, fitting.zone)),))


def _position(message: Answered, fitting: Fitting) -> Heard:
    if message.status != 200:
        return Heard()
    root = xml.parse(message.body)
    # The name of the root is not documented.
    word = root.text.strip() if root.name == "barrierGateStatus" else root.word("barrierGateStatus")
    state = _POSITIONS.get(word)
    if state is None:
        return Heard()
    found = _CHANNEL.search(message.ask.path)
    lane = fitting.lane_of(int(found[1]) if found else None)
    return Heard(said=(DeviceStatus(online=True, barrier={lane.id: state}),))


def _parts(message: Posted) -> Sequence[Part]:
    small_enough(message.body, PICTURE_PAYLOAD_BYTES_MAX)
    if message.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        return parts_of(message.body, message.headers)
    return (Part(body=message.body),)


def _xml_of(parts: Sequence[Part]) -> xml.Element:
    found = next((part for part in parts if part.body.lstrip().startswith(b"<")), None)
    if found is None:
        raise Undecodable("not_xml", "no part is XML")
    return xml.parse(found.body)


def _alert(root: xml.Element, fitting: Fitting, now: datetime) -> Heard:
    if root.name != "EventNotificationAlert":
        raise Undecodable("not_in_schema", f"no alert: {root.name[:60]!r}")
    named = root.word("macAddress").lower()
    if named and fitting.serial and named != fitting.serial.lower():
        raise Undecodable("other_device", f"{named[:64]!r} speaks, {fitting.serial!r} is fitted here")
    anpr = root.find("ANPR")
    if anpr is None or root.word("eventType").upper() != "ANPR":
        # Heartbeats of the stream are events of any kind, inactive; they carry the device's clock.
        text = root.word("dateTime")
        return Heard(said=(DeviceStatus(online=True, at=instant_of_text(text, fitting.zone) if text else None),))
    return _read(root, anpr, fitting, now)


def _read(root: xml.Element, anpr: xml.Element, fitting: Fitting, now: datetime) -> Heard:
    uuid = root.word("UUID")
    text = root.word("dateTime")
    word = anpr.word("licensePlate")
    event_id = id_of(uuid) if uuid else id_of("anpr", root.word("channelID"), text or f"{now:%Y%m%d}", word)
    at = instant_of_text(text, fitting.zone, event_id) if text else None
    history = anpr.word("alarmDataType") == "1" or root.word("isDataRetransmission").lower() == "true"
    if at is None and history:
        raise Undecodable("not_in_schema", "history without an instant", event_id)
    prefix, raw = _without_colour(text_of(word, "licensePlate", event_id))
    number = anpr.word("line") or root.word("channelID")
    lane = fitting.lane_of(int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None)
    event = PlateEvent(
        id=event_id,
        at=at or now,
        lane=lane.id,
        kind=Kind.PLATE,
        plate=normalise(raw),
        plate_raw=raw or None,
        plate_colour=colour_of(anpr.word("plateColor")) or prefix,
        confidence=_percent(anpr.word("confidenceLevel")),
        # The camera has raised the barrier itself, by its own rules: its list is the only one that we give it.
        opening=Opening.LIST if anpr.word("barrierGateCtrlType") == "0" else None,
        buffered=history,
        certainties=_of_each_character(anpr.word("plateCharBelieve"), raw),
    )
    more = anpr.word("hasMoreData").lower() == "true"
    return Heard(said=(event,), read=event_id, more_follows=more)


def _without_colour(raw: str) -> tuple[PlateColour | None, str]:
    """Some firmware writes the colour in front. 黑 is a province, too: it is a colour only in front of one."""
    found = _COLOUR_PREFIX.fullmatch(raw)
    return (colour_of(found[1]), found[2]) if found else (None, raw)


def _of_each_character(text: str, raw: str) -> tuple[float, ...]:
    """Percent by percent, from the left; nothing where they are not as many as the characters."""
    found = tuple(int(one) / 100 for one in text.split(",")[:PLATE_LENGTH_MAX] if _PERCENT.fullmatch(one))
    return found if len(found) == len(raw) == text.count(",") + 1 else ()


def _percent(text: str) -> float | None:
    try:
        return share_of_percent(float(text))
    except ValueError:
        return None
