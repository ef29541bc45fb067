"""Corrections of all stays, for whoever looks after them: what waits for a second person, and what was decided."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from gateway.flows.corrections_records import Correction, documents
from gateway.flows.reading import Sites, Slice, at_each, older
from gateway.store import tables as t

_STEP = t.StayCorrection.__table__.c


def listed(
    connection: Connection, allowed: Sites, page: Slice, *, state: str | None
) -> list[tuple[tuple[Any, ...], Correction]]:
    """Corrections by their last step, the newest first, each with its key. `state` None means any."""
    later = t.StayCorrection.__table__.alias()
    passed = select(later.c.id).where(
        later.c.site_id == _STEP.site_id, later.c.id == _STEP.id, later.c.step > _STEP.step
    )
    conditions = [at_each(t.StayCorrection.site_id, allowed), ~passed.exists()]
    if state is not None:
        conditions.append(_STEP.state == state)
    conditions += older(page.after, _STEP.at, _STEP.id)
    rows = connection.execute(
        select(_STEP.site_id, _STEP.id, _STEP.at)
        .where(*conditions)
        .order_by(_STEP.at.desc(), _STEP.id.desc())
        .limit(page.limit + 1)
    ).all()
    by_site: dict[str, list[str]] = {}
    for row in rows:
        by_site.setdefault(row.site_id, []).append(row.id)
    found = {one.id: one for site, ids in by_site.items() for one in documents(connection, site, ids)}
    return [((row.at, row.id), found[row.id]) for row in rows]
