"""What a virtual gate says and hears, in the words of the device that it stands for.

The gate itself (`simulators.gate`) is one machine, whatever its vendor: a barrier, a loop, a journal. A dialect stands between it and
the broker, and translates. What a vendor has no words for is lost on the way, as it is with the device; what its device never hears of
(a receipt, a deadline) the dialect makes up for the gate.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from controllers.adapters import native
from controllers.commands import Action, Command, Reason, Receipt
from simulators.gate import Message, last_will

# These devices know of no deadline: whatever reaches them, they do.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
EVER_MS = 10**12


class Wire(NamedTuple):
    """An MQTT message, QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False


class Inward(NamedTuple):
    """What the gate is told in its own words."""

    channel: native.Channel
    payload: bytes


class Turned(NamedTuple):
    out: tuple[Wire, ...] = ()
    inward: tuple[Inward, ...] = ()


class Dialect(Protocol):
    """Of one device. It may remember what it said; it has no clock."""

    @property
    def hears(self) -> tuple[str, ...]:
        """The topics that it subscribes to."""
        ...

    shows: bool
    """It has a display: every read that happens now is answered, if only with words."""

    def will(self) -> Wire | None:
        """What the broker says for it when it has gone; None, where that is only seen by its silence."""
        return None

    def connected(self) -> tuple[Wire, ...]:
        """What it says first on each connection."""
        return ()

    def says(self, message: Message) -> Turned: ...

    def told(self, topic: str, payload: bytes) -> Turned: ...


class NativeDialect(Dialect):
    """Our own protocol: nothing to translate."""

    def __init__(self, site: str, device: str) -> None:
        self._prefix = native.topic(site, device, "event")[: -len("event")]

    @property
    def hears(self) -> tuple[str, ...]:
        return tuple(self._prefix + channel for channel in native.DOWNWARD)

    shows = True

    def will(self) -> Wire | None:
        return Wire(f"{self._prefix}status", last_will(), retain=True)

    def says(self, message: Message) -> Turned:
        return Turned((Wire(self._prefix + message.channel, message.payload, message.retain),))

    def told(self, topic: str, payload: bytes) -> Turned:
        channel = topic[len(self._prefix) :]
        return Turned(inward=tuple(Inward(one, payload) for one in native.DOWNWARD if one == channel))


def ordered(id_: str, action: Action, lane: str, event: str | None) -> Inward:
    """An order of the vendor's, as the gate carries it out. `event`: the newest of the lane, since the vendor names none."""
    command = Command(
        id=id_, action=action, lane=lane, reason=Reason.STAFF, event=event, expires_at=NEVER, ttl_ms=EVER_MS
    )
    return Inward("command", native.encode(command))


def receipted(*, events: tuple[str, ...] = (), results: tuple[str, ...] = ()) -> Inward:
    """What the device takes for said."""
    return Inward("receipt", native.encode(Receipt(events=events, results=results)))
