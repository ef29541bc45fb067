"""What devices tell of five vehicles at four lanes around a month's end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from controllers.adapters import native
from controllers.events import Kind, Opening, PlateColour, PlateEvent
from gateway.flows.inbound import EventIn
from tests.gateway.trade import local

VISITOR, RESIDENT, SECOND = "浙A12345", "浙A00001", "浙A00002"
MOTHER, SON, POLICE = "浙A00003", "浙A00004", "浙A1234警"
PLATES = (VISITOR, RESIDENT, MOTHER, SON, POLICE)
# The last evening of a month: stays reach into the next one.
START = local("2026-03-31 21:00").astimezone(UTC)
WITH_SENSOR, WITHOUT_SENSOR = ("in-1", "out-1"), ("in-2", "out-2")


@dataclass(frozen=True)
class Told:
    """What a device says: a read, or what the vehicle then did."""

    id: str
    lane: str
    kind: Kind
    at: datetime
    plate: str | None = None
    completes: str | None = None
    opening: Opening | None = None
    colour: PlateColour | None = None

    @property
    def device(self) -> str:
        return "d1" if self.lane.endswith("1") else "d2"

    def message(self, now: datetime, *, buffered: bool) -> EventIn:
        said = PlateEvent(
            id=self.id,
            at=self.at,
            lane=self.lane,
            kind=self.kind,
            plate=self.plate,
            plate_raw=self.plate,
            plate_colour=self.colour,
            for_event=self.completes,
            opening=self.opening,
            buffered=buffered,
        )
        return EventIn(
            site="xinyi",
            device=self.device,
            event=said,
            received_at=now,
            topic=native.topic("xinyi", self.device, "event"),
            payload=native.encode_event(said),
        )


def at(minutes: float, seconds: float = 0) -> datetime:
    return START + timedelta(minutes=minutes, seconds=seconds)


def read(name: str, lane: str, plate: str, when: datetime, **more: Any) -> Told:
    return Told(name, lane, Kind.PLATE, when, plate=plate, **more)


def passed(name: str, lane: str, completes: str, when: datetime, **more: Any) -> Told:
    return Told(name, lane, Kind.PASSED, when, completes=completes, **more)


def reversed_(name: str, lane: str, completes: str, when: datetime) -> Told:
    return Told(name, lane, Kind.REVERSED, when, completes=completes)


def one_visit(plate: str = VISITOR) -> list[Told]:
    return [
        read("in", "in-1", plate, at(0)),
        passed("in-passed", "in-1", "in", at(0, 5)),
        read("out", "out-1", plate, at(60)),
        passed("out-passed", "out-1", "out", at(60, 5)),
    ]


def in_order(told: Iterable[Told]) -> list[Told]:
    """As they happened; a mark never before the read that it completes."""
    return sorted(told, key=lambda one: (one.at, one.kind is not Kind.PLATE, one.device, one.id))
