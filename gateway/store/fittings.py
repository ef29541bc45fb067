"""How devices of other vendors are built in: what their adapters are handed."""

from __future__ import annotations

from datetime import tzinfo
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection, select

from controllers.adapters.port import FittedLane, Fitting
from gateway.store import tables as t

NATIVE = "native"

_LANES = (
    select(
        t.Device.site_id,
        t.Device.id,
        t.Device.vendor,
        t.Device.serial,
        t.Device.features,
        t.Lane.id.label("lane"),
        t.Lane.direction,
        t.Lane.channel,
        t.Lane.relay,
        t.Lane.close_relay,
    )
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


class Access(NamedTuple):
    """Where a device is asked, and the account with which; `sealed`: its password (`flows.device_logins`)."""

    address: str
    login: str
    sealed: bytes


def load_access(connection: Connection) -> dict[tuple[str, str], Access]:
    """Of every device in service that is asked by HTTP, by site and device."""
    asked = (
        select(t.Device.site_id, t.Device.id, t.Device.address, t.Device.login, t.Device.login_sealed)
        .join(t.Site, t.Site.id == t.Device.site_id)
        .where(t.Device.enabled, t.Site.enabled, t.Device.address != "", t.Device.login_sealed.is_not(None))
    )
    return {
        (row.site_id, row.id): Access(row.address, row.login, row.login_sealed) for row in connection.execute(asked)
    }


def load_fittings(connection: Connection, zone: tzinfo) -> dict[tuple[str, str], Fitted]:
    """Every device in service that is not of our own protocol, with its lanes, by site and device."""
    found: dict[tuple[str, str], Fitted] = {}
    for row in connection.execute(_LANES):
        vendor, fitting = found.get((row.site_id, row.id)) or Fitted(
            row.vendor,
            Fitting(
                site=row.site_id,
                device=row.id,
                lanes=(),
                zone=zone,
                serial=row.serial,
                features=frozenset(row.features.split()),
            ),
        )
        if row.lane is not None:
            lane = FittedLane(
                id=row.lane,
                inward=row.direction == "in",
                channel=row.channel,
                relay=row.relay,
                close_relay=row.close_relay,
            )
            fitting = replace(fitting, lanes=(*fitting.lanes, lane))
        found[row.site_id, row.id] = Fitted(vendor, fitting)
    return found
