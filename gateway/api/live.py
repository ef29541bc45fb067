"""Server-sent events: a snapshot, then what has changed, at most every 200 ms, made once for all who watch the same sites."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import msgspec
from starlette.concurrency import run_in_threadpool

from gateway.api import masking
from gateway.api.problems import TooMany
from gateway.flows import board
from gateway.runtime.logs import logger
from gateway.wiring import Parts

COALESCE_SECONDS = 0.2
CLOCK_SECONDS = 5.0
UNCHANGED_SECONDS_MAX = 5.0
VIEWER_SECONDS_MAX = 600.0
VIEWERS_MAX = 500
VIEWERS_A_PERSON_MAX = 20
MESSAGES_WAITING_MAX = 16
NEVER_STARTED_SECONDS = 60.0

Document = dict[str, Any]


class Group(NamedTuple):
    """Who watches the same: of which sites (None: all), and whether the board or only the emergencies that stand."""

    sites: frozenset[str] | None
    whole: bool = True


_log = logger(__name__)


class LiveSource(Protocol):
    """A hook for a process that knows when something has changed, so that nothing need be asked of the database till then."""

    def version(self) -> object:
        """Any value that differs when the board may differ."""
        ...


class Viewer:
    """One open page. When it does not keep up it is dropped; the page connects again and gets a fresh snapshot."""

    def __init__(self, group: Group, person: str) -> None:
        self.group = group
        self.person = person
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(MESSAGES_WAITING_MAX)
        self.admitted_at = time.monotonic()
        self.started = False

    def put(self, message: bytes) -> None:
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """End its stream."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Hub:
    """All viewers of a process. It looks at the database only while somebody watches. Lives in one event loop."""

    def __init__(self, parts: Parts, source: LiveSource | None = None) -> None:
        self._parts = parts
        self._source = source
        self._viewers: set[Viewer] = set()
        self._shown: dict[Group, Document] = {}
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._closing = False

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    def snapshot(self, sites: frozenset[str] | None) -> Document:
        """The board of these sites now, with reasons as on the wire."""
        parts = self._parts
        with parts.store.reading() as connection:
            found = board.board(connection, sites, parts.clock.now(), parts.settings.zone)
        for lane in found["lanes"]:
            if lane["last"] is not None:
                lane["last"]["reason"] = masking.reason(lane["last"]["reason"])
        shown: Document = in_zone(found, parts.settings.zone)
        return shown

    def emergencies(self, sites: frozenset[str] | None) -> Document:
        """Only what every page says: a look at the board costs more than all other pages can ask for."""
        parts = self._parts
        with parts.store.reading() as connection:
            now = parts.clock.now()
            found = {"at": now, "emergencies": board.emergencies_now(connection, sites)}
        shown: Document = in_zone(found, parts.settings.zone)
        return shown

    async def watch(self, sites: frozenset[str] | None, person: str, *, whole: bool = True) -> AsyncIterator[bytes]:
        """The stream of one viewer. Raises `TooMany` before its first message."""
        viewer = self._admit(Group(sites, whole), person)
        return self._stream(viewer)

    def close(self) -> None:
        """End every stream: the process is stopping."""
        self._closing = True
        for viewer in list(self._viewers):
            viewer.drop()
        if self._task is not None:
            self._task.cancel()

    def _admit(self, group: Group, person: str) -> Viewer:
        now = time.monotonic()
        # Who went away before the answer began never ran, and never says goodbye.
        self._viewers = {one for one in self._viewers if one.started or now - one.admitted_at < NEVER_STARTED_SECONDS}
        own = sum(1 for viewer in self._viewers if viewer.person == person)
        if self._closing or len(self._viewers) >= VIEWERS_MAX or own >= VIEWERS_A_PERSON_MAX:
            raise TooMany("too many open boards; close one, or try again later")
        viewer = Viewer(group, person)
        self._viewers.add(viewer)
        return viewer

    async def _stream(self, viewer: Viewer) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 1000\n\n"
            # Under the same lock as the looks, so that no older change comes after a newer snapshot.
            async with self._looking:
                document = await self._look_at(viewer.group)
                viewer.started = True
                viewer.put(message("snapshot", document))
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            # A stream ends in time, so that an account that was disabled or a password that was changed counts here too.
            while time.monotonic() - viewer.admitted_at < VIEWER_SECONDS_MAX:
                waiting = await viewer.queue.get()
                if waiting is None:
                    break
                yield waiting
        finally:
            self._viewers.discard(viewer)

    async def _run(self) -> None:
        last_clock, looked, version = time.monotonic(), 0.0, object()
        while self._viewers and not self._closing:
            began = time.monotonic()
            try:
                new = self._source.version() if self._source is not None else None
                if self._source is None or new != version or began - looked > UNCHANGED_SECONDS_MAX:
                    await self._look()
                    looked, version = began, new
                if began - last_clock >= CLOCK_SECONDS:
                    last_clock = began
                    self._tell_all(
                        b": beat\n\n" + message("clock", in_zone({"at": self._parts.clock.now()}, self._zone))
                    )
            except Exception as error:
                # The database may be away for a moment; the board says how old it is, and goes on.
                _log.warning("live look failed", error=type(error).__name__)
                self._tell_all(b": waiting for the database\n\n")
            spent = time.monotonic() - began
            await asyncio.sleep(max(COALESCE_SECONDS - spent, spent * 2))
        self._shown.clear()

    @property
    def _zone(self) -> ZoneInfo:
        return self._parts.settings.zone

    async def _look(self) -> None:
        groups = {viewer.group for viewer in self._viewers if viewer.started}
        for gone in set(self._shown) - groups:
            del self._shown[gone]
        for group in groups:
            async with self._looking:
                await self._look_at(group)

    async def _look_at(self, group: Group) -> Document:
        """Look, and tell those who watch this group what is new."""
        now = await run_in_threadpool(self.snapshot if group.whole else self.emergencies, group.sites)
        before, self._shown[group] = self._shown.get(group), now
        changed = difference(before, now) if before is not None else None
        if changed is not None:
            self._tell(group, message("change", changed))
        return now

    def _tell(self, group: Group, text: bytes) -> None:
        for viewer in list(self._viewers):
            if viewer.started and viewer.group == group:
                viewer.put(text)

    def _tell_all(self, text: bytes) -> None:
        for viewer in list(self._viewers):
            if viewer.started:
                viewer.put(text)


def message(event: str, document: Document) -> bytes:
    return b"event: " + event.encode() + b"\ndata: " + msgspec.json.encode(document) + b"\n\n"


def difference(before: Document, now: Document) -> Document | None:
    """What a page that shows `before` needs to show `now`; None if nothing but the time has changed.

    Lanes are sent one by one; when one was added or taken away, the whole is sent with `"all": true`.
    """
    old = {lane["id"]: lane for lane in before.get("lanes", ())}
    here = now.get("lanes", ())
    if list(old) != [lane["id"] for lane in here]:
        return {**now, "all": True}
    changed: Document = {}
    if lanes := [lane for lane in here if lane != old[lane["id"]]]:
        changed["lanes"] = lanes
    for part in ("sites", "exceptions", "money", "emergencies"):
        if before.get(part) != now.get(part):
            changed[part] = now[part]
    return {"at": now["at"], **changed} if changed else None


def in_zone(value: Any, zone: ZoneInfo) -> Any:
    """The same document with every instant in the site's time zone."""
    return _map(value, lambda instant: instant.astimezone(zone).isoformat())


def _map(value: Any, instants: Callable[[datetime], str]) -> Any:
    if isinstance(value, datetime):
        return instants(value)
    if isinstance(value, dict):
        return {key: _map(item, instants) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_map(item, instants) for item in value]
    return value
