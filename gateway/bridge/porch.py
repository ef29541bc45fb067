"""What adapters heard of a device goes into the worker's inbox from here, as if MQTT had brought it in our own protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from controllers.adapters import native
from controllers.adapters.port import Said
from controllers.events import CommandResult, DeviceStatus, PlateEvent
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.flows.credentials import DeviceName
from gateway.flows.inbound import EventIn, Inbound, Rejected, ResultIn, StatusIn


class Porch:
    """`left_behind`: what the inbox had to give up for one of ours. Called from any thread."""

    def __init__(self, inbox: Inbox[Raw | None], left_behind: Callable[[Sequence[Raw]], None] = lambda _: None) -> None:
        self._inbox = inbox
        self._left_behind = left_behind

    def admits(self, device: DeviceName) -> bool:
        """Whether the device's allowance, which this uses up, takes one more message."""
        return self._inbox.admits(topic_of(device, "event").encode(), b"", time.perf_counter())

    def put(self, device: DeviceName, said: Sequence[Said], now: datetime) -> None:
        for one in said:
            found = inbound(device, one, now)
            if found is not None:
                self._into_inbox(device, "status" if isinstance(found, StatusIn) else "event", found, now)

    def reject(self, device: DeviceName, rejected: Rejected, now: datetime) -> None:
        """Into quarantine."""
        self._into_inbox(device, "event", rejected, now)

    def _into_inbox(self, device: DeviceName, channel: native.Channel, found: Inbound, now: datetime) -> None:
        payload = b"" if isinstance(found, StatusIn) else found.payload
        raw = Raw(topic_of(device, channel), payload, False, now, time.perf_counter(), 0, None, found)
        if left := self._inbox.put_nowait(raw):
            self._left_behind([one for one in left if one is not None])


def inbound(device: DeviceName, one: Said, now: datetime) -> Inbound | None:
    """As the worker knows it; None for what is no business of its."""
    if isinstance(one, PlateEvent):
        return EventIn(
            site=device.site,
            device=device.device,
            event=one,
            received_at=now,
            topic=topic_of(device, "event"),
            payload=native.encode_event(one),
        )
    if isinstance(one, CommandResult):
        return ResultIn(
            site=device.site,
            device=device.device,
            result=one,
            received_at=now,
            topic=topic_of(device, "result"),
            payload=native.encode(one),
        )
    if isinstance(one, DeviceStatus):
        offset = None if one.at is None else (one.at - now) // timedelta(milliseconds=1)
        # Which list it has it does not say: below 0, so that nobody takes it for being behind.
        status = replace(one, list_version=-1)
        return StatusIn(site=device.site, device=device.device, status=status, received_at=now, offset_ms=offset)
    return None


def topic_of(device: DeviceName, channel: native.Channel) -> str:
    """Under this name the inbox knows whose turn it is."""
    return native.topic(device.site, device.device, channel)
