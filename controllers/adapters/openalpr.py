"""OpenALPR (Rekor Scout): an agent posts groups of readings of one vehicle. A device is one of its cameras, by `camera_id`.

Source: OpenALPR's documentation of its agent's web hook (`alpr_group`, `heartbeat`), and lists of fields in public clients. An early group is a
preview of the one that follows under the same number: only the last counts.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from controllers.adapters.port import PICTURE_PAYLOAD_BYTES_MAX, Fitting, Heard, Message, Picture, Said
from controllers.adapters.reading import from_json, id_of, instant_of_epoch, jpeg_of, share_of_percent, text_of
from controllers.adapters.reads_only import ReadsOnly, over_http
from controllers.events import DeviceStatus, Kind, PlateEvent, Undecodable
from controllers.plate import normalise


class _Best(msgspec.Struct):
    crop: str = msgspec.field(name="plate_crop_jpeg", default="")


class _Posted(msgspec.Struct):
    """Either message: `data_type` says which of the fields it has."""

    data_type: str = ""
    camera_id: int | str | None = None
    is_preview: bool = False
    plate: str | None = msgspec.field(name="best_plate_number", default=None)
    confidence: float | None = msgspec.field(name="best_confidence", default=None)
    uuid: str = msgspec.field(name="best_uuid", default="")
    uuid_at_ms: int | None = msgspec.field(name="best_uuid_epoch_ms", default=None)
    start_ms: int | None = msgspec.field(name="epoch_start", default=None)
    best: _Best | None = msgspec.field(name="best_plate", default=None)
    timestamp_ms: int | None = msgspec.field(name="timestamp", default=None)


_posted = msgspec.json.Decoder(_Posted)


class OpenAlpr(ReadsOnly):
    vendor = "openalpr"
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def camera(self, message: Message) -> str:
        """Empty for a heartbeat: it is the agent's, not a camera's."""
        named = _told(message).camera_id
        return "" if named is None else text_of(str(named), "camera_id")

    def heard(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        del now
        told = _told(message)
        if told.data_type == "heartbeat":
            at = None if told.timestamp_ms is None else instant_of_epoch(told.timestamp_ms * 1000)
            return Heard(said=(DeviceStatus(online=True, at=at),))
        if told.data_type != "alpr_group" or told.is_preview:
            return Heard()
        at_ms = told.uuid_at_ms if told.uuid_at_ms is not None else told.start_ms
        if not told.uuid or at_ms is None:
            raise Undecodable("not_in_schema", "a group without a number or an instant")
        event_id = id_of(text_of(told.uuid, "best_uuid"))
        raw = None if told.plate is None else text_of(told.plate, "best_plate_number", event_id)
        event = PlateEvent(
            id=event_id,
            at=instant_of_epoch(at_ms * 1000, event_id),
            lane=fitting.lane_of().id,
            kind=Kind.PLATE,
            plate=normalise(raw),
            plate_raw=raw,
            confidence=share_of_percent(told.confidence),
        )
        said: list[Said] = [event]
        jpeg = jpeg_of(told.best.crop) if told.best is not None else None
        if jpeg is not None:
            said.append(Picture(event=event_id, jpeg=jpeg, whole=False))
        return Heard(said=tuple(said))


def _told(message: Message) -> _Posted:
    return from_json(_posted, over_http(message, "openalpr").body, PICTURE_PAYLOAD_BYTES_MAX)
