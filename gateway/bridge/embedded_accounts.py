"""Who may connect to the embedded broker, and say and hear what there: the rules that Mosquitto is told by `parkgate device accounts`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC
from typing import Any, ClassVar, NamedTuple

from amqtt.contexts import Action
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from sqlalchemy.exc import SQLAlchemyError

from gateway.flows.credentials import DeviceCredentials
from gateway.flows.device_access import Account, accounts
from gateway.store.engine import Store

LISTENS_WITHIN_SECONDS = 8.0
CONNECTS_WITHIN_SECONDS = 10.0
_REFUSALS_MAX = 1_000


class Rights(NamedTuple):
    """A device's. `stamp` changes with its password, and is None where it may not log in."""

    says: frozenset[str]
    hears: frozenset[str]
    client_ids: frozenset[str]
    stamp: str | None


class Accounts:
    """The bridge with the secret of this run, devices with the passwords that `site apply` made."""

    bridge: ClassVar[tuple[str, str]] = ("", "")
    store: ClassVar[Store | None] = None
    devices: ClassVar[DeviceCredentials | None] = None
    # Set once the bridge listens: this broker starts without its session, and would acknowledge what nobody hears.
    listens: ClassVar[asyncio.Event]
    known: ClassVar[Mapping[str, Rights]] = {}
    # Who was refused what, how often, since somebody looked.
    refused: ClassVar[Counter[tuple[str, str]]] = Counter()

    @classmethod
    def look(cls) -> None:
        """Read who there is. Raises what the database raises."""
        if cls.store is not None:
            cls.known = {one.username: _rights(one) for one in accounts(cls.store, UTC)}

    @classmethod
    def admit(cls, asking: Any, address: str) -> bool:
        """Whether the session that is asked for may be had. Takes its time."""
        username, client_id = asking.username, asking.client_id
        if username == cls.bridge[0]:
            return bool(asking.password == cls.bridge[1])
        if (
            cls.devices is None
            or cls.devices.verify(username, asking.password, origin=address, now=time.monotonic()) is None
        ):
            return cls.refuse(username, "login")
        if username not in cls.known:  # added a moment ago
            cls.look()
        rights = cls.known.get(username)
        if rights is None or rights.stamp is None:
            return cls.refuse(username, "login")
        # Who took the bridge's client id, or another device's, would throw it out and have its session.
        if client_id not in rights.client_ids:
            return cls.refuse(username, "client_id")
        # A last will is a message like any other, only later.
        if asking.will_flag and asking.will_topic not in rights.says:
            return cls.refuse(username, "publish")
        return True

    @classmethod
    def may(cls, username: str | None, topic: str | None, action: Action) -> bool:
        """A device may publish and subscribe on its own topics only, each named literally."""
        if not username or not topic:
            return False
        if username == cls.bridge[0]:
            return True
        rights = cls.known.get(username)
        return rights is not None and topic in (rights.says if action == Action.PUBLISH else rights.hears)

    @classmethod
    def refuse(cls, username: str | None, what: str) -> bool:
        """Counted; False."""
        who = username if username in cls.known else ""
        if len(cls.refused) < _REFUSALS_MAX or (who, what) in cls.refused:
            cls.refused[who or "", what] += 1
        return False

    @classmethod
    def stamp(cls, username: str) -> str | None:
        """Of the password with which a device may log in now; None where it may not."""
        rights = cls.known.get(username)
        return None if rights is None else rights.stamp

    @classmethod
    def refusals(cls) -> list[tuple[str, str, int]]:
        """Since the last question: user name, what, and how often."""
        found, cls.refused = cls.refused, Counter()
        return [(who, what, times) for (who, what), times in sorted(found.items())]


def _rights(one: Account) -> Rights:
    ids = {one.username} if one.native or not one.serial else {one.username, one.serial}
    return Rights(frozenset(one.says), frozenset(one.hears), frozenset(ids), one.stamp if one.serves else None)


class Kept:
    """A reader that can be read again from its start."""

    def __init__(self, reader: Any) -> None:
        self._reader, self._read, self._again = reader, bytearray(), bytearray()

    def rewind(self) -> None:
        self._again, self._read = self._read, bytearray()

    async def read(self, n: int = -1) -> bytes:
        if self._again:
            again = bytes(self._again[:n] if n >= 0 else self._again)
            del self._again[: len(again)]
            return again
        found: bytes = await self._reader.read(n)
        self._read += found
        return found

    def feed_eof(self) -> None:
        self._reader.feed_eof()


async def let_in(reader: Kept, writer: Any, plugins: Any, address: str) -> bool:
    """Reads a CONNECT and asks who it is, before anybody looks at the session that it names. False: refused, and hung up.

    The library looks at the session first: a wrong password with another's client id would throw that one out, and take its subscriptions.
    Raises what the library raises for what is no CONNECT.
    """
    async with asyncio.timeout(CONNECTS_WITHIN_SECONDS):
        _, asking = await BrokerProtocolHandler.init_from_connect(reader, writer, plugins)
    admitted = False
    try:
        if asking.username != Accounts.bridge[0]:
            await asyncio.wait_for(Accounts.listens.wait(), LISTENS_WITHIN_SECONDS)
        # Checking a hash takes tens of milliseconds: not on the broker's loop.
        admitted = await asyncio.to_thread(Accounts.admit, asking, address)
    except (TimeoutError, SQLAlchemyError):
        pass  # nobody listens yet, or nobody can say: it comes again
    if not admitted:
        await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
        await writer.close()
    return admitted
