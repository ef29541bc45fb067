"""The port of devices: what every adapter offers, and the words it speaks in. Pure: no socket, no clock, no memory.

A *message* comes from a device (published, posted to us, a part of a stream that we hold open, an answer to what we asked).
`decode` turns it into what was *heard*, in the neutral schema, or raises `Undecodable` with a code. An *order* goes to a device
(a command, a list, a receipt). `encode` turns it into what is *sent*; `answer` writes what the device expects to hear back to a
message, and carries the orders that may ride on it. Sockets, credentials and retries are the transport's, one event from two
messages is `joining`'s, and what is decided and stored is the gateway's.

How to add a vendor: `docs/adapters.md`. Every adapter passes `tests/controllers/conformance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from controllers.commands import Action, Command, ListDelta, ListEntry, Receipt, WholeList
from controllers.events import CommandResult, DeviceStatus, PlateEvent, Undecodable

MIB = 1024 * 1024
PICTURE_BYTES_MAX = 2 * MIB
PICTURE_PAYLOAD_BYTES_MAX = 6 * MIB
"""Of one message with pictures in it: two of the largest as base64, and a little."""

CREDENTIALS_REFUSED = "credentials_refused"
"""`CommandResult.detail` of an answer 401 or 403: stop asking at once, devices lock accounts after a few tries."""


# --- how a device is built in ---------------------------------------------------------------------------------------


class FittedLane(msgspec.Struct, frozen=True, kw_only=True):
    """A lane that a device serves. `inward`: its role; what a camera believes of directions is not asked.

    `channel`: the vendor's number of it (camera channel, lane number), where a device serves several. `relay`: the output wired to
    "raise", `close_relay` the one wired to "lower", None where there is none.
    """

    id: str
    inward: bool
    channel: int | None = None
    relay: int = 0
    close_relay: int | None = None


class Fitting(msgspec.Struct, frozen=True, kw_only=True):
    """How a device is built in: from the site file. `serial`: its own name for itself, empty where it is not known.

    `zone`: of instants that a device writes without an offset. `features`: what this one can, or how it is set, beyond its
    vendor's plainest; each adapter lists the words that it knows in `Adapter.features`.
    """

    site: str
    device: str
    lanes: tuple[FittedLane, ...]
    zone: tzinfo
    serial: str = ""
    features: frozenset[str] = frozenset()

    def lane_of(self, channel: int | None = None, inward: bool | None = None) -> FittedLane:
        """The lane that a message is about: the only one, or the one of this channel, or the only one of this direction.

        Raises `Undecodable` (`unknown_lane`).
        """
        if len(self.lanes) == 1 and self.lanes[0].channel in {None, channel}:
            return self.lanes[0]
        lanes = [lane for lane in self.lanes if channel is not None and lane.channel == channel] or [
            lane for lane in self.lanes if lane.channel is None or channel is None
        ]
        if len(lanes) > 1 and inward is not None:
            lanes = [lane for lane in lanes if lane.inward is inward]
        if len(lanes) != 1:
            raise Undecodable("unknown_lane", f"channel {channel}, inward {inward}: {len(lanes)} lanes fit")
        return lanes[0]

    def lane_named(self, lane: str) -> FittedLane:
        """Raises `CannotCarryOut` (`unknown_lane`): an order for a lane that this device does not serve."""
        found = next((one for one in self.lanes if one.id == lane), None)
        if found is None:
            raise CannotCarryOut("unknown_lane", f"{self.site}.{self.device} serves no lane {lane}")
        return found


class Delivery(StrEnum):
    """How an order reaches a device."""

    PUBLISH = "publish"
    REQUEST = "request"
    ANSWER = "answer"
    """Only in our answer to what the device posts next (`Heard.takes_orders`): keep it, fresh, until then."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a device as fitted can do.

    `position`: it tells where its barrier is; without it, "accepted" is the last that is heard of an opening.
    `passage`: it tells when a vehicle has passed or turned back. `offline_list`: it opens for listed vehicles by itself;
    `list_part_entries`: of its list in one message, 0 for as many as there are. Most vendors only add and remove: what a whole list
    no longer names ends at its own `until`, or by a delta.
    `list_version`: its status says which list it has; without it, `DeviceStatus.list_version` says nothing. Followed only of our own
    protocol's devices: what another vendor's has is known by its `ListTaken`.
    `direct_open`: one order that opens whatever the wiring. `clock`: its events carry their own instants.
    `resends`: it sends again what had no answer. `replies`: it says whether it has taken a command; without it, nothing is heard of one.
    """

    delivery: Delivery
    actions: frozenset[Action]
    display: bool = False
    voice: bool = False
    position: bool = False
    passage: bool = False
    offline_list: bool = False
    list_part_entries: int = 0
    list_version: bool = False
    direct_open: bool = False
    clock: bool = True
    resends: bool = False
    replies: bool = True


# --- what comes from a device ---------------------------------------------------------------------------------------


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """An MQTT message."""

    topic: str
    payload: bytes
    retained: bool = False


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that a device makes of us. `path`: after our own prefix, without the query; `headers` by lower-case names."""

    method: str
    path: str
    body: bytes
    query: str = ""
    headers: Mapping[str, str] = {}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a stream that we hold open at a device (see `framing.Frames`)."""

    body: bytes
    headers: Mapping[str, str] = {}


class Auth(StrEnum):
    """How we prove to a device who we are."""

    NONE = "none"
    BASIC = "basic"
    DIGEST = "digest"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request that we make of a device. `query` is encoded. `order`: the id of the command that it carries out.

    `stream`: its answer does not end; its parts come as `Part`.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    auth: Auth
    order: str | None = None
    stream: bool = False


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a device answered to what we asked."""

    ask: Ask
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


Message: TypeAlias = Published | Posted | Part | Answered


# --- what was heard -------------------------------------------------------------------------------------------------


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The device has taken a command: the relay has switched. That the barrier moved is another message, or none."""

    command: str
    at: datetime
    detail: str | None = None


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """The device cannot take the command now: ask again after `wait_ms`, while the command is fresh."""

    command: str
    at: datetime
    wait_ms: int = 500


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG of an event. `whole`: of the vehicle; otherwise the plate cut out of it."""

    event: str
    jpeg: bytes
    whole: bool = True


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """A device registers. What it says of itself is a claim: `upward` and `downward` are topics that it wants to use."""

    serial: str
    at: datetime
    firmware: str = ""
    upward: str | None = None
    downward: str | None = None


class ListTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one part of an offline list (`ListPart`)."""

    version: int
    number: int
    of: int
    taken: bool
    detail: str | None = None


Said: TypeAlias = PlateEvent | Accepted | Busy | CommandResult | DeviceStatus | Picture | Hello | ListTaken


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What one message said; nothing, where it is well formed and none of our business.

    `read`: what the vendor's messages of one read have in common (`joining` puts them together), empty where each read is one
    message. `more_follows`: a fuller message of the same read comes. `takes_orders`: the answer to this message may carry orders;
    where a live read is in `said`, the device waits for what is decided.
    `ticket`: what the answer must repeat.
    """

    said: tuple[Said, ...] = ()
    read: str = ""
    more_follows: bool = False
    takes_orders: bool = False
    ticket: str = ""


# --- what goes to a device ------------------------------------------------------------------------------------------


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """An MQTT message, QoS 1. Never while disconnected, and no command is ever retained."""

    topic: str
    payload: bytes
    retain: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Our answer to a device's request: with Content-Length, neither chunked nor compressed (some can read nothing else)."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class ListPart(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an offline list that fits into one message: see `listing`. `number` counts from 1."""

    version: int
    number: int
    of: int
    add: tuple[ListEntry, ...] = ()
    remove: tuple[str, ...] = ()


Order: TypeAlias = Command | Receipt | WholeList | ListDelta
Riding: TypeAlias = Command | ListPart
Sent: TypeAlias = Publish | Ask


class CannotCarryOut(Exception):
    """An order that this device cannot be given. `code` is stable and one of: `not_supported`, `only_in_answer`, `unknown_lane`.

    `only_in_answer`: see `Delivery.ANSWER`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Listens(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device's messages come from, beside what it posts to us. `topics` are literal: no wildcard.

    `told`: the topics on which it is told, and listens itself. With `topics` they are all that its account at a broker needs.
    """

    topics: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    streams: tuple[Ask, ...] = ()


@runtime_checkable
class LookedAfter(Protocol):
    """What an adapter may offer beside `Adapter`, for devices that are asked: their clock and the whole of their list."""

    def ask_time(self, fitting: Fitting) -> Ask:
        """The answer decodes to a `DeviceStatus` with `at`."""
        ...

    def set_time(self, fitting: Fitting, now: datetime) -> Ask:
        """To be asked again afterwards: its own answer says nothing."""
        ...

    def forget_list(self, fitting: Fitting) -> Ask:
        """Takes every vehicle out of the device's list. The answer decodes to a `ListTaken` of version 0."""
        ...


@runtime_checkable
class TellsTime(Protocol):
    """What an adapter may offer beside `Adapter`, for devices that are told at the broker and say in their status what time they have."""

    def tell_time(self, fitting: Fitting, now: datetime) -> tuple[Publish, ...]:
        """Nothing where a device of this kind has no such order."""
        ...


class Adapter(Protocol):
    """One vendor. Stateless: everything that a call needs is handed to it. `now` is our clock, aware."""

    @property
    def vendor(self) -> str:
        """As the site file names it."""
        ...

    @property
    def features(self) -> frozenset[str]:
        """The words that `Fitting.features` may hold."""
        ...

    @property
    def payload_bytes_max(self) -> int:
        """A larger message is `too_large`; a transport need not read it to its end."""
        ...

    def capabilities(self, fitting: Fitting) -> Capabilities: ...

    def listens(self, fitting: Fitting) -> Listens: ...

    def speaker(self, message: Message) -> str:
        """The name by which the message's sender calls itself (`Fitting.serial`), empty where it does not say.

        A topic's word counts before a payload's. Raises `Undecodable`.
        """
        ...

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        """What a message says. `now`: when it was received, for what carries no instant of its own.

        A read that is history, sent again after an outage or kept while offline, is `buffered`: it opens nothing.
        Raises `Undecodable`, and nothing else, whatever the bytes; with the event's id where it can be read.
        """
        ...

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        """What the device expects to hear back to this very message, after it is stored: one `Reply` to a `Posted`.

        `heard` is None for what went to quarantine: it is answered so that it does not come again. `orders` are those that ride
        on it, where `Heard.takes_orders`: at most one command and one part of a list. Whatever they say, the answer to a read
        that is history opens nothing.
        """
        ...

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        """What carries an order out, in the order of sending; nothing, where the vendor has no such message (a receipt).

        A command comes first, what it shows and says behind it. Raises `CannotCarryOut`.
        """
        ...

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Asks where a lane's barrier is; nothing where that cannot be asked. The answer decodes to a `DeviceStatus`."""
        ...

    def redacted(self, message: Message) -> bytes:
        """The payload or body as it may be kept and logged: without credentials that a device sends of itself."""
        ...
