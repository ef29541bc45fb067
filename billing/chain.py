"""The chains of sealed records: one for each site and kind (`close`, `reconciled`). Source: the contract "money".

`hash = SHA-256(previous hash, 32 raw bytes, zeros at first ‖ canonical bytes)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import msgspec

FIRST_PREVIOUS = bytes(32)
FORMAT = 1
"""Of the canonical bytes of every kind."""


class Record(msgspec.Struct, frozen=True):
    """A stored close, as `verify_chain` reads it."""

    site: str
    kind: str
    sequence: int
    day: date
    previous_hash: bytes
    hash: bytes
    canonical: bytes


class _Head(msgspec.Struct, frozen=True):
    """What the canonical bytes of every sealed record say, of whatever kind."""

    format: int
    site: str
    kind: str
    sequence: int
    day: str


def chained(previous_hash: bytes, canonical: bytes) -> bytes:
    """The hash of a close, 32 bytes. Raises `ValueError` if the one before is not 32 bytes long."""
    if len(previous_hash) != 32:
        raise ValueError("a hash has 32 bytes")
    return hashlib.sha256(previous_hash + canonical).digest()


def street_hash(hashes: Mapping[str, bytes]) -> bytes:
    """The street's hash of a day: SHA-256 of its sites' raw hashes in the order of their ids."""
    return hashlib.sha256(b"".join(hashes[site] for site in sorted(hashes))).digest()


class BrokenChain(msgspec.Struct, frozen=True):
    """The first record of a chain that does not hold, and why."""

    record: Record
    why: str


def verify_chain(records: Iterable[Record], *, after: Record | None = None) -> BrokenChain | None:
    """Check one site's records of one kind in the order of their sequence; None if all hold.

    `after` is the record before the first one, where not the whole chain is given.
    """
    previous = after
    for record in records:
        why = _broken(record, previous)
        if why is not None:
            return BrokenChain(record, why)
        previous = record
    return None


def _broken(record: Record, previous: Record | None) -> str | None:
    if record.previous_hash != (FIRST_PREVIOUS if previous is None else previous.hash):
        return "its previous hash is not the hash of the close before it"
    if record.sequence != (1 if previous is None else previous.sequence + 1):
        return f"sequence {record.sequence} does not follow {0 if previous is None else previous.sequence}"
    if previous is not None and record.day != previous.day + timedelta(days=1):
        return f"the day before it is not the day of the close before it, {previous.day}"
    if len(record.previous_hash) != 32 or chained(record.previous_hash, record.canonical) != record.hash:
        return "its hash is not the hash of its canonical bytes"
    try:
        document = _head(record)
    except ValueError as error:
        return str(error)
    if (document.site, document.kind, document.sequence, document.day) != (
        record.site,
        record.kind,
        record.sequence,
        record.day.isoformat(),
    ):
        return "its canonical bytes speak of another site, kind, sequence or day"
    return None


def _head(record: Record) -> _Head:
    try:
        head = msgspec.json.decode(record.canonical, type=_Head)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a {record.kind}: {error}") from error
    if head.format != FORMAT:
        raise ValueError(f"format {head.format} of the {record.kind} is not known, only {FORMAT}")
    return head
