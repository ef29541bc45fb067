"""Under which name the service knows what a virtual device of another vendor has said: the one that its own bytes make."""

from __future__ import annotations

from datetime import datetime, tzinfo

from controllers.adapters.port import FittedLane, Fitting, Message
from controllers.adapters.registry import ADAPTERS
from controllers.events import PlateEvent
from simulators.street import DeviceSpec, SiteSpec


class Names:
    """Of the devices that were fitted. Native ones name their events themselves."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._fitted: dict[tuple[str, str], tuple[str, Fitting]] = {}
        self._names: dict[tuple[tuple[str, str], str], str] = {}

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._fitted

    def fit(self, key: tuple[str, str], site: SiteSpec, device: DeviceSpec) -> None:
        lanes = tuple(
            FittedLane(
                id=lane.id,
                inward=lane.direction == "in",
                channel=lane.channel,
                relay=lane.relay,
                close_relay=lane.close_relay,
            )
            for lane in site.lanes_of(device.id)
        )
        fitting = Fitting(
            site=site.id,
            device=device.id,
            lanes=lanes,
            zone=self._zone,
            serial=device.serial,
            features=frozenset(device.features),
        )
        self._fitted[key] = device.vendor, fitting

    def learn(self, key: tuple[str, str], event: str, message: Message, now: datetime) -> str | None:
        """None: it is a native device's, or no read."""
        if key not in self._fitted:
            return None
        vendor, fitting = self._fitted[key]
        heard = ADAPTERS[vendor].decode(message, fitting, now)
        name = next((one.id for one in heard.said if isinstance(one, PlateEvent)), heard.read)
        if name is not None:
            self._names[key, event] = name
        return name

    def of(self, key: tuple[str, str], event: str) -> str | None:
        """None: its device could not say it."""
        return self._names.get((key, event)) if key in self._fitted else event
