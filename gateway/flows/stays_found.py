"""The list of stays: the newest first, by a part of a plate, by state, by when they began. Each question goes by an index of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select

from gateway.flows.reading import Document, Sites, Slice, named, of_each, older, site_of, stay_document
from gateway.store.tables import Presence, Stay
from gateway.store.tables.movement import UNUSUAL

_VEHICLES_MAX = 100
_INSIDE_BY, _UNUSUAL_BY = "uq_stay_one_inside", "ix_stay_unusual"


class StayFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which stays. `plate` is a part of a normalised plate; `since` and `until` bound the start, `until` is outside."""

    site: str | None = None
    plate: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def stays(
    connection: Connection, allowed: Sites, wanted: StayFilter, page: Slice
) -> list[tuple[tuple[Any, ...], Document]]:
    """Stays, newest start first, each with its key for paging.

    The keys of each site's newest come off its own index, and only the page's rows are read: however many stays there are.
    """
    seen = named(connection, allowed)
    sites_ = [one for one in seen if wanted.site in {None, one}]
    plates = _vehicles(connection, sites_, wanted.plate) if wanted.plate else {}
    found = of_each(connection, sites_, lambda site: _newest_of(site, wanted, page, plates.get(site, [])))
    found.sort(key=lambda row: (row.started_at, row.id), reverse=True)
    keys = [row.id for row in found[: page.limit + 1]]
    if not keys:
        return []
    mine = select(Stay.__table__).where(Stay.site_id.in_({site_of(one) for one in keys}), Stay.id.in_(keys))
    rows = {row.id: row for row in connection.execute(mine)}
    return [((rows[one].started_at, one), stay_document(rows[one])) for one in keys if one in rows]


def _newest_of(site: str, wanted: StayFilter, page: Slice, plates: Sequence[str] | None) -> Select[Any]:
    """The keys of one site's part of a page. `plates`: the vehicles that are meant, if they are few; of many (None) a page is soon full."""
    conditions, index = _of_state(wanted.state)
    conditions.append(Stay.site_id == site)
    started: Any = Stay.started_at
    if wanted.plate and plates is None:
        conditions.append(Stay.plate.contains(wanted.plate, autoescape=True))
    elif wanted.plate:
        conditions.append(Stay.plate.in_(plates or []))
        index = ""
    if index == _INSIDE_BY or (wanted.plate and plates is not None):
        # As an expression it leads to no index of its own.
        started = func.coalesce(Stay.started_at, Stay.started_at)
    if wanted.since is not None:
        conditions.append(started >= wanted.since)
    if wanted.until is not None:
        conditions.append(started < wanted.until)
    conditions += older(page.after, started, Stay.id)
    query: Any = select(Stay.started_at, Stay.id).where(*conditions)
    if index:
        # SQLite counts nothing of an index in which nothing stands, and would go through every stay for it.
        query = query.with_hint(Stay, f"INDEXED BY {index}", "sqlite")
    found: Select[Any] = query.order_by(started.desc(), Stay.id.desc()).limit(page.limit + 1)
    return found


def _of_state(state: str | None) -> tuple[list[ColumnElement[bool]], str]:
    """Which stays, in the words of the index of those few, and its name; most have left, and are found by their start alone."""
    if state is None:
        return [], ""
    if state == "left":
        return [Stay.state == state], ""
    if state == "inside":
        return [Stay.state == literal_column("'inside'")], _INSIDE_BY
    return [Stay.state == state, literal_column(UNUSUAL)], _UNUSUAL_BY


def _vehicles(connection: Connection, sites: Sequence[str], part: str) -> dict[str, list[str] | None]:
    """The plates with this part by site, None where they are many: out of the vehicles that were ever here, not out of their stays.

    Who was taken out of a stay (`#…`) is no vehicle that came: it stands in the stay alone.
    """
    came: Any = Stay if "#" in part else Presence

    def of_site(site: str) -> Select[Any]:
        like = came.plate.contains(part, autoescape=True)
        query = select(came.site_id, came.plate).where(came.site_id == site, like)
        return (query.distinct() if came is Stay else query).limit(_VEHICLES_MAX + 1)

    found: dict[str, list[str] | None] = {}
    for site, rows in groupby(of_each(connection, sites, of_site), key=itemgetter(0)):
        plates = [row.plate for row in rows]
        found[site] = plates if len(plates) <= _VEHICLES_MAX else None
    return found
