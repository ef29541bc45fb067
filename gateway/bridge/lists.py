"""Keeps every device's offline list at the current version. A thread of its own: reading registers must not hold up a gate."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from controllers.commands import WholeList
from gateway.flows.inbound import StatusIn
from gateway.flows.offline_list import Published, current_lists
from gateway.publish.wire import delta_message, list_message
from gateway.runtime.logs import logger
from gateway.store.estate import load_estate
from gateway.store.fittings import load_fittings
from gateway.wiring import Parts

_log = logger(__name__)
_LOOK_EVERY_SECONDS = 10.0


class Sender(Protocol):
    """What a keeper needs of a link."""

    def wait_until_up(self, seconds: float) -> bool: ...
    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None: ...
    def flush(self) -> None: ...


class ListKeeper:
    """A device that reports another version gets the whole list (retained); a small change goes out as a delta."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._link: Sender | None = None
        self._lists: dict[str, Published] = {}
        self._devices: dict[str, list[str]] = {}
        # None: it is there, and does not say which it has.
        self._reported: dict[tuple[str, str], int | None] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._connections = 0
        self._thread = threading.Thread(target=self._run, name="offline-lists", daemon=True)

    def start(self, link: Sender) -> None:
        self.attach(link)
        self._thread.start()

    def attach(self, link: Sender) -> None:
        """Without a thread: whoever attaches a link calls `turn`."""
        self._link = link

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def look(self) -> None:
        """The registers have changed: look at once."""
        self._wake.set()

    def current(self, site: str) -> WholeList | None:
        """A site's list as it was last looked at; None before that."""
        with self._lock:
            found = self._lists.get(site)
        return None if found is None else found.whole

    def reported(self, statuses: Sequence[StatusIn]) -> None:
        """Called by the worker after devices have said how they are."""
        with self._lock:
            for one in statuses:
                if not one.status.online:
                    self._reported.pop((one.site, one.device), None)
                    continue
                self._reported[one.site, one.device] = None if one.heartbeat else one.status.list_version
            self._parts.metrics.devices_online.set(len(self._reported))
        if self.behind():
            self._wake.set()

    def behind(self) -> list[tuple[str, str]]:
        """Devices that said another version than the current one."""
        with self._lock:
            return [
                (site, device)
                for (site, device), version in self._reported.items()
                if version is not None and site in self._lists and self._lists[site].whole.version != version
            ]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.turn()
            except SQLAlchemyError as problem:
                _log.warning(
                    "offline lists could not be read; looking again soon", problem=str(problem).split("\n", 1)[0]
                )
            except Exception:
                _log.exception("the keeper of offline lists goes on")
            self._wake.wait(_LOOK_EVERY_SECONDS)
            self._wake.clear()

    def turn(self) -> None:
        """Look at the registers once; tell who is behind. Raises what the database raises."""
        link = self._link
        assert link is not None
        if not link.wait_until_up(1):
            self._wake.set()
            return
        with self._parts.store.reading() as connection:
            estate = load_estate(connection)
            others = load_fittings(
                connection, self._parts.settings.zone
            )  # each is brought it in its own bytes, or not at all
        devices: dict[str, list[str]] = {}
        for site, device in sorted(estate.devices - others.keys()):
            devices.setdefault(site, []).append(device)
        lists = current_lists(self._parts)
        changed = {
            site
            for site, one in lists.items()
            if site not in self._lists or self._lists[site].whole.version != one.whole.version
        }
        with self._lock:
            self._lists, self._devices = lists, devices
        for site in sorted(changed):
            self._announce(link, lists[site])
        for site, device in self.behind():
            if site not in changed:
                self._whole(link, lists[site], device)
        link.flush()

    def _announce(self, link: Sender, one: Published) -> None:
        for device in self._devices.get(one.site, ()):
            with self._lock:
                version = self._reported.get((one.site, device))
            if one.delta is not None and version == one.delta.from_version:
                link.publish(*delta_message(one.site, device, one.delta))
                self._now_at(one, device)
            else:
                self._whole(link, one, device)

    def _whole(self, link: Sender, one: Published, device: str) -> None:
        if link.publish(*list_message(one.site, device, one.whole), retain=True) is not None:
            self._now_at(one, device)

    def _now_at(self, one: Published, device: str) -> None:
        """Believed until its next status says otherwise."""
        with self._lock:
            if (one.site, device) in self._reported:
                self._reported[one.site, device] = one.whole.version
