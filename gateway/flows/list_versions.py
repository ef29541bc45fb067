"""Which version of its site's offline list a device of another vendor has: it does not say so itself, it only takes pieces."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from gateway.flows.credentials import DeviceName
from gateway.store import tables as t
from gateway.wiring import Parts

UNKNOWN = -1


class Known(NamedTuple):
    """`version`: negative, where nobody knows; `seen_at`: when the device was last heard of."""

    version: int
    seen_at: datetime


def known(parts: Parts) -> dict[tuple[str, str], Known]:
    """By site and device, of those that were ever heard of."""
    state = t.DeviceState
    with parts.store.reading() as connection:
        rows = connection.execute(select(state.site_id, state.device_id, state.list_version, state.seen_at)).all()
    return {(row.site_id, row.device_id): Known(row.list_version, row.seen_at) for row in rows}


def of(parts: Parts, who: DeviceName) -> int | None:
    """None of a device that was never heard of."""
    state = t.DeviceState
    with parts.store.reading() as connection:
        found: int | None = connection.execute(
            select(state.list_version).where(state.site_id == who.site, state.device_id == who.device)
        ).scalar()
    return found


def has(parts: Parts, who: DeviceName, version: int) -> None:
    """It has taken the last piece of this version, or (`UNKNOWN`) refused one. Whichever bridge hears it says so to all."""
    state = t.DeviceState
    with parts.store.writing() as connection:
        connection.execute(
            update(state).where(state.site_id == who.site, state.device_id == who.device).values(list_version=version)
        )
        connection.commit()


def forget(connection: Connection, devices: Iterable[tuple[str, str]]) -> None:
    """Under these names stand other machines now: which list they have nobody knows."""
    state = t.DeviceState
    for site, device in devices:
        connection.execute(
            update(state).where(state.site_id == site, state.device_id == device).values(list_version=UNKNOWN)
        )
