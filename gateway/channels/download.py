"""Downloading a statement: piece by piece into a file, within bounds, and nothing but the statement."""

from __future__ import annotations

import gzip
import hashlib
import time
import zlib
from collections.abc import Mapping
from typing import BinaryIO, Final

import requests

from gateway.channels.port import REQUEST_SECONDS, Damaged, Unavailable

BYTES_MAX: Final = 256 * 1024 * 1024
UNPACKED_MAX: Final = 2 * 1024**3
SECONDS_MAX: Final = 300.0
_PIECE: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"


def download(name: str, url: str, into: BinaryIO, headers: Mapping[str, str]) -> None:
    """Raises `Unavailable` and `Damaged`, with the channel's `name` in the words and never the address, which is a key for some minutes."""
    until, size = time.monotonic() + SECONDS_MAX, 0
    try:
        with requests.get(
            url, headers=dict(headers), stream=True, timeout=(REQUEST_SECONDS, 30), allow_redirects=False
        ) as answer:
            if answer.status_code != requests.codes.ok:
                raise Unavailable(f"{name} answered {answer.status_code} instead of the statement")
            for piece in answer.iter_content(_PIECE):
                size += len(piece)
                if size > BYTES_MAX:
                    raise Damaged(f"{name} sent more than {BYTES_MAX >> 20} MiB: that is no day's statement")
                if time.monotonic() > until:
                    raise Unavailable(f"{name} took more than {SECONDS_MAX:.0f} s for the statement")
                into.write(piece)
    except requests.RequestException as problem:
        why = Damaged if size else Unavailable
        raise why(f"{name} did not send the whole statement: {type(problem).__name__}") from None
    if size == 0:
        raise Damaged(f"{name} sent nothing instead of the statement")


def sha1_unpacked(name: str, file: BinaryIO) -> str:
    """SHA-1 of what a file unpacks to, in hex. Raises `Damaged` for what does not unpack."""
    digest = hashlib.sha1(usedforsecurity=False)
    file.seek(0)
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    size = 0
    try:
        source = gzip.GzipFile(fileobj=file) if packed else file
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > UNPACKED_MAX:
                raise Damaged(f"{name}'s statement unpacks to more than {UNPACKED_MAX >> 30} GiB")
            digest.update(piece)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise Damaged(f"{name}'s statement does not unpack: {type(problem).__name__}") from None
    return digest.hexdigest()
