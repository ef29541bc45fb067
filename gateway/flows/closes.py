"""How far the sites' days are closed and reconciled, as sealed. Writes nothing."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from gateway.flows.reading import Sites, within
from gateway.flows.reconciliation import reading as reconciled
from gateway.store.tables import DayClose, Site, SiteBooks


def day(connection: Connection, allowed: Sites, wanted: date) -> dict[str, Any]:
    """The day at each site: `closed`, with the sequence and hash of its close, when and by whom (None: the job), or `open`; and how far
    it is reconciled.

    `street_hash` where all are closed. `missing`: statements of channels that are expected and have not come.
    """
    sealed = {
        row.site_id: row
        for row in connection.execute(
            select(DayClose.site_id, DayClose.sequence, DayClose.hash, DayClose.sealed_at, DayClose.operator).where(
                within(DayClose.site_id, allowed), DayClose.kind == "close", DayClose.day == wanted
            )
        )
    }
    books = connection.execute(
        select(SiteBooks.site_id)
        .join(Site, Site.id == SiteBooks.site_id)
        .where(within(SiteBooks.site_id, allowed), Site.enabled)
    ).scalars()
    names = sorted(set(books) | set(sealed))
    matched = {one.site: one for one in reconciled.days(connection, names, wanted)}
    sites = [
        {
            "site": site,
            "state": "closed" if site in sealed else "open",
            "sequence": sealed[site].sequence if site in sealed else None,
            "hash": bytes(sealed[site].hash).hex() if site in sealed else None,
            "closed_at": sealed[site].sealed_at if site in sealed else None,
            "closed_by": sealed[site].operator if site in sealed else None,
            "reconciled": matched[site].sealed,
            "reconciled_hash": matched[site].hash,
            "missing": matched[site].missing,
            "breaks": matched[site].breaks,
        }
        for site in names
    ]
    whole = bool(sites) and len(sealed) == len(sites) and allowed is None
    street = (
        hashlib.sha256(b"".join(bytes(sealed[site].hash) for site in sorted(sealed))).hexdigest() if whole else None
    )
    return {"day": wanted.isoformat(), "sites": sites, "street_hash": street}
