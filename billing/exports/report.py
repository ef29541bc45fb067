"""What the report says that a street office pins up: whoever asks for it, it is made for everybody who walks past.

So low-income exemptions and passes are always one line, and benefits that fewer than ten stays had are one line too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from billing.close import Passage, street_hash
from billing.exports.audience import merged_account
from billing.exports.tables import Days
from billing.exports.words import BENEFITS, CHANNELS, SUMS, name_of
from billing.ledger import WAIVED, Transaction

FEWEST_STAYS: Final = 10
OTHERS: Final = "其他优免"
_Key = TypeVar("_Key")
_RECEIVED: Final = ("assets:cash:", "assets:channel:", "assets:bank", "expense:")


class Hour(msgspec.Struct, frozen=True):
    """An hour of the local day, over all days of the report."""

    entries: int = 0
    exits: int = 0
    received_fen: int = 0


class Row(msgspec.Struct, frozen=True):
    """A site, or a day. `sums_fen` in the order of the five sums."""

    name: str
    entries: int
    exits: int
    sums_fen: Sequence[int]


class Report(msgspec.Struct, frozen=True):
    """`hashes`: of each day its close's hash, of several sites the street's; hex."""

    sums: Sequence[tuple[str, int]]
    entries: int
    exits: int
    channels: Sequence[tuple[str, int]]
    benefits: Sequence[tuple[str, int]]
    hours: Sequence[Hour]
    sites: Sequence[Row]
    days: Sequence[Row]
    hashes: Mapping[date, str]


def report(days: Days, zone: ZoneInfo) -> Report:
    """Goes through the transactions and passages of one site's day after the other."""
    channels: Counter[str] = Counter()
    given: Counter[str] = Counter()
    stays: defaultdict[str, int] = defaultdict(int)
    hours = [[0, 0, 0] for _ in range(24)]
    by_site: dict[str, list[int]] = {}
    by_day: dict[date, list[int]] = {}
    hashes: dict[date, dict[str, bytes]] = {}
    for one in days:
        document = one.document()
        figures = [document.passages.entries, document.passages.exits]
        figures += [getattr(document.totals.sums, field) for field, _ in SUMS]
        # Sites may bear one name: the id keeps them apart.
        _add(by_site, f"{one.name} ({one.site})", figures)
        _add(by_day, one.day, figures)
        hashes.setdefault(one.day, {})[one.site] = one.close.hash
        for channel, fen in document.totals.channels.items():
            channels[channel] += fen
        transactions = list(one.transactions)
        _count_benefits(transactions, given, stays)
        _count_hours(hours, transactions, one.passages, zone)
    totals = [sum(figures) for figures in zip(*by_day.values(), strict=True)]
    single = {
        day: next(iter(sites.values())) if len(sites) == 1 else street_hash(sites) for day, sites in hashes.items()
    }
    return Report(
        sums=[(heading.split()[0], fen) for (_, heading), fen in zip(SUMS, totals[2:], strict=True)],
        entries=totals[0],
        exits=totals[1],
        channels=[(name_of(CHANNELS, channel), fen) for channel, fen in _largest(channels)],
        benefits=_benefits(given, stays),
        hours=[Hour(*found) for found in hours],
        sites=[Row(site, found[0], found[1], found[2:]) for site, found in by_site.items()],
        days=[Row(day.isoformat(), found[0], found[1], found[2:]) for day, found in by_day.items()],
        hashes={day: found.hex() for day, found in single.items()},
    )


def _add(sums: dict[_Key, list[int]], key: _Key, figures: Sequence[int]) -> None:
    before = sums.get(key, [0] * len(figures))
    sums[key] = [left + right for left, right in zip(before, figures, strict=True)]


def _largest(amounts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(amounts.items(), key=lambda item: (-item[1], item[0]))


def _count_benefits(transactions: Iterable[Transaction], given: Counter[str], stays: defaultdict[str, int]) -> None:
    seen: set[tuple[str, str]] = set()
    for said in transactions:
        for posting in said.postings:
            account = merged_account(posting.account)
            if account.startswith(WAIVED):
                given[account.removeprefix(WAIVED)] += posting.amount_fen
                seen.add((account.removeprefix(WAIVED), said.reference))
    for benefit, _ in seen:
        stays[benefit] += 1


def _benefits(given: Mapping[str, int], stays: Mapping[str, int]) -> list[tuple[str, int]]:
    """What few had says too much of them: it is added up, under a name that says nothing."""
    found: Counter[str] = Counter()
    others = 0
    for benefit, fen in given.items():
        if stays[benefit] < FEWEST_STAYS:
            others += fen
        else:
            found[name_of(BENEFITS, benefit)] += fen
    return [*_largest(found), *([(OTHERS, others)] if others else [])]


def _count_hours(
    hours: Sequence[list[int]], transactions: Iterable[Transaction], passages: Iterable[Passage], zone: ZoneInfo
) -> None:
    def hour(at: datetime) -> list[int]:
        return hours[at.astimezone(zone).hour]

    for passage in passages:
        hour(passage.at)[passage.way == "exit"] += 1
    for said in transactions:
        hour(said.at)[2] += sum(
            posting.amount_fen for posting in said.postings if posting.account.startswith(_RECEIVED)
        )
