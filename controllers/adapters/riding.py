"""What may ride on the answer to a read, and what becomes of an order that a device cannot carry out: the same for every vendor."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from controllers.commands import Action, Command, Reason
from controllers.events import PlateEvent


def may_ride(command: Command, reads: Sequence[PlateEvent]) -> bool:
    """Whether the answer to these reads may carry it: never to history, and an opening only to the read that led to it."""
    if any(read.buffered for read in reads):
        return False
    of_another = reads and command.event is not None and all(read.id != command.event for read in reads)
    return not (of_another and command.action is Action.OPEN)


def as_it_can(command: Command, actions: Collection[Action]) -> Command:
    """In an emergency what cannot hold its barrier open opens it at least."""
    if command.action is Action.HOLD_OPEN and command.reason is Reason.EMERGENCY and command.action not in actions:
        return replace(command, action=Action.OPEN)
    return command
