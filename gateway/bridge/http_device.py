"""One device that is told by our requests: its commands, one after the other at a lane, and its watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import httpx
from sqlalchemy.exc import SQLAlchemyError

from controllers.adapters.joining import Joiner
from controllers.adapters.registry import ADAPTERS
from controllers.commands import WholeList
from controllers.events import CommandResult, Outcome
from gateway.bridge.asked import Account
from gateway.bridge.asking import Asker
from gateway.bridge.http_orders import Became, CarriedOut, Due, Reached
from gateway.bridge.http_upkeep import Upkeep
from gateway.bridge.http_watch import Watch
from gateway.bridge.porch import Porch
from gateway.flows.credentials import DeviceName
from gateway.publish.outbox import claim
from gateway.runtime.logs import logger
from gateway.store.fittings import Fitted
from gateway.wiring import Parts

_log = logger(__name__)

_BARRED_SECONDS = 900.0
_WAITING_EACH_MAX = 8


class Around(NamedTuple):
    """What all devices of a bridge share. `moves_within`: see `http_orders`; `lists`: a site's list as it is now, where it is known."""

    parts: Parts
    porch: Porch
    joiner: Joiner
    client: httpx.AsyncClient
    moves_within: float
    lists: Callable[[str], WholeList | None]


class HttpDevice:
    """One device, in the loop's thread alone. `reached`: None where nobody says where it is, or with which account."""

    def __init__(self, around: Around, who: DeviceName, fitted: Fitted, account: Account | None) -> None:
        self.made_of = (fitted, account)
        self._around, self._who = around, who
        self._barred_until = 0.0
        self._lanes: dict[str, asyncio.Lock] = {}
        self.orders: set[asyncio.Task[None]] = set()
        self._watching: list[asyncio.Task[None]] = []
        self.reached: Reached | None = None
        if account is None:
            return
        adapter, asker = ADAPTERS[fitted.vendor], Asker(around.client, account)
        self.reached = Reached(adapter, fitted.fitting, asker, self._barred, self._bar, {})

    def begin(self, due: Due) -> bool:
        """False: as many as it may have are under way."""
        if len(self.orders) >= _WAITING_EACH_MAX:
            return False
        self._keep(self._in_turn(due))
        return True

    async def _in_turn(self, due: Due) -> None:
        try:
            async with self._lanes.setdefault(due.command.lane, asyncio.Lock()):
                told = await self._told(due)
            if told is not None:
                await told.see()
        except SQLAlchemyError as problem:  # not claimed: the outbox lets it expire
            _log.warning("a command could not be claimed", site=due.site, problem=type(problem).__name__)
        except Exception:
            _log.exception("a command was not carried out", site=due.site, device=due.device)

    async def _told(self, due: Due) -> CarriedOut | None:
        """Claimed first: whoever claims it tells it, and nobody else ever does. None: nothing more will be heard of it."""
        parts = self._around.parts
        if not await asyncio.to_thread(claim, parts.store, due.site, due.id, parts.clock.now()):
            return None
        if self.reached is None:
            at = parts.clock.now()
            self._say([CommandResult(command=due.id, outcome=Outcome.FAULT, at=at, detail="no_address")], False)
            return None
        carried = CarriedOut(due, self.reached, parts.clock, self._say, moves_within=self._around.moves_within)
        return carried if await carried.tell() else None

    def _say(self, said: Sequence[Became], moves: bool) -> None:
        self._around.porch.put(self._who, said, self._around.parts.clock.now(), moves=moves)

    def _keep(self, running: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(running)
        self.orders.add(task)
        task.add_done_callback(self.orders.discard)

    def watch(self, ours: bool) -> None:
        """Listen, look and look after it, or leave it to another bridge."""
        if not ours:
            self.close()
        if not ours or self.reached is None or self._watching:
            return
        around, loop = self._around, asyncio.get_running_loop()
        watch = Watch(self._who, self.reached, around.parts, around.porch, around.joiner)
        upkeep = Upkeep(
            self._who, self.reached, around.parts.clock, around.porch, around.lists, lambda: bool(self.orders)
        )
        self._watching = [loop.create_task(watch.run()), loop.create_task(upkeep.run())]

    def close(self) -> None:
        """Commands under way go on: they know the device as it was."""
        for task in self._watching:
            task.cancel()
        self._watching = []

    def _barred(self) -> bool:
        return asyncio.get_running_loop().time() < self._barred_until

    def _bar(self) -> None:
        self._barred_until = asyncio.get_running_loop().time() + _BARRED_SECONDS
        _log.error(
            "a device does not take our account; it is not asked again for a quarter of an hour",
            site=self._who.site,
            device=self._who.device,
        )
