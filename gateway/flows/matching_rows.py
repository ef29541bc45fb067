"""What weighing an exit without an entry reads: the stays, how the reads at their ends were read, and who is known here. For several exits at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, or_, select

from controllers.events import PlateColour
from controllers.passages import State
from controllers.plate_match import Read
from gateway.flows.reading import site_of
from gateway.store import tables as t
from gateway.store.facts import FactLoader

LONGEST: Final = timedelta(days=7)
"""Longer ago nobody is a candidate."""

_INSIDE_MAX = 20_000
_STAY = t.Stay.__table__.c
_EVENT = t.PlateEventRow.__table__.c
_IMAGE = t.Image.__table__.c


def read_of(row: Any, at: datetime, *, known: bool) -> Read:
    return Read(
        plate=row.plate,
        at=at,
        colour=PlateColour(row.plate_colour) if row.plate_colour else None,
        confidence=row.confidence,
        certainties=tuple(one / 100 for one in row.certainties or b""),
        known=known,
        picture=bool(row.picture),
    )


def _with_read(device: Any, event: Any) -> Any:
    """Stays with how the read at one of their ends was read, and whether there is a picture of it."""
    picture = (
        select(_IMAGE.event_id)
        .where(_IMAGE.site_id == _STAY.site_id, _IMAGE.device_id == device, _IMAGE.event_id == event)
        .exists()
    )
    columns = (
        _STAY.site_id,
        _STAY.id,
        _STAY.plate,
        _STAY.plate_colour,
        _STAY.state,
        _STAY.started_at,
        _STAY.entry_at,
        _STAY.exit_at,
        _STAY.entry_device,
        _STAY.entry_event,
        _STAY.exit_event,
        _EVENT.confidence,
        _EVENT.certainties,
        picture.label("picture"),
    )
    joined = and_(_EVENT.site_id == _STAY.site_id, _EVENT.device_id == device, _EVENT.event_id == event)
    return select(*columns).select_from(t.Stay.__table__.outerjoin(t.PlateEventRow.__table__, joined))


def exits(stays: Collection[str]) -> Any:
    return _with_read(_STAY.exit_device, _STAY.exit_event).where(*_these(stays))


def entries(stays: Collection[str]) -> Any:
    return _with_read(_STAY.entry_device, _STAY.entry_event).where(*_these(stays))


def _these(stays: Collection[str]) -> tuple[Any, Any]:
    return _STAY.site_id.in_(sorted({site_of(one) for one in stays})), _STAY.id.in_(sorted(stays))


def inside(exits: Sequence[Any]) -> Any:
    """Who was inside then, or is thought to have left without being seen. Longer ago than a week nobody is a candidate."""
    first, last = min(row.exit_at for row in exits), max(row.exit_at for row in exits)
    return (
        select(_STAY.site_id, _STAY.id, _STAY.plate, _STAY.started_at)
        .where(
            _STAY.site_id.in_(sorted({row.site_id for row in exits})),
            _STAY.started_at < last,
            _STAY.started_at >= first - LONGEST,
            _STAY.entry_at.is_not(None),
            or_(_STAY.state == State.INSIDE, _STAY.state == State.MISSING_EXIT),
        )
        .order_by(_STAY.started_at.desc(), _STAY.id)
        .limit(_INSIDE_MAX)
    )


class Known(NamedTuple):
    """Vehicles that a register names, and the stays in which each was seen to come in."""

    registered: frozenset[tuple[str, str]]
    before: dict[tuple[str, str], set[str]]

    def says(self, row: Any, apart_from: set[str]) -> bool:
        """Whether the plate of a stay is known from anything but these stays."""
        key = (row.site_id, row.plate)
        return key in self.registered or not self.before.get(key, set()) <= apart_from


def known_of(connection: Connection, rows: Sequence[Any]) -> Known:
    keys = sorted({(row.site_id, row.plate) for row in rows})
    registered = FactLoader(connection, locking=False).registrations(keys)()
    # Only those whose entry was seen: a plate that is misread the same way every time would else be taken for another vehicle's.
    seen = connection.execute(
        select(_STAY.site_id, _STAY.plate, _STAY.id).where(
            _STAY.site_id.in_(sorted({site for site, _ in keys})),
            _STAY.plate.in_(sorted({plate for _, plate in keys})),
            _STAY.entry_at.is_not(None),
            _STAY.state != State.VOID,
        )
    )
    before: dict[tuple[str, str], set[str]] = {}
    for row in seen:
        before.setdefault((row.site_id, row.plate), set()).add(row.id)
    return Known(frozenset(key for key, found in registered.items() if found.known), before)
