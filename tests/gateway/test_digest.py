"""What a stored digest of an event was made of is never changed: a repeat must be recognised by the version that comes after."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from controllers.events import Kind, Opening, PlateColour, PlateEvent, VehicleType
from gateway.flows.inbound import digest

EVENT = PlateEvent(
    id="e1",
    at=datetime(2026, 3, 2, 1, tzinfo=UTC),
    lane="in-1",
    kind=Kind.PLATE,
    plate="浙A12345",
    plate_raw="浙A·12345",
    plate_colour=PlateColour.BLUE,
    confidence=0.9,
    vehicle=VehicleType.SMALL,
    for_event="x",
    opening=Opening.HAND,
    image="i",
    credential="c",
)


def test_it_is_what_it_always_was() -> None:
    assert digest(EVENT).hex() == "a393b05b9163d82cb980a2bae1966c49"


def test_it_is_of_everything_that_is_said_and_of_nothing_else() -> None:
    beside = {"buffered": True, "certainties": (0.5,)}
    for field in msgspec.structs.fields(PlateEvent):
        other = {"kind": Kind.DOOR, "at": datetime(2026, 3, 2, 2, tzinfo=UTC)} | beside
        changed = msgspec.structs.replace(EVENT, **{field.name: other.get(field.name)})
        assert (digest(changed) == digest(EVENT)) is (field.name in beside), field.name
