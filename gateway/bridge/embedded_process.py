"""The embedded broker's own process: amqtt, with every device held to its own account and topics.

Its first line on standard input says what it needs; when standard input ends, so does it: in order after a goodbye, at once
where there was none (its parent has died).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from amqtt.adapters import ReaderAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.errors import MQTTError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import OutgoingApplicationMessage
from sqlalchemy.exc import SQLAlchemyError

from controllers.adapters import native
from controllers.adapters.port import PICTURE_PAYLOAD_BYTES_MAX
from gateway.bridge.embedded_accounts import Accounts, Kept, let_in
from gateway.flows.credentials import DeviceCredentials
from gateway.runtime import collector
from gateway.runtime.allowance import Bucket
from gateway.store.engine import Store, open_engine

_BRIDGE_HEARS = frozenset(f"{native.ROOT}/+/+/{channel}" for channel in native.UPWARD)
_TOLD_EVERY_SECONDS = 1.0
_LOOKED_EVERY_TIMES = 3
_REFUSED = 0x80
_SHUTDOWN_SECONDS = 1.0
# Whoever acknowledges less gets nothing more: no device needs as much, and the bridge's inbox never holds as much.
_UNACKNOWLEDGED_MAX = 1_000
_UNACKNOWLEDGED_BY_THE_BRIDGE_MAX = 60_000
_PAUSE_SECONDS_MAX = 1.0

Spread = Callable[[Any, str, bytes | bytearray], Awaitable[None]]


class AccountPlugin(BaseAuthPlugin):  # type: ignore[misc]
    async def authenticate(self, *, session: Any) -> bool:
        """Whoever comes this far was let in (`let_in`)."""
        return session.username is not None

    @dataclass
    class Config:
        """Nothing to configure."""

        name: str = field(default="accounts")


class TopicPlugin(BaseTopicPlugin):  # type: ignore[misc]
    async def topic_filtering(self, *, session: Any = None, topic: str | None = None, action: Any = None) -> bool:
        return session is not None and Accounts.may(session.username, topic, action)

    @dataclass
    class Config:
        """Nothing to configure."""

        name: str = field(default="topics")


class QuietBroker(Broker):  # type: ignore[misc]
    """amqtt, whose every message passes through two queues and seven tasks: here an ordinary one is sent on at once.

    It asks no plugin (`Accounts` needs no waiting) and tries only the filters that can match. Whatever is not ordinary, such
    as a retained message or another quality of service, goes the library's own way.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._subscriptions = _Subscriptions()
        self._patterns: set[str] = set()  # filters with wildcards that were granted: the bridge's few, nobody else may

    async def add_subscription(self, subscription: tuple[str, int], session: Any) -> int:
        granted: int = await super().add_subscription(subscription, session)
        if granted != _REFUSED and not {"+", "#"}.isdisjoint(subscription[0]):
            self._patterns.add(subscription[0])
            if session.username == Accounts.bridge[0] and self._patterns >= _BRIDGE_HEARS:
                Accounts.listens.set()
        return granted

    async def _topic_filtering(self, session: Any, topic: str, action: Any) -> bool:
        if Accounts.may(session.username, topic, action):
            return True
        return Accounts.refuse(session.username, "publish" if action == Action.PUBLISH else "subscribe")

    async def _initialize_client_session(
        self, reader: Any, writer: Any, remote_address: str, remote_port: int
    ) -> tuple[QuietHandler, Any]:
        kept = Kept(reader)
        try:
            if not await let_in(kept, writer, self.plugins_manager, remote_address):
                raise MQTTError("not let in")
        except TimeoutError:
            await writer.close()
            raise MQTTError("no CONNECT in time") from None
        kept.rewind()
        _, session = await super()._initialize_client_session(kept, writer, remote_address, remote_port)
        if session.username != Accounts.bridge[0]:
            # Whatever a device asks for: an order that waited here for it would open late, and most vendors' know no deadline.
            session.clean_session = True
        return QuietHandler(self.plugins_manager, self._loop, self._spread), session

    async def watch(self) -> None:
        """Over and over: whoever may no longer log in, or has another password by now, is hung up on; and who was refused is told."""
        for times in itertools.count():
            await asyncio.sleep(_TOLD_EVERY_SECONDS)
            if told := Accounts.refusals():
                sys.stdout.write(json.dumps({"refused": told}) + "\n")
                sys.stdout.flush()
            if times % _LOOKED_EVERY_TIMES:
                continue
            with contextlib.suppress(SQLAlchemyError):
                await asyncio.to_thread(Accounts.look)
            for session, handler in tuple(self._sessions.values()):
                if handler.stamp != Accounts.stamp(session.username or "") and session.username != Accounts.bridge[0]:
                    await handler.hang_up()

    async def _publish_retained_messages_for_subscription(self, subscription: tuple[str, int], session: Any) -> None:
        """Only to who has subscribed: the library offers every newcomer the retained messages of all others' filters."""
        if any(subscriber is session for subscriber, _ in self._subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def _broadcast_message(
        self, session: Any, topic: str | None, data: bytes | bytearray | None, force_qos: int | None = None
    ) -> None:
        assert topic is not None
        # A last will comes this way unasked; it was asked for when its device connected, which may be long ago.
        if session is None or Accounts.may(session.username, topic, Action.PUBLISH):
            await self._spread(session, topic, data or b"", force_qos)

    async def _spread(self, source: Any, topic: str, data: bytes | bytearray, force_qos: int | None = None) -> None:
        """To every subscriber: of thousands of exact filters only the one in question, and the few patterns."""
        for a_filter in (topic, *(one for one in self._patterns if self._matches(topic, one))):
            for session, subscribed_qos in tuple(self._subscriptions.get(a_filter, ())):
                if not Accounts.may(session.username, topic, Action.RECEIVE):
                    continue
                qos = subscribed_qos if force_qos is None else force_qos
                if session.transitions.state == "connected":
                    if (handler := self._get_handler(session)) is not None and not handler.send_now(topic, data, qos):
                        sending = asyncio.ensure_future(handler.mqtt_publish(topic, data, qos, retain=False))
                        self._tasks_queue.append(sending)
                elif not session.clean_session and qos in (1, 2):
                    broadcast = {"session": source, "topic": topic, "data": data}
                    await self._retain_broadcast_message(broadcast, qos, session)
        while self._tasks_queue and self._tasks_queue[0].done():
            # A client that did not acknowledge in time: it is told again when it comes back, and the broker goes on.
            if not (done := self._tasks_queue.popleft()).cancelled():
                done.exception()


class _Subscriptions(dict[str, list[tuple[Any, int]]]):
    """Those of the moment: the library goes through them with pauses in which others subscribe, and would throw a client out."""

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(super().__iter__()))


class Pace(ReaderAdapter):  # type: ignore[misc]
    """Reads no faster than a device may send. It waits with its own socket, and nobody else waits for it."""

    rate: ClassVar[float] = 0
    burst: ClassVar[float] = 0

    def __init__(self, reader: ReaderAdapter, username: str) -> None:
        self._reader, self._username = reader, username
        self._bytes_max = PICTURE_PAYLOAD_BYTES_MAX
        self.bucket = Bucket(self.burst, time.monotonic())

    async def read(self, n: int = -1) -> bytes:
        if n > self._bytes_max:
            # Nothing of it is read: with its length it has said enough.
            Accounts.refuse(self._username, "too_large")
            self._reader.feed_eof()
            return b""
        left = self.bucket.left(self.rate, self.burst, time.monotonic()) if self.rate else 0
        if left < 0:
            await asyncio.sleep(min(-left / self.rate, _PAUSE_SECONDS_MAX))
        found: bytes = await self._reader.read(n)
        return found

    def feed_eof(self) -> None:
        self._reader.feed_eof()


class QuietHandler(BrokerProtocolHandler):  # type: ignore[misc]
    """One client's connection."""

    def __init__(self, plugins: Any, loop: asyncio.AbstractEventLoop, spread: Spread) -> None:
        super().__init__(plugins, loop=loop)
        self._spread = spread
        self._pace: Pace | None = None
        self.stamp: str | None = None

    def attach(self, session: Any, reader: Any, writer: Any) -> None:
        if session.username != Accounts.bridge[0]:
            reader = self._pace = Pace(reader, session.username)
            self.stamp = Accounts.stamp(session.username)
        super().attach(session, reader, writer)

    async def hang_up(self) -> None:
        if self.writer is not None:
            with contextlib.suppress(OSError):  # it has gone by itself
                await self.writer.close()

    async def handle_publish(self, publish_packet: Any) -> None:
        if self._pace is not None:
            self._pace.bucket.take(1)
        session, topic, data = self.session, publish_packet.topic_name, publish_packet.data
        ordinary = publish_packet.qos == 1 and not publish_packet.retain_flag and topic and data is not None
        if session is None or not ordinary or not {"+", "#"}.isdisjoint(topic):
            await super().handle_publish(publish_packet)
            return
        if Accounts.may(session.username, topic, Action.PUBLISH):
            await self._spread(session, topic, data)
        else:
            Accounts.refuse(session.username, "publish")
        await self._send_packet(PubackPacket.build(publish_packet.variable_header.packet_id))

    def send_now(self, topic: str, data: bytes | bytearray, qos: int) -> bool:
        """False: not an ordinary message."""
        session, writer = self.session, self.writer
        if qos != 1 or session is None or writer is None:
            return False
        bridge = session.username == Accounts.bridge[0]
        if len(session.inflight_out) >= (_UNACKNOWLEDGED_BY_THE_BRIDGE_MAX if bridge else _UNACKNOWLEDGED_MAX):
            return (
                True  # and forgotten: what gets no receipt is sent again, and a command that waits this long is stale
            )
        message = OutgoingApplicationMessage(session.next_packet_id, topic, qos, data, False)
        message.publish_packet = message.build_publish_packet()
        session.inflight_out[message.packet_id] = message
        writer.write(message.publish_packet.to_bytes())
        return True

    async def handle_puback(self, puback: Any) -> None:
        packet_id = puback.variable_header.packet_id
        if packet_id in self._puback_waiters or self.session is None:
            await super().handle_puback(puback)
        else:
            self.session.inflight_out.pop(packet_id, None)


async def _serve(host: str, port: int, goodbye: str) -> None:
    plugins: dict[str, dict[str, Any]] = {f"{__name__}.AccountPlugin": {}, f"{__name__}.TopicPlugin": {}}
    listener = {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 2_000}
    Accounts.listens = asyncio.Event()
    broker = QuietBroker({"listeners": {"default": listener}, "plugins": plugins})
    await broker.start()
    watching = asyncio.create_task(broker.watch())
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=_end_with_parent, args=(loop, ending, goodbye), daemon=True).start()
    collector.started_up()
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    await ending.wait()
    watching.cancel()
    await broker.shutdown()


def _end_with_parent(loop: asyncio.AbstractEventLoop, ending: asyncio.Event, goodbye: str) -> None:
    """A shutdown that waits for devices which do not hang up would keep the port from the next run: it has a second.

    A parent that has died without a goodbye is being started again at this moment, and needs the port now.
    """
    if goodbye not in sys.stdin.read():
        os._exit(1)
    loop.call_soon_threadsafe(ending.set)
    time.sleep(_SHUTDOWN_SECONDS)
    os._exit(0)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop where there is one: this broker's speed is its event loop's."""
    if sys.platform == "win32":
        asyncio.run(work)
        return
    import uvloop  # noqa: PLC0415 - there is none on Windows

    uvloop.run(work)


def main() -> None:
    logging.disable(logging.ERROR)
    told = json.loads(sys.stdin.readline())
    store = Store(open_engine(told["database_url"]))
    Accounts.bridge = (told["bridge_username"], told["bridge_password"])
    Accounts.store, Accounts.devices = store, DeviceCredentials(store)
    Pace.rate, Pace.burst = told["rate"], told["burst"]
    try:
        _run(_serve(told["host"], told["port"], told["goodbye"]))
    except KeyboardInterrupt:
        pass  # the parent ends us in its own time
    except OSError as problem:
        sys.stderr.write(f"{problem.strerror or problem}\n")
        sys.exit(1)
