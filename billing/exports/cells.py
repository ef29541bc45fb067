"""Tables as they are handed to a file format, and as CSV. A column says what its cells are; amounts are integer fen."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import BinaryIO, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

Cell: TypeAlias = str | int | date | datetime | None
Kind: TypeAlias = Literal["text", "count", "fen", "day", "instant"]

_BOM = b"\xef\xbb\xbf"
_UNSAFE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Column(msgspec.Struct, frozen=True):
    """Its heading in both languages. `english` is the name by which programs find it; of amounts without their unit."""

    chinese: str
    english: str
    kind: Kind = "text"


class Table(msgspec.Struct, frozen=True):
    """`name` is part of a file's name, `title` what people read. Rows may be made while they are gone through, once."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]


class Yuan(str):
    """An amount in yuan with two decimals: text to us, a number to a spreadsheet, so it is written as it is."""

    __slots__ = ()


def yuan(fen: int) -> Yuan:
    """`-105` fen is `-1.05`."""
    return Yuan(f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}")


def looks_like_a_formula(text: str) -> bool:
    """Whether a spreadsheet would calculate what was meant as text."""
    return text.startswith(_UNSAFE)


def csv_bytes(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8 with BOM, CRLF. Text that a spreadsheet would take for a formula gets an apostrophe in front; an integer stays one."""
    file = io.BytesIO()
    write_csv(file, headings, rows)
    return file.getvalue()


def write_csv(file: BinaryIO, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """The same, row by row."""
    file.write(_BOM)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(headings)
        for row in rows:
            writer.writerow([_safe(cell) for cell in row])
    finally:
        text.detach()


def write_table(file: BinaryIO, table: Table, zone: ZoneInfo) -> None:
    """A table as CSV. An amount is two columns, in fen and in yuan; an instant is local, with its offset."""
    headings: list[str] = []
    for column in table.columns:
        if column.kind == "fen":
            headings += [f"{column.chinese}(分) {column.english}_fen", f"{column.chinese}(元) {column.english}_yuan"]
        else:
            headings.append(f"{column.chinese} {column.english}")
    write_csv(file, headings, (_spelt(table.columns, row, zone) for row in table.rows))


def _spelt(columns: Sequence[Column], row: Sequence[Cell], zone: ZoneInfo) -> list[Cell]:
    spelt: list[Cell] = []
    for column, cell in zip(columns, row, strict=True):
        if column.kind == "fen":
            spelt += [cell, yuan(cell) if isinstance(cell, int) else None]
        elif isinstance(cell, datetime):
            spelt.append(cell.astimezone(zone).isoformat(timespec="seconds"))
        elif isinstance(cell, date):
            spelt.append(cell.isoformat())
        else:
            spelt.append(cell)
    return spelt


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, Yuan) or not isinstance(cell, str):
        return cell
    return "'" + cell if looks_like_a_formula(cell) else cell
