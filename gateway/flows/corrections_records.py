"""Corrections as they are read: each from its steps, with the plates as long as they are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, or_, select

from gateway.store import tables as t

Part = Literal["stay", "entry", "exit"]
_STEP = t.StayCorrection.__table__.c
_READ = t.StayCorrectionRead.__table__.c


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A correction as it stands. The plates end with the reads: null where none was corrected, or where they are kept no more."""

    id: str
    site: str
    state: str
    stay: str
    stay_after: str
    part: Part
    new_plate: bool
    plate_before: str | None
    plate_after: str | None
    entry_before: datetime | None
    entry_after: datetime | None
    payable_before_fen: int | None
    payable_after_fen: int | None
    reason: str
    at: datetime
    by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str


def of_stay(connection: Connection, site: str, stay_id: str) -> list[Correction]:
    """The corrections that name a stay, the oldest first."""
    named = select(_STEP.id).where(_STEP.site_id == site, or_(_STEP.stay_id == stay_id, _STEP.stay_after == stay_id))
    return documents(connection, site, list(connection.execute(named.distinct()).scalars()))


def one(connection: Connection, correction_id: str) -> Correction:
    return documents(connection, correction_id.partition(".")[0], [correction_id])[0]


def read_at(connection: Connection, site: str, device: str, event: str) -> datetime | None:
    """When an event that a correction is about was read; None for all others."""
    mine = (_READ.site_id == site, _READ.device_id == device, _READ.event_id == event, _READ.sequence.is_not(None))
    found: datetime | None = connection.execute(select(_READ.at).where(*mine).limit(1)).scalar()
    return found


def documents(connection: Connection, site: str, ids: list[str]) -> list[Correction]:
    """Those with these ids, the oldest first."""
    if not ids:
        return []
    mine = (_STEP.site_id == site, _STEP.id.in_(ids))
    steps: dict[str, list[Any]] = {}
    for row in connection.execute(select(*_STEP).where(*mine).order_by(_STEP.at, _STEP.step)):
        steps.setdefault(row.id, []).append(row)
    anchors = select(_READ.correction_id, _READ.from_plate, _READ.to_plate).where(
        _READ.site_id == site, _READ.correction_id.in_(ids), _READ.anchor
    )
    plates = {row.correction_id: (row.from_plate, row.to_plate) for row in connection.execute(anchors)}
    found = []
    for name, rows in steps.items():
        first, last = rows[0], rows[-1]
        decided = last if len(rows) > 1 else None
        before, after = plates.get(name, (None, None)) if first.new_plate else (None, None)
        found.append(
            Correction(
                id=name,
                site=site,
                state=last.state,
                stay=first.stay_id,
                stay_after=last.stay_after,
                part=first.part,
                new_plate=first.new_plate,
                plate_before=before,
                plate_after=after,
                entry_before=last.entry_before,
                entry_after=last.entry_after,
                payable_before_fen=last.payable_before,
                payable_after_fen=last.payable_after,
                reason=first.reason,
                at=first.at,
                by=first.operator,
                decided_at=decided.at if decided is not None else None,
                decided_by=decided.operator if decided is not None else None,
                decision=decided.reason if decided is not None else "",
            )
        )
    return found
