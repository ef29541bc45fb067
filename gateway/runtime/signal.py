"""A signal between flows of one process: whoever plans a command tells whoever publishes it. Losing one costs a poll."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def notify(self) -> None:
        for listener in tuple(self._listeners):
            listener()
