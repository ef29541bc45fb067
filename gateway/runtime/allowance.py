"""How much one device may ask of everybody's service: a bucket that fills with time and empties by use."""

from __future__ import annotations

from collections.abc import Mapping

# A message costs one, and one more for each of these: 64 KiB cost as much as seventeen events.
WEIGHT_BYTES = 4096
_BUCKETS_MAX = 20_000

Who = tuple[str, str]


def weight(payload: bytes) -> int:
    """What a message costs, in memory and of an allowance: 1 for an ordinary one."""
    return 1 + len(payload) // WEIGHT_BYTES


class Bucket:
    """Time is what the caller says it is, in seconds. Whoever has something left may take more than that, and owes the rest."""

    __slots__ = ("_at", "_left")

    def __init__(self, burst: float, now: float) -> None:
        self._left = burst
        self._at = now

    def left(self, rate: float, burst: float, now: float) -> float:
        """After what `rate` a second has brought since the last question; never more than `burst`."""
        if now > self._at:
            self._left = min(self._left + (now - self._at) * rate, burst)
            self._at = now
        return self._left

    def take(self, cost: float) -> None:
        self._left -= cost


class Allowances:
    """The same allowance for each of many. Whoever comes after the first 20,000 shares one with all who do."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: dict[Who, Bucket] = {}

    def left(self, who: Who, now: float) -> float:
        """What `who` may still take."""
        return self._of(who, now).left(self._rate, self._burst, now)

    def take(self, taken: Mapping[Who, float], now: float) -> None:
        for who, cost in taken.items():
            self._of(who, now).take(cost)

    def _of(self, who: Who, now: float) -> Bucket:
        bucket = self._buckets.get(who)
        if bucket is None:
            if len(self._buckets) >= _BUCKETS_MAX:
                who = ("", "")
            bucket = self._buckets.setdefault(who, Bucket(self._burst, now))
        return bucket
