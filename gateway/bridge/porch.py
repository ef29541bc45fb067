"""What adapters heard of a device goes into the worker's inbox from here, as if MQTT had brought it in our own protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from controllers.adapters import native
from controllers.adapters.port import Accepted, Said
from controllers.events import CommandResult, DeviceStatus, Kind, Outcome, PlateEvent
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.flows.credentials import DeviceName
from gateway.flows.inbound import EventIn, Inbound, Rejected, ResultIn, StatusIn


class Porch:
    """`left_behind`: what the inbox had to give up for one of ours. Called from any thread."""

    def __init__(self, inbox: Inbox[Raw | None], left_behind: Callable[[Sequence[Raw]], None] = lambda _: None) -> None:
        self._inbox = inbox
        self._left_behind = left_behind

    def admits(self, device: DeviceName, size: int = 0) -> bool:
        """Whether the device's allowance, which this uses up, takes one more message, of so many bytes."""
        return self._inbox.admits(topic_of(device, "event").encode(), b"", time.perf_counter(), beside=size)

    def put(
        self,
        device: DeviceName,
        said: Sequence[Said],
        now: datetime,
        *,
        came: Raw | None = None,
        part: bool = False,
        moves: bool = False,
    ) -> bool:
        """`came`: as what it came over MQTT, and is acknowledged with the weightiest that it says; False: it says nothing.

        `part`, `moves`: see `EventIn` and `ResultIn`.
        """
        found = [one for one in (inbound(device, one, now, part=part, moves=moves) for one in said) if one is not None]
        found.sort(key=_weightiest_last)
        for one in found:
            channel: native.Channel = "status" if isinstance(one, StatusIn) else "event"
            self._into_inbox(device, channel, one, now, came if one is found[-1] else None)
        return bool(found)

    def reject(self, device: DeviceName, rejected: Rejected, now: datetime, came: Raw | None = None) -> None:
        """Into quarantine."""
        self._into_inbox(device, "event", rejected, now, came)

    def _into_inbox(
        self, device: DeviceName, channel: native.Channel, found: Inbound, now: datetime, came: Raw | None
    ) -> None:
        payload = b"" if isinstance(found, StatusIn) else found.payload
        mid, client = (0, None) if came is None else (came.mid, came.client)
        arrived = time.perf_counter() if came is None else came.arrived
        raw = Raw(topic_of(device, channel), payload, False, now, arrived, mid, client, found)
        if left := self._inbox.put_nowait(raw):
            self._left_behind([one for one in left if one is not None])


def _weightiest_last(one: Inbound) -> int:
    """What must not be acknowledged before it is stored: a read before all, then what became of a command."""
    return 0 if isinstance(one, StatusIn) else 1 if isinstance(one, ResultIn) else 2


def inbound(device: DeviceName, one: Said, now: datetime, *, part: bool = False, moves: bool = False) -> Inbound | None:
    """As the worker knows it; None for what is no business of its."""
    if isinstance(one, PlateEvent):
        return EventIn(
            site=device.site,
            device=device.device,
            event=one,
            received_at=now,
            topic=topic_of(device, "event"),
            payload=native.encode_event(one),
            part=part and one.kind is Kind.PLATE,
        )
    if isinstance(one, Accepted):
        taken = CommandResult(command=one.command, outcome=Outcome.DONE, at=one.at, detail=one.detail)
        result = inbound(device, taken, now)
        assert isinstance(result, ResultIn)
        return replace(result, accepted=True, moves=moves)
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
        return StatusIn(
            site=device.site, device=device.device, status=one, received_at=now, offset_ms=offset, heartbeat=True
        )
    return None


def topic_of(device: DeviceName, channel: native.Channel) -> str:
    """Under this name the inbox knows whose turn it is."""
    return native.topic(device.site, device.device, channel)
