"""How long people take at a barrier. All in seconds, drawn from the journey's own stream so that nothing else moves it."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Protocol

from simulators.journeys import Direction, Journey

CHANNELS = ("wechat", "alipay")


def seconds(value: float) -> timedelta:
    """To the millisecond: instants stay readable."""
    return timedelta(milliseconds=round(value * 1000))


class Manners(Protocol):
    """Delays and choices of one vehicle at one lane."""

    queues: bool  # waits behind another vehicle at the barrier; else it is read at its moment whatever stands there

    def drives_on(self) -> timedelta: ...
    def pays_after(self) -> timedelta: ...
    def fumbles_after(self) -> timedelta: ...
    def gives_up_after(self) -> timedelta: ...
    def guard_comes_after(self) -> timedelta: ...
    def closes_up_after(self) -> timedelta: ...
    def pays_by(self) -> str: ...
    def phone_fails(self) -> bool: ...
    def guard_helps_at_entry(self) -> bool: ...


class StreetManners:
    """People of Hushu street."""

    queues = True

    def __init__(self, seed: str, journey: Journey, direction: Direction) -> None:
        self._random = Random(f"{seed}:manners:{journey.id}:{direction}")

    def drives_on(self) -> timedelta:
        return seconds(self._random.uniform(4, 8))

    def pays_after(self) -> timedelta:
        return seconds(6 + 34 * self._random.betavariate(1.2, 5))

    def fumbles_after(self) -> timedelta:
        return seconds(self._random.uniform(30, 60))

    def gives_up_after(self) -> timedelta:
        return seconds(self._random.uniform(12, 40))

    def guard_comes_after(self) -> timedelta:
        return seconds(30 + 90 * self._random.betavariate(1, 3))

    def closes_up_after(self) -> timedelta:
        return seconds(self._random.uniform(2, 4))

    def pays_by(self) -> str:
        return CHANNELS[self._random.random() < 0.36]

    def phone_fails(self) -> bool:
        return self._random.random() < 0.02

    def guard_helps_at_entry(self) -> bool:
        return self._random.random() < 0.6


class ExactManners:
    """A recorded vehicle: pays at once, drives on 5 s after the opening but never after `room` (its next recorded instant)."""

    queues = False

    def __init__(self, room: timedelta) -> None:
        self._room = room

    def drives_on(self) -> timedelta:
        return min(timedelta(seconds=5), self._room)

    def pays_after(self) -> timedelta:
        return timedelta(0)

    def fumbles_after(self) -> timedelta:
        return timedelta(0)

    def gives_up_after(self) -> timedelta:
        return timedelta(0)

    def guard_comes_after(self) -> timedelta:
        return timedelta(0)

    def closes_up_after(self) -> timedelta:
        return timedelta(0)

    def pays_by(self) -> str:
        return "wechat"

    def phone_fails(self) -> bool:
        return False

    def guard_helps_at_entry(self) -> bool:
        return True
