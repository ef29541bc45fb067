"""Who comes to a small gate (小门): its members with what opens it for them, and a day of theirs, derived from the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from random import Random
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from simulators.doors import Visit
from simulators.manners import seconds
from simulators.population import GIVEN, SURNAMES

# Before and after these hours only somebody comes whom the door lets in no more: a late shift.
OPENS, SHUTS, LATE_SHIFT = "05:30", "23:00", (23.1, 23.6)


class Person(NamedTuple):
    """A member to be. `card` None: a code is made for this one. `state`: `blocked` has lost the card, `expired` has moved away."""

    number: int
    name: str
    card: str | None
    state: Literal["member", "blocked", "expired"] = "member"


class Door(NamedTuple):
    """A door with a reader on either side."""

    site: str
    lane_in: str
    lane_out: str


def people(seed: int, count: int) -> list[Person]:
    """The first has lost the card, the second has moved away; every third has a code instead of a card."""
    random = Random(f"{seed}:door")
    found = []
    for number in range(count):
        name = random.choice(SURNAMES) + "".join(random.choices(GIVEN, k=random.choice((1, 2))))
        card = f"{random.getrandbits(24):06X}{number:02X}"  # so that no two are the same
        state: Literal["member", "blocked", "expired"] = (
            "blocked" if number == 0 else "expired" if number == 1 else "member"
        )
        found.append(Person(number, name, None if number % 3 == 2 else card, state))
    return found


def visits(door: Door, holders: Sequence[tuple[Person, str]], seed: int, day: date, zone: ZoneInfo) -> list[Visit]:
    """A day at a door, in order: most go out in the morning and come back; and whoever is not let in. `holders`: people with their credentials."""
    found: list[Visit] = []
    for person, credential in holders:
        random = Random(f"{seed}:{day}:door:{person.number}")
        if person.state != "member":  # whoever found a lost card tries it once, and who has moved away was not told
            found.append(Visit(door.site, door.lane_in, _at(day, random.uniform(9, 20), zone), credential))
        elif person.number == len(holders) - 1:
            found.append(Visit(door.site, door.lane_in, _at(day, random.uniform(*LATE_SHIFT), zone), credential))
        elif random.random() < 0.9:
            leaves = random.uniform(6, 10)
            found.append(Visit(door.site, door.lane_out, _at(day, leaves, zone), credential))
            back = _at(day, leaves + random.uniform(0.4, 11), zone)
            found.append(Visit(door.site, door.lane_in, back, credential))
    return sorted([*found, *_unknown(door, holders, seed, day, zone)], key=lambda one: (one.at, one.lane))


def _unknown(
    door: Door, holders: Sequence[tuple[Person, str]], seed: int, day: date, zone: ZoneInfo
) -> Iterator[Visit]:
    """A code with a slip of the finger, and another; then as it should be. And a card of another estate."""
    random = Random(f"{seed}:{day}:door:unknown")
    known = {credential for _, credential in holders}
    hours = random.uniform(11, 19)
    if (code := next((credential for person, credential in holders if person.card is None), None)) is not None:
        for slip in range(2):
            wrong = f"{code[:slip]}{(int(code[slip]) + 1) % 10}{code[slip + 1 :]}"
            if wrong not in known:
                yield Visit(door.site, door.lane_in, _at(day, hours + slip / 300, zone), wrong)
        yield Visit(door.site, door.lane_in, _at(day, hours + 0.01, zone), code)
    yield Visit(door.site, door.lane_in, _at(day, random.uniform(10, 18), zone), f"{random.getrandbits(32):08X}FF")


def _at(day: date, hours: float, zone: ZoneInfo) -> datetime:
    """Hours after local midnight."""
    return datetime.combine(day, time(0), zone) + seconds(hours * 3600)
