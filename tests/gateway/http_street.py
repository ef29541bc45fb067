"""A street whose devices speak HTTP: simulated cameras on sockets, a whole bridge before them, and no broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from controllers.adapters.port import LookedAfter
from controllers.commands import WholeList
from gateway.bridge.bridge import Bridge
from gateway.bridge.http_upkeep import Upkeep
from gateway.cli.ports import free_port
from gateway.flows import estate
from gateway.flows.credentials import DeviceName
from gateway.wiring import Parts
from simulators.devices.http_camera import AskedCamera, HttpCamera, Place
from tests.gateway.one_gate import PASSWORD, site_of
from tests.gateway.trade import Street
from tests.servers import PATIENCE_SECONDS

NOW = datetime(2026, 10, 29, 8, 0, 2, tzinfo=UTC)
ACCOUNT = ("admin", "secret-1")


class Fit:
    """A camera at a lane, and what the site file says of it."""

    def __init__(
        self, lane: str, vendor: str, kind: type[HttpCamera], *, features: str = "", address: str = ""
    ) -> None:
        self.lane, self.vendor, self.kind = lane, vendor, kind
        self.features, self.address = features, address
        self.device = f"cam-{lane}"


class HttpStreet:
    """`cameras` by lane. Its clock stands until it is moved on."""

    def __init__(self, parts: Parts, fits: tuple[Fit, ...], stack: ExitStack, *, password: str = ACCOUNT[1]) -> None:
        settings = {"devices_http": "127.0.0.1:0", "broker_url": f"mqtt://127.0.0.1:{free_port()}"}
        self.parts = Parts(
            settings=parts.settings.model_copy(update=settings),
            clock=parts.clock,
            store=parts.store,
            metrics=parts.metrics,
        )
        self.street = Street(self.parts)
        self.clock = self.street.clock
        self.clock.set(NOW)
        self.cameras: dict[str, Any] = {}
        self._upkeep: list[Upkeep] = []
        for fit in fits:
            self.cameras[fit.lane] = stack.enter_context(fit.kind(self.clock.now))
        lanes = {fit.lane: fit.device for fit in fits}
        estate.apply(self.parts, site_of(lanes, {fit.device: self._words(fit, password) for fit in fits}))
        self.bridge = Bridge(self.parts)
        self.bridge.asked._moves_within = 0.3
        self.bridge.start()
        stack.callback(self.bridge.stop)
        assert self.bridge.door is not None
        for fit in fits:
            url = f"http://127.0.0.1:{self.bridge.door.port}/devices/{fit.vendor}"
            self.cameras[fit.lane].place = Place(url, f"xinyi.{fit.device}", PASSWORD)
        asked = [fit.device for fit in fits if isinstance(self.cameras[fit.lane], AskedCamera)]
        self.until(lambda: all(self.bridge.asked.serves("xinyi", device) for device in asked))

    def _words(self, fit: Fit, password: str) -> str:
        camera, more = self.cameras[fit.lane], ""
        if isinstance(camera, AskedCamera):
            more = f'address = "{fit.address or camera.url}"\n  login_password = "{password}"'
            more = "" if fit.address == "none" else more
        if fit.features:
            more += f'\n  features = ["{fit.features}"]'
        return f"{fit.vendor}\n{more}"

    def upkeep(self, lists: Mapping[str, WholeList], *, away: float = 60) -> None:
        """Begin to look after the only device, quicker than at work."""
        self.until(lambda: len(self.bridge.asked._devices) == 1)
        (device,) = self.bridge.asked._devices.values()
        assert device.reached is not None
        parts, who = self.parts, DeviceName("xinyi", device.reached.fitting.device)
        porch = self.bridge.asked._porch
        made = Upkeep(
            who, device.reached, parts.clock, porch, lists.get, lambda: False,
            list_every=0.02, pauses=(0.05,), away=away,
        )  # fmt: skip
        self._upkeep.append(made)
        assert self.bridge.asked._loop is not None
        asyncio.run_coroutine_threadsafe(made.run(), self.bridge.asked._loop)

    def looks_at_clock(self) -> None:
        """As it does every minute."""
        kept = self.kept()
        adapter = kept._device.adapter
        assert isinstance(adapter, LookedAfter)
        assert self.bridge.asked._loop is not None
        asyncio.run_coroutine_threadsafe(kept.look_at_clock(adapter), self.bridge.asked._loop).result(PATIENCE_SECONDS)

    def kept(self) -> Upkeep:
        return self._upkeep[0]

    def rows(self, table: Any) -> list[Any]:
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(table.__table__).order_by(*table.__table__.primary_key.columns)))

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < end, "it did not come to that"
            time.sleep(0.01)


@contextmanager
def http_street(parts: Parts, *fits: Fit, password: str = ACCOUNT[1]) -> Iterator[HttpStreet]:
    with ExitStack() as stack:
        yield HttpStreet(parts, fits, stack, password=password)
