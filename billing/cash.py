"""现金: what is counted in a drawer, and what is posted when money goes into one, out of it, or is not there. Integer fen.

Codes are neutral: 长款 and 短款 are used both ways round by different systems. Source: the contract "money".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from billing.ledger import Posting, Transaction
from billing.statements.cash import DENOMINATIONS

Place = Literal["safe", "bank"]
Code = Literal["cash_over", "cash_short"]

CASH: Final = "assets:cash:"
SAFE: Final = "safe"
"""The site's safe (保险柜): a drawer that no cashier has."""
FLOAT, DEPOSIT, HANDOVER = "float", "deposit", "handover"
OVER: Final = "cash_over"
SHORT: Final = "cash_short"
MOVES: Final = frozenset({FLOAT, DEPOSIT, HANDOVER, OVER, SHORT})
"""Kinds of transactions that move money which was taken before, or say that it is not what it should be: nothing comes in by them."""

_PIECES_MAX = 100_000


def drawer(shift: str) -> str:
    """The account of a shift's drawer, or of the safe."""
    return f"{CASH}{shift}"


def account_of(place: Place) -> str:
    """The account of where a float comes from and a deposit goes to."""
    return drawer(SAFE) if place == SAFE else "assets:bank"


def worth(pieces: Mapping[str, int]) -> int:
    """What a count comes to, in fen. `pieces`: how many, by denomination in fen. Raises `ValueError`, naming the line."""
    total = 0
    for name, many in pieces.items():
        known = name.isascii() and name.isdecimal() and len(name) <= 6
        each = int(name) if known else 0
        if each not in DENOMINATIONS or str(each) != name:
            said = ", ".join(str(one) for one in sorted(DENOMINATIONS))
            raise ValueError(f"{name[:12]!r} fen is no coin or note; there are {said}")
        if not 0 <= many <= _PIECES_MAX:
            raise ValueError(f"{many} pieces of {each} fen: a drawer holds 0 to {_PIECES_MAX}")
        total += each * many
    return total


def code_of(counted_fen: int, expected_fen: int) -> Code | None:
    """The break that a count is, or None where it is what was expected."""
    if counted_fen == expected_fen:
        return None
    return "cash_over" if counted_fen > expected_fen else "cash_short"


def difference(shift: str, break_id: str, fen: int) -> tuple[Posting, ...]:
    """Counted less expected: the books follow the count, and the difference stands under investigation."""
    return Posting(drawer(shift), fen), Posting(f"suspense:{break_id}", -fen)


def move(debit: str, credit: str, fen: int) -> tuple[Posting, ...]:
    """Money goes from an account to another."""
    return Posting(debit, fen), Posting(credit, -fen)


class DrawerDay(msgspec.Struct, frozen=True):
    """What went through a drawer, or through the safe, on a day on which money was moved or counted there, in fen.

    `put_in_fen`: floats and what another cashier handed over; `taken_fen`: what came in, less what was paid back; `brought_away_fen`:
    deposits and what was handed on; `difference_fen`: counted less expected. The first two plus the last, less the third, is how
    much more is in it than the day before.
    """

    shift: str
    put_in_fen: int
    taken_fen: int
    brought_away_fen: int
    difference_fen: int


def drawers(transactions: Iterable[Transaction]) -> list[DrawerDay]:
    """Of the drawers in which money was moved or counted; what others took stands in `Totals.shifts` as before."""
    found: dict[str, list[int]] = {}
    moved: set[str] = set()
    for transaction in transactions:
        for posting in transaction.postings:
            if not posting.account.startswith(CASH):
                continue
            shift, fen = posting.account.removeprefix(CASH), posting.amount_fen
            sums = found.setdefault(shift, [0] * 4)
            if transaction.kind not in MOVES:
                sums[1] += fen
                continue
            moved.add(shift)
            if transaction.kind in {OVER, SHORT}:
                sums[3] += fen
            elif fen > 0:
                sums[0] += fen
            else:
                sums[2] -= fen
    return [DrawerDay(shift, *found[shift]) for shift in sorted(moved)]
