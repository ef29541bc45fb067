"""The file of a backup: gzip members of JSON lines, so that `zcat` reads it in any year, without this program.

The first line says what it is and at which revision of the schema. Then each table: a line that names it and its columns, and a line
a row. The last member counts the rows of each table and holds the digest of its lines, and the SHA-256 of every byte before it.

Each member is checked by itself (gzip's CRC), so that damage has a place; the last one checks the whole. Its bytes have one form
only and gzip's header is always the same, so that no byte of the file can change unseen. Memory is bounded by a member.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

FORM = 1
"""The version of the form. A reader refuses another one."""

_HEADER = bytes.fromhex("1f8b08000000000000ff")
_MEMBER_BYTES = 1 << 20
_LEVEL = 3
_READ_BYTES = 1 << 16
# A member holds about a mebibyte of lines, or one long row: a picture, a day's close.
_MEMBER_BYTES_MAX = 1 << 28
_STORED_BYTES_MAX = 0xFFFF
_END_BEGINS = b'{"tables"'


class Damaged(Exception):
    """A file that is no backup, or not the one that was written: what, and at which byte."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `key_check` tells a changed secret key; it says nothing about the key itself."""

    parkgate_backup: int
    schema: str
    parkgate: str
    created_at: str
    database: str
    key_check: str | None


class TableHead(msgspec.Struct, frozen=True):
    """Before a table's rows: its name, and each column's name and kind (`gateway.store.backup`)."""

    table: str
    columns: tuple[tuple[str, str], ...]


class TableSum(msgspec.Struct, frozen=True):
    """How many rows a table has, and the SHA-256 of their lines."""

    rows: int
    sha256: str


class _End(msgspec.Struct, frozen=True):
    tables: dict[str, TableSum]
    sha256: str


_encode = msgspec.json.Encoder().encode


class Writer:
    """Writes to a file that is at its beginning. Raises what the file raises: `OSError`."""

    def __init__(self, file: BinaryIO, head: Head) -> None:
        self._file = file
        self._whole = hashlib.sha256()
        self._lines: list[bytes] = []
        self._size = 0
        self._sums: dict[str, TableSum] = {}
        self._table = ""
        self._rows = 0
        self._digest = hashlib.sha256()
        self._line(_encode(head))
        self._flush()

    def begin(self, head: TableHead) -> None:
        """The next rows are of this table."""
        self._end_table()
        self._table, self._rows, self._digest = head.table, 0, hashlib.sha256()
        self._line(_encode(head))

    def row(self, values: list[Any]) -> None:
        line = _encode(values)
        self._digest.update(line)
        self._rows += 1
        self._line(line)
        if self._size >= _MEMBER_BYTES:
            self._flush()

    def finish(self) -> dict[str, TableSum]:
        """Write the last member. The file is not complete without it."""
        self._end_table()
        self._flush()
        self._file.write(_stored(_encode(_End(self._sums, self._whole.hexdigest())) + b"\n"))
        return self._sums

    def _end_table(self) -> None:
        if self._table:
            self._sums[self._table] = TableSum(self._rows, self._digest.hexdigest())
            self._flush()
        self._table = ""

    def _line(self, line: bytes) -> None:
        self._lines += [line, b"\n"]
        self._size += len(line) + 1

    def _flush(self) -> None:
        content = b"".join(self._lines)
        self._lines, self._size = [], 0
        if not content:
            return
        machine = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
        member = _HEADER + machine.compress(content) + machine.flush() + _trailer(content)
        self._whole.update(member)
        self._file.write(member)


class Reader:
    """Reads a file from its beginning. Every method raises `Damaged`."""

    def __init__(self, file: BinaryIO) -> None:
        self._members = _members(file)
        self.sums: dict[str, TableSum] = {}
        self.head = self._head()

    def _head(self) -> Head:
        try:
            _, content, _, _ = next(self._members)
            head = msgspec.json.decode(content, type=Head)
        except (StopIteration, msgspec.MsgspecError):
            raise Damaged("it is no backup of Parkgate") from None
        if head.parkgate_backup != FORM:
            raise Damaged(
                f"its form is {head.parkgate_backup}, this version reads {FORM}; use the version that wrote it"
            )
        return head

    def rows(self) -> Iterator[TableHead | list[Any]]:
        """Each table's head, then its rows. Complete only when it has ended without `Damaged`."""
        sums: dict[str, TableSum] = {}
        table, rows, digest = "", 0, hashlib.sha256()
        for place, content, raw, before in self._members:
            try:
                if content.startswith(_END_BEGINS):
                    if table:
                        sums[table] = TableSum(rows, digest.hexdigest())
                    self._check_end(place, content, raw, before, sums)
                    return
                for line in content.splitlines():
                    if line.startswith(b"["):
                        digest.update(line)
                        rows += 1
                        yield msgspec.json.decode(line)
                        continue
                    if table:
                        sums[table] = TableSum(rows, digest.hexdigest())
                    head = msgspec.json.decode(line, type=TableHead)
                    table, rows, digest = head.table, 0, hashlib.sha256()
                    yield head
            except msgspec.MsgspecError:
                raise Damaged(f"at byte {place} is a line that cannot be read, in or after table {table}") from None
        raise Damaged(f"it is cut off after table {table or '(none)'}: its end is missing")

    def _check_end(self, place: int, content: bytes, raw: bytes, before: str, sums: dict[str, TableSum]) -> None:
        end = msgspec.json.decode(content, type=_End)
        if raw != _stored(content):
            raise Damaged(f"its last part, at byte {place}, is not as it was written")
        for name in sorted(sums.keys() | end.tables.keys()):
            if sums.get(name) != end.tables.get(name):
                raise Damaged(f"table {name} is not what was saved: its rows do not give the digest at the end")
        if before != end.sha256:
            raise Damaged("its bytes do not give the digest at the end")
        for after, *_ in self._members:
            raise Damaged(f"something follows its end, at byte {after}")
        self.sums = end.tables


def _trailer(content: bytes) -> bytes:
    return struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def _stored(content: bytes) -> bytes:
    """A gzip member that is not compressed: the same content always gives the same bytes."""
    if len(content) > _STORED_BYTES_MAX:
        raise ValueError("the end of a backup is longer than a stored block")
    length = struct.pack("<HH", len(content), len(content) ^ 0xFFFF)
    return _HEADER + b"\x01" + length + content + _trailer(content)


def _members(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes, str]]:
    """Each member: where it begins, its content, its bytes, and the SHA-256 of the bytes before it."""
    whole = hashlib.sha256()
    place = 0
    ahead = file.read(_READ_BYTES)
    while ahead:
        machine = zlib.decompressobj(31)
        content: list[bytes] = []
        raw: list[bytes] = []
        size = 0
        while not machine.eof:
            if not ahead:
                raise Damaged(
                    f"it is cut off at byte {place + sum(map(len, raw))}, within the part that begins at {place}"
                )
            raw.append(ahead)
            try:
                piece = machine.decompress(ahead, _MEMBER_BYTES_MAX - size + 1)
            except zlib.error:
                raise Damaged(f"the part that begins at byte {place} is damaged") from None
            size += len(piece)
            if size > _MEMBER_BYTES_MAX:
                raise Damaged(f"the part that begins at byte {place} is larger than {_MEMBER_BYTES_MAX >> 20} MiB")
            content.append(piece)
            ahead = machine.unused_data if machine.eof else file.read(_READ_BYTES)
        joined = b"".join(raw)
        member = joined[: len(joined) - len(machine.unused_data)]
        if not member.startswith(_HEADER):
            raise Damaged(f"the part that begins at byte {place} is no part of a backup")
        yield place, b"".join(content), member, whole.hexdigest()
        whole.update(member)
        place += len(member)
        ahead = ahead or file.read(_READ_BYTES)
