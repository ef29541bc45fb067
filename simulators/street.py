"""What stands where: the sites, gates, lanes and devices of a site file, as a virtual gate needs to know them."""

from __future__ import annotations

import tomllib
from typing import Literal

import msgspec
from msgspec.structs import replace

from controllers.adapters.native import valid_name

SITES_MAX = 10_000


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One direction through a gate, with one barrier. `loop` and `passage_sensor` say what the lane can feel.

    `channel`, `relay`, `close_relay`: as `controllers.adapters.port.FittedLane` has them.
    `door`: it is a small gate's, for people, with no barrier.
    """

    id: str
    direction: Literal["in", "out"]
    device: str
    loop: bool = True
    passage_sensor: bool = True
    offline_exit: bool | None = None
    channel: int | None = None
    relay: int = 0
    close_relay: int | None = None
    door: bool = False


class GateSpec(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tier: Literal["main", "middle", "small"] = "main"
    residents_only: bool = False
    staffed: bool = True
    lane: tuple[LaneSpec, ...] = ()

    @property
    def door(self) -> bool:
        """A small gate: no vehicle comes there."""
        return self.tier == "small"

    def lanes(self) -> tuple[LaneSpec, ...]:
        """As a virtual device plays them: where `offline_exit` is not said, it is what nobody being there makes it; a door feels nobody pass."""
        if self.door:
            felt = {"door": True, "loop": False, "passage_sensor": False, "offline_exit": False}
            return tuple(replace(lane, **felt) for lane in self.lane)
        return tuple(
            lane
            if lane.offline_exit is not None
            else replace(lane, offline_exit=lane.direction == "out" and not self.staffed)
            for lane in self.lane
        )


class DeviceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`address`, `login`, `login_password`: of what is asked by HTTP; the password may be known from elsewhere."""

    id: str
    vendor: str = "native"
    serial: str = ""
    features: tuple[str, ...] = ()
    address: str = ""
    login: str = "admin"
    login_password: str = ""


class SiteSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An estate. `capacity` counts parking spaces."""

    id: str
    name: str
    capacity: int
    gate: tuple[GateSpec, ...] = ()
    device: tuple[DeviceSpec, ...] = ()

    def lanes_of(self, device: str) -> tuple[LaneSpec, ...]:
        """The lanes that this device serves."""
        return tuple(lane for gate in self.gate for lane in gate.lanes() if lane.device == device)

    def barriers(self) -> tuple[GateSpec, ...]:
        """The gates that vehicles come to."""
        return tuple(gate for gate in self.gate if not gate.door)


class Street(msgspec.Struct, frozen=True, kw_only=True):
    site: tuple[SiteSpec, ...]

    def with_gates(self) -> tuple[SiteSpec, ...]:
        return tuple(site for site in self.site if site.gate)


def parse_street(text: str) -> Street:
    """The street of a site file's text. Raises `ValueError` with what is wrong."""
    try:
        street = msgspec.convert(tomllib.loads(text), type=Street)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"not a site file: {error}") from error
    if len(street.site) > SITES_MAX:
        raise ValueError(f"a street has at most {SITES_MAX} sites")
    for site in street.site:
        lanes = [lane for gate in site.gate for lane in gate.lane]
        devices = {device.id for device in site.device}
        names = [site.id, *devices, *(lane.id for lane in lanes)]
        if wrong := [name for name in names if not valid_name(name)]:
            raise ValueError(f"site {site.id}: not a name of [a-z0-9-]: {wrong[0]!r}")
        if len({lane.id for lane in lanes}) < len(lanes):
            raise ValueError(f"site {site.id}: two lanes have the same id")
        if homeless := [lane.id for lane in lanes if lane.device not in devices]:
            raise ValueError(f"site {site.id}: lane {homeless[0]} names a device that the site does not have")
    return street
