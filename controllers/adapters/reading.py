"""Reading what devices write, the same for every vendor: bounded, guarded, and wrong only with a code.

Every function here raises `Undecodable` or nothing.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from binascii import Error as NotBase64
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar

import msgspec

from controllers.adapters.port import PICTURE_BYTES_MAX
from controllers.events import PlateColour, Undecodable

T = TypeVar("T")

TEXT_LENGTH_MAX = 300
ID_LENGTH_MAX = 64
# Outside of these a clock is not wrong but never set: 1970 after a flat battery, 2000 in some cameras.
_YEARS = range(2001, 2100)
_LOCAL = re.compile(r"(\d{4})\D?(\d{2})\D?(\d{2})\D?(\d{2})\D?(\d{2})\D?(\d{2})(?:\D?(\d{1,6}))?", re.ASCII)

# As vendors write them: in Chinese with and without 色, in English in any case.
_COLOURS: dict[str, PlateColour] = {
    "蓝": PlateColour.BLUE,
    "黄": PlateColour.YELLOW,
    "绿": PlateColour.GREEN,
    "黄绿": PlateColour.YELLOW_GREEN,
    "白": PlateColour.WHITE,
    "黑": PlateColour.BLACK,
    "blue": PlateColour.BLUE,
    "yellow": PlateColour.YELLOW,
    "green": PlateColour.GREEN,
    "newenergygreen": PlateColour.GREEN,
    "yellowgreen": PlateColour.YELLOW_GREEN,
    "newenergyyellowgreen": PlateColour.YELLOW_GREEN,
    "white": PlateColour.WHITE,
    "black": PlateColour.BLACK,
}


def small_enough(payload: bytes, bytes_max: int, event_id: str | None = None) -> None:
    if len(payload) > bytes_max:
        raise Undecodable("too_large", f"{len(payload)} bytes; at most {bytes_max}", event_id)


def from_json(
    decoder: msgspec.json.Decoder[T],
    payload: bytes,
    bytes_max: int,
    event_id: str | None = None,
    *,
    encoding: str = "utf-8",
) -> T:
    """`event_id`: what was read from the wreck, for its receipt. `encoding`: `gb18030` for a vendor that writes GBK or GB 2312."""
    small_enough(payload, bytes_max, event_id)
    try:
        text = payload.decode(encoding)
    except UnicodeDecodeError as error:
        code = "not_utf8" if encoding == "utf-8" else "not_json"
        raise Undecodable(code, str(error)[:200], event_id) from None
    try:
        return decoder.decode(payload if encoding == "utf-8" else text)
    except msgspec.ValidationError as error:
        raise Undecodable("not_in_schema", str(error)[:200], event_id) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Undecodable("not_json", str(error)[:200], event_id) from None


def storable(text: str) -> bool:
    """A text that a database of either kind takes, and a log line survives."""
    return len(text) <= TEXT_LENGTH_MAX and text.isprintable() if text else True


def text_of(text: str, what: str, event_id: str | None = None) -> str:
    """The text, where it is storable."""
    if not storable(text):
        raise Undecodable("not_in_schema", f"{what} is too long or holds control characters", event_id)
    return text


def id_of(*parts: object) -> str:
    """An event's id from what the vendor numbers its reads with: those parts, or a digest of them where they do not fit.

    64 bits and more of a digest: two reads of one device in 90 days never meet.
    """
    plain = "-".join(str(part) for part in parts)
    if 1 <= len(plain) <= ID_LENGTH_MAX and plain.isascii() and plain.isprintable():
        return plain
    return hashlib.blake2s(
        "\0".join(str(part) for part in parts).encode("utf-8", "replace"), digest_size=16
    ).hexdigest()


def utc(at: datetime, event_id: str | None = None) -> datetime:
    if at.tzinfo is None:
        raise Undecodable("not_in_schema", "an instant needs an offset (RFC 3339)", event_id)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Undecodable("not_in_schema", "an instant out of range", event_id) from None


def instant_of_epoch(microseconds: int, event_id: str | None = None) -> datetime:
    """From microseconds since 1970."""
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        raise Undecodable("not_in_schema", "an instant out of range", event_id) from None
    return _believable(at, event_id)


def instant_of_text(text: str, zone: tzinfo, event_id: str | None = None) -> datetime:
    """From RFC 3339, or from a local time in any of the vendors' spellings (`2026-10-29 16:00:00.361`, `20261029160000361`)."""
    try:
        read = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        read = None
    if read is None:
        found = _LOCAL.fullmatch(text.strip())
        if found is None:
            raise Undecodable("not_in_schema", f"not an instant: {text[:40]!r}", event_id)
        *whole, fraction = found.groups(default="0")
        try:
            read = datetime(*(int(part) for part in whole), int(fraction.ljust(6, "0")), tzinfo=None)  # type: ignore[arg-type,misc]  # noqa: DTZ001
        except ValueError:
            raise Undecodable("not_in_schema", f"not an instant: {text[:40]!r}", event_id) from None
    return _believable(utc(read if read.tzinfo else read.replace(tzinfo=zone), event_id), event_id)


def _believable(at: datetime, event_id: str | None) -> datetime:
    if at.year not in _YEARS:
        raise Undecodable("not_in_schema", f"a clock that was never set: {at:%Y-%m-%d}", event_id)
    return at


def share_of_percent(percent: float | None) -> float | None:
    """0…100 as 0…1; what is outside says nothing. Zero is a vendor's way of not saying."""
    return percent / 100 if percent is not None and 0 < percent <= 100 else None


def colour_of(word: str | None) -> PlateColour | None:
    """A vendor's word for a plate's colour; None for one that we have no word for (`unknown`, `red`)."""
    if not word:
        return None
    plain = word.strip().lower().replace("_", "").replace("-", "").removesuffix("色")
    return _COLOURS.get(plain)


def jpeg_of(text: str | bytes | None) -> bytes | None:
    """A picture from base64 or as it is. A bad picture is no picture: it must not cost the event."""
    if not text:
        return None
    jpeg = text if isinstance(text, bytes) else _from_base64(text)
    return jpeg if jpeg is not None and jpeg[:3] == b"\xff\xd8\xff" and len(jpeg) <= PICTURE_BYTES_MAX else None


def text_of_base64(text: str, what: str, event_id: str | None = None) -> str:
    """UTF-8 that a vendor wraps in base64."""
    raw = _from_base64(text)
    if raw is None:
        raise Undecodable("not_in_schema", f"{what} is not base64", event_id)
    try:
        return text_of(raw.decode("utf-8"), what, event_id)
    except UnicodeDecodeError as error:
        raise Undecodable("not_in_schema", f"{what}: {error}"[:200], event_id) from None


def _from_base64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None
