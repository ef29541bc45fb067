"""日结: the sealed record of a site's business day, its canonical bytes and its place in the chain. Source: the contract "money".

`hash = SHA-256(previous hash, 32 raw bytes, zeros at first ‖ canonical bytes)`. The canonical bytes are RFC 8785 JSON and hold
totals and a digest, no personal data. The digest is SHA-256 over the day's lines: one for every ledger transaction and passage,
sorted by (instant, id). The lines are kept beside the canonical bytes, because stays may still change after their day is sealed
(see docs/decisions/0005).
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

import msgspec
import rfc8785

from billing.cash import CASH, MOVES, DrawerDay, drawers
from billing.chain import FIRST_PREVIOUS, FORMAT, BrokenChain, Record, chained, street_hash, verify_chain
from billing.ledger import WAIVED, FiveSums, Transaction, five_sums
from billing.vouchers import BookDay

__all__ = [
    "FIRST_PREVIOUS",
    "FORMAT",
    "BelongsTo",
    "BreakAt",
    "BreakCount",
    "BrokenChain",
    "Carried",
    "DayFacts",
    "Document",
    "DoesNotBalance",
    "LaneTotals",
    "Lines",
    "Openings",
    "Passage",
    "Passages",
    "Record",
    "Sealed",
    "Totals",
    "break_counts",
    "chained",
    "inflated",
    "lines_of",
    "read_document",
    "read_lines",
    "seal",
    "street_hash",
    "verify_chain",
]

_CHANNEL = "assets:channel:"
# A site's day of a million passages; what inflates beyond it is no record of ours.
_LINES_BYTES_MAX = 256 * 1024 * 1024
_LINE = msgspec.json.Encoder()


class Passage(msgspec.Struct, frozen=True, gc=False):
    """A vehicle's entry or exit as it stood when the day was sealed. No plate. `state` and amounts (fen) belong to exits."""

    at: datetime
    stay: str
    way: Literal["entry", "exit"]
    lane: str | None
    state: str | None = None
    gross_fen: int | None = None
    payable_fen: int | None = None
    paid_fen: int | None = None


class LaneTotals(msgspec.Struct, frozen=True):
    """Passages of one lane, and what those who left through it were charged and had paid when the day was sealed, in fen."""

    entries: int = 0
    exits: int = 0
    gross_fen: int = 0
    payable_fen: int = 0
    paid_fen: int = 0


class Carried(msgspec.Struct, frozen=True):
    """挂账: how many of a kind are still open, and for how many days."""

    kind: str
    age_days: int
    count: int


class BreakCount(msgspec.Struct, frozen=True):
    """对账差异 of one kind, state and age: how many, and how much money is in question, in fen."""

    kind: str
    state: str
    age_days: int
    count: int
    amount_fen: int


class BreakAt(msgspec.Struct, frozen=True):
    """A break as it stands when a day is sealed. `day`: the business day that it is of."""

    kind: str
    state: str
    day: date
    amount_fen: int


class BelongsTo(msgspec.Struct, frozen=True):
    """What was posted here for an earlier day that was closed already."""

    day: str
    transactions: int
    sums: FiveSums


class Openings(msgspec.Struct, frozen=True):
    """How often barriers rose: on our command, by the reason as on the wire; and by the device itself, by how."""

    commanded: dict[str, int] = {}
    by_device: dict[str, int] = {}


class Passages(msgspec.Struct, frozen=True):
    """`by_state` counts the exits."""

    entries: int
    exits: int
    by_state: dict[str, int]


class Totals(msgspec.Struct, frozen=True):
    """Sums of the day's postings in fen. Accounts are signed (debit positive); a channel and a shift count what came in."""

    sums: FiveSums
    accounts: dict[str, int]
    channels: dict[str, int]
    shifts: dict[str, int]
    benefits: dict[str, int]
    lanes: dict[str, LaneTotals]


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the canonical bytes of a close say.

    A section with a default is left out where a site has nothing for it: closes from before there was such a section say the
    same of themselves as when they were sealed (docs/decisions/0014).
    """

    format: int
    kind: str
    site: str
    day: str
    timezone: str
    sequence: int
    digest: str
    transactions: int
    passages: Passages
    totals: Totals
    openings: Openings
    late: list[BelongsTo]
    exceptions: list[Carried]
    breaks: list[BreakCount]
    vouchers: list[BookDay] = []
    drawers: list[DrawerDay] = []


class DayFacts(msgspec.Struct, frozen=True):
    """A site's day as loaded. `open_exceptions`: kind and local date of opening of each item that is still open. `vouchers`: its
    books that moved or are not used up. `breaks`: those of this day and before that nobody has settled.
    """

    site: str
    day: date
    timezone: str
    transactions: Sequence[Transaction]
    passages: Sequence[Passage]
    openings: Openings
    open_exceptions: Sequence[tuple[str, date]]
    vouchers: Sequence[BookDay] = ()
    breaks: Sequence[BreakAt] = ()


class Sealed(msgspec.Struct, frozen=True):
    """A close ready to be stored. `lines` is what the digest covers, compressed."""

    record: Record
    lines: bytes


class DoesNotBalance(ValueError):
    """The books of the day do not balance; the message names the transaction."""


def seal(facts: DayFacts, *, sequence: int, previous_hash: bytes) -> Sealed:
    """The close of a day. Raises `DoesNotBalance` for a transaction that does not sum to zero."""
    for transaction in facts.transactions:
        total = sum(posting.amount_fen for posting in transaction.postings)
        if total != 0 or not transaction.postings:
            raise DoesNotBalance(f"transaction {transaction.id} sums to {total} fen")
    lines = lines_of(facts.transactions, facts.passages)
    document = Document(
        format=FORMAT,
        kind="close",
        site=facts.site,
        day=facts.day.isoformat(),
        timezone=facts.timezone,
        sequence=sequence,
        digest=hashlib.sha256(lines).hexdigest(),
        transactions=len(facts.transactions),
        passages=_count(facts.passages),
        totals=_totals(facts),
        openings=facts.openings,
        late=_late(facts.transactions),
        exceptions=_carried(facts),
        breaks=break_counts(facts.day, facts.breaks),
        vouchers=list(facts.vouchers),
        drawers=drawers(facts.transactions),
    )
    canonical = rfc8785.dumps(msgspec.to_builtins(document))
    record = Record(
        site=facts.site,
        kind="close",
        sequence=sequence,
        day=facts.day,
        previous_hash=previous_hash,
        hash=chained(previous_hash, canonical),
        canonical=canonical,
    )
    return Sealed(record, zlib.compress(lines, 6))


def lines_of(transactions: Iterable[Transaction], passages: Iterable[Passage]) -> bytes:
    """The lines that the digest covers, sorted by (instant, id): each an RFC 8785 array ended by a line feed.

    `[at, id, "transaction", content hash]`, `[at, stay, "entry", lane]` and
    `[at, stay, "exit", lane, state, gross_fen, payable_fen, paid_fen]`; instants in UTC.
    """
    found: list[tuple[datetime, str, str, tuple[Any, ...]]] = [
        (transaction.at, transaction.id, "transaction", (transaction.content_hash().hex(),))
        for transaction in transactions
    ]
    for passage in passages:
        says: tuple[Any, ...] = (passage.lane,)
        if passage.way == "exit":
            says = (passage.lane, passage.state, passage.gross_fen, passage.payable_fen, passage.paid_fen)
        found.append((passage.at, passage.stay, passage.way, says))
    found.sort(key=lambda line: line[:3])
    return b"".join(
        _LINE.encode([at.astimezone(UTC).isoformat(), key, kind, *says]) + b"\n" for at, key, kind, says in found
    )


class Lines(msgspec.Struct, frozen=True):
    """What a close's digest covers, read back: the transactions' content hashes (hex) by id, and the passages."""

    digest: str
    transactions: dict[str, str]
    passages: list[Passage]


def read_lines(compressed: bytes) -> Lines:
    """Raises `ValueError` for what was not written by `seal`."""
    raw = inflated(compressed)
    try:
        transactions: dict[str, str] = {}
        passages: list[Passage] = []
        for line in raw.splitlines():
            at, key, kind, *says = msgspec.json.decode(line)
            if kind == "transaction":
                transactions[key] = says[0]
            else:
                passages.append(Passage(datetime.fromisoformat(at), key, kind, *says))
    except (msgspec.DecodeError, TypeError, IndexError) as error:
        raise ValueError(f"the lines of the close cannot be read: {error}") from error
    return Lines(hashlib.sha256(raw).hexdigest(), transactions, passages)


def inflated(compressed: bytes) -> bytes:
    """The lines kept beside a sealed record. Raises `ValueError` for what is cut off, damaged or too long."""
    try:
        inflating = zlib.decompressobj()
        raw = inflating.decompress(compressed, _LINES_BYTES_MAX)
    except zlib.error as error:
        raise ValueError(f"the lines of the close cannot be read: {error}") from error
    if not inflating.eof or inflating.unused_data:
        raise ValueError("the lines of the close are cut off or too long")
    return raw


def read_document(canonical: bytes) -> Document:
    """What canonical bytes say. Raises `ValueError` for another format version or anything else."""
    try:
        document = msgspec.json.decode(canonical, type=Document)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a close: {error}") from error
    if document.format != FORMAT:
        raise ValueError(f"format {document.format} of the close is not known, only {FORMAT}")
    return document


def break_counts(day: date, breaks: Iterable[BreakAt]) -> list[BreakCount]:
    """Breaks by kind, state and age at the end of a day."""
    count: Counter[tuple[str, str, int]] = Counter()
    fen: Counter[tuple[str, str, int]] = Counter()
    for one in breaks:
        what = (one.kind, one.state, max(0, (day - one.day).days))
        count[what] += 1
        fen[what] += one.amount_fen
    return [BreakCount(*what, count[what], fen[what]) for what in sorted(count)]


def _count(passages: Sequence[Passage]) -> Passages:
    exits = Counter(passage.state or "" for passage in passages if passage.way == "exit")
    return Passages(entries=len(passages) - exits.total(), exits=exits.total(), by_state=dict(exits))


def _totals(facts: DayFacts) -> Totals:
    accounts: Counter[str] = Counter()
    channels: Counter[str] = Counter()
    shifts: Counter[str] = Counter()
    for transaction in facts.transactions:
        for posting in transaction.postings:
            accounts[posting.account] += posting.amount_fen
            if posting.account.startswith(_CHANNEL):
                channels[posting.account.removeprefix(_CHANNEL)] += posting.amount_fen
            elif posting.account.startswith(CASH) and transaction.kind not in MOVES:
                channels["cash"] += posting.amount_fen
                shifts[posting.account.removeprefix(CASH)] += posting.amount_fen
    benefits = {account.removeprefix(WAIVED): fen for account, fen in accounts.items() if account.startswith(WAIVED)}
    return Totals(
        sums=five_sums(posting for transaction in facts.transactions for posting in transaction.postings),
        accounts=dict(accounts),
        channels=dict(channels),
        shifts=dict(shifts),
        benefits=benefits,
        lanes=_lanes(facts.passages),
    )


def _lanes(passages: Iterable[Passage]) -> dict[str, LaneTotals]:
    sums: dict[str, list[int]] = {}
    for passage in passages:
        lane = sums.setdefault(passage.lane or "", [0] * 5)
        if passage.way == "entry":
            lane[0] += 1
            continue
        lane[1] += 1
        lane[2] += passage.gross_fen or 0
        lane[3] += passage.payable_fen or 0
        lane[4] += passage.paid_fen or 0
    return {lane: LaneTotals(*found) for lane, found in sums.items()}


def _late(transactions: Iterable[Transaction]) -> list[BelongsTo]:
    days: dict[date, list[Transaction]] = {}
    for transaction in transactions:
        if transaction.belongs_to is not None:
            days.setdefault(transaction.belongs_to, []).append(transaction)
    return [
        BelongsTo(day.isoformat(), len(found), five_sums(posting for one in found for posting in one.postings))
        for day, found in sorted(days.items())
    ]


def _carried(facts: DayFacts) -> list[Carried]:
    counts = Counter((kind, max(0, (facts.day - opened).days)) for kind, opened in facts.open_exceptions)
    return [Carried(kind, age, count) for (kind, age), count in sorted(counts.items())]
