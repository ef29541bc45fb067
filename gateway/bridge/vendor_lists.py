"""The offline lists of other vendors' devices that are told at the broker: brought whole or by what changed, in pieces, a few at a time.

One bridge brings them: the one that holds the lease. The device's answer to the last piece may come to another, which notes it in the
database. What has no answer in time is brought again, whole. Orders never wait for any of this.

When it is brought the whole again though it has taken all of it: see `list_steps`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from controllers.adapters.port import CannotCarryOut, ListTaken, Publish
from controllers.commands import WholeList
from gateway.bridge.list_steps import AWAY, Brought, night_of
from gateway.bridge.vendor_estate import Spoken, VendorEstate
from gateway.flows import list_versions
from gateway.flows.credentials import DeviceName
from gateway.jobs.lease import Lease
from gateway.runtime.logs import logger
from gateway.wiring import Parts

_log = logger(__name__)

_LOOK_EVERY_SECONDS = 10.0
_TAKEN_WITHIN_SECONDS = 120.0
# Of each device, a turn of a quarter of a second: cameras write each piece to flash.
_PIECES_A_TURN = 4


class VendorLists:
    """Called by the vendors' thread alone. `current`: a site's list as it is now. All but `taken` raise what the database raises."""

    def __init__(self, parts: Parts, *, holder: str, current: Callable[[str], WholeList | None]) -> None:
        self._parts, self._current = parts, current
        self._lease = Lease(parts.store, parts.clock, holder=holder, name="vendor-lists")
        self._kept: dict[DeviceName, Brought[Publish]] = {}
        self._looked_at: float | None = None

    def turn(self, estate: VendorEstate, publish: Callable[[Publish], bool]) -> None:
        """Look every ten seconds, and send a few pieces. `publish`: whether it left."""
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at >= _LOOK_EVERY_SECONDS:
            self._looked_at = now
            self._look(estate, now)
        for kept in self._kept.values():
            for _ in range(min(_PIECES_A_TURN, len(kept.left))):
                if not publish(kept.left[0]):
                    return
                kept.left.popleft()
                kept.since = now

    def taken(self, who: DeviceName, one: ListTaken) -> None:
        """A device has answered to a piece."""
        if not one.taken:
            _log.info("a piece of a list was not taken", site=who.site, device=who.device, why=one.detail or "")
            list_versions.has(self._parts, who, list_versions.UNKNOWN)
        elif one.number == one.of:
            list_versions.has(self._parts, who, one.version)
            self.look()  # there may be a newer one by now

    def look(self) -> None:
        """Look with the next turn."""
        self._looked_at = None

    def _look(self, estate: VendorEstate, now: float) -> None:
        listed = [one for one in estate.devices.values() if one.lists]
        if not listed or not self._lease.take():
            self._kept.clear()
            return
        states, at = list_versions.known(self._parts), self._parts.clock.now()
        night = night_of(at, self._parts.settings.zone)
        for one in listed:
            wanted, state = self._current(one.who.site), states.get(one.who)
            if wanted is None or state is None:
                continue
            kept = self._kept.setdefault(one.who, Brought(night))
            if at - state.seen_at >= AWAY:
                kept.away = True
                continue
            version = state.version
            if kept.doubted(night, now):
                version = list_versions.UNKNOWN
                list_versions.has(self._parts, one.who, version)
            self._plan(kept, one, wanted, version, now)

    def _plan(self, kept: Brought[Publish], by: Spoken, wanted: WholeList, version: int, now: float) -> None:
        if kept.bringing is not None and version != kept.bringing.version:
            if kept.left or now - kept.since < _TAKEN_WITHIN_SECONDS:
                return
            kept.forget()  # what it has now is not known
        order = kept.order(wanted, version)
        if order is None:
            return
        try:
            sent = by.adapter.encode(order, by.fitting, self._parts.clock.now())
        except CannotCarryOut as problem:
            _log.warning("a list cannot be brought", site=by.who.site, device=by.who.device, why=problem.detail)
            return
        kept.bringing, kept.since = wanted, now
        kept.left = deque(one for one in sent if isinstance(one, Publish))
        if not kept.left:
            list_versions.has(self._parts, by.who, wanted.version)
