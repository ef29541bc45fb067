"""How devices are built in, for whoever maintains or imitates them: what the site file says of each, never a password."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, and_, select

from gateway.flows.reading import Document, Sites, Slice, later, within
from gateway.store import tables as t

_DEVICE, _LANE, _GATE = t.Device.__table__.c, t.Lane.__table__.c, t.Gate.__table__.c


def fittings(connection: Connection, allowed: Sites, page: Slice) -> list[Document]:
    """Devices in service with their lanes, by site and id; one more than the page holds."""
    devices = connection.execute(
        select(
            _DEVICE.site_id,
            _DEVICE.id,
            _DEVICE.vendor,
            _DEVICE.serial,
            _DEVICE.features,
            _DEVICE.address,
            _DEVICE.login,
        )
        .join(t.Site, t.Site.id == _DEVICE.site_id)
        .where(
            within(t.Device.site_id, allowed),
            t.Site.enabled,
            _DEVICE.enabled,
            *later(page.after, _DEVICE.site_id, _DEVICE.id),
        )
        .order_by(_DEVICE.site_id, _DEVICE.id)
        .limit(page.limit + 1)
    ).all()
    lanes = _lanes(connection, [(one.site_id, one.id) for one in devices])
    return [
        {
            "id": f"{one.site_id}.{one.id}",
            "site": one.site_id,
            "device": one.id,
            "vendor": one.vendor,
            "serial": one.serial,
            "features": one.features.split(),
            "address": one.address,
            "login": one.login,
            "lanes": lanes[one.site_id, one.id],
        }
        for one in devices
    ]


def _lanes(connection: Connection, devices: list[tuple[str, str]]) -> dict[tuple[str, str], list[Document]]:
    """Of these devices of consecutive sites."""
    found: dict[tuple[str, str], list[Document]] = defaultdict(list)
    if not devices:
        return found
    rows = connection.execute(
        select(t.Lane.__table__, _GATE.tier)
        .join(t.Gate, and_(_GATE.site_id == _LANE.site_id, _GATE.id == _LANE.gate_id))
        .where(_LANE.site_id.in_(sorted({site for site, _ in devices})), _LANE.enabled)
        .order_by(_LANE.site_id, _LANE.id)
    )
    for row in rows:
        found[row.site_id, row.device_id].append(
            {
                "id": row.id,
                "gate": row.gate_id,
                "tier": row.tier,
                "direction": row.direction,
                "loop": row.loop,
                "passage_sensor": row.passage_sensor,
                "offline_exit": row.offline_exit,
                "channel": row.channel,
                "relay": row.relay,
                "close_relay": row.close_relay,
            }
        )
    return found
