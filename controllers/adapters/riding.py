"""What may ride on the answer to a read, the same for every vendor whose orders come in our answers."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.commands import Action, Command
from controllers.events import PlateEvent


def may_ride(command: Command, reads: Sequence[PlateEvent]) -> bool:
    """Whether the answer to these reads may carry it: never to history, and an opening only to the read that led to it."""
    if any(read.buffered for read in reads):
        return False
    of_another = reads and command.event is not None and all(read.id != command.event for read in reads)
    return not (of_another and command.action is Action.OPEN)
