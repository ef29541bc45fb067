"""The devices of other vendors that speak over MQTT, as the site file has them, and whose word a message is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from controllers.adapters.port import Adapter, Fitting, Published
from controllers.adapters.registry import ADAPTERS
from controllers.events import Undecodable
from gateway.bridge.link import Raw
from gateway.bridge.vendor_room import NOBODY, Sender, without_pictures
from gateway.flows.credentials import DeviceName
from gateway.store.fittings import Fitted


class Spoken(NamedTuple):
    """A device, and the language that it speaks."""

    who: DeviceName
    adapter: Adapter
    fitting: Fitting
    moves: bool
    """It tells where its barrier is."""
    replies: bool
    """It tells whether it has taken a command."""
    lists: bool
    """It opens for listed vehicles by itself, and is brought the list at the broker."""
    resends: bool
    """It sends again what had no answer."""


class VendorEstate:
    """As it was at one moment; a later one is another."""

    def __init__(self, fitted: Mapping[tuple[str, str], Fitted]) -> None:
        self.devices: dict[tuple[str, str], Spoken] = {}
        self._by_topic: dict[str, list[Spoken]] = {}
        for name, (vendor, fitting) in fitted.items():
            adapter = ADAPTERS.get(vendor)
            topics = () if adapter is None else adapter.listens(fitting).topics
            if adapter is None or not topics:
                continue
            can = adapter.capabilities(fitting)
            one = Spoken(DeviceName(*name), adapter, fitting, can.position, can.replies, can.offline_list, can.resends)
            self.devices[name] = one
            for topic in topics:
                self._by_topic.setdefault(topic, []).append(one)

    @property
    def topics(self) -> frozenset[str]:
        """All of them, literal."""
        return frozenset(self._by_topic)

    def on(self, topic: str) -> DeviceName | None:
        """Whose topic it is; None where several share it, or nobody has it."""
        found = self._by_topic.get(topic, ())
        return found[0].who if len(found) == 1 else None

    def of(self, message: Published) -> Spoken:
        """Who says it. On a topic that is shared its sender is who it says it is, which no broker can check: see `docs/adapters.md`.

        Raises `Undecodable`.
        """
        found = self._by_topic.get(message.topic)
        if not found:
            raise Undecodable("bad_topic", f"no device in service has this topic: {message.topic[:200]!r}")
        serial = found[0].adapter.speaker(message)
        named = [one for one in found if one.fitting.serial == serial] or [
            one for one in found if not one.fitting.serial
        ]
        if not serial:
            named = found
        if len(named) != 1:
            raise Undecodable(
                "other_device", f"{serial[:64]!r} speaks; {len(named)} devices of the site files can be meant"
            )
        return named[0]

    def sender(self, raw: Raw) -> Sender:
        """Whose a message is for which there is no room. On a topic that several share it is who it says it is."""
        if raw.inbound is not None:
            by = self.devices.get((raw.inbound.site, raw.inbound.device))
        else:
            bare = without_pictures(raw.payload).payload or b""
            try:
                by = self.of(Published(topic=raw.topic, payload=bare, retained=raw.retained))
            except Undecodable:
                by = None
        return NOBODY if by is None else Sender(by.who, by.resends)
