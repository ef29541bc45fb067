"""The alarm while a device's clock is off by more than five seconds: its events are corrected, but its own deadlines and lists are not."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from gateway.flows import alarms
from gateway.flows.reading import STALE_AFTER
from gateway.store.tables import Device, DeviceState, Site
from gateway.wiring import Parts

KIND: Final = "clock_off"
ALARM_ABOVE_MS: Final = 5_000


def watch_clocks(parts: Parts) -> str:
    """One item a device and local day, taken back once its clock is right again, or nobody hears of it any more.

    What is looked at is what is believed of its clock (`clocks`): not one slow message, but what several agree in. Returns what it found.
    """
    now = parts.clock.now()
    day = now.astimezone(parts.settings.zone).date()
    with parts.store.reading() as connection:
        rows = connection.execute(
            select(DeviceState.site_id, DeviceState.device_id, DeviceState.clock_offset_ms)
            .join(Device, (Device.site_id == DeviceState.site_id) & (Device.id == DeviceState.device_id))
            .join(Site, Site.id == Device.site_id)
            .where(
                Device.enabled,
                Site.enabled,
                DeviceState.online,
                DeviceState.seen_at > now - STALE_AFTER,
                func.abs(DeviceState.clock_offset_ms) > ALARM_ABOVE_MS,
            )
        ).all()
    off = {(row.site_id, row.device_id): row.clock_offset_ms for row in rows}
    parts.metrics.clocks_off.set(len(off))
    new, settled = alarms.keep(
        parts,
        KIND,
        {
            (
                site,
                f"{device} {day}",
            ): f"{abs(ms) / 1000:.1f} s {'ahead' if ms > 0 else 'behind'}; it needs a time server"
            for (site, device), ms in off.items()
        },
        over=lambda subject: (subject[0], subject[1].partition(" ")[0]) not in off,
        resolution="its clock is right again, or it is not heard of",
    )
    return f"{len(new)} clocks off, {len(settled)} right again" if new or settled else ""
