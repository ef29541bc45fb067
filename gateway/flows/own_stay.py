"""A driver finds the own stay at a lane's code: by the whole plate, and by when it came in, which who only reads plates does not know.

What the pay page tells follows from when a vehicle came; whoever knows that learns little that is new (docs/decisions/0030).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from controllers.passages import State
from gateway.flows.passes_terms import plate_of
from gateway.store import tables as t
from gateway.wiring import Parts

WITHIN: Final = timedelta(minutes=5)
"""How far off the time of entry may be that a driver remembers."""
BACK: Final = timedelta(days=31)
"""How long after it a stay is looked for: no longer one is priced without a person."""
_STAY = t.Stay.__table__.c


def find(parts: Parts, site: str, plate: str, came_at: datetime) -> str | None:
    """The stay of a vehicle at a site that came in at about that instant; None where nothing fits, whatever does not.

    Raises `Invalid` for what is no plate.
    """
    name, now = plate_of(plate), parts.clock.now()
    if not now - BACK <= came_at <= now + WITHIN:
        return None
    with parts.store.reading() as connection:
        found: str | None = connection.execute(
            select(_STAY.id)
            .where(
                _STAY.site_id == site,
                _STAY.plate == name,
                _STAY.state.in_((State.INSIDE, State.LEFT)),
                _STAY.entry_at >= came_at - WITHIN,
                _STAY.entry_at < came_at + WITHIN + timedelta(minutes=1),
            )
            .order_by(_STAY.entry_at.desc())
            .limit(1)
        ).scalar()
    return found
