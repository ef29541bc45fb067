"""The board in Chromium while fifty vehicles a second are read: how soon each is seen, whether anything moves, what the browser takes.

Beside the same board while nobody comes: the floor of what an open page takes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, insert

from gateway.api.sessions import COOKIE
from gateway.cli.bench import machine, paint
from gateway.cli.bench.report import percent, percentile, table
from gateway.cli.bench.servers import Gateway
from gateway.cli.bench.street import Layout
from gateway.cli.bench.traffic import Traffic, Vehicle, inbound, read
from gateway.console.pages import VIEWS
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn
from gateway.store.tables import DeviceState, Image
from gateway.wiring import Parts

RATE: Final = 50
_LIMIT_MS: Final = 300
_LIMIT_SHARE: Final = 0.15
_SECONDS, _QUICK_SECONDS = 20, 3
_SETTLES_SECONDS, _QUICK_SETTLES_SECONDS = 3, 1
# A device uploads a picture when it has its receipt: those of so many reads come together.
_PICTURES_AT_ONCE: Final = 10
# Of so many exits one is nobody's: the queue moves as well.
_UNKNOWN_EACH: Final = 10
# When a lane's plate stands in a frame that is about to be drawn, and the sum of all that moved in its place.
_WATCH: Final = """() => {
  window.shown = [];
  window.moved = 0;
  new PerformanceObserver(list => { for (const one of list.getEntries()) moved += one.value; }).observe({type: 'layout-shift'});
  const fresh = new Set();
  new MutationObserver(changes => {
    for (const {target} of changes) {
      const lane = target.closest?.('[data-lane]');
      if (lane) fresh.add(lane);
    }
    requestAnimationFrame(() => {
      const at = (performance.timeOrigin + performance.now()) / 1000;
      for (const lane of fresh) shown.push([lane.dataset.lane, lane.querySelector('[data-part=plate]').textContent, at]);
      fresh.clear();
    });
  }).observe(document.getElementById('content'), {childList: true, subtree: true});
}"""


def measure(
    parts: Parts, layout: Layout, values: Mapping[str, str], token: str, folder: Path, *, quick: bool
) -> list[dict[str, Any]]:
    """A row for each way to lay the board out. `token`: a session of who sees pictures; the server is a process of its own. Raises `DidNotStart`."""
    server = Gateway("web", folder, values, name="web-live")
    try:
        with paint.chromium() as browser:
            told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
            pid = next(int(one["id"]) for one in told if one["type"] == "browser")
            origin = f"http://{values['http_host']}:{values['http_port']}"
            context = browser.new_context(base_url=origin, viewport={"width": 1366, "height": 768}, locale="zh-CN")
            context.add_cookies([{"name": COOKIE, "value": token, "url": origin}])
            street = _Street(parts, layout)
            times = (_QUICK_SECONDS, _QUICK_SETTLES_SECONDS) if quick else (_SECONDS, _SETTLES_SECONDS)
            return [_watched(context, street, pid, view, *times) for view in VIEWS]
    finally:
        server.close()


def text(found: list[dict[str, Any]]) -> str:
    heads = ("board live", "events/s", "seen", "p50 ms", "p95 ms", "max ms", "moved", "browser", "at rest", "within")
    rows = [
        (
            one["layout"],
            one["events_a_second"],
            one["seen"],
            one["p50_ms"],
            one["p95_ms"],
            one["max_ms"],
            one["layout_shift"],
            percent(one["browser"]),
            percent(one["at_rest"]),
            "yes" if one["within"] else "no",
        )
        for one in found
    ]
    aims = f"p95 up to {_LIMIT_MS} ms, nothing moves, the browser's processes below {percent(_LIMIT_SHARE)} of a core"
    return f"{table(heads, rows)}\nwithin: {aims}"


def _devices_are_there(parts: Parts, layout: Layout) -> None:
    """Each with its barriers down, as it says every few seconds."""
    lanes: dict[tuple[str, str], dict[str, str]] = {}
    for spec in layout.lanes_of_all():
        lanes.setdefault((spec.key.site, spec.key.device), {})[spec.lane] = "closed"
    now = parts.clock.now()
    with parts.store.writing() as connection:
        connection.execute(delete(DeviceState))
        rows = [
            {"site_id": site, "device_id": device, "online": True, "seen_at": now, "barrier": barrier}
            for (site, device), barrier in lanes.items()
        ]
        connection.execute(insert(DeviceState), rows)
        connection.commit()


def _watched(context: Any, street: _Street, pid: int, view: str, seconds: int, settles: int) -> dict[str, Any]:
    street.devices_are_there()
    page = context.new_page()
    page.goto(f"/?view={view}")
    page.wait_for_selector("#connection[data-state=live]")
    street.picture = page.screenshot(type="jpeg", quality=80)
    time.sleep(settles)
    rest = machine.Shares({"browser": pid})
    time.sleep(seconds)
    at_rest = rest.so_far()["browser"]
    page.evaluate(_WATCH)
    busy, began = machine.Shares({"browser": pid}), time.perf_counter()
    told = street.comes_and_goes(seconds)
    rate = len(told) / (time.perf_counter() - began)
    share = busy.so_far()["browser"]
    time.sleep(settles)
    shown, moved = page.evaluate("[shown, moved]")
    page.close()
    first: dict[tuple[str, str], float] = {}
    for lane, plate, at in shown:
        first.setdefault((lane, plate), at)
    took = [first[key] - at for key, at in told.items() if key in first]
    p95 = percentile(took, 0.95)
    return {
        "layout": view,
        "events": len(told),
        "events_a_second": round(rate, 1),
        "seen": len(took),
        "p50_ms": percentile(took, 0.5),
        "p95_ms": p95,
        "max_ms": percentile(took, 1.0),
        "layout_shift": round(moved, 4),
        "browser": share,
        "at_rest": at_rest,
        "within": p95 <= _LIMIT_MS and moved == 0 and share < _LIMIT_SHARE,
    }


class _Street:
    """Everybody who comes leaves again at the same site; one in ten exits is of somebody who was never seen to come."""

    def __init__(self, parts: Parts, layout: Layout) -> None:
        self._parts, self._layout, self._lanes = parts, layout, layout.lanes_of_all()
        self._path = EventPath(parts, planner="bench")
        self._traffic = Traffic(layout, seed=7)
        self._inside: dict[str, deque[Vehicle]] = {}
        self._count = 0
        self.picture = b""

    def devices_are_there(self) -> None:
        _devices_are_there(self._parts, self._layout)

    def comes_and_goes(self, seconds: int) -> dict[tuple[str, str], float]:
        """When each was handed to the event path, by lane and plate. Behind the pace it goes as fast as it can."""
        told: dict[tuple[str, str], float] = {}
        pictured: list[EventIn] = []
        began = time.perf_counter()
        for number in range(seconds * RATE):
            time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            message = self._next()
            assert message.event.plate is not None
            told[f"{message.site}.{message.event.lane}", message.event.plate] = self._parts.clock.now().timestamp()
            self._path.run([message])
            pictured.append(message)
            if len(pictured) == _PICTURES_AT_ONCE:
                self._upload(pictured)
                pictured.clear()
        return told

    def _next(self) -> EventIn:
        spec = self._lanes[self._count % len(self._lanes)]
        self._count += 1
        inside = self._inside.setdefault(spec.key.site, deque())
        unknown = spec.inward or not inside or self._count % _UNKNOWN_EACH == 0
        vehicle = self._traffic.strangers(1)[0] if unknown else inside.popleft()
        if spec.inward:
            inside.append(vehicle)
        event = read(f"live-{self._count}", self._parts.clock.now(), spec.lane, vehicle)
        return inbound(self._parts, spec.key.site, spec.key.device, event)

    def _upload(self, messages: list[EventIn]) -> None:
        with self._parts.store.writing() as connection:
            connection.execute(insert(Image), list(self._rows(messages)))
            connection.commit()

    def _rows(self, messages: list[EventIn]) -> Iterator[dict[str, Any]]:
        for one in messages:
            named = {"site_id": one.site, "device_id": one.device, "event_id": one.event.id}
            yield {**named, "jpeg": self.picture, "received_at": self._parts.clock.now()}
