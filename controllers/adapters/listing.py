"""Offline lists for devices that take them in pieces: cut to size, and recognised again in their answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

from controllers.adapters.port import ListPart, ListTaken
from controllers.commands import ListDelta, ListEntry, WholeList

_T = TypeVar("_T")
_ID = re.compile(r"list\.(\d{1,18})\.(\d{1,9})\.(\d{1,9})")


def parts_of_list(order: WholeList | ListDelta, entries_max: int) -> tuple[ListPart, ...]:
    """What is added, then what is removed, never both in one part."""
    added: Sequence[ListEntry] = order.entries if isinstance(order, WholeList) else order.add
    removed: Sequence[str] = () if isinstance(order, WholeList) else order.remove
    pieces = [(piece, ()) for piece in _pieces(added, entries_max)] + [
        ((), piece) for piece in _pieces(removed, entries_max)
    ]
    return tuple(
        ListPart(version=order.version, number=number, of=len(pieces), add=add, remove=remove)
        for number, (add, remove) in enumerate(pieces, 1)
    )


def id_of_part(part: ListPart) -> str:
    return f"list.{part.version}.{part.number}.{part.of}"


def taken(id_: str, *, well: bool, detail: str | None = None) -> ListTaken | None:
    """What a device's answer under this id says of a list; None where it is about something else."""
    found = _ID.fullmatch(id_)
    if found is None:
        return None
    version, number, of = (int(group) for group in found.groups())
    return ListTaken(version=version, number=number, of=of, taken=well, detail=detail)


def _pieces(whole: Sequence[_T], size: int) -> Iterator[tuple[_T, ...]]:
    for start in range(0, len(whole), size or len(whole) or 1):
        yield tuple(whole[start : start + (size or len(whole))])
