"""The MQTT connection: one network thread of ours drives paho by its public loop functions.

What was measured about the client, and shapes this: an exception in its message callback ends its own network thread while it
still claims to be connected; it keeps messages published while disconnected and sends them stale after reconnecting; it wakes
its thread for each publish. So the loop is ours, every connection gets a fresh client (the broker keeps the session), and writes
are flushed once a turn, joined to one send. Nothing in this thread blocks, and it never stops reading: a message is put into the inbox, and
what is left with its sender, there or by its allowance before, is acknowledged to the broker at once. (Unacknowledged it would stay in the window of this session, until
nobody's messages came any more.) It gets no receipt, so the device sends it again.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from controllers.adapters import native
from gateway.bridge.inbox import Inbox
from gateway.flows.inbound import Inbound
from gateway.runtime.clock import Clock
from gateway.runtime.logs import logger
from gateway.runtime.settings import Broker
from wire.client import JoinedClient

_log = logger(__name__)

_KEEPALIVE_SECONDS = 30
_SESSION_SECONDS = 7 * 24 * 3600
_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_CONNECT_WITHIN_SECONDS = 10.0
_TURN_SECONDS = 0.5
# Message ids are used again after 65,535. A broker that far behind with its acknowledgements gets nothing more: commands wait
# in the outbox for as long as they are fresh, receipts are sent with the next repeat.
_UNANSWERED_MAX = 20_000
_NATIVE = f"{native.ROOT}/"
_NATIVE_BYTES = _NATIVE.encode()
# A camera has some fifteen topics of a hundred bytes; a broker need not take a packet of megabytes.
_SUBSCRIBED_AT_ONCE = 200
_UNSUPPORTED_VERSION = "Unsupported protocol version"


class Raw(NamedTuple):
    """A message as it came, and the connection on which it is to be acknowledged; `mid` 0 and none where no broker waits for that.

    `inbound`: what it says, where another door than MQTT's has read it already.
    """

    topic: str
    payload: bytes
    retained: bool
    received_at: datetime
    arrived: float
    mid: int
    client: mqtt.Client | None
    inbound: Inbound | None = None


class Elsewhere(Protocol):
    """Who takes what comes on other topics than the native protocol's; called by the network thread."""

    def admits(self, topic: bytes, size: int) -> bool: ...
    def take(self, raw: Raw) -> bool: ...
    def leave(self, raw: Raw) -> bool: ...


class Link:
    """A lasting connection to a broker. `publish`, `acknowledge` and `also` may be called from any thread."""

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str,
        topics: Sequence[str],
        inbox: Inbox[Raw | None],
        clock: Clock,
        acknowledged: Callable[[int], None],
        elsewhere: Elsewhere | None = None,
        share: str = "",
        besides: frozenset[str] = frozenset(),
    ) -> None:
        """`elsewhere`: has the topics of `besides` and those that `also` adds; `share` stands before each of them in its subscription."""
        self._broker = broker
        self._elsewhere = elsewhere
        self._share = share
        self._besides = self._more = besides
        self._asked: frozenset[str] = frozenset()  # of those, on this connection
        self._native_mid: int | None = None
        self._client_id = client_id
        self._topics = tuple(topics)
        self._inbox = inbox
        self._clock = clock
        self._acknowledged = acknowledged
        self._version = mqtt.MQTTv311 if broker.embedded else mqtt.MQTTv5
        self._client: JoinedClient | None = None
        self._up = threading.Event()
        self._stopping = threading.Event()
        self._renewing = threading.Event()
        self._connections = 0
        self._turned_at = time.monotonic()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt-network", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send what is waiting, disconnect, and wait for the thread."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(5)
        if not self._thread.is_alive():
            self._wake_reader.close()
            self._wake_writer.close()

    @property
    def connected(self) -> bool:
        """Connected and subscribed."""
        return self._up.is_set()

    @property
    def connections(self) -> int:
        """How many times it has come up: what was unacknowledged before belongs to another connection."""
        return self._connections

    def healthy(self) -> bool:
        """Whether the network thread still turns. Watched, since a dead one looks like a quiet street."""
        return self._thread.is_alive() and time.monotonic() - self._turned_at < 60

    def wait_until_up(self, seconds: float) -> bool:
        return self._up.wait(seconds)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, fresh_seconds: int | None = None
    ) -> int | None:
        """QoS 1. The message id whose acknowledgement will be reported, or None: not connected or far behind, nothing was kept.

        `fresh_seconds`: for what carries no deadline that its device understands. No broker keeps it longer: with MQTT 5 it expires, and
        with 3.1.1 it goes out at QoS 0, which brokers do not keep for who is away.
        """
        client = self._client
        if client is None or not self._up.is_set() or client.unanswered >= _UNANSWERED_MAX:
            return None
        qos, properties = 1, None
        if fresh_seconds is not None and self._version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = fresh_seconds
        elif fresh_seconds is not None and not self._broker.embedded:
            qos = 0
        info = client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        return info.mid if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    def also(self, topics: frozenset[str]) -> None:
        """From now on these are subscribed to besides the native protocol's and the broker's own, and no others."""
        self._more = self._besides | topics
        client = self._client
        if client is not None and self._up.is_set() and self._more != self._asked:
            self._catch_up(client)
            self._wake()

    def acknowledge(self, messages: Sequence[Raw]) -> None:
        """Tell the broker that these are safe. Those of an earlier connection come again, and are recognised."""
        current = self._client
        for message in messages:
            if message.mid and current is not None and message.client is current:
                current.ack(message.mid, 1)

    def leave(self, messages: Sequence[Raw]) -> None:
        """These found no room. Native devices send again what has no receipt; of others the broker may keep it, unacknowledged."""
        self.acknowledge(
            [
                one
                for one in messages
                if one.inbound is None or self._elsewhere is None or not self._elsewhere.leave(one)
            ]
        )

    def renew(self) -> None:
        """Connect anew: then the broker sends again what was not acknowledged."""
        if self._up.is_set():
            self._renewing.set()
            self._wake()

    def flush(self) -> None:
        """Let the network thread write what was published and acknowledged since the last flush."""
        self._wake()

    # ------------------------------------------------------------------ the network thread

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                came_up = self._one_connection()
                failures = 0 if came_up else failures + 1
            except (OSError, ssl.SSLError, ValueError) as problem:
                failures += 1
                if failures in {1, 5} or failures % 50 == 0:
                    _log.warning("broker unreachable", broker=str(self._broker), problem=str(problem), attempt=failures)
            except Exception:
                failures += 1
                _log.exception("the network thread caught an unexpected error and reconnects")
            finally:
                self._up.clear()
                self._client = None
            self._turned_at = time.monotonic()
            self._stopping.wait(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])

    def _one_connection(self) -> bool:
        """Connect, serve until it ends. Whether it came up."""
        self._renewing.clear()
        client = self._new_client()
        self._client = client
        properties = None
        if self._version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = _SESSION_SECONDS
            properties.ReceiveMaximum = 65_535
            client.connect(
                self._broker.host, self._broker.port, _KEEPALIVE_SECONDS, clean_start=False, properties=properties
            )
        else:
            client.connect(self._broker.host, self._broker.port, _KEEPALIVE_SECONDS)
        began = time.monotonic()
        came_up = False
        while not self._ending():
            if not self._turn(client):
                break
            came_up = came_up or self._up.is_set()
            if not came_up and time.monotonic() - began > _CONNECT_WITHIN_SECONDS:
                raise OSError("connected, but no subscription was granted in time")
        if self._ending():
            self._say_goodbye(client)
        return came_up

    def _ending(self) -> bool:
        return self._stopping.is_set() or self._renewing.is_set()

    def _turn(self, client: mqtt.Client) -> bool:
        """Wait for the socket, read what came, write what waits. False when the connection has ended."""
        sock = client.socket()
        if sock is None:
            return False
        reads: list[Any] = [sock, self._wake_reader]
        writes = [sock] if client.want_write() else []
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending()
        readable, writable, _ = select.select(reads, writes, [], 0 if pending else _TURN_SECONDS)
        self._turned_at = time.monotonic()
        if self._wake_reader in readable:
            self._drain_wakes()
        if sock in readable or pending:
            code = client.loop_read()
            if code != mqtt.MQTT_ERR_SUCCESS:
                return False
        if writable or client.want_write():
            code = client.loop_write()
            if code not in {mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_AGAIN}:
                return False
        return client.loop_misc() == mqtt.MQTT_ERR_SUCCESS

    def _say_goodbye(self, client: mqtt.Client) -> None:
        end = time.monotonic() + 2
        while client.want_write() and time.monotonic() < end and client.loop_write() == mqtt.MQTT_ERR_SUCCESS:
            pass
        client.disconnect()
        client.loop_write()

    def _new_client(self) -> JoinedClient:
        options: dict[str, Any] = {} if self._version == mqtt.MQTTv5 else {"clean_session": False}
        client = JoinedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._version,
            manual_ack=True,
            sieve=self._admits,
            **options,
        )
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        if self._broker.username:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.tls:
            client.tls_set()
        client.on_socket_open = self._tune_socket
        client.on_socket_register_write = lambda *_: None
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    @staticmethod
    def _tune_socket(_client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            if str(reason) == _UNSUPPORTED_VERSION and self._version == mqtt.MQTTv5:
                self._version = mqtt.MQTTv311
            _log.error("broker refused the connection", broker=str(self._broker), reason=str(reason))
            return
        self._connections += 1
        # The native protocol's last: whoever waits for those to stand (the embedded broker lets devices in then) has them all.
        self._asked = self._more
        self._subscribe_also(client, self._asked)
        _, self._native_mid = client.subscribe([(topic, 1) for topic in self._topics])

    def _catch_up(self, client: mqtt.Client) -> None:
        before, wanted = self._asked, self._more
        self._asked = wanted
        self._subscribe_also(client, wanted - before)
        if gone := sorted(before - wanted):
            client.unsubscribe([f"{self._share}{topic}" for topic in gone])

    def _subscribe_also(self, client: mqtt.Client, topics: frozenset[str]) -> None:
        wanted = [(f"{self._share}{topic}", 1) for topic in sorted(topics)]
        for first in range(0, len(wanted), _SUBSCRIBED_AT_ONCE):
            client.subscribe(wanted[first : first + _SUBSCRIBED_AT_ONCE])

    def _on_subscribe(self, client: mqtt.Client, _userdata: Any, mid: int, reasons: Any, _properties: Any) -> None:
        if mid != self._native_mid:
            if refused := sum(reason.is_failure for reason in reasons):
                _log.error(
                    "broker refused topics of other vendors' devices, or its own refusals; they are not heard",
                    refused=refused,
                )
            return
        refused_here = [topic for topic, reason in zip(self._topics, reasons, strict=False) if reason.is_failure]
        if refused_here:
            _log.error("broker refused subscriptions", topics=refused_here)
            return
        self._up.set()
        if self._asked != self._more:  # said while it connected
            self._catch_up(client)
        _log.info("connected", broker=str(self._broker))

    def _admits(self, topic: bytes, payload: bytes) -> bool:
        if self._elsewhere is not None and not topic.startswith(_NATIVE_BYTES):
            return self._elsewhere.admits(topic, len(payload))
        return self._inbox.admits(topic, payload, time.perf_counter())

    def _on_message(self, client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        """The door: nothing here may raise or block."""
        topic = message.topic
        raw = Raw(
            topic,
            bytes(message.payload),
            message.retain,
            self._clock.now(),
            time.perf_counter(),
            message.mid if message.qos else 0,
            client,
        )
        if self._elsewhere is not None and not topic.startswith(_NATIVE):
            if not self._elsewhere.take(raw):
                self.acknowledge([raw])
        elif left := self._inbox.put_nowait(raw):
            self.leave([one for one in left if one is not None])

    def _on_publish(self, _client: mqtt.Client, _userdata: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._acknowledged(mid)

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"\0")
        except (BlockingIOError, OSError):
            return  # a wake is waiting already, or the link is closing

    def _drain_wakes(self) -> None:
        try:
            while self._wake_reader.recv(4096):
                pass
        except BlockingIOError:
            return
