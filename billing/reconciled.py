"""对账封存: the second sealed record of a site's business day, and what a break means in money. Pure, and without the engine of the match.

It is sealed once the last statement of the day has come and was matched; its chain is its own, with the rules of the close's
(`billing.close`). Its canonical bytes hold what each channel said, what matched and what differed, and no personal data.
Source: the contract "money".
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec
import rfc8785

from billing.chain import FORMAT, Record, chained
from billing.close import BreakCount, Sealed, inflated

KIND: Final = "reconciled"
MOVED: Final[Mapping[str, tuple[str, ...]]] = {"payment": ("done",), "refund": ("done", "processing", "revoked")}
"""By what a row of a statement is: how it stands where it moved money."""
_MONEY: Final = frozenset(
    {"channel_only", "book_only", "amount_mismatch", "status_mismatch", "duplicate", "refund_mismatch"}
)
_LINE: Final = msgspec.json.Encoder()


class InQuestion(msgspec.Struct, frozen=True):
    """What a break is about, in fen. `amount_fen`: how much, 0 or more. `difference_fen`: what the channel has beyond the ledger."""

    amount_fen: int
    difference_fen: int


def in_question(row: Mapping[str, Any]) -> InQuestion:
    """Of a break as `billing.reconciliation.frames.BREAKS` describes it.

    A difference is what stands in suspense while nobody has explained it. Where both sides will agree by themselves (`cut_off`), where the
    ledger holds none of it (a fee, an exit that is owed) or where no money is meant, there is none.
    """
    ours, theirs = row["book_fen"] or 0, row["channel_fen"] or 0
    if row["kind"] in _MONEY:
        difference = _effect(row, "channel") - _effect(row, "book")
        return InQuestion(abs(difference) or max(ours, theirs), difference)
    if row["kind"] in {"cash_over", "cash_short"}:
        return InQuestion(abs(theirs - ours), theirs - ours)
    if row["kind"] == "voucher_count":
        return InQuestion(abs(theirs - ours), 0)
    if row["expected_millifen"] is not None or row["told_millifen"] is not None:
        expected, told = row["expected_millifen"] or 0, row["told_millifen"] or 0
        return InQuestion(-(-abs(told - expected) // 1000), 0)
    return InQuestion(max(ours, theirs), 0)


def _effect(row: Mapping[str, Any], side: str) -> int:
    """What a side did to the money at the channel. The ledger takes a refund off only when it is done; a statement never updates one."""
    refund = row["about"] == "refund"
    moved = ("done",) if side == "book" else MOVED["refund" if refund else "payment"]
    if row[f"{side}_status"] not in moved:
        return 0
    fen = int(row[f"{side}_fen"] or 0)
    return -fen if refund else fen


class Said(msgspec.Struct, frozen=True, order=True):
    """A statement that the day was matched with: the account (收款主体), channel, kind, and the file's SHA-256 in hex."""

    merchant: str
    channel: str
    kind: str
    id: str
    digest: str


class Total(msgspec.Struct, frozen=True, order=True):
    """Rows and fen of one state on one side (`books`, `channel`); refunds count negative. Of cash `channel` is what drawers held."""

    side: str
    channel: str
    merchant: str
    state: str
    rows: int
    fen: int


class Differed(msgspec.Struct, frozen=True, order=True):
    """A break as it stood when the day was sealed."""

    id: str
    kind: str
    state: str
    amount_fen: int
    difference_fen: int


def digest_of(
    statements: Iterable[Said], missing: Iterable[Any], totals: Iterable[Total], breaks: Iterable[Differed]
) -> bytes:
    """What a match came to, in 32 bytes: SHA-256 over its RFC 8785 form. How breaks stand with people is not in it."""
    says = {
        "statements": [msgspec.to_builtins(one) for one in sorted(statements)],
        "missing": [list(one) for one in sorted(missing)],
        "totals": [msgspec.to_builtins(one) for one in sorted(totals)],
        "breaks": [[one.id, one.kind, one.amount_fen, one.difference_fen] for one in sorted(breaks)],
    }
    return hashlib.sha256(rfc8785.dumps(says)).digest()


class Document(msgspec.Struct, frozen=True):
    """What the canonical bytes say. `close`: the hash of the day's close, in hex. `run`: which match of the day it is.

    `digest`: SHA-256 over a line for every break, sorted by id, which are kept beside the bytes.
    """

    format: int
    kind: str
    site: str
    day: str
    sequence: int
    close: str
    run: int
    digest: str
    statements: list[Said]
    totals: list[Total]
    breaks: list[BreakCount]


class DayMatched(msgspec.Struct, frozen=True, kw_only=True):
    """A site's day as it was matched."""

    site: str
    day: date
    close: bytes
    run: int
    statements: Sequence[Said]
    totals: Sequence[Total]
    breaks: Sequence[Differed]


def seal(day: DayMatched, *, sequence: int, previous_hash: bytes) -> Sealed:
    """The sealed record of a day that was matched whole."""
    lines = lines_of(day.breaks)
    document = Document(
        format=FORMAT,
        kind=KIND,
        site=day.site,
        day=day.day.isoformat(),
        sequence=sequence,
        close=day.close.hex(),
        run=day.run,
        digest=hashlib.sha256(lines).hexdigest(),
        statements=sorted(day.statements),
        totals=sorted(day.totals),
        breaks=counted(day.breaks),
    )
    canonical = rfc8785.dumps(msgspec.to_builtins(document))
    record = Record(
        site=day.site,
        kind=KIND,
        sequence=sequence,
        day=day.day,
        previous_hash=previous_hash,
        hash=chained(previous_hash, canonical),
        canonical=canonical,
    )
    return Sealed(record, zlib.compress(lines, 6))


def counted(breaks: Iterable[Differed]) -> list[BreakCount]:
    """How many of each kind and state, and how much is in question."""
    count: Counter[tuple[str, str]] = Counter()
    fen: Counter[tuple[str, str]] = Counter()
    for one in breaks:
        count[one.kind, one.state] += 1
        fen[one.kind, one.state] += one.amount_fen
    return [BreakCount(kind, state, 0, count[kind, state], fen[kind, state]) for kind, state in sorted(count)]


def lines_of(breaks: Iterable[Differed]) -> bytes:
    """An RFC 8785 array `[id, kind, state, amount_fen, difference_fen]` a break, each ended by a line feed."""
    return b"".join(
        _LINE.encode([one.id, one.kind, one.state, one.amount_fen, one.difference_fen]) + b"\n"
        for one in sorted(breaks)
    )


def read_lines(compressed: bytes) -> tuple[str, list[Differed]]:
    """The digest (hex) and the breaks of a record's lines. Raises `ValueError`."""
    raw = inflated(compressed)
    try:
        return hashlib.sha256(raw).hexdigest(), [Differed(*msgspec.json.decode(line)) for line in raw.splitlines()]
    except (msgspec.DecodeError, TypeError) as error:
        raise ValueError(f"the lines of the reconciled record cannot be read: {error}") from error


def read_document(canonical: bytes) -> Document:
    """What canonical bytes say. Raises `ValueError` for another format version or anything else."""
    try:
        document = msgspec.json.decode(canonical, type=Document)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a reconciled record: {error}") from error
    if document.format != FORMAT:
        raise ValueError(f"format {document.format} of the reconciled record is not known, only {FORMAT}")
    return document
