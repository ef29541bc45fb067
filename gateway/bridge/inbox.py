"""The bounded queue between the network thread and the worker."""

from __future__ import annotations

import queue
from typing import Generic, TypeVar

_T = TypeVar("_T")

# More messages than one read of the socket (64 KiB) can bring, at 60 bytes for the shortest.
OVER = 1_100


class Inbox(Generic[_T]):
    """A queue that is full at `bound` things, and still takes what was read already: `OVER` more, then it refuses.

    `queue.Queue` hands every item over through three Python locks, which the two threads then wait for in turn.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._queue: queue.SimpleQueue[_T] = queue.SimpleQueue()

    def put_nowait(self, item: _T) -> None:
        """Raises `queue.Full` beyond `bound` and `OVER`."""
        if self._queue.qsize() >= self._bound + OVER:
            raise queue.Full
        self._queue.put(item)

    def get(self, timeout: float | None = None) -> _T:
        """Raises `queue.Empty` after `timeout` seconds."""
        return self._queue.get(timeout=timeout)

    def get_nowait(self) -> _T:
        """Raises `queue.Empty`."""
        return self._queue.get_nowait()

    def full(self) -> bool:
        """Nothing more should be read."""
        return self._queue.qsize() >= self._bound

    def qsize(self) -> int:
        return self._queue.qsize()
