"""A virtual gate behind a camera that speaks HTTP: what it says leaves in the camera's bytes, what the camera is told reaches it.

A request blocks, and so does an order until the barrier has been told: each camera has a thread of its own beside its server's. Both only
put aside what is for the gate, which is driven by the one thread that calls `heard`.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from controllers.adapters import native
from controllers.adapters.relay import RELAY
from controllers.commands import Action
from controllers.events import Kind, PlateEvent
from simulators.devices.dialect import Inward, ordered, receipted
from simulators.devices.http_answered import Huaxia, Vzenith
from simulators.devices.http_camera import AskedCamera, HttpCamera, Place, Push
from simulators.devices.http_dahua import Dahua
from simulators.devices.http_hikvision import Hikvision
from simulators.devices.http_recognisers import OpenAlpr, PlateRecognizer
from simulators.gate import Message
from simulators.street import DeviceSpec, LaneSpec, SiteSpec

_ANSWERED: dict[str, type[HttpCamera]] = {"vzenith": Vzenith, "huaxia": Huaxia}
_READ_ONLY: dict[str, type[HttpCamera]] = {"platerecognizer": PlateRecognizer, "openalpr": OpenAlpr}
_PUSH = _ANSWERED | _READ_ONLY
_ASKED: dict[str, type[AskedCamera]] = {"hikvision": Hikvision, "dahua": Dahua}
_POLLS_EVERY_SECONDS = 1.0
_AGAIN_SECONDS = 0.5
_DONE_WITHIN_SECONDS = 5.0
_STREAMS = frozenset({"alert_stream", "event_stream"})


class Reach(NamedTuple):
    """How a device is spoken to. `door`: where devices that speak HTTP come in, without `/devices/…`. `login_password`: of the account with which it is asked."""

    door: str
    password: str
    login_password: str = ""


def camera_of(device: DeviceSpec, site: str, reach: Reach, now: Callable[[], datetime]) -> HttpCamera:
    """Raises `OSError` where a camera that is asked cannot listen at its address, which must be one of this computer's."""
    place = Place(f"{reach.door}/devices/{device.vendor}", f"{site}.{device.id}", reach.password)
    camera: HttpCamera
    if (asked := _ASKED.get(device.vendor)) is not None:
        where = urlsplit(device.address)
        account = (device.login, reach.login_password)
        camera = asked(now, place, account=account, listens=(where.hostname or "", where.port or 80))
    else:
        camera = _PUSH[device.vendor](now, place)
    camera.serial = device.serial or camera.serial
    return camera


def speaks_http(site: SiteSpec, device: DeviceSpec) -> bool:
    """Whether there is such a camera: it stands at one lane; one that is asked has an address, one that only reads a relay beside it."""
    if len(site.lanes_of(device.id)) != 1:
        return False
    if device.vendor in _ASKED:
        return bool(device.address)
    if device.vendor == "vzenith" and device.serial and "http" not in device.features:
        return False  # it speaks at the broker
    if device.vendor in _READ_ONLY:
        return bool(device.serial) and RELAY in device.features
    return device.vendor in _ANSWERED


class HttpLink:
    """`says(event, push)`: which bytes a read of the gate's has become; `hears`, `connected`: called by `heard`."""

    shows = False

    def __init__(
        self,
        camera: HttpCamera,
        site: str,
        device: DeviceSpec,
        lane: LaneSpec,
        *,
        wake: Callable[[], None],
        hears: Callable[[Inward], None],
        connected: Callable[[], None],
        says: Callable[[PlateEvent, Push], None],
    ) -> None:
        self.camera, self._lane = camera, lane
        self._address = native.Address(site, device.id, "event")
        self._streams = not _STREAMS.isdisjoint(device.features)
        self._wake, self._hears, self._connected, self._says = wake, hears, connected, says
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._aside: deque[Callable[[], None]] = deque()
        self._kept: dict[str, Push | None] = {}
        self._last: tuple[str, Push | None] = "", None
        self._newest: str | None = None
        self._orders = count(1)
        self._under_way: dict[str, threading.Event] = {}
        self._there = False
        self.pushed = 0  # reads that were taken, each as often as it was
        self._thread = threading.Thread(target=self._run, name=f"camera {site}.{device.id}", daemon=True)
        camera.moves = self._moves

    def open(self) -> None:
        self.camera.open()
        self._thread.start()
        self._jobs.put(self._greet)

    def close(self) -> None:
        self._jobs.put(None)
        for done in list(self._under_way.values()):
            done.set()
        if self._thread.ident is not None:
            self._thread.join(5)
        self.camera.close()

    def say(self, message: Message) -> None:
        """The turning thread's, like `heard` and `ask`."""
        if message.channel == "status":
            self.ask()
        elif message.channel == "result":
            result = native.decode_result(message.payload)
            if (done := self._under_way.pop(result.command, None)) is not None:
                done.set()
            self._put(receipted(results=(result.command,)))
        else:
            self._event(native.decode_event(self._address, message.payload))

    def ask(self) -> None:
        """Whether there is something to do, at once."""
        if self._jobs.empty():
            self._jobs.put(self.camera.polls)

    @property
    def there(self) -> bool:
        """It has been let in."""
        return self._there

    def holds(self, event: str) -> bool:
        """It has not been taken yet."""
        return event in self._kept

    def quiet(self) -> bool:
        """Nothing is on its way, neither here nor there."""
        return not self._kept and not self._aside  # in this order: an order is put aside before its read is done with

    def heard(self) -> None:
        """What was put aside for the gate."""
        while self._aside:
            self._aside.popleft()()

    # ------------------------------------------------------------------ what it says

    def _event(self, event: PlateEvent) -> None:
        if event.kind is not Kind.PLATE:
            self._put(receipted(events=(event.id,)))
        elif event.id not in self._kept:
            self._newest = event.id
            self._kept[event.id] = None
            self._jobs.put(lambda: self._read(event))
        else:
            self._jobs.put(lambda: self._again(event.id))

    def _read(self, event: PlateEvent) -> None:
        push = self.camera.keep(event.plate_raw, event.at, history=event.buffered, colour=event.plate_colour)
        self._kept[event.id], self._last = push, (event.id, push)
        self._aside.append(lambda: self._says(event, push))
        if self._streams:
            self.camera.kept.remove(push)
            assert isinstance(self.camera, (Hikvision, Dahua))
            self.camera.tells(event.plate_raw, number=self.camera.numbers, at=event.at)
        self._deliver()

    def _again(self, event: str) -> None:
        """Sent once more, as a device does that has not heard the answer."""
        named, push = self._last
        if named == event and push is not None and push not in self.camera.kept:
            self.camera.kept.append(push)
        self._deliver()

    def _deliver(self) -> None:
        """What is taken is said; the rest comes again."""
        self.pushed += self.camera.deliver()
        waiting = set(map(id, self.camera.kept))
        for event, push in list(self._kept.items()):
            if push is not None and id(push) not in waiting:
                del self._kept[event]
                self._put(receipted(events=(event,)))

    def _greet(self) -> None:
        self._there = self.camera.polls()
        if self._there:
            self._aside.append(self._connected)
            self._wake()

    def _put(self, inward: Inward) -> None:
        self._aside.append(lambda: self._hears(inward))
        self._wake()

    # ------------------------------------------------------------------ what it is told

    def _moves(self, action: Action) -> None:
        """Who asks from outside waits until the barrier has been told; the camera's own thread goes on."""
        id_ = f"http-{next(self._orders)}"
        done = self._under_way[id_] = threading.Event()
        self._put(ordered(id_, action, self._lane.id, self._newest if action is Action.OPEN else None))
        if threading.current_thread() is not self._thread:
            done.wait(_DONE_WITHIN_SECONDS)

    # ------------------------------------------------------------------ its own thread

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_AGAIN_SECONDS if self._kept or not self._there else _POLLS_EVERY_SECONDS)
            except queue.Empty:
                job = self._greet if not self._there else self._deliver if self._kept else self.camera.polls
            if job is None:
                return
            job()
