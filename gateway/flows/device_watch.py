"""How long devices were online: a spell begins where one comes or goes. The event path keeps only what each last said of itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from gateway.flows.reading import health
from gateway.flows.retention_rows import delete_old
from gateway.store.tables import Device, DeviceSpell, DeviceState, Site
from gateway.wiring import Parts

_DEVICE, _STATE, _SPELL = Device.__table__.c, DeviceState.__table__.c, DeviceSpell.__table__.c


def watch(parts: Parts) -> str:
    """One look at every device: the spell of one that has come or gone since the last look ends, and another begins.

    A device is online as the board has it: it says so, and was heard of within 90 s. It went when it was last heard of, and comes back when
    it is seen: an absence shorter than from one look to the next is not on record. Returns what changed, in words.
    """
    now = parts.clock.now()
    with parts.store.reading() as connection:
        if not list(_changed(connection, now)):
            return ""
    with parts.store.writing() as connection:
        changed = list(_changed(connection, now))
        for row, online in changed:
            at = _since(row, online, now)
            if row.since is not None:
                connection.execute(
                    update(DeviceSpell)
                    .where(_SPELL.site_id == row.site_id, _SPELL.device_id == row.id, _SPELL.since == row.since)
                    .values(until=at)
                )
            if online is not None:
                begun = {"site_id": row.site_id, "device_id": row.id, "since": at, "until": None, "online": online}
                connection.execute(insert(DeviceSpell).values(**begun))
        connection.commit()
    gone = sum(online is False for _, online in changed)
    return f"{len(changed) - gone} devices came or ended, {gone} went"


def old_spells(connection: Connection, *, before: datetime) -> int:
    """What retention takes: spells that ended so long ago. One that lasts stays, however old."""
    return delete_old(connection, DeviceSpell, "until", before, _SPELL.until.is_not(None))


def _changed(connection: Connection, now: datetime) -> Any:
    """Each device whose spell is not what it is now, with what it is; None for one out of service."""
    rows = connection.execute(
        select(
            _DEVICE.site_id,
            _DEVICE.id,
            (_DEVICE.enabled & Site.enabled).label("enabled"),
            _STATE.online.label("says"),
            _STATE.seen_at,
            _SPELL.since,
            _SPELL.online,
        )
        .join_from(Device, Site, Site.id == _DEVICE.site_id)
        .outerjoin(DeviceState, and_(_STATE.site_id == _DEVICE.site_id, _STATE.device_id == _DEVICE.id))
        .outerjoin(
            DeviceSpell,
            and_(_SPELL.site_id == _DEVICE.site_id, _SPELL.device_id == _DEVICE.id, _SPELL.until.is_(None)),
        )
        .order_by(_DEVICE.site_id, _DEVICE.id)
    )
    for row in rows:
        if not row.enabled:
            if row.since is not None:
                yield row, None
            continue
        said = health(row.says, row.seen_at, now)
        online = said["online"] and not said["stale"]
        if row.since is None or row.online != online:
            yield row, online


def _since(row: Any, online: bool | None, now: datetime) -> datetime:
    """When it changed: it went when it was last heard of. A spell is at least a moment long: its beginning is its key."""
    if row.since is None:
        return now
    heard: datetime = row.seen_at if online is False and row.seen_at is not None else now
    shortest: datetime = row.since + timedelta(milliseconds=1)
    return max(heard, shortest)
