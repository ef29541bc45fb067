"""What is exported: closed days of one site or of the street, each with its sealed records and what was posted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import BinaryIO, TypeAlias

import msgspec

from billing.close import Document, Passage, Record, read_document
from billing.ledger import Transaction, five_sums

_MONTH = re.compile(r"(?:19[7-9]\d|2\d{3})-(?:0[1-9]|1[0-2])")
DAYS_MAX = 366
"""Of one export."""

File: TypeAlias = tuple[str, Callable[[BinaryIO], None]]
"""A file's name and what writes it, piece by piece, to where it is to stand."""


class NotAPeriod(ValueError):
    """The last day is before the first, or there are too many."""


class Period(msgspec.Struct, frozen=True):
    """Business days from `first` through `last`."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise NotAPeriod(f"{self.last} is before {self.first}")
        if len(self.days()) > DAYS_MAX:
            raise NotAPeriod(f"{self.first} to {self.last}: at most {DAYS_MAX} days in one export")

    def days(self) -> Sequence[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    @property
    def one_day(self) -> bool:
        return self.first == self.last

    @property
    def label(self) -> str:
        """`2026-03-02`, for a whole month `2026-03`, else `2026-03-02_2026-03-08`."""
        if self.one_day:
            return self.first.isoformat()
        if self.first.day == 1 and self.last == month_of(self.first).last:
            return f"{self.first:%Y-%m}"
        return f"{self.first}_{self.last}"


def month_of(day: date) -> Period:
    """The month in which a day lies."""
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(first, following - timedelta(days=1))


def period_of(day: date | None, first: date | None, last: date | None, month: str | None) -> Period:
    """The one way in which the days were named: a day, the first and the last, or a month. Raises `NotAPeriod`."""
    ranged = first is not None or last is not None
    if [day is not None, ranged, month is not None].count(True) != 1 or (first is None) != (last is None):
        raise NotAPeriod("say which days: a day, from and to, or a month (YYYY-MM)")
    if month is not None:
        if not _MONTH.fullmatch(month):
            raise NotAPeriod(f"{month[:40]!r} is no month; write it as YYYY-MM")
        return month_of(date.fromisoformat(f"{month}-01"))
    if first is not None and last is not None:
        return Period(first, last)
    assert day is not None
    return Period(day, day)


class SiteDay(msgspec.Struct, frozen=True):
    """A site's closed day as exported: its name, its sealed records and what was posted.

    `transactions` and `passages` may be read anew whenever they are gone through: only one site's day is in memory then.
    """

    site: str
    name: str
    records: tuple[Record, ...]
    transactions: Iterable[Transaction]
    passages: Iterable[Passage] = ()

    @property
    def close(self) -> Record:
        return next(record for record in self.records if record.kind == "close")

    @property
    def day(self) -> date:
        return self.close.day

    def document(self) -> Document:
        """What the close says. Raises `ValueError` if it cannot be read."""
        return read_document(self.close.canonical)


def adds_up(document: Document, transactions: Iterable[Transaction]) -> bool:
    """Whether these transactions give the sums and the totals by account that were sealed."""
    accounts: Counter[str] = Counter()
    postings = [posting for transaction in transactions for posting in transaction.postings]
    for posting in postings:
        accounts[posting.account] += posting.amount_fen
    return accounts == document.totals.accounts and five_sums(postings) == document.totals.sums
