"""Many recorded stays in two worlds at once: each stay's figures, what was waived, and stays that serve as examples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from billing.benefits import Benefits
from billing.bill import StayToPrice
from billing.calendar import minute_of, wall_clock
from billing.compare import Recorded, Repriced, ToAPerson, World
from billing.errors import CannotPrice
from billing.policy import Policy

GROUPS: Final = ("visitor", "relative", "resident", "free_class")
LENGTHS: Final = ((30, "≤30m"), (60, "≤1h"), (120, "≤2h"), (240, "≤4h"), (480, "≤8h"), (1440, "≤24h"))
LONGEST: Final = ">24h"
# What was waived, for everybody: a certificate and a pass are one word.
MERGED: Final = {"low_income": "resident", "pass": "resident"}


class Raw(NamedTuple):
    """A stay as it is read, cheap to hand to another process: `facts` is the JSON text of its standing bill's."""

    id: str
    site: str
    key: str | None
    party: str
    entry: datetime
    exit: datetime
    facts: str
    shown: str | None
    households: tuple[str, ...]
    relation: str | None
    grace_days: Mapping[str, int]
    limit_minutes: int
    came_before: int
    paid_early_at: datetime | None
    booked_gross_fen: int
    booked_payable_fen: int
    counted: bool


class Figure(NamedTuple):
    """One stay: by what it is counted, and what it comes to in both worlds. `party`: its household, or else its vehicle."""

    site: str
    party: str
    group: str
    vehicle: str
    hour: int
    length: str
    old_gross_fen: int
    old_payable_fen: int
    new_gross_fen: int
    new_payable_fen: int
    as_booked: bool


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

    figures: list[Figure] = field(default_factory=list)
    old_waived: Counter[str] = field(default_factory=Counter)
    new_waived: Counter[str] = field(default_factory=Counter)
    waived_of: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    examples: dict[tuple[str, int, int], Example] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counted) -> None:
        self.figures += other.figures
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


class _Facts(msgspec.Struct):
    stay: StayToPrice
    benefits: Benefits


_FACTS: Final = msgspec.json.Decoder(_Facts)


def recorded(raw: Raw) -> Recorded:
    """Raises `msgspec.MsgspecError` for facts that cannot be read."""
    facts = _FACTS.decode(raw.facts)
    return Recorded(
        id=raw.id,
        site=raw.site,
        key=raw.key,
        entry=raw.entry,
        exit=raw.exit,
        stay=facts.stay,
        benefits=facts.benefits,
        shown=raw.shown,
        households=raw.households,
        relation=raw.relation,
        grace_days=raw.grace_days,
        limit_minutes=raw.limit_minutes,
        came_before=raw.came_before,
        paid_early_at=raw.paid_early_at,
        counted=raw.counted,
    )


def count(old: Sequence[Policy], new: Sequence[Policy], months_from: str, raws: Iterable[Raw]) -> Counted:
    """Price stays, given in the order in which their bills were fixed, under two policies (each with its versions)."""
    worlds = World(old, months_from), World(new, months_from)
    zone = ZoneInfo(old[0].timezone)
    counted = Counted()
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
        figure = Figure(
            raw.site,
            raw.party,
            group,
            one.stay.vehicle,
            wall_clock(minute_of(one.entry), zone)[1] // 60,
            _length(one),
            before.gross_fen,
            before.payable_fen,
            after.gross_fen,
            after.payable_fen,
            (before.gross_fen, before.payable_fen) == (raw.booked_gross_fen, raw.booked_payable_fen),
        )
        counted.figures.append(figure)
        for waived, side in ((counted.old_waived, before), (counted.new_waived, after)):
            for true_kind, fen in side.waived.items():
                kind = MERGED.get(true_kind, true_kind)
                waived[kind] += fen
                counted.waived_of.setdefault(kind, set()).add((raw.site, raw.party))
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


def _length(one: Recorded) -> str:
    minutes = minute_of(one.exit) - minute_of(one.entry)
    return next((name for most, name in LENGTHS if minutes <= most), LONGEST)


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
