"""What a statement comes in: as it is, gzip, or ZIP; UTF-8 or GB18030. Lines come out, each with its number.

Everything has a bound, so that no small file unpacks into a large memory.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from billing.statements.rows import AGAIN, BadStatement

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

UNPACKED_MAX: Final = 2 * 1024**3
LINE_BYTES_MAX: Final = 16 * 1024
_MEMBERS_MAX: Final = 20
_BUFFER: Final = 256 * 1024
_GZIP, _ZIP, _EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_NAME_IS_UTF8: Final = 0x800
_ENCRYPTED: Final = 0x1

Choose = Callable[[list[str]], list[str]]
"""Of the names in an archive those of the statement, best first; the rest is left alone."""

Line = tuple[int, str]


class _Bounded(io.RawIOBase):
    """What is unpacked, up to a bound; the troubles of unpacking are a file's, not a program's."""

    def __init__(self, inner: io.BufferedIOBase | IO[bytes], most: int) -> None:
        self._inner, self._left, self._most = inner, most, most
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, into: WriteableBuffer) -> int:
        try:
            data = self._inner.read(len(memoryview(into)))
        except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise BadStatement(0, f"it does not unpack ({error or type(error).__name__})", AGAIN) from None
        self._left -= len(data)
        if self._left < 0:
            raise BadStatement(0, f"it unpacks to more than {self._most >> 20} MiB", "ask the channel for a file a day")
        memoryview(into).cast("B")[: len(data)] = data
        self.digest.update(data)
        return len(data)


class Container:
    """A statement's file. `member`: of an archive, the one that is read."""

    def __init__(self, stream: BinaryIO, choose: Choose, unpacked_max: int = UNPACKED_MAX) -> None:
        """The stream can be sought. Raises `BadStatement`."""
        self._stream, self._most = stream, unpacked_max
        self.archive: zipfile.ZipFile | None = None
        self.names: dict[str, zipfile.ZipInfo] = {}
        self._read: _Bounded | None = None
        self.member = ""
        head = stream.read(4)
        stream.seek(0)
        self._packed = head[:2] == _GZIP
        if head in {_ZIP, _EMPTY_ZIP}:
            self._open_archive(choose)

    def _open_archive(self, choose: Choose) -> None:
        try:
            self.archive = zipfile.ZipFile(self._stream)
            # The library's own way of asking ends with an error where a name is empty.
            entries = [one for one in self.archive.infolist() if not one.filename.endswith("/")]
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, UnicodeDecodeError, OSError) as error:
            raise BadStatement(0, f"the ZIP archive cannot be read ({error})", AGAIN) from None
        if entries and min(one.header_offset for one in self.archive.infolist()) > 0:
            # The library reads the last of several archives in a file and says nothing of those before it.
            raise BadStatement(0, "something stands in the file before its ZIP archive", AGAIN)
        if len(entries) > _MEMBERS_MAX:
            raise BadStatement(0, f"the ZIP archive holds more than {_MEMBERS_MAX} files", AGAIN)
        for entry in entries:
            self.names.setdefault(_name(entry), entry)
        if len(self.names) != len(entries):
            raise BadStatement(0, "the ZIP archive holds two files of one name", AGAIN)
        found = choose(list(self.names))
        if len(found) != 1:
            what = f"{len(found)} files that could be the statement" if found else "no statement of this channel"
            held = ", ".join(name[:60] for name in self.names) or "nothing"
            raise BadStatement(0, f"the ZIP archive holds {what} (it holds: {held})", "import the statement itself")
        self.member = found[0]

    def lines(self, member: str = "") -> Iterator[Line]:
        """The lines of the file, or of another member of the archive. Raises `BadStatement`, also while they are taken."""
        if member:
            return _decoded(io.BufferedReader(self._bytes(member), _BUFFER))
        return _decoded(self._main())

    def raw_lines(self) -> Iterator[tuple[int, bytes]]:
        """The same, not decoded, without their ends."""
        return _split(self._main())

    def digest(self) -> bytes:
        """SHA-256 of what was read, unpacked: the same bill is the same however it was packed."""
        return self._read.digest.digest() if self._read is not None else b""

    def _main(self) -> io.BufferedReader:
        self._read = self._bytes(self.member)
        return io.BufferedReader(self._read, _BUFFER)

    def _bytes(self, member: str) -> _Bounded:
        if self.archive is None:
            self._stream.seek(0)
            inner = gzip.GzipFile(fileobj=self._stream) if self._packed else self._stream
            return _Bounded(inner, self._most)
        entry = self.names[member]
        if entry.flag_bits & _ENCRYPTED:
            raise BadStatement(0, f"{member} in the ZIP archive has a password", "unpack it first")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise BadStatement(0, f"{member} in the ZIP archive is packed in a way that no channel uses", AGAIN)
        if entry.file_size > self._most:
            raise BadStatement(0, f"it unpacks to more than {self._most >> 20} MiB", "ask the channel for a file a day")
        try:
            opened = self.archive.open(entry)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
            raise BadStatement(0, f"{member} in the ZIP archive cannot be read ({error})", AGAIN) from None
        return _Bounded(opened, self._most)


def _name(entry: zipfile.ZipInfo) -> str:
    """Alipay's names are GBK without saying so; what does not say UTF-8 is told as code page 437."""
    if entry.flag_bits & _NAME_IS_UTF8:
        return entry.filename
    raw = entry.filename.encode("cp437", errors="replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return entry.filename


def _split(source: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    line = 0
    while raw := source.readline(LINE_BYTES_MAX + 1):
        line += 1
        if len(raw) > LINE_BYTES_MAX:
            raise BadStatement(
                line, f"longer than {LINE_BYTES_MAX} bytes", "this is no statement: give the channel's file"
            )
        yield line, raw.removesuffix(b"\n").removesuffix(b"\r")


def _decoded(source: io.BufferedReader) -> Iterator[Line]:
    """UTF-8 with or without a BOM, or GB18030, as the first line that is not plain ASCII shows: text of UTF-8 may be GB18030 by chance,
    Chinese headings of GB18030 are not UTF-8.
    """
    encoding = ""
    for line, raw in _split(source):
        if line == 1 and raw.startswith(b"\xef\xbb\xbf"):
            encoding, raw = "utf-8", raw[3:]  # noqa: PLW2901
        if b"\x00" in raw:
            raise BadStatement(line, "it holds NUL bytes and is no text", AGAIN)
        try:
            if encoding:
                yield line, raw.decode(encoding)
                continue
            if raw.isascii():
                yield line, raw.decode("ascii")
                continue
            try:
                text, encoding = raw.decode("utf-8"), "utf-8"
            except UnicodeDecodeError:
                text, encoding = raw.decode("gb18030"), "gb18030"
            yield line, text
        except UnicodeDecodeError:
            told = encoding.upper() if encoding else "UTF-8 or GB18030"
            raise BadStatement(line, f"not {told} text", AGAIN) from None
