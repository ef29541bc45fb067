"""Frigate: an open recogniser over MQTT. A device is one of its cameras.

Source: Frigate's documentation, "MQTT" (`frigate/tracked_object_update` of type `lpr`, `frigate/events`). It refines a plate while the object
moves; what came first with a plate stands, as everywhere (`joining`). An object without a plate is no vehicle at a barrier.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from controllers.adapters.port import Fitting, Heard, Message, Published
from controllers.adapters.reading import from_json, id_of, text_of
from controllers.adapters.reads_only import ReadsOnly, instant_of_seconds
from controllers.events import Kind, PlateEvent, Undecodable
from controllers.plate import normalise

EVENTS = "events"
"""An older Frigate, which tells plates with its events only."""

UPDATES_TOPIC, EVENTS_TOPIC = "frigate/tracked_object_update", "frigate/events"
_PAYLOAD_BYTES_MAX = 256 * 1024


class _Update(msgspec.Struct):
    type: str = ""
    id: str = ""
    camera: str = ""
    plate: str | None = None
    score: float | None = None
    timestamp: float | None = None


class _Object(msgspec.Struct):
    id: str = ""
    camera: str = ""
    frame_time: float | None = None
    false_positive: bool = False
    plate: str | None = msgspec.field(name="recognized_license_plate", default=None)
    score: float | None = msgspec.field(name="recognized_license_plate_score", default=None)


class _Event(msgspec.Struct):
    after: _Object | None = None


_update = msgspec.json.Decoder(_Update)
_event = msgspec.json.Decoder(_Event)


class Frigate(ReadsOnly):
    vendor = "frigate"
    features = ReadsOnly.features | {EVENTS}
    payload_bytes_max = _PAYLOAD_BYTES_MAX

    def topics(self, fitting: Fitting) -> tuple[str, ...]:
        """One for all cameras: the payload says which."""
        return (EVENTS_TOPIC,) if EVENTS in fitting.features else (UPDATES_TOPIC,)

    def camera(self, message: Message) -> str:
        return _told(message).camera

    def heard(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        told = _told(message)
        if told.type != "lpr":
            return Heard()
        if not told.id:
            raise Undecodable("not_in_schema", "a read without the object's id")
        event_id = id_of(text_of(told.id, "id"))
        raw = None if told.plate is None else text_of(told.plate, "plate", event_id)
        event = PlateEvent(
            id=event_id,
            at=now if told.timestamp is None else instant_of_seconds(told.timestamp, event_id),
            lane=fitting.lane_of().id,
            kind=Kind.PLATE,
            plate=normalise(raw),
            plate_raw=raw,
            confidence=told.score if told.score is not None and 0 < told.score <= 1 else None,
            buffered=isinstance(message, Published) and message.retained,
        )
        return Heard(said=(event,), read=event_id)


def _told(message: Message) -> _Update:
    """Either message in the words of the first."""
    if not isinstance(message, Published):
        raise Undecodable("bad_path", "frigate is spoken over MQTT")
    if message.topic == UPDATES_TOPIC:
        told = from_json(_update, message.payload, _PAYLOAD_BYTES_MAX)
    elif message.topic == EVENTS_TOPIC:
        after = from_json(_event, message.payload, _PAYLOAD_BYTES_MAX).after or _Object()
        seen = after.plate is not None and not after.false_positive
        told = _Update(
            type="lpr" if seen else "",
            id=after.id,
            camera=after.camera,
            plate=after.plate,
            score=after.score,
            timestamp=after.frame_time,
        )
    else:
        raise Undecodable("bad_topic", f"not a topic of frigate: {message.topic[:200]!r}")
    text_of(told.camera, "camera")
    return told
