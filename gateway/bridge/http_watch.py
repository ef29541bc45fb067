"""What one device says by itself over a stream that we hold open, and whether it answers at all.

A stream has no receipts: what a device says while nobody listens is said to nobody, unless it keeps it. So it is taken up again at once, and then with growing
pauses. Reads go the way of all reads, which no more than one bridge holds open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count

from msgspec.structs import replace

from controllers.adapters.joining import Joiner
from controllers.adapters.port import Ask, Heard, Part, Picture, Said
from controllers.events import DeviceStatus, Undecodable
from gateway.bridge import pictures
from gateway.bridge.asked import NotReached, SignedOut
from gateway.bridge.http_orders import Reached, position
from gateway.bridge.porch import Porch
from gateway.flows.credentials import DeviceName
from gateway.flows.inbound import Rejected
from gateway.runtime.logs import logger
from gateway.wiring import Parts

_log = logger(__name__)

QUIET_SECONDS = 30.0
"""Dahua's heartbeat comes every 5 s (`heartbeat=5`), Hikvision's every 10: after so long it is dead, whatever its socket says."""
_PAUSE_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
_WELL_AFTER_SECONDS = 10.0
_LOOK_SECONDS = 30.0
_TELL_SECONDS = 20.0
_ROOM_SECONDS = 0.1
_KEPT_BYTES_MAX = 64 * 1024
_BIG_BYTES = 32 * 1024


async def never_ending(run: Callable[[], Awaitable[None]], who: DeviceName) -> None:
    """Begun anew whenever it ends by an error that nobody expected."""
    for _ in count():
        try:
            await run()
        except Exception:
            _log.exception("what is done for a device begins anew", site=who.site, device=who.device)
        await asyncio.sleep(_PAUSE_SECONDS[-1])


class Watch:
    """One device. `quiet`, `look_every`: seconds."""

    def __init__(
        self,
        who: DeviceName,
        device: Reached,
        parts: Parts,
        porch: Porch,
        joiner: Joiner,
        *,
        quiet: float = QUIET_SECONDS,
        look_every: float = _LOOK_SECONDS,
    ) -> None:
        self._who, self._device, self._parts = who, device, parts
        self._porch, self._joiner = porch, joiner
        self._quiet, self._look_every = quiet, look_every
        self._online: bool | None = None
        self._told = 0.0

    async def run(self) -> None:
        streams = self._device.adapter.listens(self._device.fitting).streams
        async with asyncio.TaskGroup() as group:
            for ask in streams:
                group.create_task(never_ending(partial(self._listen, ask), self._who))
            if self._device.adapter.capabilities(self._device.fitting).position:
                group.create_task(never_ending(lambda: self._look(listens=bool(streams)), self._who))

    # ------------------------------------------------------------------ the stream

    async def _listen(self, ask: Ask) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            if not self._device.barred():
                try:
                    await self._hear(ask)
                except SignedOut:
                    self._device.bar()
                except (NotReached, Undecodable) as problem:
                    _log.info("a device's stream ended", site=self._who.site, device=self._who.device, why=str(problem))
                self._status(DeviceStatus(online=False))
            failures = 0 if loop.time() - began > _WELL_AFTER_SECONDS else failures + 1
            await asyncio.sleep(_PAUSE_SECONDS[min(failures, len(_PAUSE_SECONDS) - 1)])

    async def _hear(self, ask: Ask) -> None:
        bytes_max = self._device.adapter.payload_bytes_max
        async for parts in self._device.asker.listen(ask, quiet=self._quiet, bytes_max=bytes_max):
            self._status(DeviceStatus(online=True))
            for part in parts:
                await self._part(part, ask)

    async def _part(self, part: Part, ask: Ask) -> None:
        decode, now = self._device.adapter.decode, self._parts.clock.now()
        try:
            if len(part.body) > _BIG_BYTES:
                heard = await asyncio.to_thread(decode, part, self._device.fitting, now)
            else:
                heard = decode(part, self._device.fitting, now)
        except Undecodable as problem:
            await self._room()
            self._porch.reject(self._who, self._rejected(part, ask, problem), now)
            return
        for one in heard.said:
            if isinstance(one, DeviceStatus):
                self._status(one)
        said = tuple(one for one in heard.said if not isinstance(one, DeviceStatus))
        if said:
            await self._room()
            await self._hand_on(replace(heard, said=said))

    async def _hand_on(self, heard: Heard) -> None:
        now = self._parts.clock.now()
        for joined in self._joiner.take(self._who, heard, now):
            self._porch.put(DeviceName(*joined.who), joined.said, now, part=bool(heard.read))
            await self._keep(DeviceName(*joined.who), joined.said)

    async def _keep(self, who: DeviceName, said: Sequence[Said]) -> None:
        for one in said:
            if isinstance(one, Picture) and one.whole:
                await asyncio.to_thread(pictures.keep, self._parts, who, one)

    async def _room(self) -> None:
        """Until the device's allowance has room. Meanwhile it is not read from, so that it waits as well; nothing is thrown away."""
        for _ in count():
            if self._porch.admits(self._who):
                return
            await asyncio.sleep(_ROOM_SECONDS)

    def _rejected(self, part: Part, ask: Ask, problem: Undecodable) -> Rejected:
        return Rejected(
            site=self._who.site,
            device=self._who.device,
            topic=ask.path,
            payload=self._device.adapter.redacted(part)[:_KEPT_BYTES_MAX],
            code=problem.code,
            detail=problem.detail[:500],
            received_at=self._parts.clock.now(),
            event_id=problem.event_id,
        )

    # ------------------------------------------------------------------ whether it is there

    async def _look(self, *, listens: bool) -> None:
        """Where its barriers are. Who is listened to is known to be there by that; of others, who does not answer is not."""
        lanes = [lane.id for lane in self._device.fitting.lanes]
        while True:
            looked = [await position(self._device, lane, self._parts.clock.now()) for lane in lanes]
            before = dict(self._device.barrier)
            for one in looked:
                self._device.barrier.update(one.status.barrier if one.status is not None else {})
            if any(one.answered for one in looked):
                if self._device.barrier != before:
                    self._told = 0.0
                self._status(DeviceStatus(online=True))
            elif not listens:
                self._status(DeviceStatus(online=False))
            await asyncio.sleep(self._look_every)

    def _status(self, status: DeviceStatus) -> None:
        """Told on on every change, and every now and then. What it says of its clock stands for itself."""
        at = asyncio.get_running_loop().time()
        if status.online == self._online and at - self._told < _TELL_SECONDS:
            return
        self._online, self._told = status.online, at
        barrier = {**self._device.barrier, **status.barrier} if status.online else {}
        self._porch.put(self._who, [replace(status, barrier=barrier)], self._parts.clock.now())
