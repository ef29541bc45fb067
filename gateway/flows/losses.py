"""What devices said and nobody can bring back: counted, and put before staff, one item a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter

from gateway.flows.device_refusals import Refusals

KIND: Final = "messages_lost"
READ, PICTURE, BEYOND = "read", "picture", "beyond_allowance"


class Losses(Refusals):
    """For one bridge: reads and pictures of devices that do not send them again, for which there was no room anywhere."""

    kind = KIND
    said = "messages of a device are lost"

    def _detail(self, times: Mapping[str, int]) -> str:
        reads, pictures, beyond = (times.get(one, 0) for one in (READ, PICTURE, BEYOND))
        return f"lost: {reads} reads, {pictures} pictures, {beyond} messages beyond its allowance"

    def _counter(self) -> Counter:
        return self._parts.metrics.lost
