"""What the gates read of sold passes: the rows of `pass_held`, worked out from the periods and vehicles of a pass."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import delete, insert, select, update

from billing.passes import spans
from gateway.flows import registers_history as history
from gateway.flows.charges_books import Desk
from gateway.flows.charges_refusals import PassOverlaps
from gateway.flows.passes_records import SoldPass
from gateway.flows.posting import day_bounds
from gateway.store.tables import PassHeld

_HELD = PassHeld.__table__.c


class Until(msgspec.Struct, frozen=True, order=True):
    """The end of a row; `exact`: no days of grace after it."""

    valid_to: datetime
    exact: bool


Held = dict[tuple[str, datetime], Until]
"""By plate and start."""


def held_of(sold: SoldPass, zone: ZoneInfo) -> Held:
    """The rows of a pass: each of its vehicles, for as long as it was one, in each run of its days.

    A vehicle that was taken off within a run ends there to the instant: another one began at the same instant.
    """
    found: Held = {}
    for span in spans([period.gross() for period in sold.periods]):
        start, end = day_bounds(span.first, zone)[0], day_bounds(span.end, zone)[0]
        for vehicle in sold.vehicles:
            since = max(start, vehicle.since or start)
            until = min(end, vehicle.until or end)
            if since < until:
                taken_off = vehicle.until is not None and vehicle.until <= end
                found[vehicle.plate, since] = Until(until, span.exact or taken_off)
    return found


def refuse_overlaps(desk: Desk, sold: SoldPass, own: Held) -> None:
    """Raises `PassOverlaps` where a vehicle would hold the same pass twice at once, sold or imported."""
    for (plate, since), until in held_of(sold, desk.zone).items():
        if own.get((plate, since)) == until:
            continue
        rows = desk.connection.execute(
            select(_HELD.valid_from).where(
                _HELD.site_id == sold.site,
                _HELD.plate == plate,
                _HELD.pass_id == sold.offer_id,
                _HELD.valid_from < until.valid_to,
                _HELD.valid_to > since,
            )
        )
        if any((plate, row.valid_from) not in own for row in rows):
            raise PassOverlaps(f"a vehicle of pass {sold.id} has the same pass in that time already, sold or imported")


def bring(desk: Desk, sold: SoldPass, before: Held, *, what: str, reason: str = "") -> None:
    """Make the rows what they are after a change of the pass, in its transaction. Leaves steps in the register's history."""
    after, connection = held_of(sold, desk.zone), desk.connection
    steps: list[history.Step] = []
    key = (_HELD.site_id == sold.site, _HELD.pass_id == sold.offer_id)
    for plate, since in sorted(before.keys() - after.keys()):
        connection.execute(delete(PassHeld).where(*key, _HELD.plate == plate, _HELD.valid_from == since))
        row = _row(sold, (plate, since), before[plate, since])
        # It never began.
        steps.append(history.Step("remove", row, {**row, "valid_to": since}))
    for place, until in sorted(after.items()):
        row = _row(sold, place, until)
        if place not in before:
            connection.execute(insert(PassHeld).values(**row, exact=until.exact, registered_at=desk.now))
            steps.append(history.Step(what, None, row))
        elif before[place] != until:
            connection.execute(
                update(PassHeld)
                .where(*key, _HELD.plate == place[0], _HELD.valid_from == place[1])
                .values(valid_to=until.valid_to, exact=until.exact)
            )
            steps.append(history.Step(what, _row(sold, place, before[place]), row))
    if steps:
        who = history.Who(operator=desk.by.operator, source="api", origin=desk.by.origin, reason=reason)
        history.record(connection, "passes", steps, who, desk.now)


def _row(sold: SoldPass, place: tuple[str, datetime], until: Until) -> dict[str, Any]:
    plate, since = place
    return {
        "site_id": sold.site,
        "plate": plate,
        "pass_id": sold.offer_id,
        "valid_from": since,
        "valid_to": until.valid_to,
    }
