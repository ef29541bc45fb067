"""Who has something waiting for the worker: devices, and for each its lanes, one a rank."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from enum import IntEnum
from typing import Any, Protocol

from controllers.adapters import native
from controllers.events import Undecodable
from gateway.runtime.allowance import Bucket

_TOPICS_MAX = 60_000  # three for each of 20,000 devices
# Devices send what they kept one window of 32 after the other, each after the receipts for the one before: that is their brake.
LATE_RATE = 10
# Beyond its allowance, of ordinary messages: at once, and a second for long. Devices that keep what has no receipt send windows of 32;
# nobody else comes near it who is not out of order, and a broker that drops what is too much takes others' messages with it.
FLOOD_BURST = 1_000
FLOOD_RATE = 500
# So long after the last message that its allowance did not take, a device counts as one that sends too much.
BEYOND_SECONDS = 10.0


class Rank(IntEnum):
    """What goes first. A driver waits for the first, staff look at the second, nobody waits for the third."""

    LIVE = 0
    STATUS = 1
    LATE = 2


class Waits(Protocol):
    """A message that waits. `arrived`: seconds, by any clock that all messages share."""

    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def arrived(self) -> float: ...


class Lane:
    """Messages of one device and rank, in the order in which they came."""

    __slots__ = ("rank", "sender", "waiting", "weight")

    def __init__(self, sender: Sender, rank: Rank) -> None:
        self.sender, self.rank = sender, rank
        self.waiting: deque[tuple[int, Any]] = deque()
        self.weight = 0


class Sender:
    """One device. What is left with it is counted until somebody has looked."""

    __slots__ = ("_beyond", "_beyond_at", "_buckets", "_lanes", "device", "left_behind", "site")

    def __init__(self, site: str, device: str) -> None:
        self.site, self.device = site, device
        self.left_behind: dict[str, int] = {}
        self._lanes: list[Lane | None] = [None, None, None]
        self._buckets: list[Bucket | None] = [None, None, None]
        self._beyond: Bucket | None = None
        self._beyond_at: float | None = None

    def lane(self, rank: Rank) -> Lane:
        lane = self._lanes[rank]
        if lane is None:
            lane = self._lanes[rank] = Lane(self, rank)
        return lane

    def statuses(self) -> Lane | None:
        """Its statuses, where any wait."""
        lane = self._lanes[Rank.STATUS]
        return lane if lane is not None and lane.waiting else None

    def may(self, rank: Rank, cost: int, rate: float, burst: float, now: float) -> bool:
        """Whether its allowance takes one more. Each rank has its own: what was kept does not eat what is live."""
        if rank is Rank.LATE:
            rate, burst = rate * LATE_RATE, burst * LATE_RATE
        bucket = self._buckets[rank]
        if bucket is None:
            bucket = self._buckets[rank] = Bucket(burst, now)
        if bucket.left(rate, burst, now) <= 0:
            self._beyond_at = now
            return False
        bucket.take(cost)
        return True

    def is_beyond(self, now: float) -> bool:
        """Whether it has lately sent more than its allowance took."""
        return self._beyond_at is not None and now - self._beyond_at < BEYOND_SECONDS

    def floods(self, cost: int, now: float) -> bool:
        """Told of what its allowance did not take: whether that is a flood. Said anew of each further burst."""
        if self._beyond is None:
            self._beyond = Bucket(FLOOD_BURST, now)
        if self._beyond.left(FLOOD_RATE, FLOOD_BURST, now) > 0:
            self._beyond.take(cost)
            return False
        self._beyond = None
        return True


class Senders:
    """By topic. Devices that nobody has configured share one sender, and what they send is never live."""

    def __init__(self) -> None:
        self.stranger = Sender("", "")
        self._known: dict[str, tuple[Sender, Rank]] = {}
        self._configured: Collection[tuple[str, str]] | None = None

    def of(self, topic: str) -> tuple[Sender, Rank]:
        """Who sends on this topic, and how what is sent there ranks."""
        return self._known.get(topic) or self._meet(topic)

    def only(self, configured: Collection[tuple[str, str]]) -> None:
        """From now on these devices are the configured ones; until then whoever has a proper topic counts as one."""
        if configured == self._configured:
            return
        self._configured = configured
        self._known = {
            topic: (sender, rank)
            for topic, (sender, rank) in self._known.items()
            if (sender.site, sender.device) in configured
        }

    def _meet(self, topic: str) -> tuple[Sender, Rank]:
        try:
            site, device, channel = native.address(topic)
        except Undecodable:
            return self.stranger, Rank.LATE
        configured = self._configured
        if (configured is not None and (site, device) not in configured) or len(self._known) >= _TOPICS_MAX:
            return self.stranger, Rank.LATE
        siblings = (self._known.get(native.topic(site, device, other)) for other in native.UPWARD)
        sender = next((found[0] for found in siblings if found is not None), None) or Sender(site, device)
        met = self._known[topic] = (sender, Rank.STATUS if channel == "status" else Rank.LIVE)
        return met
