"""The rows of a channel's statement into the database, and a digest of them as they stand there.

The file itself is not kept, and its digest says nothing of the rows: theirs is in the audit line of the import, so that `verify` finds
a row that was changed, taken out or put in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from billing.statements import Row
from gateway.store import statements as store

_ROWS_AT_A_TIME = 2000
_LINE = msgspec.json.Encoder()


class Seal:
    """SHA-256 over rows in the order of the file, each a JSON array ended by a line feed: what it says, by the names of its columns."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, record: Mapping[str, Any]) -> None:
        said = [[name, _text(record[name])] for name in sorted(record) if record[name] is not None]
        self._hash.update(_LINE.encode(said) + b"\n")

    def hex(self) -> str:
        return self._hash.hexdigest()


class Written(NamedTuple):
    """`orphans`: rows that no order of ours leads to. `content`: the digest of all."""

    orphans: int
    content: str


def write_rows(
    connection: Connection,
    statement_id: str,
    home: str,
    rows: Iterator[Row],
    progress: Callable[[int], object] | None,
) -> Written:
    """Every row to the site that its order is of, some at a time."""
    orphans, seal = 0, Seal()
    while some := list(islice(rows, _ROWS_AT_A_TIME)):
        numbers = {number for row in some for number in (row.order_number, row.refund_number) if number}
        sites = {} if some[0].channel == "cash" else store.sites_of_orders(connection, numbers)
        found = [row.site or sites.get(row.order_number) or sites.get(row.refund_number) for row in some]
        orphans += found.count(None)
        records = [_record(row, statement_id, site or home) for row, site in zip(some, found, strict=True)]
        for record in records:
            seal.add(record)
        store.put_rows(connection, records)
        if progress is not None:
            progress(len(some))
    return Written(orphans, seal.hex())


def _text(value: Any) -> Any:
    """Instants as UTC, whichever zone the database gives them in."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _record(row: Row, statement_id: str, site: str) -> dict[str, Any]:
    return {
        "site_id": site,
        "statement_id": statement_id,
        "line": row.line,
        "kind": row.kind.value,
        "status": row.status.value,
        "order_number": row.order_number,
        "channel_number": row.channel_number,
        "refund_number": row.refund_number,
        "at": row.at,
        "amount_fen": row.amount_fen,
        "fee_millifen": row.fee_millifen,
        "settled_fen": row.settled_fen,
    }
