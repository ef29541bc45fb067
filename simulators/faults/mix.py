"""How much of everything goes wrong in one run. Each seed draws its own mix, within ranges that together cover all of them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import msgspec


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities are of one message, one boundary, one transaction; counts are of a whole run (about five hours)."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    delay: float = 0.0
    delay_seconds_max: float = 0.0
    crash: float = 0.0
    slow_disk: float = 0.0
    slow_seconds_max: float = 0.0
    rival: float = 0.0
    gate_partitions: int = 0
    bridge_partitions: int = 0
    partition_seconds_max: float = 0.0
    broker_restarts: int = 0
    database_spells: int = 0
    clock_steps: int = 0
    clock_step_seconds_max: float = 0.0
    tells_time: bool = True
    vehicles: int = 6


# What an option may be set to, and what a seed draws it from. Zero is drawn often: a single fault alone shows most clearly.
RANGES: dict[str, tuple[float, float]] = {
    "loss": (0.0, 0.3),
    "duplication": (0.0, 0.5),
    "reordering": (0.0, 0.5),
    "delay": (0.0, 0.5),
    "delay_seconds_max": (0.1, 15.0),
    "crash": (0.0, 0.05),
    "slow_disk": (0.0, 0.2),
    "slow_seconds_max": (0.5, 12.0),
    "rival": (0.0, 0.2),
    "gate_partitions": (0, 4),
    "bridge_partitions": (0, 3),
    "partition_seconds_max": (5.0, 900.0),
    "broker_restarts": (0, 2),
    "database_spells": (0, 4),
    "clock_steps": (0, 3),
    "clock_step_seconds_max": (0.2, 1.0),
    "vehicles": (3, 7),
}
# A step this large moves what the service believes of past events as well: then no stay is compared.
_LARGE_STEP_SECONDS = 45.0
# A status seems to show a clock that is off by how far it is off and by how long the status was under way, on two legs. Where both
# together may come to the two seconds from which an offset counts, devices say nothing of their clocks.
_ERROR_SECONDS_MAX = 1.9
_SHORT_DELAY_SECONDS = 0.4
_LARGE_STEP_OF = 0.12
_NEVER_OF = 0.35


def stream(seed: int, name: str) -> Random:
    """Chance of its own for each part of a run, so that one part drawing more does not change the others."""
    return Random(f"{seed}:{name}")


def draw(seed: int, set_to: Mapping[str, float] | None = None) -> Mix:
    """The mix of a seed, but for what is `set_to` something else."""
    random = stream(seed, "mix")
    drawn: dict[str, float | int] = {}
    for name, (least, most) in RANGES.items():
        never = least == 0 and random.random() < _NEVER_OF
        if isinstance(most, int):
            value: float | int = random.randint(int(least), most)
        else:
            value = round(random.uniform(least, most), 4)
        drawn[name] = least if never else value
    if random.random() < 0.5:
        drawn["delay_seconds_max"] = min(drawn["delay_seconds_max"], _SHORT_DELAY_SECONDS)
    large = random.random() < _LARGE_STEP_OF
    drawn.update(set_to or {})
    error = 2 * drawn["delay_seconds_max"] if drawn["delay"] else 0.0
    error += drawn["clock_step_seconds_max"] if drawn["clock_steps"] else 0.0
    drawn["tells_time"] = error <= _ERROR_SECONDS_MAX
    steps_are_drawn = not {"clock_steps", "clock_step_seconds_max"} & (set_to or {}).keys()
    if large and drawn["tells_time"] and steps_are_drawn:
        drawn["clock_step_seconds_max"] = _LARGE_STEP_SECONDS
        drawn["clock_steps"] = max(1, drawn["clock_steps"])
    return msgspec.convert(drawn, Mix)
