"""Simulated recognisers that post what they read and are told nothing: Plate Recognizer's Stream, OpenALPR's agent. A relay opens beside them (`mqtt_relay`).

Source: `tests/controllers/adapters/platerecognizer/samples`, `tests/controllers/adapters/openalpr/samples`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from simulators.devices.http_camera import HttpCamera, Push, Seen

_JSON = {"Content-Type": "application/json"}
_BOX = {"xmin": 460, "ymin": 57, "xmax": 557, "ymax": 82}
_json = msgspec.json.Encoder().encode


class PlateRecognizer(HttpCamera):
    """Where it makes out no plate, it tells of a picture without any. Nobody hears of it between two pictures."""

    serial = "camera-1"

    def read(self, seen: Seen) -> Push:
        at = seen.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        found = [] if seen.plate is None else [{"plate": seen.plate.lower(), "score": 0.97, "box": _BOX}]
        data = {"camera_id": self.serial, "filename": f"{self.serial}/{at}.jpg", "timestamp": at, "results": found}
        document = {"hook": {"id": self.serial, "event": "recognition"}, "data": data}
        return Push("/", _json(document), _JSON)


class OpenAlpr(HttpCamera):
    """Without a plate there is no group: then its agent only says that it is there, as it does between two."""

    serial = "1414799424"

    def read(self, seen: Seen) -> Push:
        if seen.plate is None:
            return self._alive(seen.at)
        at_ms = _milliseconds(seen.at)
        document: dict[str, Any] = {
            "data_type": "alpr_group",
            "version": 2,
            "epoch_start": at_ms,
            "epoch_end": at_ms,
            "camera_id": int(self.serial) if self.serial.isdigit() else self.serial,
            "best_plate_number": seen.plate,
            "best_confidence": 97.0,
            "best_uuid": f"agent-1-cam{self.serial}-{at_ms}",
            "best_uuid_epoch_ms": at_ms,
            "is_preview": False,
        }
        return Push("/", _json(document), _JSON)

    def polls(self) -> bool:
        return self._push(self._alive(self.now()))

    @staticmethod
    def _alive(at: datetime) -> Push:
        document = {"data_type": "heartbeat", "version": 1, "agent_uid": "agent-1", "timestamp": _milliseconds(at)}
        return Push("/", _json(document), _JSON)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
