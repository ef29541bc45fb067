"""访客停车券, the pure part: codes that can be typed and not be forged, ranges of serials, and the arithmetic of stock.

A code is a serial of 8 digits and a signature of 10 letters (50 bits of HMAC-SHA-256 over site and serial), written
`00000123-7K3QM-9F2XA`. The letters are Crockford's base 32, without I, L, O and U, so that what is typed from paper is read the
same. A code can be copied but not made; that it is used once is the store's business.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from billing.ledger import RECEIVABLE, WAIVED

SERIAL_DIGITS: Final = 8
SERIAL_MAX: Final = 10**SERIAL_DIGITS - 1
BOOK_MAX: Final = 5_000
"""Vouchers of one book."""

VALUE_MAX: Final = {"hour": 43_200, "amount": 1_000_000, "whole_stay": 0}
"""30 days in minutes; 10,000 yuan in fen."""

Kind = Literal["hour", "amount", "whole_stay"]
State = Literal["stock", "issued", "presented", "used", "void", "expired", "returned"]

_SIGNATURE_LETTERS: Final = 10
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TYPED: Final = str.maketrans("OIL", "011", " -‐‑‒–—−_.·\t\r\n")
_CODE_CHARACTERS_MAX: Final = 60

NOWHERE: Final = "none"
"""Where a voucher comes from before its book is made."""

MOVES: Final[dict[str, tuple[frozenset[str], str]]] = {
    "make": (frozenset({NOWHERE}), "stock"),
    "issue": (frozenset({"stock", "returned"}), "issued"),
    "return": (frozenset({"issued"}), "returned"),
    "present": (frozenset({"issued"}), "presented"),
    "collect": (frozenset({"issued"}), "presented"),
    "match": (frozenset({"presented"}), "presented"),
    "use": (frozenset({"presented"}), "used"),
    "revalue": (frozenset({"used"}), "used"),
    "unuse": (frozenset({"used"}), "presented"),
    "release": (frozenset({"presented"}), "issued"),
    "withdraw": (frozenset({"presented"}), "issued"),
    "void": (frozenset({"stock", "issued", "returned", "presented"}), "void"),
    "expire": (frozenset({"stock", "issued", "returned"}), "expired"),
}
"""Every step that a voucher can go: from which states, and to which.

`collect` is a code collected without a network, `match` gives it its stay; `release` is what a stay did not
need, `withdraw` what somebody took back from one; `revalue` changes only what a used one is worth.
"""


class NotACode(ValueError):
    """Not a voucher's code: 8 digits and 10 letters or digits, such as 00000123-7K3QM-9F2XA."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").strip())


class Forged(ValueError):
    """The code's letters do not belong to its number: mistyped, altered, or of another site."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").strip())


def code(key: bytes, site: str, serial: int) -> str:
    """The code of a voucher, as printed. `key` is 32 bytes for this purpose only."""
    signature = _signature(key, site, serial)
    return f"{number(serial)}-{signature[:5]}-{signature[5:]}"


def number(serial: int) -> str:
    """A serial as printed: 8 digits."""
    return f"{serial:0{SERIAL_DIGITS}d}"


def serial_of(key: bytes, site: str, typed: str) -> int:
    """The serial of a code as typed or scanned, in any case and with any separators. Raises `NotACode`, `Forged`."""
    if len(typed) > _CODE_CHARACTERS_MAX:
        raise NotACode
    plain = unicodedata.normalize("NFKC", typed).upper().translate(_TYPED)
    digits, signature = plain[:SERIAL_DIGITS], plain[SERIAL_DIGITS:]
    whole = len(digits) == SERIAL_DIGITS and digits.isascii() and digits.isdigit()
    if not whole or len(signature) != _SIGNATURE_LETTERS or set(signature) - set(_ALPHABET):
        raise NotACode
    serial = int(digits)
    if not hmac.compare_digest(signature, _signature(key, site, serial)):
        raise Forged
    return serial


def _signature(key: bytes, site: str, serial: int) -> str:
    digest = hmac.new(key, f"voucher 1\x1f{site}\x1f{serial}".encode(), hashlib.sha256).digest()
    bits = int.from_bytes(digest[:8]) >> 14
    return "".join(_ALPHABET[bits >> place & 31] for place in range(45, -1, -5))


def wrong_book(kind: str, value: int, count: int) -> str | None:
    """Why a book cannot be made so; None if it can."""
    if kind not in VALUE_MAX:
        return f"kind: one of {', '.join(VALUE_MAX)}"
    most = VALUE_MAX[kind]
    if kind == "whole_stay" and value != 0:
        return "value: a whole stay has none; give 0"
    if kind != "whole_stay" and not 1 <= value <= most:
        return f"value: 1 to {most} {'minutes' if kind == 'hour' else 'fen'}"
    if not 1 <= count <= BOOK_MAX:
        return f"count: 1 to {BOOK_MAX} vouchers a book"
    return None


def runs(serials: Iterable[int]) -> list[tuple[int, int]]:
    """Serials as ranges, both ends included: 1, 2, 3, 7 → (1, 3), (7, 7)."""
    found: list[tuple[int, int]] = []
    for serial in sorted(set(serials)):
        if found and serial == found[-1][1] + 1:
            found[-1] = (found[-1][0], serial)
        else:
            found.append((serial, serial))
    return found


def in_words(kind: str, value: int) -> tuple[str, str]:
    """What a voucher is worth, for its face: Chinese, English."""
    if kind == "whole_stay":
        return "全免券：本次停车免费", "One stay, free of charge"
    if kind == "amount":
        yuan = f"{value // 100}.{value % 100:02d}"
        return f"金额券：{yuan} 元", f"{yuan} yuan off"
    hours, minutes = divmod(value, 60)
    chinese = (f"{hours} 小时" if hours else "") + (f"{' ' if hours else ''}{minutes} 分钟" if minutes else "")
    english = " ".join(word for word in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if word)
    return f"时长券：{chinese}", f"{english} of parking"


def waived_by_place(lines: Iterable[Any]) -> dict[int, int]:
    """What each voucher presented takes off a bill, in positive fen by its place from 0; those that are not needed are missing."""
    found: dict[int, int] = {}
    for line in lines:
        head, _, place = line.rule.partition("voucher.")
        if not head and place.isdigit():
            found[int(place) - 1] = found.get(int(place) - 1, 0) - line.fen
    return found


class Stock(msgspec.Struct, frozen=True):
    """How a book stands. `made = stock + returned + scrapped + issued` and `issued = used + void + expired + outstanding`.

    `issued` is without what was returned; `returned` lies in the office again and may be issued once more. `scrapped` is what was
    voided or expired without having been issued.
    """

    made: int = 0
    stock: int = 0
    returned: int = 0
    scrapped: int = 0
    issued: int = 0
    used: int = 0
    void: int = 0
    expired: int = 0
    outstanding: int = 0

    def wrong(self) -> str | None:
        """Which sum does not hold; None if both do."""
        if self.made != self.stock + self.returned + self.scrapped + self.issued:
            return (
                f"made {self.made} ≠ stock {self.stock} + returned {self.returned} + scrapped {self.scrapped}"
                f" + issued {self.issued}"
            )
        if self.issued != self.used + self.void + self.expired + self.outstanding:
            return (
                f"issued {self.issued} ≠ used {self.used} + void {self.void} + expired {self.expired}"
                f" + outstanding {self.outstanding}"
            )
        return None

    def after(self, steps: Mapping[tuple[str, str], int]) -> Stock:
        """How it stands after so many steps (from, to)."""
        sums = {name: getattr(self, name) for name in self.__struct_fields__}
        for (from_state, to_state), count in steps.items():
            for name, sign in _counted(from_state, to_state):
                sums[name] += sign * count
        return Stock(**sums)


EMPTY: Final = Stock()
_HELD: Final = {"issued": "outstanding", "presented": "outstanding", "used": "used"}
_KEPT: Final = {"stock", "returned"}


def _counted(from_state: str, to_state: str) -> list[tuple[str, int]]:
    """Which sums one step changes, and how."""
    changes: list[tuple[str, int]] = []
    if from_state == NOWHERE:
        changes.append(("made", 1))
    if from_state in _KEPT:
        changes.append((from_state, -1))
    if to_state in _KEPT:
        changes.append((to_state, 1))
    if from_state in _HELD:
        changes.append((_HELD[from_state], -1))
    if to_state in _HELD:
        changes.append((_HELD[to_state], 1))
    if to_state in {"void", "expired"}:
        changes.append((to_state if from_state in _HELD else "scrapped", 1))
    if from_state in _KEPT and to_state in _HELD:
        changes.append(("issued", 1))
    if from_state in _HELD and to_state in _KEPT:
        changes.append(("issued", -1))
    return changes


class BookDay(msgspec.Struct, frozen=True):
    """A book on a business day, as a close says it: the day's steps by kind, what they changed in what is waived (fen), and how
    the book stands at the day's end.
    """

    book: str
    moved: dict[str, int]
    fen: int
    stands: Stock


class Moved(msgspec.Struct, frozen=True):
    """Steps of one book counted: the kind, from and to which state, how many, and the sum of their fen."""

    book: str
    kind: str
    from_state: str
    to_state: str
    count: int
    fen: int


def day_of_books(before: Mapping[str, Stock], moved: Iterable[Moved]) -> list[BookDay]:
    """A day by book, from how the books stood before it and the day's steps.

    A book that is used up and at rest is left out: `before` must hold it again when it moves once more.
    """
    stands = dict(before)
    kinds: dict[str, dict[str, int]] = {}
    fen: dict[str, int] = {}
    for one in moved:
        counts = kinds.setdefault(one.book, {})
        counts[one.kind] = counts.get(one.kind, 0) + one.count
        fen[one.book] = fen.get(one.book, 0) + one.fen
        stands[one.book] = stands.get(one.book, EMPTY).after({(one.from_state, one.to_state): one.count})
    return [
        BookDay(book, dict(sorted(kinds.get(book, {}).items())), fen.get(book, 0), stock)
        for book, stock in sorted(stands.items())
        if book in kinds or stock.stock or stock.returned or stock.outstanding
    ]


def owed_on(buyer: str) -> str:
    """The account on which a merchant or visiting firm owes."""
    return f"{RECEIVABLE}merchant-{buyer}"


def still_due(months: Mapping[str, int], paid_fen: int) -> dict[str, int]:
    """What of a buyer's months (`2026-03`, in fen) is still due: what it paid, and months below zero, go off the oldest first."""
    credit = paid_fen - sum(min(fen, 0) for fen in months.values())
    due: dict[str, int] = {}
    for month, fen in sorted(months.items()):
        taken = min(credit, max(fen, 0))
        credit -= taken
        due[month] = max(fen, 0) - taken
    return due


def statement(buyer: str, waived: Mapping[str, int]) -> dict[str, int]:
    """A buyer's month as changes of accounts in fen: it owes what its vouchers took off bills, so that was not given away.

    `waived`: by the bill's word for the voucher (`hour_voucher`, …). Nothing to post gives nothing.
    """
    total = sum(waived.values())
    changes = {f"{WAIVED}{benefit}": -fen for benefit, fen in sorted(waived.items()) if fen}
    if total:
        changes = {owed_on(buyer): total, **changes}
    return changes
