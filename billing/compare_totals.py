"""What a comparison says: sums by group, by vehicle, by site, by hour of entry, by length. Pure.

Where a row would speak of fewer than ten households (or vehicles, of those that are of no household) it is merged with the
next smallest into "other", so that nobody can be told apart, nor be reckoned from the total. How many pay more and how many less
is said only of nobody or of ten households and more, for the same reason: what income becomes is said of every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from billing.bill import price
from billing.compare_many import GROUPS, LENGTHS, LONGEST, Cell, Counted, Example, Sums
from billing.explain import sentences
from billing.policy_parts import Policy

FEWEST_HOUSEHOLDS: Final = 10
EXAMPLES_A_DIRECTION: Final = 2
OTHER: Final = "other"
_LENGTHS: Final = (*(name for _, name in LENGTHS), LONGEST)
_VEHICLES: Final = ("small", "large", "motorcycle")


@dataclass
class Row:
    """The sums of some stays, under one name."""

    name: str
    sums: Sums = field(default_factory=Sums)

    def document(self, *, told: bool) -> dict[str, Any]:
        """`told`: whether it says who pays more and who less."""
        sums = self.sums
        return {
            "name": self.name,
            "stays": sums.stays,
            "old_gross_fen": sums.old_gross_fen,
            "old_waived_fen": sums.old_gross_fen - sums.old_payable_fen,
            "old_payable_fen": sums.old_payable_fen,
            "new_gross_fen": sums.new_gross_fen,
            "new_waived_fen": sums.new_gross_fen - sums.new_payable_fen,
            "new_payable_fen": sums.new_payable_fen,
            "change_fen": sums.new_payable_fen - sums.old_payable_fen,
            "pay_more": {"stays": sums.more, "fen": sums.more_fen} if told else None,
            "pay_less": {"stays": sums.less, "fen": sums.less_fen} if told else None,
            "pay_the_same": {"stays": sums.stays - sums.more - sums.less} if told else None,
        }


def document(counted: Counted, old: Sequence[Policy], new: Sequence[Policy]) -> dict[str, Any]:
    """The figures as one document; `total` is null where all of them together are of fewer than ten households."""
    total = Row("total", counted.total())
    whole = len(total.sums.parties) >= FEWEST_HOUSEHOLDS
    cells = counted.cells if whole else {}
    telling = _tells(total.sums)

    def table(name_of: Callable[[Cell], str], order: Sequence[str]) -> list[dict[str, Any]]:
        rows = _merged(_rows(cells, name_of), order)
        silent = _silent(rows) if telling else {row.name for row in rows}
        return [row.document(told=row.name not in silent) for row in rows]

    return {
        "stays": total.sums.stays,
        "left_out": dict(sorted(counted.left_out.items())),
        "total": total.document(told=telling) if whole else None,
        "by_group": table(lambda cell: cell.group, GROUPS),
        "by_vehicle": table(lambda cell: cell.vehicle, _VEHICLES),
        "by_site": table(lambda cell: cell.site, sorted({cell.site for cell in cells})),
        "by_hour": table(lambda cell: f"{cell.hour:02d}", [f"{hour:02d}" for hour in range(24)]),
        "by_length": table(lambda cell: cell.length, _LENGTHS),
        "waived": _waived(counted) if whole else [],
        "examples": _examples(counted, old, new) if whole else [],
    }


def _tells(sums: Sums) -> bool:
    """Whether those who pay more, and those who pay less, are nobody or enough not to be told apart."""
    return all(not of or len(of) >= FEWEST_HOUSEHOLDS for of in (sums.more_of, sums.less_of))


def _silent(rows: Sequence[Row]) -> set[str]:
    """Rows that do not say who pays more or less: their own are too few, or what the others leave of the total would be."""
    silent = [row for row in rows if not _tells(row.sums)]
    others = sorted((row for row in rows if _tells(row.sums)), key=lambda row: (len(row.sums.parties), row.name))
    together = Sums()
    for row in silent:
        together.merge(row.sums)
    while others and not _tells(together):
        silent.append(others.pop(0))
        together.merge(silent[-1].sums)
    return {row.name for row in silent}


def _rows(cells: Mapping[Cell, Sums], name_of: Callable[[Cell], str]) -> list[Row]:
    rows: dict[str, Row] = {}
    for cell, sums in cells.items():
        name = name_of(cell)
        row = rows.get(name)
        if row is None:
            row = rows[name] = Row(name)
        row.sums.merge(sums)
    return list(rows.values())


def _merged(rows: list[Row], order: Sequence[str]) -> list[Row]:
    """In the order given, `other` last. What is too small goes there, and more with it until `other` is large enough."""
    other = Row(OTHER)
    kept = sorted(rows, key=lambda row: (len(row.sums.parties), row.name))
    while kept and (
        len(kept[0].sums.parties) < FEWEST_HOUSEHOLDS
        or (other.sums.stays and len(other.sums.parties) < FEWEST_HOUSEHOLDS)
    ):
        other.sums.merge(kept.pop(0).sums)
    kept.sort(key=lambda row: order.index(row.name))
    return [*kept, other] if other.sums.stays else kept


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


def _examples(counted: Counted, old: Sequence[Policy], new: Sequence[Policy]) -> list[dict[str, Any]]:
    """Of each group that is large enough: what changes most often, upwards and downwards, where enough households are behind it."""
    found = []
    groups = {row.name: row.sums for row in _rows(counted.cells, lambda cell: cell.group)}
    for group in GROUPS:
        sums = groups.get(group, Sums())
        for direction, of in ((1, sums.more_of), (-1, sums.less_of)):
            if len(of) < FEWEST_HOUSEHOLDS:
                continue
            changes = [
                (example, new_fen - old_fen)
                for (its, old_fen, new_fen), example in counted.examples.items()
                if its == group and (new_fen - old_fen) * direction > 0
            ]
            changes.sort(key=lambda change: (-change[0].stays, -abs(change[1]), change[0].old.stay.entry))
            found += [_example(group, example, old, new) for example, _ in changes[:EXAMPLES_A_DIRECTION]]
    return found


def _example(group: str, example: Example, old: Sequence[Policy], new: Sequence[Policy]) -> dict[str, Any]:
    sides = {}
    for name, side, versions in (("old", example.old, old), ("new", example.new, new)):
        policy = next(one for one in versions if one.version == side.version)
        bill = price(policy, side.stay, side.benefits)
        sides[name] = {
            "payable_fen": side.payable_fen,
            "zh": sentences(bill, "zh", policy),
            "en": sentences(bill, "en", policy),
        }
    return {
        "group": group,
        "stays_like_it": example.stays,
        "change_fen": example.new.payable_fen - example.old.payable_fen,
        **sides,
    }
