"""Lists, page by page: what every one of them takes, and the shape in which it is answered."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel

from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid

LIMIT_MAX = 200

Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="items a page")]
Item = TypeVar("Item")


class ListOf(BaseModel, Generic[Item]):
    """`next` is the cursor of the page after this one; null: there is none."""

    items: list[Item]
    next: str | None


class NotOurCursor(Invalid):
    """cursor: not one that this list gave; start without one"""


def _after(cursor: str, first_is: type[datetime | str]) -> tuple[Any, str]:
    """The key at which a page ended. Raises `NotOurCursor`."""
    try:
        first, second = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="), type=tuple[str | int, str]
        )
        key = datetime.fromtimestamp(first / 1_000_000, UTC) if isinstance(first, int) else first
    except (ValueError, OverflowError, OSError, msgspec.MsgspecError):
        raise NotOurCursor from None
    if not isinstance(key, first_is):
        raise NotOurCursor
    return key, second


def page(found: list[tuple[tuple[Any, ...], dict[str, Any]]], limit: int) -> dict[str, Any]:
    """`{"items", "next"}` of up to one item more than the page holds, each with its key."""
    more = found[limit - 1][0] if len(found) > limit else None
    return {"items": [document for _, document in found[:limit]], "next": None if more is None else _cursor(more)}


def _cursor(key: tuple[Any, ...]) -> str:
    first, second = key
    if isinstance(first, datetime):
        first = round((first - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)
    return base64.urlsafe_b64encode(msgspec.json.encode((first, second))).decode().rstrip("=")


def _paged(first_is: type[datetime | str], items: int) -> Any:
    """What a route takes a page with; the list goes by this kind of key first, then by a name."""

    async def part(cursor: Cursor = None, limit: Limit = items) -> Slice:
        return Slice(None if cursor is None else _after(cursor, first_is), limit)

    return Depends(part)


ByName = Annotated[Slice, _paged(str, LIMIT_MAX // 2)]
"""A page of a list in the order of names."""
ByTime = Annotated[Slice, _paged(datetime, LIMIT_MAX // 2)]
"""A page of a list in the order of time."""
AllByName = Annotated[Slice, _paged(str, LIMIT_MAX)]
"""The same as `ByName`, of lists that mostly fit on one page."""
