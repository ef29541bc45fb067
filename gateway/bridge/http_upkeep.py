"""What is done for one device beside orders: its clock is put right, and its list kept as the registers have it.

The list that a device has is what we brought it, and nobody knows what it had before: so it begins empty, and is brought whole; from then on only what
changed. Orders go first, and nothing of this hurries: it is the network's absence that the list is for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from itertools import count

from controllers.adapters.port import Ask, CannotCarryOut, ListTaken, LookedAfter, Sent
from controllers.commands import WholeList
from controllers.events import DeviceStatus, Undecodable
from gateway.bridge.asked import REFUSED, NoAnswer, NotReached, Stale
from gateway.bridge.http_orders import Reached
from gateway.bridge.http_watch import never_ending
from gateway.bridge.list_steps import AWAY, again, changes, night_of
from gateway.bridge.porch import Porch
from gateway.flows.credentials import DeviceName
from gateway.runtime.clock import Clock
from gateway.runtime.logs import logger

_log = logger(__name__)

CLOCK_EVERY_SECONDS = 60.0
RIGHT_WITHIN = timedelta(seconds=2)
"""Clocks of devices count as right below it; they tell theirs in whole seconds."""
SET_AGAIN_SECONDS = 600.0
_QUICK_SECONDS = 1.0
LIST_EVERY_SECONDS = 10.0
_PAUSE_SECONDS = (10.0, 30.0, 60.0, 300.0)
_ANSWER_SECONDS = 10.0
_WAIT_SECONDS = 0.1


class NotTaken(Exception):
    """A device has not taken a piece of its list; what it has now is not known."""


class Upkeep:
    """One device. `busy`: whether an order is under way; `list_every`, `clock_every`, `away`: seconds; `pauses`: after so many failures."""

    def __init__(
        self,
        who: DeviceName,
        device: Reached,
        clock: Clock,
        porch: Porch,
        lists: Callable[[str], WholeList | None],
        busy: Callable[[], bool],
        *,
        list_every: float = LIST_EVERY_SECONDS,
        clock_every: float = CLOCK_EVERY_SECONDS,
        pauses: Sequence[float] = _PAUSE_SECONDS,
        away: float = AWAY.total_seconds(),
    ) -> None:
        self._who, self._device, self._clock, self._porch = who, device, clock, porch
        self._lists, self._busy = lists, busy
        self._list_every, self._clock_every = list_every, clock_every
        self._pauses = pauses
        self._away = away
        self._set_again = 0.0
        self._answered: float | None = None
        self._night = self._tonight()
        # Whether it may have something else than what it took.
        self._doubted = False
        self.has: WholeList | None = None
        self.failures = 0

    async def run(self) -> None:
        adapter = self._device.adapter
        if not isinstance(adapter, LookedAfter):
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(never_ending(lambda: self._keep_time(adapter), self._who))
            group.create_task(never_ending(lambda: self._keep_list(adapter), self._who))

    # ------------------------------------------------------------------ the clock

    async def _keep_time(self, adapter: LookedAfter) -> None:
        for _ in count():
            if not self._device.barred():
                await self.look_at_clock(adapter)
            await asyncio.sleep(self._clock_every)

    async def look_at_clock(self, adapter: LookedAfter) -> None:
        """Measured, put right where it is wrong, and measured again."""
        loop = asyncio.get_running_loop()
        offset = await self._offset(adapter)
        if offset is None or abs(offset) < RIGHT_WITHIN or loop.time() < self._set_again:
            return
        self._set_again = loop.time() + SET_AGAIN_SECONDS
        _log.warning(
            "a device's clock is put right",
            site=self._who.site,
            device=self._who.device,
            seconds=offset.total_seconds(),
        )
        try:
            fitting, now = self._device.fitting, self._clock.now()
            await self._device.asker.ask(adapter.set_time(fitting, now), within=_ANSWER_SECONDS)
        except (NotReached, NoAnswer, Stale):
            return
        await self._offset(adapter)

    async def _offset(self, adapter: LookedAfter) -> timedelta | None:
        """Its clock minus ours; None where it does not say, or took too long for that to mean anything."""
        began = asyncio.get_running_loop().time()
        try:
            fitting = self._device.fitting
            answered = await self._device.asker.ask(adapter.ask_time(fitting), within=_ANSWER_SECONDS)
            now = self._clock.now()
            self._answers(answered.status)
            heard = self._device.adapter.decode(answered, fitting, now)
        except (NotReached, NoAnswer, Stale, Undecodable):
            return None
        status = next((one for one in heard.said if isinstance(one, DeviceStatus)), None)
        if status is None or status.at is None or asyncio.get_running_loop().time() - began > _QUICK_SECONDS:
            return None
        said = DeviceStatus(online=True, at=status.at, barrier=dict(self._device.barrier))
        self._porch.put(self._who, [said], now)
        return status.at - now

    def _answers(self, status: int) -> None:
        """Who does not take our account may have been set back: that it is there counts from when it takes it again."""
        if status == REFUSED:
            self._device.bar()
            return
        if self.silent_seconds() >= self._away:
            self._doubted = True
        self._answered = time.monotonic()

    def silent_seconds(self) -> float:
        """Since it last told the time; 0 before it has ever."""
        return 0.0 if self._answered is None else time.monotonic() - self._answered

    # ------------------------------------------------------------------ the list

    async def _keep_list(self, adapter: LookedAfter) -> None:
        for _ in count():
            wanted = self._lists(self._who.site)
            if self._night != (tonight := self._tonight()):
                self._night, self._doubted = tonight, True
            if wanted is not None and not self._device.barred() and not self._is_as(wanted):
                try:
                    await self.bring(adapter, wanted)
                    self.failures = 0
                except (NotReached, NoAnswer, Stale, NotTaken, Undecodable, CannotCarryOut) as problem:
                    _log.info("a list was not taken", site=self._who.site, device=self._who.device, why=str(problem))
                    self.failures += 1
                    await asyncio.sleep(self._pauses[min(self.failures - 1, len(self._pauses) - 1)])
            await asyncio.sleep(self._list_every)

    def _is_as(self, wanted: WholeList) -> bool:
        return self.has is not None and self.has.version == wanted.version and not self._doubted

    def _tonight(self) -> date:
        return night_of(self._clock.now(), self._device.fitting.zone)

    async def bring(self, adapter: LookedAfter, wanted: WholeList) -> None:
        """Raises what says that it was not taken; then nobody knows what the device has, and it begins anew."""
        had, self.has = self.has, None
        doubted, self._doubted = self._doubted, False
        now, fitting = self._clock.now(), self._device.fitting
        if had is None:
            try:
                await self._brought([adapter.forget_list(fitting)])
            except NotTaken as problem:  # a model that cannot: what is in it too much ends at its own time
                _log.warning(
                    "a list is not begun empty", site=self._who.site, device=self._who.device, why=str(problem)
                )
            await self._brought(self._device.adapter.encode(wanted, fitting, now))
        else:
            await self._brought(self._device.adapter.encode((again if doubted else changes)(had, wanted), fitting, now))
        self.has = wanted
        _log.info(
            "a device has the list", site=self._who.site, device=self._who.device, version=wanted.version,
            vehicles=len(wanted.entries),
        )  # fmt: skip

    async def _brought(self, sent: Iterable[Sent]) -> None:
        for ask in sent:
            assert isinstance(ask, Ask)
            for _ in count():
                if not self._busy():
                    break
                await asyncio.sleep(_WAIT_SECONDS)
            answered = await self._device.asker.ask(ask, within=_ANSWER_SECONDS)
            if answered.status == REFUSED:
                self._device.bar()
            heard = self._device.adapter.decode(answered, self._device.fitting, self._clock.now())
            refused = next((one for one in heard.said if isinstance(one, ListTaken) and not one.taken), None)
            if refused is not None:
                raise NotTaken(refused.detail or "")
