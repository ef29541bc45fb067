"""Who sees which benefits: for whoever is not finance or registrar low-income exemptions and passes are one line, `resident`.

Source: the contract "money". This is the only place that knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from billing.explain import RESIDENT
from billing.ledger import WAIVED, Posting

ADMINISTERS = frozenset({"finance", "registrar"})
"""The roles that see a low-income status; for all others it reads `resident`."""

MERGED = dict.fromkeys(RESIDENT, "resident")


class NotForAudience(ValueError):
    """The sealed records name low-income waivers; they are for finance and registrar. Others take the CSV tables."""


def open_to_all(audience: str) -> bool:
    """Whether what this role gets may lie on any desk: it then names no low-income status."""
    return audience not in ADMINISTERS


def merge_benefits(benefits: Mapping[str, int]) -> dict[str, int]:
    """Amounts by benefit as those see them who do not administer low-income certificates."""
    merged: Counter[str] = Counter()
    for benefit, fen in benefits.items():
        merged[MERGED.get(benefit, benefit)] += fen
    return dict(merged)


def merge_accounts(accounts: Mapping[str, int]) -> dict[str, int]:
    """The same for amounts by account."""
    merged: Counter[str] = Counter()
    for account, fen in accounts.items():
        merged[merged_account(account)] += fen
    return dict(merged)


def merged_account(account: str) -> str:
    """The account under which those who do not administer certificates see it."""
    benefit = account.removeprefix(WAIVED)
    return WAIVED + MERGED[benefit] if account != benefit and benefit in MERGED else account


def merge_postings(postings: Sequence[Posting]) -> tuple[Posting, ...]:
    """The same for the lines of one transaction: one line an account."""
    accounts: dict[str, int] = {}
    for posting in postings:
        accounts[posting.account] = accounts.get(posting.account, 0) + posting.amount_fen
    return tuple(Posting(account, fen) for account, fen in merge_accounts(accounts).items() if fen)
