"""What devices' clocks are believed to show: by how much each differs from ours.

A status tells it, but it may have waited on its way: in a broker's queue while a bridge was away, or before a bridge that was
held up. Waiting can only make a clock look slow. So a clock is believed at once to be right, or to be ahead; that it has
fallen behind is believed when a status that came some seconds later says the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gateway.flows.inbound import Inbound, StatusIn
from gateway.store.records import Estate

COUNTS_FROM_MS = 2_000
# What waited together arrives together, so that it cannot confirm itself.
CONFIRMED_AFTER = timedelta(seconds=5)


class Clocks:
    """Of one worker. `_behind`: since when a device seems to be slower than believed, and by how much (ms)."""

    def __init__(self) -> None:
        self._behind: dict[tuple[str, str], tuple[datetime, int]] = {}

    def believed(self, message: Inbound, estate: Estate) -> Inbound:
        """A status with the offset that is believed of its device in the place of the one that it seems to show."""
        if not isinstance(message, StatusIn) or message.offset_ms is None:
            return message
        key, seen = (message.site, message.device), message.offset_ms
        known = estate.offsets_ms.get(key, 0)
        if key not in estate.devices or abs(seen) < COUNTS_FROM_MS or seen > known - COUNTS_FROM_MS:
            self._behind.pop(key, None)
            return message
        since, before = self._behind.get(key, (message.received_at, seen))
        if abs(seen - before) >= COUNTS_FROM_MS:
            since = message.received_at  # another story than the last time
        elif message.received_at - since >= CONFIRMED_AFTER:
            del self._behind[key]
            return message
        self._behind[key] = (since, seen)
        return msgspec.structs.replace(message, offset_ms=known)


def remember_offset(estate: Estate, status: StatusIn) -> None:
    """The believed offset counts from the device's next event on; it counts as 0 below 2 s."""
    if status.offset_ms is None:
        return
    key = (status.site, status.device)
    if abs(status.offset_ms) >= COUNTS_FROM_MS:
        estate.offsets_ms[key] = status.offset_ms
    else:
        estate.offsets_ms.pop(key, None)
