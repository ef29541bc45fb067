"""What a comparison says: sums by group, by vehicle, by site, by hour of entry, by length. Pure.

Where a row would speak of fewer than ten households (or vehicles, of those that are of no household) it is merged with the
next smallest into "other", so that nobody can be told apart, nor be reckoned from the total.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from billing.bill import price
from billing.compare_many import GROUPS, LENGTHS, LONGEST, Counted, Example, Figure
from billing.explain import sentences

FEWEST_HOUSEHOLDS: Final = 10
EXAMPLES_A_DIRECTION: Final = 2
OTHER: Final = "other"
_LENGTHS: Final = (*(name for _, name in LENGTHS), LONGEST)
_VEHICLES: Final = ("small", "large", "motorcycle")


@dataclass
class Row:
    """The sums of some stays, fen. `parties` are the households and vehicles that they are of."""

    name: str
    stays: int = 0
    old_gross_fen: int = 0
    old_payable_fen: int = 0
    new_gross_fen: int = 0
    new_payable_fen: int = 0
    more: int = 0
    more_fen: int = 0
    less: int = 0
    less_fen: int = 0
    parties: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def take(self, one: Figure) -> None:
        self.stays += 1
        self.old_gross_fen += one.old_gross_fen
        self.old_payable_fen += one.old_payable_fen
        self.new_gross_fen += one.new_gross_fen
        self.new_payable_fen += one.new_payable_fen
        change_fen = one.new_payable_fen - one.old_payable_fen
        if change_fen > 0:
            self.more += 1
            self.more_fen += change_fen
        elif change_fen < 0:
            self.less += 1
            self.less_fen -= change_fen
        self.parties.add((one.site, one.party))

    def merge(self, other: Row) -> None:
        for name in (
            "stays", "old_gross_fen", "old_payable_fen", "new_gross_fen", "new_payable_fen", "more", "more_fen", "less", "less_fen",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.parties |= other.parties

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "stays": self.stays,
            "old_gross_fen": self.old_gross_fen,
            "old_waived_fen": self.old_gross_fen - self.old_payable_fen,
            "old_payable_fen": self.old_payable_fen,
            "new_gross_fen": self.new_gross_fen,
            "new_waived_fen": self.new_gross_fen - self.new_payable_fen,
            "new_payable_fen": self.new_payable_fen,
            "change_fen": self.new_payable_fen - self.old_payable_fen,
            "pay_more": {"stays": self.more, "fen": self.more_fen},
            "pay_less": {"stays": self.less, "fen": self.less_fen},
            "pay_the_same": {"stays": self.stays - self.more - self.less},
        }


def document(counted: Counted) -> dict[str, Any]:
    """The figures as one document; `total` is null where all of them together are of fewer than ten households."""
    figures = counted.figures
    total = _rows(figures, lambda _: "total")
    whole = total[0] if total and len(total[0].parties) >= FEWEST_HOUSEHOLDS else None
    by_group = _merged(_rows(figures, lambda one: one.group), GROUPS) if whole else []
    enough = {row.name for row in by_group}
    return {
        "stays": len(figures),
        "left_out": dict(sorted(counted.left_out.items())),
        "total": whole.document() if whole else None,
        "by_group": _documents(by_group),
        "by_vehicle": _table(figures, lambda one: one.vehicle, _VEHICLES) if whole else [],
        "by_site": _table(figures, lambda one: one.site, sorted({one.site for one in figures})) if whole else [],
        "by_hour": _table(figures, lambda one: f"{one.hour:02d}", [f"{hour:02d}" for hour in range(24)])
        if whole
        else [],
        "by_length": _table(figures, lambda one: one.length, _LENGTHS) if whole else [],
        "waived": _waived(counted) if whole else [],
        "examples": _examples(counted, enough) if whole else [],
    }


def _rows(figures: Iterable[Figure], name_of: Callable[[Figure], str]) -> list[Row]:
    rows: dict[str, Row] = {}
    for one in figures:
        name = name_of(one)
        row = rows.get(name)
        if row is None:
            row = rows[name] = Row(name)
        row.take(one)
    return list(rows.values())


def _merged(rows: list[Row], order: Sequence[str]) -> list[Row]:
    """In the order given, `other` last. What is too small goes there, and more with it until `other` is large enough."""
    other = Row(OTHER)
    kept = sorted(rows, key=lambda row: (len(row.parties), row.name))
    while kept and (
        len(kept[0].parties) < FEWEST_HOUSEHOLDS or (other.stays and len(other.parties) < FEWEST_HOUSEHOLDS)
    ):
        other.merge(kept.pop(0))
    kept.sort(key=lambda row: order.index(row.name))
    return [*kept, other] if other.stays else kept


def _table(figures: Sequence[Figure], name_of: Callable[[Figure], str], order: Sequence[str]) -> list[dict[str, Any]]:
    return _documents(_merged(_rows(figures, name_of), order))


def _documents(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [row.document() for row in rows]


def _waived(counted: Counted) -> list[dict[str, Any]]:
    """By kind; what went to too few to be named is one sum with the next smallest."""
    rows = [(len(parties), kind) for kind, parties in counted.waived_of.items()]
    other: list[str] = []
    of: set[tuple[str, str]] = set()
    kept = sorted(rows)
    while kept and (kept[0][0] < FEWEST_HOUSEHOLDS or (other and len(of) < FEWEST_HOUSEHOLDS)):
        kind = kept.pop(0)[1]
        other.append(kind)
        of |= counted.waived_of[kind]
    named = [(kind, [kind]) for _, kind in sorted(kept, key=lambda row: row[1])]
    if len(of) >= FEWEST_HOUSEHOLDS:
        named.append((OTHER, other))
    return [
        {
            "name": name,
            "old_fen": sum(counted.old_waived[kind] for kind in kinds),
            "new_fen": sum(counted.new_waived[kind] for kind in kinds),
        }
        for name, kinds in named
    ]


def _examples(counted: Counted, groups: set[str]) -> list[dict[str, Any]]:
    """For each group that is large enough to be named: what changes most often, upwards and downwards."""
    found = []
    for group in GROUPS:
        if group not in groups:
            continue
        for direction in (1, -1):
            changes = [
                (example, new_fen - old_fen)
                for (of, old_fen, new_fen), example in counted.examples.items()
                if of == group and (new_fen - old_fen) * direction > 0
            ]
            changes.sort(key=lambda change: (-change[0].stays, -abs(change[1]), change[0].old.stay.entry))
            found += [_example(group, example) for example, _ in changes[:EXAMPLES_A_DIRECTION]]
    return found


def _example(group: str, example: Example) -> dict[str, Any]:
    sides = {}
    for name, side in (("old", example.old), ("new", example.new)):
        bill = price(side.policy, side.stay, side.benefits)
        sides[name] = {
            "payable_fen": side.payable_fen,
            "zh": sentences(bill, "zh", side.policy),
            "en": sentences(bill, "en", side.policy),
        }
    return {
        "group": group,
        "stays_like_it": example.stays,
        "change_fen": example.new.payable_fen - example.old.payable_fen,
        **sides,
    }
