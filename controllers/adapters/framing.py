"""Multipart as devices write it, in bodies and in streams without end: framed by its boundary, whatever lengths it claims.

Devices announce lengths of 0 or of something else, end lines with LF alone, and pad parts with empty lines; so only the boundary
counts. The memory is bounded. Part headers are kept by lower-case names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from controllers.adapters.port import PICTURE_PAYLOAD_BYTES_MAX, Part
from controllers.events import Undecodable

PARTS_MAX = 16
HEADERS_MAX = 32
_HEAD_BYTES_MAX = 8 * 1024
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_TAIL = re.compile(rb"\r?\n-*\Z")
_NAME = re.compile(r'\b(?:file)?name="([^"]{0,200})"', re.IGNORECASE)


def boundary_of(headers: Mapping[str, str]) -> bytes:
    """From `Content-Type`. Raises `Undecodable` (`not_multipart`)."""
    found = _BOUNDARY.search(headers.get("content-type", ""))
    if found is None:
        raise Undecodable("not_multipart", "no boundary in the content type")
    # Some firmware writes the two dashes of the line into the parameter, too: what is left of longer rows of them, `_TAIL` takes.
    return found[1].removeprefix("--").encode("utf-8", "replace")


def name_of(part: Part) -> str:
    """The name that a form's part has, or its file's; empty where it has none."""
    found = _NAME.search(part.headers.get("content-disposition", ""))
    return found[1] if found else ""


class Frames:
    """Cuts a stream into parts. Feed it what arrives, in any pieces."""

    def __init__(self, boundary: bytes, *, bytes_max: int = PICTURE_PAYLOAD_BYTES_MAX, parts_max: int = 4096) -> None:
        self._mark = b"--" + boundary
        self._parts_max = parts_max
        self._bytes_max = bytes_max
        self._buffer = bytearray()
        self._inside = False
        self._searched = 0

    def feed(self, data: bytes) -> list[Part]:
        """The parts that are complete: the next boundary has come. Raises `Undecodable` (`too_large`), and starts anew."""
        self._buffer += data
        parts: list[Part] = []
        while (at := self._buffer.find(self._mark, self._searched)) >= 0:
            before = bytes(self._buffer[:at])
            del self._buffer[: at + len(self._mark)]
            self._searched = 0
            if self._inside and (part := _part(before)) is not None:
                parts.append(part)
            self._inside = True
            if len(parts) > self._parts_max:
                self._start_anew()
                raise Undecodable("too_large", f"more than {self._parts_max} parts at once")
        self._searched = max(0, len(self._buffer) - len(self._mark) + 1)
        if not self._inside:
            # Whatever stands before the first boundary is a preamble, and nobody's.
            del self._buffer[: self._searched]
            self._searched = 0
        elif len(self._buffer) > self._bytes_max:
            self._start_anew()
            raise Undecodable("too_large", f"a part of more than {self._bytes_max} bytes")
        return parts

    def _start_anew(self) -> None:
        self._buffer.clear()
        self._searched, self._inside = 0, False

    def rest(self) -> Part | None:
        """What has come of the part that no boundary has ended yet: a body may lack its last one."""
        return _part(bytes(self._buffer)) if self._inside else None


def parts_of(body: bytes, headers: Mapping[str, str]) -> list[Part]:
    """A whole multipart body. Raises `Undecodable` (`not_multipart`, `too_large`)."""
    frames = Frames(boundary_of(headers), parts_max=PARTS_MAX)
    parts = frames.feed(body)
    if (last := frames.rest()) is not None:
        parts.append(last)
    if not parts:
        raise Undecodable("not_multipart", "no part between boundaries")
    return parts


def _part(raw: bytes) -> Part | None:
    """None for what is between the last boundary and the end, and for parts without anything in them."""
    if raw.startswith(b"--"):
        return None
    raw = raw.removeprefix(b"\r").removeprefix(b"\n")
    found = _END_OF_HEAD.search(raw, 0, _HEAD_BYTES_MAX)
    head, body = (raw[: found.start()], raw[found.end() :]) if found else (b"", raw)
    if found is None and not raw.strip():
        return None
    headers = {}
    for line in head.splitlines()[:HEADERS_MAX]:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().lower().decode("latin-1")] = value.strip().decode("utf-8", "replace")
    body = _TAIL.sub(b"", body)
    return Part(headers=headers, body=body) if body else None
