"""Many recorded stays in two worlds at once: sums by what they are counted by, what was waived, and stays that serve as
examples. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from billing.benefits import Benefits
from billing.bill import StayToPrice
from billing.calendar import minute_of, wall_clock
from billing.compare import Raw, Recorded, Repriced, ToAPerson, World
from billing.errors import CannotPrice
from billing.explain import RESIDENT
from billing.policy import Policy

GROUPS: Final = ("visitor", "relative", "resident", "free_class")
LENGTHS: Final = ((30, "≤30m"), (60, "≤1h"), (120, "≤2h"), (240, "≤4h"), (480, "≤8h"), (1440, "≤24h"))
LONGEST: Final = ">24h"

Party = tuple[str, str]
"""A site and a household of it, or else a vehicle."""


class Cell(NamedTuple):
    """By what a stay is counted; `hour` is that of its entry."""

    site: str
    group: str
    vehicle: str
    hour: int
    length: str


@dataclass(slots=True)
class Sums:
    """What some stays come to in both worlds, fen; `as_booked`: how many of them the old one prices as their bills do.

    `parties` are the households and vehicles that they are of; `more_of` and `less_of`, of those whose bill rises or falls.
    """

    stays: int = 0
    as_booked: int = 0
    old_gross_fen: int = 0
    old_payable_fen: int = 0
    new_gross_fen: int = 0
    new_payable_fen: int = 0
    more: int = 0
    more_fen: int = 0
    less: int = 0
    less_fen: int = 0
    parties: set[Party] = field(default_factory=set, repr=False)
    more_of: set[Party] = field(default_factory=set, repr=False)
    less_of: set[Party] = field(default_factory=set, repr=False)

    def take(self, party: Party, old: Repriced, new: Repriced) -> None:
        self.stays += 1
        self.old_gross_fen += old.gross_fen
        self.old_payable_fen += old.payable_fen
        self.new_gross_fen += new.gross_fen
        self.new_payable_fen += new.payable_fen
        self.parties.add(party)
        change_fen = new.payable_fen - old.payable_fen
        if change_fen > 0:
            self.more += 1
            self.more_fen += change_fen
            self.more_of.add(party)
        elif change_fen < 0:
            self.less += 1
            self.less_fen -= change_fen
            self.less_of.add(party)

    def merge(self, other: Sums) -> None:
        self.stays += other.stays
        self.as_booked += other.as_booked
        self.old_gross_fen += other.old_gross_fen
        self.old_payable_fen += other.old_payable_fen
        self.new_gross_fen += other.new_gross_fen
        self.new_payable_fen += other.new_payable_fen
        self.more += other.more
        self.more_fen += other.more_fen
        self.less += other.less
        self.less_fen += other.less_fen
        self.parties |= other.parties
        self.more_of |= other.more_of
        self.less_of |= other.less_of


class Example(NamedTuple):
    """A stay whose bill changes, with what it was priced with in both worlds; `stays`: how many are like it."""

    stays: int
    old: Repriced
    new: Repriced


@dataclass
class Counted:
    """What came of many stays. `examples`: by group and the two amounts, the first stay of each kind and how many there are.

    `waived_of`: which households and vehicles each kind of waiver went to, in either world. `left_out`: by reason, how many
    could not be priced in one world or the other.
    """

    cells: dict[Cell, Sums] = field(default_factory=dict)
    old_waived: Counter[str] = field(default_factory=Counter)
    new_waived: Counter[str] = field(default_factory=Counter)
    waived_of: dict[str, set[Party]] = field(default_factory=dict)
    examples: dict[tuple[str, int, int], Example] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def total(self) -> Sums:
        found = Sums()
        for sums in self.cells.values():
            found.merge(sums)
        return found

    def add(self, other: Counted) -> None:
        for cell, sums in other.cells.items():
            self.cells.setdefault(cell, Sums()).merge(sums)
        self.old_waived.update(other.old_waived)
        self.new_waived.update(other.new_waived)
        self.left_out.update(other.left_out)
        for kind, parties in other.waived_of.items():
            self.waived_of.setdefault(kind, set()).update(parties)
        for key, example in other.examples.items():
            mine_too = self.examples.get(key)
            self.examples[key] = (
                example if mine_too is None else mine_too._replace(stays=mine_too.stays + example.stays)
            )


class _Stay(msgspec.Struct, frozen=True, gc=False):
    """Of what it was priced as: when it came and left is in its row, and what depends on a policy is judged again."""

    vehicle: str = "small"
    energy: str | None = None
    who: str | None = None
    charged: dict[str, int] = {}
    free_stays_used: int = 0


class _Facts(msgspec.Struct, frozen=True, gc=False):
    stay: _Stay
    benefits: msgspec.Raw


_FACTS: Final = msgspec.json.Decoder(_Facts)
_BENEFITS: Final = msgspec.json.Decoder(Benefits)


@lru_cache(maxsize=4096)
def _benefits(text: bytes) -> Benefits:
    """Most stays have none, and those of a household the same."""
    return _BENEFITS.decode(text)


def recorded(raw: Raw) -> Recorded:
    """Raises `msgspec.MsgspecError` for facts that cannot be read."""
    facts = _FACTS.decode(raw.facts)
    was = facts.stay
    until = max(raw.exit, raw.entry)
    stay = StayToPrice(raw.entry, until, was.vehicle, was.energy, was.who, was.charged, was.free_stays_used)
    return Recorded(raw, stay, _benefits(bytes(facts.benefits)))


def count(old: Sequence[Policy], new: Sequence[Policy], months_from: str, raws: Iterable[Raw]) -> Counted:
    """Price stays, given in the order in which their bills were fixed, under two policies (each with its versions)."""
    worlds = World(old, months_from), World(new, months_from)
    zone = old[0].zone
    counted = Counted()
    cells = counted.cells
    for raw in raws:
        one = recorded(raw)
        found, why = _both(worlds, one)
        if not raw.counted:
            continue
        if found is None:
            counted.left_out[why] += 1
            continue
        before, after = found
        group = _group(one)
        party = raw.site, raw.party
        entry = minute_of(raw.entry)
        hour = wall_clock(entry, zone)[1] // 60
        cell = Cell(raw.site, group, one.stay.vehicle, hour, _length(minute_of(raw.exit) - entry))
        sums = cells.get(cell)
        if sums is None:
            sums = cells[cell] = Sums()
        sums.take(party, before, after)
        if (before.gross_fen, before.payable_fen) == (raw.booked_gross_fen, raw.booked_payable_fen):
            sums.as_booked += 1
        for waived, side in ((counted.old_waived, before), (counted.new_waived, after)):
            for true_kind, fen in side.waived.items():
                kind = "resident" if true_kind in RESIDENT else true_kind
                waived[kind] += fen
                counted.waived_of.setdefault(kind, set()).add(party)
        # Of a household with a certificate no example is ever shown.
        if before.payable_fen != after.payable_fen and not one.benefits.low_income:
            key = group, before.payable_fen, after.payable_fen
            known = counted.examples.get(key)
            counted.examples[key] = (
                Example(1, before, after) if known is None else known._replace(stays=known.stays + 1)
            )
    return counted


def _both(worlds: tuple[World, World], one: Recorded) -> tuple[tuple[Repriced, Repriced] | None, str]:
    """The stay in both worlds; each remembers it, whatever becomes of it in the other."""
    found: list[Repriced] = []
    why = ""
    for world in worlds:
        try:
            found.append(world.reprice(one))
        except (ToAPerson, CannotPrice) as problem:
            why = why or (type(problem).__doc__ or "").strip()
    return ((found[0], found[1]) if len(found) == len(worlds) else None), why


def _group(one: Recorded) -> str:
    """As what it parks, whatever it paid. A certificate and a pass are the same word."""
    if one.benefits.free_class is not None:
        return "free_class"
    if one.benefits.low_income or one.benefits.passes:
        return "resident"
    return "relative" if one.benefits.allowance is not None else "visitor"


def _length(minutes: int) -> str:
    for most, name in LENGTHS:
        if minutes <= most:
            return name
    return LONGEST


def shares(raws: Sequence[Raw], parts: int) -> list[list[Raw]]:
    """Raw stays in at most so many parts that know nothing of each other, each in the order given.

    Stays of one vehicle are together, and so are vehicles whose households' balances meet.
    """
    nodes = _Nodes()
    of = [nodes.of(raw) for raw in raws]
    sizes: Counter[int] = Counter(nodes.root(node) for node in of)
    load = [0] * parts
    place: dict[int, int] = {}
    for root, number in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        smallest = load.index(min(load))
        place[root] = smallest
        load[smallest] += number
    found: list[list[Raw]] = [[] for _ in range(parts)]
    for raw, node in zip(raws, of, strict=True):
        found[place[nodes.root(node)]].append(raw)
    return [share for share in found if share]


class _Nodes:
    """Vehicles and households, joined where they share a balance (union-find)."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._parent: list[int] = []

    def of(self, raw: Raw) -> int:
        """The vehicle of a stay, joined with the households whose relative it is."""
        vehicle = self._number((raw.site, "vehicle", raw.key if raw.key is not None else f"?{raw.id}"))
        for household in raw.households:
            self._parent[self.root(self._number((raw.site, "household", household)))] = self.root(vehicle)
        return vehicle

    def root(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def _number(self, name: tuple[str, str, str]) -> int:
        number = self._numbers.setdefault(name, len(self._numbers))
        if number == len(self._parent):
            self._parent.append(number)
        return number
