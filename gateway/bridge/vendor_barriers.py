"""Accepted is not moved: which command a barrier that is seen to move was moved by, and which moved nothing."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from controllers.adapters.port import Accepted, Said
from controllers.events import CommandResult, DeviceStatus
from gateway.bridge.vendor_estate import Spoken
from gateway.flows.barrier_moves import moved, not_moved
from gateway.wiring import Parts

MOVES_WITHIN = timedelta(seconds=10)
"""After a device that tells of its barrier has accepted a command. The slowest arms need six."""
_WATCHED_MAX = 4_096


class Barriers:
    """Of devices that tell where they are. For the vendors' thread alone."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._watched: deque[tuple[datetime, Spoken, str]] = deque()

    def heard(self, by: Spoken, said: Sequence[Said], now: datetime) -> tuple[CommandResult, ...]:
        """What commands have become by it."""
        if not by.moves:
            return ()
        found: list[CommandResult] = []
        for one in said:
            if isinstance(one, Accepted) and len(self._watched) < _WATCHED_MAX:
                self._watched.append((now + MOVES_WITHIN, by, one.command))
            if isinstance(one, DeviceStatus) and one.barrier:
                with contextlib.suppress(SQLAlchemyError):  # then `overdue` looks where the barrier is
                    found += moved(self._parts, by.who, one.barrier, one.at or now)
        return tuple(found)

    def overdue(self, now: datetime) -> Iterator[tuple[Spoken, CommandResult]]:
        """Accepted, and nobody has seen it move: a barrier that is locked, blocked or unplugged answers the same."""
        while self._watched and self._watched[0][0] <= now:
            _, by, command = self._watched.popleft()
            with contextlib.suppress(SQLAlchemyError):  # it stays accepted
                result = not_moved(self._parts, by.who, command, now)
                if result is not None:
                    yield by, result
