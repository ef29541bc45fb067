"""Pages, cursors, instants and JSON answers, the same for every list."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Header, Query
from fastapi.responses import Response

from gateway.api.live import in_zone
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid
from gateway.flows.registers_rows import parse_instant
from gateway.wiring import Parts

LIMIT_MAX = 200

Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="items a page")]
SiteName = Annotated[str | None, Query(max_length=40, description="only this site")]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]

# A plus sign in a query is a space to a server; a client that did not escape it still means an offset.
_LOST_PLUS = re.compile(r"(?<=T)(.*) (\d\d:\d\d)$")


def json(parts: Parts, document: Any, status: int = 200) -> Response:
    """An answer with its instants in the site's time zone."""
    return Response(msgspec.json.encode(in_zone(document, parts.settings.zone)), status, media_type="application/json")


def slice_of(cursor: str | None, limit: int) -> Slice:
    """What a cursor and a limit ask for. Raises `Invalid` for a cursor that we did not give."""
    if cursor is None:
        return Slice(None, limit)
    try:
        after = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="), type=tuple[str | int, str]
        )
    except (ValueError, msgspec.MsgspecError):
        raise Invalid("cursor: not one that this list gave; start without one") from None
    try:
        first = datetime.fromtimestamp(after[0] / 1_000_000, UTC) if isinstance(after[0], int) else after[0]
    except (ValueError, OverflowError, OSError):
        raise Invalid("cursor: not one that this list gave; start without one") from None
    return Slice((first, after[1]), limit)


def instants_only(page: Slice) -> Slice:
    """For lists in the order of time. Raises `Invalid` for another list's cursor."""
    if page.after is not None and not isinstance(page.after[0], datetime):
        raise Invalid("cursor: not one that this list gave; start without one")
    return page


def names_only(page: Slice) -> Slice:
    """For lists in the order of names. Raises `Invalid` for another list's cursor."""
    if page.after is not None and not isinstance(page.after[0], str):
        raise Invalid("cursor: not one that this list gave; start without one")
    return page


def page(found: list[tuple[tuple[Any, ...], dict[str, Any]]], limit: int) -> dict[str, Any]:
    """`{"items", "next"}` of up to one item more than the page holds, each with its key."""
    more = found[limit - 1][0] if len(found) > limit else None
    return {"items": [document for _, document in found[:limit]], "next": None if more is None else _cursor(more)}


def _cursor(key: tuple[Any, ...]) -> str:
    first, second = key
    if isinstance(first, datetime):
        first = round((first - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)
    return base64.urlsafe_b64encode(msgspec.json.encode((first, second))).decode().rstrip("=")


def instant(name: str, value: str | None, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """A query's instant or day. Raises `Invalid`, naming the parameter."""
    if value is None or not value.strip():
        return None
    try:
        return parse_instant(_LOST_PLUS.sub(r"\1+\2", value.strip()), zone, end=end)
    except ValueError:
        raise Invalid(f"{name}: neither an instant (RFC 3339) nor a day (YYYY-MM-DD)") from None
