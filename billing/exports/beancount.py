"""The ledger of closed days as a beancount file: `bean-check` accepts it only if its balances equal the closes.

Account names are mapped one to one. The site is the second part of every name: `assets:cash:shift-1` of xinyi is
`Assets:Xinyi:Cash:Shift--1`. Beancount wants each part to begin with a capital letter or a digit, and to hold letters, digits and
hyphens only: see `_part`. Waivers are contra income: `Income:Xinyi:Waived:…`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

from billing.exports.audience import merge_accounts, merge_postings, open_to_all
from billing.exports.cells import yuan
from billing.exports.days import File
from billing.exports.tables import Days, in_order
from billing.ledger import Transaction

CURRENCY: Final = "CNY"
# The family in our chart: beancount's root, and what follows the site there where the root does not say it.
_ROOTS: Final = {
    "assets": ("Assets", None),
    "income": ("Income", None),
    "expense": ("Expenses", None),
    "liability": ("Liabilities", None),
    "waived": ("Income", "Waived"),
    "suspense": ("Assets", "Suspense"),
    "clearing": ("Assets", "Clearing"),
}
_FAMILIES: Final = {(root, marker): family for family, (root, marker) in _ROOTS.items()}
_MARKERS: Final = frozenset(marker for _, marker in _ROOTS.values() if marker)
_ESCAPES: Final = {"-": "--", "_": "-U", ".": "-D"}
_UNESCAPES: Final = {escape: plain for plain, escape in _ESCAPES.items()}
_AS_IT_IS: Final = "Z-C"


def beancount_to(stem: str, title: str, days: Days, zone: ZoneInfo, *, audience: str = "finance") -> list[File]:
    """One file; transactions by (day, site, instant, id), and after the last day what every account must then stand at."""
    merged = open_to_all(audience)

    def write(file: BinaryIO) -> None:
        file.writelines(line.encode() + b"\n" for line in _lines(title, days, zone, merged=merged))

    return [(f"{stem}.beancount", write)]


def _lines(title: str, days: Days, zone: ZoneInfo, *, merged: bool) -> Iterator[str]:
    yield f'option "title" {_text(title)}'
    yield f'option "operating_currency" "{CURRENCY}"'
    opened: dict[str, date] = {}
    balances: Counter[str] = Counter()
    for one in days:
        sealed = one.document().totals.accounts
        for account, fen in sorted((merge_accounts(sealed) if merged else sealed).items()):
            name = to_beancount(one.site, account)
            opened.setdefault(name, one.day)
            balances[name] += fen
    for one in days:
        yield f"; {one.site} {one.day}: close {one.document().sequence}, {one.close.hash.hex()}"
    for name, day in opened.items():
        yield f"{day} open {name} {CURRENCY}"
    for one in days:
        for said in in_order(one):
            yield ""
            yield from _transaction(said, zone, merged=merged)
    yield ""
    after = max(one.day for one in days) + timedelta(days=1)
    for name, fen in balances.items():
        # Without a tolerance: by itself beancount lets a difference of one fen pass.
        yield f"{after} balance {name}  {yuan(fen)} ~ 0 {CURRENCY}"


def _transaction(said: Transaction, zone: ZoneInfo, *, merged: bool) -> Iterator[str]:
    yield f"{said.business_day} * {_text(said.kind)} {_text(f'{said.reference_kind} {said.reference}')}"
    yield f"  id: {_text(said.id)}"
    yield f'  at: "{said.at.astimezone(zone).isoformat()}"'
    if said.belongs_to is not None:
        yield f"  belongs-to: {said.belongs_to}"
    if said.operator is not None:
        yield f"  operator: {_text(said.operator)}"
    if said.reverses is not None:
        yield f"  reverses: {_text(said.reverses)}"
    for posting in merge_postings(said.postings) if merged else said.postings:
        yield f"  {to_beancount(said.site, posting.account)}  {yuan(posting.amount_fen)} {CURRENCY}"


def to_beancount(site: str, account: str) -> str:
    """The name under which beancount knows a site's account. Raises `KeyError` for a family that is not in the chart."""
    family, *parts = account.split(":")
    root, marker = _ROOTS[family]
    return ":".join([root, _part(site), *([marker] if marker else []), *(_part(part) for part in parts)])


def from_beancount(name: str) -> tuple[str, str]:
    """(site, account) of a name that `to_beancount` made. Raises `ValueError` for another."""
    root, *rest = name.split(":")
    if len(rest) < 2:
        raise ValueError(f"{name}: not a name of ours")
    site, *parts = rest
    marker = parts[0] if parts[0] in _MARKERS else None
    family = _FAMILIES.get((root, marker))
    if family is None:
        raise ValueError(f"{name}: not a name of ours")
    return _plain(site), ":".join([family, *(_plain(part) for part in (parts[1:] if marker else parts))])


def _part(plain: str) -> str:
    """A part of a name. A hyphen begins an escape: `--` is itself, `-U` an underscore, `-D` a dot.

    A small letter at the beginning becomes a capital one; what begins otherwise than with a small letter or a digit has `Z-C` in
    front, which no escape gives.
    """
    escaped = "".join(_ESCAPES.get(letter, letter) for letter in plain)
    if re.match(r"[a-z]", plain):
        return escaped[0].upper() + escaped[1:]
    return escaped if re.match(r"[0-9]", plain) else _AS_IT_IS + escaped


def _plain(part: str) -> str:
    lowered = part.removeprefix(_AS_IT_IS) if part.startswith(_AS_IT_IS) else part[:1].lower() + part[1:]
    return re.sub(r"-[-UD]", lambda found: _UNESCAPES[found[0]], lowered)


def _text(plain: str) -> str:
    """A string of beancount's, on one line."""
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" ".join(escaped.splitlines())}"'
