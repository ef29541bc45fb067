"""Plate Recognizer: its Stream posts each read to us (a webhook), as JSON or with the picture beside it. A device is one of its cameras.

Source: Plate Recognizer's guides, "Webhooks": JSON, or `multipart/form-data` with `json` and `upload`. Plates come in lower case.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from controllers.adapters.framing import name_of, parts_of
from controllers.adapters.port import PICTURE_PAYLOAD_BYTES_MAX, Fitting, Heard, Message, Picture, Posted, Said
from controllers.adapters.reading import from_json, id_of, instant_of_text, jpeg_of, small_enough, text_of
from controllers.adapters.reads_only import ReadsOnly, over_http
from controllers.events import Kind, PlateEvent, Undecodable
from controllers.plate import normalise

_RESULTS_MAX = 64


class _Box(msgspec.Struct):
    xmin: float = 0
    ymin: float = 0
    xmax: float = 0
    ymax: float = 0

    @property
    def area(self) -> float:
        return max(0.0, self.xmax - self.xmin) * max(0.0, self.ymax - self.ymin)


class _Result(msgspec.Struct):
    plate: str | None = None
    score: float | None = None
    box: _Box | None = None


class _Data(msgspec.Struct):
    camera_id: str = ""
    timestamp: str = ""
    results: list[_Result] = []


class _Webhook(msgspec.Struct):
    data: _Data | None = None


_webhook = msgspec.json.Decoder(_Webhook)


class PlateRecognizer(ReadsOnly):
    vendor = "platerecognizer"
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def camera(self, message: Message) -> str:
        return text_of(_read(over_http(message, self.vendor))[0].camera_id, "camera_id")

    def heard(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        """Of several plates in one picture, the largest stands at the barrier."""
        del now
        data, jpeg = _read(over_http(message, self.vendor))
        found = max(data.results[:_RESULTS_MAX], key=lambda one: one.box.area if one.box else 0.0, default=None)
        if found is None:
            return Heard()
        if not data.timestamp:
            raise Undecodable("not_in_schema", "a read without an instant")
        event_id = id_of(text_of(data.camera_id, "camera_id"), text_of(data.timestamp, "timestamp"))
        raw = None if found.plate is None else text_of(found.plate, "plate", event_id)
        event = PlateEvent(
            id=event_id,
            at=instant_of_text(data.timestamp, UTC, event_id),
            lane=fitting.lane_of().id,
            kind=Kind.PLATE,
            plate=normalise(raw),
            plate_raw=raw,
            confidence=found.score if found.score is not None and 0 < found.score <= 1 else None,
        )
        said: list[Said] = [event]
        if jpeg is not None:
            said.append(Picture(event=event_id, jpeg=jpeg))
        return Heard(said=tuple(said))


def _read(message: Posted) -> tuple[_Data, bytes | None]:
    """What it says, and the picture, where there is one."""
    kind = message.headers.get("content-type", "").partition(";")[0].strip().lower()
    body, jpeg = message.body, None
    if kind == "multipart/form-data":
        small_enough(message.body, PICTURE_PAYLOAD_BYTES_MAX)
        parts = {name_of(part): part.body for part in parts_of(message.body, message.headers)}
        body = parts.get("json", b"")
        jpeg = jpeg_of(next((one for one in parts.values() if one[:3] == b"\xff\xd8\xff"), None))
    return from_json(_webhook, body, PICTURE_PAYLOAD_BYTES_MAX).data or _Data(), jpeg
