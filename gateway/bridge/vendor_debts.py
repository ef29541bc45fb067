"""What is owed to devices of other vendors once the worker has stored what they said: their answer, an acknowledgement, a picture kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from controllers.adapters.port import Heard, Picture, Published
from controllers.events import Kind, PlateEvent
from gateway.bridge.link import Raw
from gateway.bridge.vendor_estate import Spoken
from gateway.bridge.vendor_room import without_pictures
from gateway.flows.inbound import Rejected
from gateway.flows.outcome import Outcome

_DEBTS_MAX = 8_192
_PICTURES_BYTES_MAX = 64 * 1024 * 1024
# The worker waits for a database that is away; a device that resends does not wait so long.
_FORGOTTEN_AFTER_SECONDS = 600.0

Key = tuple[str, str, str] | int
"""Site, device and event; of what went to quarantine without the id of an event, which object it is."""


class Debt(NamedTuple):
    """`heard` None: it went to quarantine. `held`: messages that waited for this one, acknowledged with it."""

    by: Spoken
    message: Published
    heard: Heard | None
    held: Raw | None = None
    pictures: tuple[Picture, ...] = ()
    rejected: Rejected | None = None
    """Kept: as long as it lives, no other object has its number."""


def without_its_pictures(message: Published) -> Published:
    """As its answer needs it: its pictures would wait with it."""
    bare = without_pictures(message.payload).payload or b""
    return Published(topic=message.topic, payload=bare, retained=message.retained)


def light_heard(heard: Heard) -> Heard:
    """The same of what was heard."""
    return replace(heard, said=tuple(one for one in heard.said if not isinstance(one, Picture)))


def held_back(heard: Heard) -> PlateEvent | None:
    """A read without its plate, of which a fuller message is to come."""
    if not heard.more_follows:
        return None
    return next((one for one in heard.said if isinstance(one, PlateEvent) and one.kind is Kind.PLATE), None)


class Debts:
    """Written by the vendors' thread, read by the worker after each commit. `seconds` are of any clock that stands for nobody."""

    def __init__(self) -> None:
        self._owed: OrderedDict[Key, list[tuple[float, Debt]]] = OrderedDict()
        self._count = 0
        self._pictures_bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def owe(self, key: Key, debt: Debt, seconds: float) -> tuple[list[Raw], int]:
        """What waited for what has become too much by now, the oldest first, which is given up: whoever resends will be answered then. And how many pictures found no room."""
        size = sum(len(one.jpeg) for one in debt.pictures)
        dropped = 0
        with self._lock:
            if self._pictures_bytes + size > _PICTURES_BYTES_MAX:
                dropped = len(debt.pictures)
                debt, size = debt._replace(pictures=()), 0
            self._owed.setdefault(key, []).append((seconds, debt))
            self._pictures_bytes += size
            self._count += 1
            given_up: list[Debt] = []
            while self._owed and (self._count > _DEBTS_MAX or self._oldest() < seconds - _FORGOTTEN_AFTER_SECONDS):
                given_up += self._take(next(iter(self._owed)))
            return [one.held for one in given_up if one.held is not None], dropped

    def forget(self, key: Key) -> list[Raw]:
        """Nothing is owed any more, since what would have made it due was not stored. Returns the messages that waited for that."""
        with self._lock:
            return [one.held for one in self._take(key) if one.held is not None]

    def due(self, outcome: Outcome) -> Iterator[Debt]:
        """What a stored outcome makes due."""
        if not self._count:
            return
        keys: Sequence[Key] = [
            *((site, device, event) for (site, device), events in outcome.event_receipts.items() for event in events),
            *(id(one) for one in outcome.rejected),
        ]
        for key in keys:
            with self._lock:
                found = self._take(key)
            yield from found

    def _oldest(self) -> float:
        return next(iter(self._owed.values()))[0][0]

    def _take(self, key: Key) -> list[Debt]:
        found = [debt for _, debt in self._owed.pop(key, ())]
        self._count -= len(found)
        self._pictures_bytes -= sum(len(one.jpeg) for debt in found for one in debt.pictures)
        return found
