"""One command carried out by our requests: asked again only while it is fresh and not yet taken, and then what the barrier did.

The command is claimed in the outbox before the first request leaves, so that it is told by one bridge, once, and never again after a restart:
these devices know no ids by which they would recognise it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec.structs import replace

from controllers.adapters.port import (
    CREDENTIALS_REFUSED,
    Accepted,
    Adapter,
    Ask,
    Busy,
    CannotCarryOut,
    Fitting,
    Heard,
)
from controllers.adapters.riding import as_it_can
from controllers.commands import Action, Command
from controllers.events import BarrierState, CommandResult, DeviceStatus, Outcome, Undecodable
from gateway.bridge.asked import REFUSED, NoAnswer, NotReached, Stale
from gateway.runtime.clock import Clock

if TYPE_CHECKING:
    from gateway.bridge.asking import Asker

MOVES_WITHIN_SECONDS = 6.0
"""A barrier that is still where it was is locked, blocked or unplugged: the slowest takes this long."""
LOOK_EVERY_SECONDS = 0.5
_RISES_SECONDS = 3.0
_LOOK_WITHIN_SECONDS = 2.0
_PAUSE_SECONDS = (0.2, 0.5, 1.0)
_BUSY_SECONDS = (0.05, 2.0)

_GOAL = {Action.OPEN: BarrierState.OPEN, Action.HOLD_OPEN: BarrierState.OPEN, Action.CLOSE: BarrierState.CLOSED}
# A barrier that does not come down waits for whoever stands under it: that is no fault.
_MUST_MOVE = {Action.OPEN, Action.HOLD_OPEN}

Became: TypeAlias = Accepted | CommandResult | DeviceStatus


class Due(NamedTuple):
    """A command that is to be carried out until `expires_at`, on our clock."""

    site: str
    id: str
    device: str
    command: Command
    expires_at: datetime


class Reached(NamedTuple):
    """A device with which it is done. `barred`: it does not take our account, nobody asks it; `bar` says so.

    `barrier`: where its barriers were when somebody last looked.
    """

    adapter: Adapter
    fitting: Fitting
    asker: Asker
    barred: Callable[[], bool]
    bar: Callable[[], None]
    barrier: dict[str, BarrierState]


class CarriedOut:
    """`say(said, moves)`: hands on what became of it; `moves`: another word follows (`ResultIn.moves`)."""

    def __init__(
        self,
        due: Due,
        device: Reached,
        clock: Clock,
        say: Callable[[Sequence[Became], bool], None],
        *,
        moves_within: float = MOVES_WITHIN_SECONDS,
    ) -> None:
        self._due, self._device, self._clock, self._say = due, device, clock, say
        self._moves_within = moves_within
        self._unanswered: CommandResult | None = None
        # Both limits count: the instant, and the time that has run here since, whatever a clock is set to meanwhile.
        self._ends = asyncio.get_running_loop().time() + (due.expires_at - clock.now()).total_seconds()

    async def tell(self) -> bool:
        """Until the device has taken it, or will not. True: `see` what became of it, while others are told."""
        command = self._as_it_can(self._due.command)
        if command is None:
            self._result(Outcome.DONE, "no_display")
            return False
        try:
            asks = self._device.adapter.encode(command, self._device.fitting, self._clock.now())
        except CannotCarryOut as problem:
            self._result(Outcome.REFUSED, problem.code)
            return False
        for ask in asks:
            assert isinstance(ask, Ask)
            became = await self._step(ask)
            if isinstance(became, CommandResult) and became.detail == "no_answer" and ask is asks[-1]:
                self._unanswered = became
                return True
            if isinstance(became, CommandResult):
                self._say([became], False)
                return False
            if command.action is Action.HOLD_OPEN and ask is not asks[-1] and not await self._risen():
                self._result(Outcome.FAULT, "not_moved")
                return False
        return True

    async def see(self) -> None:
        """What the barrier did, where the device knows."""
        if self._unanswered is None:
            await self._taken()
        else:
            await self._without_answer(self._unanswered)

    def _as_it_can(self, command: Command) -> Command | None:
        """None: there is nothing to do."""
        can = self._device.adapter.capabilities(self._device.fitting).actions
        return None if command.action is Action.SHOW and Action.SHOW not in can else as_it_can(command, can)

    # ------------------------------------------------------------------ until it is taken

    async def _step(self, ask: Ask) -> CommandResult | None:
        """One request, again while the device is busy or away. None: it is taken."""
        why, tries = "unreachable", 0
        while (left := self._left()) > 0:
            if self._device.barred():
                return self._became(Outcome.FAULT, CREDENTIALS_REFUSED)
            try:
                answered = await self._device.asker.ask(ask, within=left, fresh=lambda: self._left() > 0)
                heard = self._device.adapter.decode(answered, self._device.fitting, self._clock.now())
            except NotReached:
                why = "unreachable"
                await asyncio.sleep(min(left, _PAUSE_SECONDS[min(tries, len(_PAUSE_SECONDS) - 1)]))
            except NoAnswer:
                return self._became(Outcome.FAULT, "no_answer")
            except Stale:
                break
            except Undecodable as problem:
                return self._became(Outcome.FAULT, f"answer: {problem.code}")
            else:
                result, wait = _verdict(heard)
                if wait is None:
                    if result is not None and result.detail == CREDENTIALS_REFUSED:
                        self._device.bar()
                    return result
                why = "busy"
                await asyncio.sleep(min(left, wait))
            tries += 1
        return self._became(Outcome.EXPIRED, why)

    def _left(self) -> float:
        """Seconds for which it is fresh."""
        by_clock = (self._due.expires_at - self._clock.now()).total_seconds()
        return min(by_clock, self._ends - asyncio.get_running_loop().time())

    # ------------------------------------------------------------------ and then

    async def _taken(self) -> None:
        """That it was accepted is said at once; that the barrier moved, when it is seen."""
        goal = _GOAL.get(self._due.command.action)
        where = None if goal is None else await self._where()
        accepted = Accepted(command=self._due.id, at=self._clock.now(), detail="accepted")
        self._say([accepted], where is not None)
        if where is None or goal is None:
            return
        seen = await self._seen(goal, where)
        if seen:
            self._result(Outcome.DONE, "moved")
        elif self._due.command.action in _MUST_MOVE:
            self._result(Outcome.FAULT, "not_moved")

    async def _without_answer(self, became: CommandResult) -> None:
        """It may have been carried out: who can be asked where the barrier is, is asked. Nobody tells it again."""
        goal = _GOAL.get(self._due.command.action)
        where = None if goal is None else await self._where()
        if goal is not None and where is not None and await self._seen(goal, where):
            self._result(Outcome.DONE, "moved")
        else:
            self._say([became], False)

    async def _seen(self, goal: BarrierState, where: BarrierState | None) -> bool:
        ends = asyncio.get_running_loop().time() + self._moves_within
        while where is not goal:
            if asyncio.get_running_loop().time() >= ends:
                return False
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            where = await self._where()
        return True

    async def _risen(self) -> bool:
        """What is locked stays where it is: a barrier that is held must be up before it is."""
        where = await self._where()
        if where is None:
            await asyncio.sleep(min(_RISES_SECONDS, self._moves_within))
            return True
        return await self._seen(BarrierState.OPEN, where)

    async def _where(self) -> BarrierState | None:
        """None: it does not say."""
        _, status = await position(self._device, self._due.command.lane, self._clock.now())
        if status is None:
            return None
        self._device.barrier.update(status.barrier)
        self._say([replace(status, barrier=dict(self._device.barrier))], False)
        return status.barrier.get(self._due.command.lane)

    def _became(self, outcome: Outcome, detail: str) -> CommandResult:
        return CommandResult(command=self._due.id, outcome=outcome, at=self._clock.now(), detail=detail)

    def _result(self, outcome: Outcome, detail: str) -> None:
        self._say([self._became(outcome, detail)], False)


class Looked(NamedTuple):
    """`answered`: the device is there. `status`: where the barrier is, where it says so."""

    answered: bool
    status: DeviceStatus | None = None


async def position(device: Reached, lane: str, now: datetime) -> Looked:
    """Where a lane's barrier is, where its device can be asked and knows. Raises nothing: who does not answer says nothing."""
    ask = next(iter(device.adapter.position(lane, device.fitting)), None)
    if device.barred() or not isinstance(ask, Ask):
        return Looked(False)
    try:
        answered = await device.asker.ask(ask, within=_LOOK_WITHIN_SECONDS)
        if answered.status == REFUSED:
            device.bar()
        heard = device.adapter.decode(answered, device.fitting, now)
    except Undecodable:
        return Looked(True)
    except (NotReached, NoAnswer, Stale):
        return Looked(False)
    return Looked(True, next((one for one in heard.said if isinstance(one, DeviceStatus)), None))


def _verdict(heard: Heard) -> tuple[CommandResult | None, float | None]:
    """What became of it, where that is known; seconds to wait where it is busy."""
    for one in heard.said:
        if isinstance(one, Busy):
            return None, min(max(one.wait_ms / 1000, _BUSY_SECONDS[0]), _BUSY_SECONDS[1])
        if isinstance(one, CommandResult):
            return one, None
    return None, None
