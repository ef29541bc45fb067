"""A camera that only reads, by Frigate, and the relay beside it that opens.

Format: `tests/controllers/adapters/frigate/samples`. Frigate says nothing of what has been, and keeps nothing.
"""

from __future__ import annotations

import msgspec

from controllers.adapters.frigate import UPDATES_TOPIC
from controllers.events import Kind, PlateEvent
from simulators.devices.dialect import Turned, Wire, receipted
from simulators.devices.mqtt_relay import RelayDialect

_json = msgspec.json.Encoder().encode


class FrigateDialect(RelayDialect):
    def read(self, event: PlateEvent) -> Turned:
        said = receipted(events=(event.id,))
        if event.kind is not Kind.PLATE or event.plate_raw is None:
            return Turned(inward=(said,))  # an object without a plate is no vehicle at a barrier
        update = {
            "type": "lpr",
            "id": event.id,
            "camera": self.serial,
            "plate": event.plate_raw,
            "score": event.confidence,
            "timestamp": event.at.timestamp(),
        }
        return Turned((Wire(UPDATES_TOPIC, _json(update)),), (said,))
