"""Who comes and who goes: the mix of the demo's working day, as an endless row of passages."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from controllers.adapters import native
from controllers.events import Kind, Opening, PlateColour, PlateEvent, VehicleType
from gateway.cli.bench.street import PLATES, Layout, plate
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn
from gateway.wiring import Parts

# Of a hundred stays of the demo's working day. A visitor stays for hours and pays at the exit; a taxi leaves in its free minutes.
DEMO_SHARES = {"resident": 27, "relative": 8, "delivery": 20, "visitor": 28, "taxi": 17}
# A shopping centre: hardly anybody is registered, and most stay long enough to pay.
CENTRE_SHARES = {"resident": 4, "relative": 0, "delivery": 6, "visitor": 70, "taxi": 20}

# Minutes that those who are inside before the measurement have been there.
_THERE_FOR = {"resident": (60, 600), "relative": (60, 180), "delivery": (5, 20), "visitor": (60, 180), "taxi": (3, 10)}
_STRANGERS_FROM = 1_400_000
_BATCH = 200


class Vehicle(NamedTuple):
    """A vehicle that drives on this street."""

    plate: str
    kind: str


@dataclass(frozen=True)
class Guest:
    """Somebody who came in before the measurement began."""

    site: int
    vehicle: Vehicle
    entered_at: datetime


class Traffic:
    """Whoever leaves was inside, whoever comes was not. The same seed gives the same row of vehicles."""

    def __init__(self, layout: Layout, seed: int = 1, shares: Mapping[str, int] = DEMO_SHARES) -> None:
        self._layout = layout
        self._random = Random(seed)  # noqa: S311 - vehicles, not secrets
        self._kinds = [kind for kind, share in shares.items() if share]
        self._shares = [shares[kind] for kind in self._kinds]
        self._strangers = _STRANGERS_FROM
        self._outside: list[dict[str, deque[Vehicle]]] = []
        self._inside: list[dict[str, deque[Vehicle]]] = []
        counts = {"resident": layout.residents, "relative": layout.relatives, "delivery": layout.deliveries}
        for site in range(layout.sites):
            own: dict[str, deque[Vehicle]] = {}
            place = 0
            for kind, count in counts.items():
                numbers = [layout.number(site, place + one) for one in range(count)]
                own[kind] = deque(Vehicle(plate(number), kind) for number in numbers)
                place += count
            self._outside.append(own)
            self._inside.append({kind: deque() for kind in self._kinds})

    def guests(self, exits: int, now: datetime) -> list[Guest]:
        """Who shall be inside before `exits` vehicles leave, so that each that stays for hours has done so."""
        found: list[Guest] = []
        total = sum(self._shares)
        for kind, share in zip(self._kinds, self._shares, strict=True):
            wanted = 2 + int(1.15 * exits * share / total / self._layout.sites) if kind == "visitor" else 4
            for site, outside in enumerate(self._outside):
                many = max(wanted, len(outside[kind]) // 2) if kind in outside else wanted
                for _ in range(many):
                    vehicle = self._comes(site, kind)
                    if vehicle is None:
                        break
                    minutes = self._random.uniform(*_THERE_FOR[kind])
                    found.append(Guest(site, vehicle, now - timedelta(minutes=minutes)))
                    self.entered(site, vehicle)
        return found

    def arrives(self, site: int) -> Vehicle:
        """The next vehicle to come to a site."""
        kind = self._draw()
        return self._comes(site, kind) or self._stranger("visitor")

    def leaves(self, site: int) -> Vehicle | None:
        """The next vehicle to leave a site; None if nobody is inside."""
        kind = self._draw()
        inside = self._inside[site]
        for one in (kind, *self._kinds):
            if inside[one]:
                return inside[one].popleft()
        return None

    def entered(self, site: int, vehicle: Vehicle) -> None:
        self._inside[site].setdefault(vehicle.kind, deque()).append(vehicle)

    def left(self, site: int, vehicle: Vehicle) -> None:
        """Who is not registered never comes again."""
        if vehicle.kind in self._outside[site]:
            self._outside[site][vehicle.kind].append(vehicle)

    def registered(self, site: int) -> list[Vehicle]:
        """A site's registered vehicles that are not inside."""
        return [vehicle for known in self._outside[site].values() for vehicle in known]

    def strangers(self, count: int) -> list[Vehicle]:
        """Vehicles that nobody has seen before."""
        return [self._stranger("visitor") for _ in range(count)]

    def _draw(self) -> str:
        return self._random.choices(self._kinds, self._shares)[0]

    def _comes(self, site: int, kind: str) -> Vehicle | None:
        known = self._outside[site].get(kind)
        if known is None:
            return self._stranger(kind)
        return known.popleft() if known else None

    def _stranger(self, kind: str) -> Vehicle:
        self._strangers = self._strangers + 1 if self._strangers + 1 < PLATES else _STRANGERS_FROM
        return Vehicle(plate(self._strangers), kind)


def read(event_id: str, at: datetime, lane: str, vehicle: Vehicle, **more: Opening | bool) -> PlateEvent:
    """A `plate` event of the native protocol."""
    return PlateEvent(
        id=event_id,
        at=at,
        lane=lane,
        kind=Kind.PLATE,
        plate=vehicle.plate,
        plate_raw=vehicle.plate,
        plate_colour=PlateColour.BLUE,
        confidence=0.987,
        vehicle=VehicleType.SMALL,
        opening=more.get("opening"),  # type: ignore[arg-type]
        buffered=bool(more.get("buffered", False)),
    )


def passed(event_id: str, at: datetime, lane: str, read_id: str, *, buffered: bool = False) -> PlateEvent:
    """The `passed` event that completes a read."""
    return PlateEvent(id=event_id, at=at, lane=lane, kind=Kind.PASSED, for_event=read_id, buffered=buffered)


def inbound(parts: Parts, site: str, device: str, event: PlateEvent) -> EventIn:
    """An event as the bridge hands it to the event path."""
    return EventIn(
        site=site,
        device=device,
        event=event,
        received_at=parts.clock.now(),
        topic=native.topic(site, device, "event"),
        payload=b"",
    )


def let_in(parts: Parts, layout: Layout, guests: list[Guest], name: str = "guest") -> None:
    """The guests' entries, through the event path, as events that were buffered until now."""
    path = EventPath(parts, planner="bench")
    lanes: dict[str, list[tuple[str, str]]] = {}
    for spec in layout.lanes_of_all():
        if spec.inward:
            lanes.setdefault(spec.key.site, []).append((spec.key.device, spec.lane))
    messages: list[EventIn] = []
    for number, guest in enumerate(guests):
        site = layout.site(guest.site)
        device, lane = lanes[site][number % len(lanes[site])]
        came, went = f"{name}-{number}", f"{name}-{number}-in"
        at = guest.entered_at
        event = read(came, at, lane, guest.vehicle, buffered=True)
        messages.append(inbound(parts, site, device, event))
        messages.append(
            inbound(parts, site, device, passed(went, at + timedelta(seconds=4), lane, came, buffered=True))
        )
    for place in range(0, len(messages), _BATCH):
        path.run(messages[place : place + _BATCH])
