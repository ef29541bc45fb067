"""What the thread of other vendors' devices needs of a link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.bridge.link import Raw


class Carrier(Protocol):
    """See `Link`."""

    @property
    def connected(self) -> bool: ...
    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, fresh_seconds: int | None = None
    ) -> int | None: ...
    def acknowledge(self, messages: Sequence[Raw]) -> None: ...
    def also(self, topics: frozenset[str]) -> None: ...
    def renew(self) -> None: ...
    def flush(self) -> None: ...
