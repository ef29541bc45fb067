"""Devices that are told by our requests: their commands, their streams, and whether they are there. A thread of its own with one loop.

Every command is a task of its own, one after the other at a lane; so whoever is slow or dead holds up nobody but himself. The worker offers what
stands in the outbox, as it does to `Riding`. Streams, looks and lists are kept by one bridge alone: the one that holds the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from controllers.adapters import native
from controllers.adapters.joining import Joiner
from controllers.adapters.port import Delivery
from controllers.adapters.registry import ADAPTERS
from controllers.commands import WholeList
from gateway.bridge.asked import Account
from gateway.bridge.fittings import Fittings
from gateway.bridge.http_orders import MOVES_WITHIN_SECONDS, Due
from gateway.bridge.porch import Porch
from gateway.flows.credentials import DeviceName
from gateway.flows.device_logins import LoginSeals
from gateway.flows.outcome import PlannedCommand
from gateway.jobs.lease import Lease
from gateway.publish.outbox import Waiting
from gateway.runtime.logs import logger
from gateway.store.fittings import Fitted, load_access
from gateway.wiring import Parts

if TYPE_CHECKING:
    from gateway.bridge.http_device import Around, HttpDevice

_log = logger(__name__)

# Others of this bridge follow what is found within a second: in all the five that are promised.
_LOOK_EVERY_SECONDS = 4.0
_DUE_EVERY_SECONDS = 0.25
_STOP_SECONDS = 3.0


class HttpDevices:
    """`holder`: this bridge, as the lease knows it; `lists`: a site's offline list as it is now. Called by the worker, from any thread."""

    def __init__(
        self,
        parts: Parts,
        porch: Porch,
        *,
        holder: str,
        lists: Callable[[str], WholeList | None] = lambda _: None,
        moves_within: float = MOVES_WITHIN_SECONDS,
        fittings: Fittings | None = None,
    ) -> None:
        self._fittings = fittings or Fittings(parts)
        self._parts, self._porch, self._lists = parts, porch, lists
        self._moves_within = moves_within
        self._lease = Lease(parts.store, parts.clock, holder=holder, name="devices")
        self._joiner = Joiner()
        self._served: frozenset[DeviceName] = frozenset()
        self._found: Mapping[DeviceName, tuple[Fitted, Account | None]] = {}
        self._devices: dict[DeviceName, HttpDevice] = {}
        self._unopened: set[tuple[str, str]] = set()
        # Begun, until they expire: the outbox may have looked before it knew, and offers them once more.
        self._begun: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._around: Around | None = None
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="http-devices", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def stop(self) -> None:
        """What has been begun is given a moment to be heard of; what comes from now on is left in the outbox."""
        with self._lock:
            self._served = frozenset()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_STOP_SECONDS * 3)

    def healthy(self) -> bool:
        return self._thread.is_alive()

    def serves(self, site: str, device: str) -> bool:
        return DeviceName(site, device) in self._served

    def offer(self, one: PlannedCommand | Waiting) -> bool:
        """Whether its device is one of ours. Offering again what is under way changes nothing."""
        with self._lock:
            if self._loop is None or DeviceName(one.site, one.device) not in self._served:
                return False
            now = self._parts.clock.now()
            if one.expires_at <= now or (one.site, one.id) in self._begun:
                return True
            self._begun = {key: until for key, until in self._begun.items() if until > now}
            self._begun[one.site, one.id] = one.expires_at
        command = native.decode_command(one.payload)
        due = Due(one.site, one.id, one.device, command, one.expires_at)
        self._loop.call_soon_threadsafe(self._begin, due)
        return True

    def look(self) -> None:
        """Read from the site file's tables which devices there are. Raises what the database raises."""
        asked = {DeviceName(*who): one for who, one in self._fittings.look().items() if _asked(one)}
        accounts = self._accounts() if asked else {}
        with self._lock:
            if not self._stopping.is_set():
                self._served = frozenset(asked)
        self._found = {who: (one, accounts.get(who)) for who, one in asked.items()}

    # ------------------------------------------------------------------ the loop

    def _run(self) -> None:
        assert self._loop is not None
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        beside = [asyncio.create_task(one) for one in (self._look_again(), self._let_go())]
        await self._stopping.wait()
        for task in beside:
            task.cancel()
        await self._end()

    async def _end(self) -> None:
        under_way = [task for device in self._devices.values() for task in device.orders]
        if under_way:
            await asyncio.wait(under_way, timeout=_STOP_SECONDS)
        for device in self._devices.values():
            device.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        if self._around is not None:
            await self._around.client.aclose()
        with contextlib.suppress(SQLAlchemyError):
            if self._lease.held:
                await asyncio.to_thread(self._lease.release)

    async def _look_again(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.look)
                self._bring()
                watches = any(device.reached is not None for device in self._devices.values())
                ours = watches and await asyncio.to_thread(self._lease.take)
                for device in self._devices.values():
                    device.watch(ours)
            except SQLAlchemyError as problem:
                _log.warning("devices that are asked could not be read", problem=type(problem).__name__)
            except Exception:
                _log.exception("who looks after devices that are asked goes on")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _let_go(self) -> None:
        """Reads that have waited long enough for their second message."""
        while True:
            now = self._parts.clock.now()
            for joined in self._joiner.due(now):
                self._porch.put(DeviceName(*joined.who), joined.said, now, part=True)
            await asyncio.sleep(_DUE_EVERY_SECONDS)

    def _bring(self) -> None:
        """Each device as it is built in now: one that is built in otherwise begins anew."""
        if not self._found and self._around is None:
            return
        # The client library is loaded with the first device: a bridge without any starts without it.
        from gateway.bridge.asking import open_client  # noqa: PLC0415
        from gateway.bridge.http_device import Around, HttpDevice  # noqa: PLC0415

        if self._around is None:
            beside = (self._moves_within, self._lists)
            self._around = Around(self._parts, self._porch, self._joiner, open_client(), *beside)
        for who in [who for who in self._devices if who not in self._found]:
            self._devices.pop(who).close()
        for who, (fitted, account) in self._found.items():
            known = self._devices.get(who)
            if known is not None and known.made_of == (fitted, account):
                continue
            if known is not None:
                known.close()
            self._devices[who] = HttpDevice(self._around, who, fitted, account)

    def _begin(self, due: Due) -> None:
        device = self._devices.get(DeviceName(due.site, due.device))
        if device is None or not device.begin(due):
            with self._lock:  # not yet, or too much at once: the outbox offers it again, or lets it expire
                self._begun.pop((due.site, due.id), None)

    def _accounts(self) -> dict[DeviceName, Account]:
        with self._parts.store.reading() as connection:
            access = load_access(connection)
        seals = LoginSeals(self._parts.settings.secret())
        found = {}
        for who, one in access.items():
            password = seals.opened(one.sealed)
            if password is None:
                if who in self._unopened:
                    continue
                self._unopened.add(who)
                _log.error("a device's account cannot be opened with this key", site=who[0], device=who[1])
            else:
                found[DeviceName(*who)] = Account(one.address, one.login, password)
        return found


def _asked(fitted: Fitted) -> bool:
    adapter = ADAPTERS.get(fitted.vendor)
    return adapter is not None and adapter.capabilities(fitted.fitting).delivery is Delivery.REQUEST
