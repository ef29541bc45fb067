"""The sealed records as JSON, and the tables as CSV files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from billing.close import Record
from billing.exports.audience import NotForAudience, open_to_all
from billing.exports.cells import write_table
from billing.exports.days import File, SiteDay
from billing.exports.tables import Days, InvoiceLine, tables


def json_to(stem: str, days: Days, *, audience: str = "finance") -> list[File]:
    """The records as hashed, with their chain. Raises `NotForAudience`."""
    if open_to_all(audience):
        raise NotForAudience((NotForAudience.__doc__ or "").strip())

    def write(file: BinaryIO) -> None:
        before = "[\n"
        for one in days:
            for record in one.records:
                spelt = json.dumps(_said(record), ensure_ascii=False, indent=1)
                file.write((before + " " + spelt.replace("\n", "\n ")).encode())
                before = ",\n"
        file.write(b"[]\n" if before == "[\n" else b"\n]\n")

    return [(f"{stem}.json", write)]


def _said(record: Record) -> dict[str, Any]:
    return {
        "site": record.site,
        "day": record.day.isoformat(),
        "kind": record.kind,
        "sequence": record.sequence,
        "previous_hash": record.previous_hash.hex(),
        "hash": record.hash.hex(),
        "canonical": record.canonical.decode(),
    }


def csv_to(
    stem: str, days: Days, zone: ZoneInfo, *, audience: str = "finance", invoices: Iterable[InvoiceLine] = ()
) -> list[File]:
    """One file a table."""
    return [
        (f"{stem}-{table.name}.csv", partial(write_table, table=table, zone=zone))
        for table in tables(days, audience=audience, invoices=invoices)
    ]


def json_file(scope: str, day: date, days: Iterable[SiteDay], *, audience: str = "finance") -> tuple[str, bytes]:
    """`json_to` of one day, in memory. `scope` is the site's id, or `street`. Raises `NotForAudience`."""
    (found,) = written(json_to(f"{scope}-{day}", list(days), audience=audience))
    return found


def csv_files(
    scope: str, day: date, days: Days, zone: ZoneInfo, *, audience: str = "finance"
) -> list[tuple[str, bytes]]:
    """`csv_to` of one day, in memory."""
    return written(csv_to(f"{scope}-{day}", days, zone, audience=audience))


def written(files: Iterable[File]) -> list[tuple[str, bytes]]:
    """Files in memory: (name, content)."""
    found = []
    for name, write in files:
        file = BytesIO()
        write(file)
        found.append((name, file.getvalue()))
    return found
