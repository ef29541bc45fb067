"""Devices that tell where their barrier is, and not which command moved it: the command that it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select

from controllers.commands import Action
from controllers.events import BarrierState, CommandResult, Outcome
from gateway.flows.credentials import DeviceName
from gateway.store import tables as t
from gateway.wiring import Parts

_COMMAND = t.CommandRow.__table__.c
_MOVES = {
    BarrierState.OPEN: (Action.OPEN.value, Action.HOLD_OPEN.value),
    BarrierState.CLOSED: (Action.CLOSE.value, Action.RELEASE.value),
}
# A barrier that rises later than this was raised by something else.
_TOGETHER = timedelta(seconds=60)
_WAITING = ("planned", "sent", "accepted")


def moved(
    parts: Parts, who: DeviceName, barrier: Mapping[str, BarrierState], at: datetime
) -> tuple[CommandResult, ...]:
    """What the newest command of each lane has become, where its barrier is now where that wanted it. Asks the database: whichever
    bridge has published it.
    """
    found = []
    with parts.store.reading() as connection:
        for lane, state in barrier.items():
            if state not in _MOVES:
                continue
            newest = (
                select(_COMMAND.id, _COMMAND.state, _COMMAND.action)
                .where(
                    _COMMAND.site_id == who.site,
                    _COMMAND.planned_at > parts.clock.now() - _TOGETHER,
                    _COMMAND.device_id == who.device,
                    _COMMAND.lane_id == lane,
                    _COMMAND.action != Action.SHOW.value,
                )
                .order_by(_COMMAND.planned_at.desc(), _COMMAND.id)
                .limit(1)
            )
            row = connection.execute(newest).one_or_none()
            if row is not None and row.state in _WAITING and row.action in _MOVES[state]:
                found.append(CommandResult(command=row.id, outcome=Outcome.DONE, at=at, detail="the barrier moved"))
    return tuple(found)


def not_moved(parts: Parts, who: DeviceName, command: str, now: datetime) -> CommandResult | None:
    """What a command that was accepted long enough ago has become: nothing new where it is known to have moved the barrier, or the
    barrier is where it wanted it all the same.
    """
    state = t.DeviceState
    with parts.store.reading() as connection:
        row = connection.execute(
            select(_COMMAND.lane_id, _COMMAND.state, _COMMAND.action).where(
                _COMMAND.site_id == who.site, _COMMAND.id == command
            )
        ).one_or_none()
        if row is None or row.state != "accepted" or row.action == Action.SHOW.value:
            return None
        barrier = connection.execute(
            select(state.barrier).where(state.site_id == who.site, state.device_id == who.device)
        ).scalar_one_or_none()
    is_at = BarrierState(found) if (found := (barrier or {}).get(row.lane_id)) is not None else None
    if is_at is not None and row.action in _MOVES.get(is_at, ()):
        return CommandResult(command=command, outcome=Outcome.DONE, at=now, detail="the barrier was there already")
    return CommandResult(
        command=command, outcome=Outcome.FAULT, at=now, detail="accepted, and the barrier did not move"
    )
