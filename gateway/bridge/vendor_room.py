"""What of other vendors' messages waits, within bounds, and what becomes of those for which there is no room.

Most of these devices send nothing twice, so whatever is acknowledged before it is stored can be lost. In this order: what its device sends
again is left with it. A message gives up its pictures before any read is given up. What came at QoS 1 is left at the broker, unacknowledged,
and comes again on the next connection, which is asked for once there is room. What no broker keeps (QoS 0; the embedded one, which lives and dies with
this process) is kept here, as much again, and taken in at the same moment. Only what is beyond all that is lost, and every loss is counted.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.bridge.link import Raw
from gateway.flows.credentials import DeviceName
from gateway.flows.losses import PICTURE, READ
from gateway.runtime.logs import logger
from gateway.runtime.metrics import Metrics

_log = logger(__name__)

QUEUED_MAX = 4_000
QUEUED_BYTES_MAX = 64 * 1024 * 1024
# The broker counts these into what it has in flight to this bridge (`max_inflight_bytes`, `deploy/mosquitto`), native messages with them. As much may
# be kept here.
LEFT_MAX: Final = 20_000
LEFT_BYTES_MAX: Final = 64 * 1024 * 1024
# A JSON string of base64 alone, as long as no plate, name or signature is.
_PICTURE_BYTES_MIN: Final = 4_096
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_"
_ESCAPES: Final = re.compile(rb"\\+[/rn]")
_JPEG: Final = b"\xff\xd8\xff"
# It comes by a new connection, which is a hiccup to all others: not more often than this.
TAKEN_BACK_EVERY_SECONDS: Final = 10.0


class Sender(NamedTuple):
    """Whose a message is, empty where nobody can say; `resends`: it sends again what had no answer."""

    who: DeviceName
    resends: bool


NOBODY: Final = Sender(DeviceName("", ""), False)


class Stripped(NamedTuple):
    """A message without its pictures; `payload` None: it was nothing else."""

    payload: bytes | None
    pictures: int


def without_pictures(payload: bytes) -> Stripped:
    """Of a JSON document: each string that is a picture in base64 becomes empty. Anything else is as it was, but a bare JPEG."""
    if payload.startswith(_JPEG):
        return Stripped(None, 1)
    pieces = payload.split(b'"')
    found = 0
    for number, piece in enumerate(pieces):
        if len(piece) >= _PICTURE_BYTES_MIN:
            # The quote behind may be an escaped one, of a document in a string.
            core = piece.removesuffix(b"\\")
            if not _ESCAPES.sub(b"", core).translate(None, _BASE64):
                pieces[number] = piece[len(core) :]
                found += 1
    return Stripped(b'"'.join(pieces) if found else payload, found)


class Room:
    """`sender` says whose a message is; `lost` is told of site, device, what and how many. `put`: the network thread; `leave`: any.

    `broker_keeps`: what is not acknowledged comes again in one go; the embedded broker would wait for each, and let nothing else through.
    """

    def __init__(
        self,
        metrics: Metrics,
        sender: Callable[[Raw], Sender],
        lost: Callable[[DeviceName, str, int], None],
        *,
        broker_keeps: bool = True,
        messages_max: int = QUEUED_MAX,
        bytes_max: int = QUEUED_BYTES_MAX,
    ) -> None:
        self._metrics, self._sender, self._lost = metrics, sender, lost
        self._broker_keeps = broker_keeps
        self._messages_max, self._bytes_max = messages_max, bytes_max
        self._waiting: deque[Raw] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        # What is left at the broker, of the newest connection: what was left on one before has come again.
        self._client: object = None
        self._left = self._left_bytes = 0
        self._here: deque[Raw] = deque()
        self._here_bytes = 0
        self._taken_back_at = time.monotonic()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, raw: Raw) -> bool:
        """False: it is not taken, and to be acknowledged: its sender has it still, or it is lost and that is said."""
        with self._lock:
            if raw.client is not self._client:
                self._client, self._left, self._left_bytes = raw.client, 0, 0
            if len(self._waiting) < self._messages_max:
                if self._fits(raw):
                    return True
                bare = without_pictures(raw.payload)
                if bare.payload is None or (bare.pictures and self._fits(raw._replace(payload=bare.payload))):
                    self._lost(self._sender(raw).who, PICTURE, bare.pictures)
                    return bare.payload is not None
        return self.leave(raw, READ)

    def _fits(self, raw: Raw) -> bool:
        size = len(raw.payload)
        if self._bytes + size > self._bytes_max:
            return False
        self._take_in(raw)
        return True

    def pop(self) -> Raw | None:
        with self._lock:
            if not self._waiting:
                return None
            raw = self._waiting.popleft()
            self._bytes -= len(raw.payload)
            return raw

    def leave(self, raw: Raw, what: str = "") -> bool:
        """Whether the broker keeps it: then it must not be acknowledged. `what`: what is lost, said where nobody keeps it; empty: nothing."""
        sender = self._sender(raw)
        if sender.resends:
            self._metrics.shed.labels(*sender.who, "room").inc()
            return False
        with self._lock:
            size = len(raw.payload)
            old = raw.client is not self._client
            kept = (
                raw.mid > 0
                and self._broker_keeps
                and (old or (self._left < LEFT_MAX and self._left_bytes + size <= LEFT_BYTES_MAX))
            )
            if kept and not old:
                self._left += 1
                self._left_bytes += size
        if kept:
            self._metrics.shed.labels(*sender.who, "broker").inc()
        elif not self._keep_here(raw, sender) and what:
            self._lost(sender.who, what, 1)
        return kept

    def _keep_here(self, raw: Raw, sender: Sender) -> bool:
        """Acknowledged and without its pictures, where the broker could not keep it. What it had room for and is too much there, is too much here."""
        if raw.mid > 0 and self._broker_keeps:
            return False
        bare = without_pictures(raw.payload) if raw.inbound is None else Stripped(raw.payload, 0)
        if not bare.payload:
            return False
        with self._lock:
            if len(self._here) >= LEFT_MAX or self._here_bytes + len(bare.payload) > LEFT_BYTES_MAX:
                return False
            self._here.append(raw._replace(payload=bare.payload, mid=0))
            self._here_bytes += len(bare.payload)
        if bare.pictures:
            self._lost(sender.who, PICTURE, bare.pictures)
        self._metrics.shed.labels(*sender.who, "here").inc()
        return True

    @property
    def left(self) -> int:
        """How many messages are kept, at the broker until the next connection or here, until there is room."""
        return self._left + len(self._here)

    def takes_back(self, elsewhere: int) -> bool:
        """Whether what was left at the broker is to come now, by a new connection: nothing waits here, nor `elsewhere`. What was kept here waits from now on.

        While a database is away something waits, and what is not acknowledged would only come twice.
        """
        now = time.monotonic()
        if not self.left or self._waiting or elsewhere:
            return False
        if now - self._taken_back_at < TAKEN_BACK_EVERY_SECONDS:
            return False
        self._taken_back_at = now
        with self._lock:
            _log.warning("there is room again: what was left comes now", at_broker=self._left, here=len(self._here))
            for _ in range(min(len(self._here), self._messages_max)):
                self._here_bytes -= len(self._here[0].payload)
                self._take_in(self._here.popleft())
            renews, self._left, self._left_bytes = self._left > 0, 0, 0
        return renews

    def close(self) -> None:
        """Says what ends with this process."""
        if self._here:
            _log.error("stopped before there was room for what was kept here: it is lost", messages=len(self._here))

    def _take_in(self, raw: Raw) -> None:
        self._waiting.append(raw)
        self._bytes += len(raw.payload)
