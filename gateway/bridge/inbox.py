"""The bounded queue between the network thread and the worker."""

from __future__ import annotations

import queue
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Inbox(Generic[_T]):
    """A queue of at most about `bound` things: several writers may each exceed it by one.

    `queue.Queue` hands every item over through three Python locks, which the two threads then wait for in turn.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._queue: queue.SimpleQueue[_T] = queue.SimpleQueue()

    def put_nowait(self, item: _T) -> None:
        """Raises `queue.Full`."""
        if self._queue.qsize() >= self._bound:
            raise queue.Full
        self._queue.put(item)

    def get(self, timeout: float | None = None) -> _T:
        """Raises `queue.Empty` after `timeout` seconds."""
        return self._queue.get(timeout=timeout)

    def get_nowait(self) -> _T:
        """Raises `queue.Empty`."""
        return self._queue.get_nowait()

    def full(self) -> bool:
        return self._queue.qsize() >= self._bound

    def qsize(self) -> int:
        return self._queue.qsize()
