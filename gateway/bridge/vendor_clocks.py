"""Clocks of devices that are told at the broker: measured by what they say of theirs, and put right where their vendor has an order for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from controllers.adapters.port import Publish, Said, TellsTime
from controllers.events import DeviceStatus
from gateway.bridge.http_upkeep import RIGHT_WITHIN, SET_AGAIN_SECONDS
from gateway.bridge.vendor_estate import Spoken
from gateway.flows.credentials import DeviceName
from gateway.runtime.logs import logger

_log = logger(__name__)

FRESH_SECONDS = 5
"""A broker must not keep it longer: told late, it makes a clock wrong."""


class Clocks:
    """For the vendors' thread alone."""

    def __init__(self) -> None:
        self._set_again: dict[DeviceName, datetime] = {}

    def put_right(self, by: Spoken, said: Sequence[Said], received_at: datetime, now: datetime) -> tuple[Publish, ...]:
        """What to tell a device that has just said how late it is, at most every ten minutes."""
        told = [one.at for one in said if isinstance(one, DeviceStatus) and one.at is not None]
        if not told or abs(told[-1] - received_at) < RIGHT_WITHIN or not isinstance(by.adapter, TellsTime):
            return ()
        if now < self._set_again.get(by.who, now):
            return ()
        order = by.adapter.tell_time(by.fitting, now)
        if order:
            self._set_again[by.who] = now + timedelta(seconds=SET_AGAIN_SECONDS)
            _log.warning(
                "a device's clock is put right",
                site=by.who.site,
                device=by.who.device,
                seconds=(told[-1] - received_at).total_seconds(),
            )
        return order
