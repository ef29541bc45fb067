"""The neutral schema of what devices say: plate events, results, status.

Every adapter turns its vendor's bytes into these; the native protocol is the same schema on the wire.
Instants are timezone-aware UTC datetimes on the *device's* clock; the bridge corrects them by the device's offset.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a device says has happened at a lane."""

    PLATE = "plate"
    PASSED = "passed"
    REVERSED = "reversed"
    OPENED_BY_HAND = "opened_by_hand"
    DOOR = "door"
    ALARM = "alarm"


class Opening(StrEnum):
    """How the barrier rose when no command of ours raised it."""

    LIST = "list"
    HAND = "hand"
    OFFLINE_EXIT = "offline_exit"


class PlateColour(StrEnum):
    BLUE = "blue"
    YELLOW = "yellow"
    GREEN = "green"
    YELLOW_GREEN = "yellow_green"
    WHITE = "white"
    BLACK = "black"


class VehicleType(StrEnum):
    SMALL = "small"
    LARGE = "large"
    MOTORCYCLE = "motorcycle"


class Outcome(StrEnum):
    """What became of a command at the device."""

    DONE = "done"
    EXPIRED = "expired"
    REFUSED = "refused"
    FAULT = "fault"


class BarrierState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    MOVING = "moving"
    FAULT = "fault"


class PlateEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a device at one of its lanes.

    `id` is unique for the device for 90 days; a repeat is the same event. `plate` is normalised
    (see `controllers.plate`); `plate_raw` is as the device read it. `for_event` names the plate event that a
    `passed` or `reversed` completes. `certainties`: of each character of `plate_raw`, 0 to 1, where the device says so; beside
    the event, not part of what it says, and not on the native wire. `credential` (a card or code at a small door) is never logged.
    """

    id: str
    at: datetime
    lane: str
    kind: Kind
    plate: str | None = None
    plate_raw: str | None = None
    plate_colour: PlateColour | None = None
    confidence: float | None = None
    vehicle: VehicleType | None = None
    for_event: str | None = None
    opening: Opening | None = None
    image: str | None = None
    credential: str | None = None
    buffered: bool = False
    certainties: tuple[float, ...] = ()


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """A controller's one answer to a command."""

    command: str
    outcome: Outcome
    at: datetime
    detail: str | None = None


class DeviceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A device's health. Only `online` is certain: the last will carries nothing else."""

    online: bool
    at: datetime | None = None
    barrier: dict[str, BarrierState] = {}
    buffered: int = 0
    list_version: int = 0
    firmware: str = ""


CODES = frozenset(
    {
        "too_large", "not_utf8", "not_json", "not_xml", "not_multipart", "not_form", "not_in_schema",
        "bad_topic", "bad_path", "other_device", "unknown_lane",
    }
)  # fmt: skip


class Undecodable(Exception):
    """A payload that cannot become an event: it goes to quarantine with its bytes and this reason.

    `code` is stable and one of `CODES`.
    `event_id` is the id if it could be read all the same, so that the device gets its receipt.
    """

    def __init__(self, code: str, detail: str, event_id: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.event_id = event_id
