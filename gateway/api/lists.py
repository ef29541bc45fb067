"""Lists, page by page: what every one of them takes, and the shape in which it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends
from pydantic import BaseModel

from gateway.api.answers import LIMIT_MAX, Cursor, Limit, instants_only, names_only, slice_of
from gateway.flows.reading import Slice

Item = TypeVar("Item")


class ListOf(BaseModel, Generic[Item]):
    """`next` is the cursor of the page after this one; null: there is none."""

    items: list[Item]
    next: str | None


def _paged(only: Callable[[Slice], Slice], items: int) -> Any:
    async def part(cursor: Cursor = None, limit: Limit = items) -> Slice:
        return only(slice_of(cursor, limit))

    return Depends(part)


ByName = Annotated[Slice, _paged(names_only, LIMIT_MAX // 2)]
"""A page of a list in the order of names."""
ByTime = Annotated[Slice, _paged(instants_only, LIMIT_MAX // 2)]
"""A page of a list in the order of time."""
AllByName = Annotated[Slice, _paged(names_only, LIMIT_MAX)]
"""The same as `ByName`, of lists that mostly fit on one page."""
