"""Which version of its site's offline list a device of another vendor has: it does not say so itself, it only takes pieces."""

from __future__ import annotations

from sqlalchemy import select, update

from gateway.flows.credentials import DeviceName
from gateway.store import tables as t
from gateway.wiring import Parts

UNKNOWN = -1


def versions(parts: Parts) -> dict[tuple[str, str], int]:
    """By site and device, of those that were ever heard of; negative: nobody knows."""
    state = t.DeviceState
    with parts.store.reading() as connection:
        rows = connection.execute(select(state.site_id, state.device_id, state.list_version)).all()
    return {(row.site_id, row.device_id): row.list_version for row in rows}


def has(parts: Parts, who: DeviceName, version: int) -> None:
    """It has taken the last piece of this version, or (`UNKNOWN`) refused one. Whichever bridge hears it says so to all."""
    state = t.DeviceState
    with parts.store.writing() as connection:
        connection.execute(
            update(state).where(state.site_id == who.site, state.device_id == who.device).values(list_version=version)
        )
        connection.commit()
