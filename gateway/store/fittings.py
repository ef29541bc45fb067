"""How devices of other vendors are built in: what their adapters are handed."""

from __future__ import annotations

from datetime import tzinfo
from typing import NamedTuple

from sqlalchemy import Connection, select

from controllers.adapters.port import FittedLane, Fitting
from gateway.store import tables as t

NATIVE = "native"

_LANES = (
    select(t.Device.site_id, t.Device.id, t.Device.vendor, t.Lane.id.label("lane"), t.Lane.direction)
    .join(t.Site, t.Site.id == t.Device.site_id)
    .join(
        t.Lane,
        (t.Lane.site_id == t.Device.site_id) & (t.Lane.device_id == t.Device.id) & t.Lane.enabled,
        isouter=True,
    )
    .where(t.Device.enabled, t.Site.enabled, t.Device.vendor != NATIVE)
    .order_by(t.Device.site_id, t.Device.id, t.Lane.id)
)


class Fitted(NamedTuple):
    vendor: str
    fitting: Fitting


def load_fittings(connection: Connection, zone: tzinfo) -> dict[tuple[str, str], Fitted]:
    """Every device in service that is not of our own protocol, with its lanes, by site and device."""
    lanes: dict[tuple[str, str, str], list[FittedLane]] = {}
    for row in connection.execute(_LANES):
        fitted = lanes.setdefault((row.site_id, row.id, row.vendor), [])
        if row.lane is not None:
            fitted.append(FittedLane(id=row.lane, inward=row.direction == "in"))
    return {
        (site, device): Fitted(vendor, Fitting(site=site, device=device, lanes=tuple(of), zone=zone))
        for (site, device, vendor), of in lanes.items()
    }
