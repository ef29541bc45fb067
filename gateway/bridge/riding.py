"""Commands for devices that are told in our answers: they wait here for the device's next request, as long as they are fresh.

The outbox offers what is planned; the door of HTTP takes it. What nobody takes expires in the outbox, and is put before staff. Called
by the worker and by the door, from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import Future
from datetime import datetime
from typing import NamedTuple, Protocol

from controllers.adapters import native
from controllers.commands import Command
from gateway.flows.inbound import Rejected
from gateway.flows.outcome import Outcome, PlannedCommand
from gateway.publish.outbox import Waiting

Who = tuple[str, str]
_WAITING_EACH_MAX = 8


class Ridden(NamedTuple):
    """A command that a device is being told."""

    site: str
    id: str
    device: str
    command: Command
    expires_at: datetime


class Offers(Protocol):
    """Who else than the broker brings commands to devices."""

    def offer(self, one: PlannedCommand | Waiting) -> bool:
        """Whether it is its to bring; offered again, until it has left or is stale, this changes nothing."""
        ...


class Riding:
    """Whoever takes a command claims it in the outbox before it is told (`outbox.claim`)."""

    def __init__(self) -> None:
        self._devices: Collection[Who] = frozenset()
        self._offered: dict[Who, dict[str, Ridden]] = {}
        # Told, until they expire: the outbox may have looked before it knew, and offers them once more.
        self._told: dict[tuple[str, str], datetime] = {}
        self._events: dict[tuple[str, str, str], list[Future[None]]] = {}
        self._rejected: dict[int, Future[None]] = {}
        self._lock = threading.Lock()

    def serve(self, devices: Collection[Who]) -> None:
        """From now on these are the devices that are told in answers."""
        with self._lock:
            self._devices = devices
            self._offered = {who: offered for who, offered in self._offered.items() if who in devices}

    def serves(self, site: str, device: str) -> bool:
        return (site, device) in self._devices

    def offer(self, one: PlannedCommand | Waiting) -> bool:
        """Whether its device is one of ours. Offering again what waits already changes nothing."""
        who = (one.site, one.device)
        with self._lock:
            if who not in self._devices:
                return False
            offered = self._offered.setdefault(who, {})
            if one.id not in offered and (one.site, one.id) not in self._told:
                command = native.decode_command(one.payload)
                offered[one.id] = Ridden(one.site, one.id, one.device, command, one.expires_at)
                if len(offered) > _WAITING_EACH_MAX:
                    del offered[next(iter(offered))]
        return True

    def take(self, site: str, device: str, now: datetime, event: str | None) -> Ridden | None:
        """The newest fresh command for the device; where it waits for what became of an event, the one of that event.

        It has left with this: it is never told twice.
        """
        with self._lock:
            offered = self._offered.get((site, device), {})
            for id_ in [id_ for id_, one in offered.items() if one.expires_at <= now]:
                del offered[id_]
            fits = [one for one in offered.values() if event is None or one.command.event == event]
            taken = fits[-1] if fits else None
            if taken is not None:
                del offered[taken.id]
                self._told = {told: until for told, until in self._told.items() if until > now}
                self._told[taken.site, taken.id] = taken.expires_at
        return taken

    # ------------------------------------------------------------------ until it is stored

    def expect(self, site: str, device: str, event: str) -> Future[None]:
        """Done when the event is stored and its command, where there is one, has been offered."""
        stored: Future[None] = Future()
        with self._lock:
            self._events.setdefault((site, device, event), []).append(stored)
        return stored

    def expect_rejected(self, rejected: Rejected) -> Future[None]:
        """Done when it is in quarantine."""
        stored: Future[None] = Future()
        with self._lock:
            self._rejected[id(rejected)] = stored
        return stored

    def forget(self, stored: Future[None]) -> None:
        """Nobody waits for it any more."""
        stored.cancel()
        with self._lock:
            for key in [key for key, waiting in self._events.items() if stored in waiting]:
                self._events[key].remove(stored)
                if not self._events[key]:
                    del self._events[key]
            for other in [other for other, waiting in self._rejected.items() if waiting is stored]:
                del self._rejected[other]

    def settled(self, outcome: Outcome) -> None:
        """Called by the worker after a commit, when its commands have been offered."""
        with self._lock:
            if not self._events and not self._rejected:
                return
            done = [
                waiting
                for (site, device), events in outcome.event_receipts.items()
                for event in events
                for waiting in self._events.pop((site, device, event), ())
            ]
            done += [self._rejected.pop(id(one)) for one in outcome.rejected if id(one) in self._rejected]
        for waiting in done:
            if waiting.set_running_or_notify_cancel():
                waiting.set_result(None)
