"""The offline lists of devices that are told in our answers: a piece with each answer that may carry orders, until all of it is told.

Such a device never says that it has taken one: what has left with an answer counts as taken, and the whole is told again now and then (`list_steps`). Which
version it has stands in the database; where two bridges tell it the same, a vehicle is listed once. No answer waits for any of this: what is to be told is
looked up when the one before has left.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from controllers.adapters.listing import parts_of_list
from controllers.adapters.port import Adapter, Fitting, ListPart
from controllers.commands import WholeList
from gateway.bridge.list_steps import AWAY, Brought, night_of
from gateway.flows import list_versions
from gateway.flows.credentials import DeviceName
from gateway.wiring import Parts

LOOK_EVERY_SECONDS = 10.0


@dataclass
class _Told:
    """`version`: what it was told to the end, of one that never polls: of it nothing stands in the database. Others: seconds, monotonic."""

    brought: Brought[ListPart]
    heard_at: float
    version: int = list_versions.UNKNOWN
    look_from: float = 0.0


class RidingLists:
    """`current`: a site's list as it is now. Called by the door, from any thread."""

    def __init__(self, parts: Parts, current: Callable[[str], WholeList | None]) -> None:
        self._parts, self._current = parts, current
        self._devices: dict[DeviceName, _Told] = {}
        self._lock = threading.Lock()

    def part(self, who: DeviceName) -> ListPart | None:
        """What is to be told next."""
        with self._lock:
            one = self._devices.get(who)
            return one.brought.left[0] if one is not None and one.brought.left else None

    def told(self, who: DeviceName, part: ListPart) -> None:
        """It has left with an answer. Raises what the database raises."""
        with self._lock:
            one = self._devices[who]
            left = one.brought.left
            if not left or left[0] is not part:
                return
            left.popleft()
            if whole := not left:
                one.version = part.version
        if whole:
            list_versions.has(self._parts, who, part.version)

    def look(self, who: DeviceName, adapter: Adapter, fitting: Fitting) -> None:
        """An answer has left: whether there is something to tell with the next, every ten seconds. Raises what the database raises."""
        can, wanted, now = adapter.capabilities(fitting), self._current(who.site), time.monotonic()
        with self._lock:
            one = self._devices.setdefault(who, _Told(Brought(self._night()), now))
            kept = one.brought
            kept.away = kept.away or now - one.heard_at >= AWAY.total_seconds()
            one.heard_at = now
            if not can.offline_list or wanted is None or kept.left or now < one.look_from:
                return
            one.look_from = now + LOOK_EVERY_SECONDS
        version = list_versions.of(self._parts, who)
        if version is None:
            version = one.version
        with self._lock:
            if doubted := kept.doubted(self._night(), now):
                version = list_versions.UNKNOWN
            order = kept.order(wanted, version)
            kept.left = deque(() if order is None else parts_of_list(order, can.list_part_entries))
            kept.bringing = None if order is None else wanted
        if doubted or (order is not None and not kept.left):
            list_versions.has(self._parts, who, version if kept.left else wanted.version)

    def _night(self) -> date:
        return night_of(self._parts.clock.now(), self._parts.settings.zone)
