"""What Mosquitto refused, as its entrypoint tells it: in lines of name, what and how often."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.bridge.link import Elsewhere, Raw

REFUSED_TOPIC = "parkgate/broker/refused"
_TOPIC_BYTES = REFUSED_TOPIC.encode()
_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]{1,200}) (?P<what>publish|subscribe|login|too_large|malformed) (?P<times>[0-9]{1,9})"
)
_LINES_MAX = 1_000


class BrokerRefusals:
    """Takes what comes on that topic, and leaves all else to `others`. Called by the network thread.

    `count`: see `Refusals`; `is_device`: whether there is a device of this site and name.
    """

    def __init__(
        self, others: Elsewhere, count: Callable[[str, str, int], None], is_device: Callable[[str, str], bool]
    ) -> None:
        self._others, self._count, self._is_device = others, count, is_device

    def admits(self, topic: bytes, size: int) -> bool:
        return topic == _TOPIC_BYTES or self._others.admits(topic, size)

    def leave(self, raw: Raw) -> bool:
        return self._others.leave(raw)

    def take(self, raw: Raw) -> bool:
        if raw.topic != REFUSED_TOPIC:
            return self._others.take(raw)
        for line in raw.payload.decode("utf-8", "replace").splitlines()[:_LINES_MAX]:
            if (said := _LINE.fullmatch(line)) is not None:
                site, _, device = said["name"].partition(".")
                # Of names that are no device's nothing but the number is kept: anybody may call himself anything.
                self._count(said["name"] if self._is_device(site, device) else "", said["what"], int(said["times"]))
        return False
