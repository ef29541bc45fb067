"""What the doors hand to the worker: decoded messages, or what could not be decoded."""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from controllers.events import CommandResult, DeviceStatus, Kind, Opening, PlateColour, PlateEvent, VehicleType


class EventIn(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded event. `offset_ms` is the device's clock minus ours; `payload` is kept for the quarantine.

    `part`: its device tells a read in several messages, which may reach several bridges. What came first stands, and another with
    the same plate, or none, is a repeat whatever else it says.
    """

    site: str
    device: str
    event: PlateEvent
    received_at: datetime
    topic: str
    payload: bytes
    part: bool = False


class ResultIn(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command.

    `accepted`: its device has taken it, which is not yet a barrier that moved; `result.outcome` is then `done`. `moves`: the device
    tells where its barrier is, so that another result follows. Without it nothing more will be heard, and accepted counts for the passage.
    """

    site: str
    device: str
    result: CommandResult
    received_at: datetime
    topic: str
    payload: bytes
    accepted: bool = False
    moves: bool = False

    @property
    def state(self) -> str:
        """What the command is from now on."""
        return "accepted" if self.accepted else self.result.outcome.value


class StatusIn(msgspec.Struct, frozen=True, kw_only=True):
    """`offset_ms` is None for a retained status: it says nothing of the clock now.

    `heartbeat`: another vendor's, which says little more than that it beats, and never which list its device has.
    """

    site: str
    device: str
    status: DeviceStatus
    received_at: datetime
    offset_ms: int | None
    heartbeat: bool = False


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """For the quarantine. `receipt` tells the device to forget it, where its id could be read."""

    site: str
    device: str
    topic: str
    payload: bytes
    code: str
    detail: str
    received_at: datetime
    event_id: str | None = None
    result_id: str | None = None


Inbound = EventIn | ResultIn | StatusIn | Rejected


# In the place of the digest of an event whose plate was deleted: a hash of a plate can be tried. It is a repeat of anything.
FORGOTTEN = bytes(16)


class _Compared(msgspec.Struct, frozen=True):
    """What of an event must be the same in a repeat. Names and order are in every digest that is stored: nothing is added here."""

    id: str
    at: datetime
    lane: str
    kind: Kind
    plate: str | None
    plate_raw: str | None
    plate_colour: PlateColour | None
    confidence: float | None
    vehicle: VehicleType | None
    for_event: str | None
    opening: Opening | None
    image: str | None
    credential: str | None
    buffered: bool = False


def digest(event: PlateEvent) -> bytes:
    """What makes a repeat the same event: everything it says but whether it was buffered. 16 bytes."""
    said = _Compared(
        event.id,
        event.at,
        event.lane,
        event.kind,
        event.plate,
        event.plate_raw,
        event.plate_colour,
        event.confidence,
        event.vehicle,
        event.for_event,
        event.opening,
        event.image,
        event.credential,
    )
    return hashlib.blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()
