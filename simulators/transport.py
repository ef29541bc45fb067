"""Many virtual gates over real MQTT, all driven by the one thread that calls `turn`.

Each gate has its own connection, client id and last will. The MQTT client library is used without its own threads: its
sockets sit in one selector, and what is written in a turn leaves in one flush. So 200 gates cost one thread and few
wake-ups. Source of the pattern: the measurements in docs, "paho on one thread".
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from simulators.clock import monotonic
from simulators.devices.dialect import Dialect, NativeDialect, Turned, Wire
from simulators.gate import Message
from wire.client import JoinedClient

KEEPALIVE_SECONDS = 60
CONNECT_SECONDS_MAX = 10
BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
MISC_EVERY_SECONDS = 1.0
QUEUED_MAX = 100_000


class Key(NamedTuple):
    """A device of the street; `username` is its MQTT client id and user name."""

    site: str
    device: str

    @property
    def username(self) -> str:
        return f"{self.site}.{self.device}"


class Listener(NamedTuple):
    """Whom the transport tells; called on the thread that turns it."""

    connected: Callable[[Key], None]
    disconnected: Callable[[Key], None]
    message: Callable[[Key, str, bytes], None]
    said: Callable[[Key, Message, tuple[Wire, ...]], None] = lambda *_: None
    heard: Callable[[bytes], None] = lambda _: None


class TransportError(Exception):
    """The broker cannot be reached, or does not let a gate in."""


class _Connection:
    """One gate's connection and its plan to get it back."""

    def __init__(self, key: Key, password: str | None, dialect: Dialect) -> None:
        self.key, self.password, self.dialect = key, password, dialect
        self.client: mqtt.Client | None = None
        self.sock: socket.socket | None = None
        self.wanted = True
        self.ready = False
        self.failures = 0
        self.retry_at = 0.0
        self.writing = False
        self.refused = ""


class Transport:
    """Connections to one broker. All methods but `publish` and `wake` belong to the turning thread."""

    def __init__(
        self,
        host: str,
        port: int,
        listener: Listener,
        *,
        protocol: Literal["3.1.1", "5"] = "3.1.1",
        tls: ssl.SSLContext | None = None,
        back_off_seconds: Sequence[float] = BACK_OFF_SECONDS,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._back_off_seconds = tuple(back_off_seconds)
        self._version = mqtt.MQTTv5 if protocol == "5" else mqtt.MQTTv311
        self._listener = listener
        self._connections: dict[Key, _Connection] = {}
        self._selector = selectors.DefaultSelector()
        self._dirty: dict[Key, _Connection] = {}
        self._down: dict[Key, _Connection] = {}
        self._inbox: deque[tuple[Key, Message]] = deque()
        self._told: deque[tuple[Key, str, bytes]] = deque()  # what dialects tell their gates
        self._thread = threading.get_ident()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ, None)
        self._misc_at = 0.0
        self._published = 0

    @property
    def published(self) -> int:
        """Messages handed to connections so far."""
        return self._published

    def add(self, key: Key, password: str | None = None, dialect: Dialect | None = None) -> None:
        """A gate that is to be connected from the next turn on. `dialect`: where it speaks another protocol than ours."""
        connection = _Connection(key, password, dialect or NativeDialect(key.site, key.device))
        self._connections[key] = self._down[key] = connection

    def publish(self, key: Key, message: Message) -> None:
        """Send at QoS 1 with the next flush; dropped if the gate has no connection (its journal keeps it). Thread-safe."""
        if threading.get_ident() == self._thread:
            self._send(key, message)
            return
        if len(self._inbox) >= QUEUED_MAX:
            raise TransportError(f"{QUEUED_MAX} messages wait for the thread that turns the transport")
        self._inbox.append((key, message))
        self.wake()

    def wake(self) -> None:
        """End the turn under way. Thread-safe."""
        try:
            self._bell.send(b"\0")
        except BlockingIOError:
            return  # it is ringing already

    def ready(self, key: Key) -> bool:
        return self._connections[key].ready

    def wanted(self, key: Key) -> bool:
        """Whether this gate is meant to have a connection."""
        return self._connections[key].wanted

    def connected_all(self) -> bool:
        """Nobody is waiting to try again."""
        return not self._down

    def refusal(self, key: Key) -> str:
        """Why the last attempt to connect failed, or empty."""
        return self._connections[key].refused

    def cut(self, key: Key) -> None:
        """The network of one gate is gone, without a goodbye: the broker publishes its last will."""
        connection = self._connections[key]
        connection.wanted = False
        self._drop(connection)

    def restore(self, key: Key) -> None:
        """The network is back; the next turn connects."""
        connection = self._connections[key]
        connection.wanted, connection.failures, connection.retry_at = True, 0, 0.0
        self._down[key] = connection

    def turn(self, timeout: float) -> None:
        """Flush, wait at most `timeout` seconds for something to read, and handle it."""
        self._thread = threading.get_ident()
        while self._inbox:
            self._send(*self._inbox.popleft())
        self._tell()
        now = monotonic()
        if now >= self._misc_at:
            self._misc_at = now + MISC_EVERY_SECONDS
            self._keep_alive()
        self._reconnect(now)
        self._flush()
        for selected, events in self._selector.select(0 if self._told else timeout):
            connection: _Connection | None = selected.data
            if connection is None:
                self._ear.recv(4096)
            else:
                self._handle(connection, events)
        self._tell()
        self._flush()

    def close(self) -> None:
        """Say goodbye everywhere. A goodbye is orderly, so each gate's last status is the last will's, said by itself."""
        for connection in self._connections.values():
            connection.wanted = False
            if connection.client is not None and connection.ready:
                if (will := connection.dialect.will()) is not None:
                    connection.client.publish(will.topic, will.payload, qos=1, retain=will.retain)
                connection.client.disconnect()
                connection.client.loop_write()
            self._drop(connection)
        self._selector.close()
        self._bell.close()
        self._ear.close()

    # ------------------------------------------------------------------------------------------------------------------

    def _send(self, key: Key, message: Message) -> None:
        connection = self._connections[key]
        if connection.client is None or not connection.ready:
            return
        turned = connection.dialect.says(message)
        self._listener.said(key, message, turned.out)
        self._turned(connection, turned)

    def _turned(self, connection: _Connection, turned: Turned) -> None:
        """What a dialect makes of a message: some leaves, some is for its own gate."""
        assert connection.client is not None
        for wire in turned.out:
            connection.client.publish(wire.topic, wire.payload, qos=1, retain=wire.retain)
            self._published += 1
        self._told.extend((connection.key, one.channel, one.payload) for one in turned.inward)
        self._dirty[connection.key] = connection

    def _tell(self) -> None:
        while self._told:
            self._listener.message(*self._told.popleft())

    def _handle(self, connection: _Connection, events: int) -> None:
        client = connection.client
        if client is None:
            return
        if events & selectors.EVENT_READ:
            client.loop_read()
            while isinstance(connection.sock, ssl.SSLSocket) and connection.sock.pending():
                client.loop_read()  # decrypted already: the selector would not tell of it
        if connection.client is client:
            self._dirty[connection.key] = connection

    def _flush(self) -> None:
        while self._dirty:
            _, connection = self._dirty.popitem()
            client = connection.client
            if client is None or connection.sock is None:
                continue
            client.loop_write()
            if connection.sock is not None and (wants := client.want_write()) != connection.writing:
                connection.writing = wants
                mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if wants else 0)
                self._selector.modify(connection.sock, mask, connection)

    def _keep_alive(self) -> None:
        for connection in list(self._connections.values()):
            if connection.client is not None and connection.sock is not None:
                connection.client.loop_misc()
                self._dirty[connection.key] = connection

    def _reconnect(self, now: float) -> None:
        for connection in list(self._down.values()):
            if connection.client is not None or not connection.wanted:
                del self._down[connection.key]
            elif now >= connection.retry_at:
                self._connect(connection)

    def _connect(self, connection: _Connection) -> None:
        """A new client each time: the library would otherwise send again what an earlier connection left unacknowledged."""
        client = JoinedClient(
            CallbackAPIVersion.VERSION2,
            client_id=connection.key.username,
            protocol=self._version,
            clean_session=True if self._version == mqtt.MQTTv311 else None,
        )
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(QUEUED_MAX)
        client.connect_timeout = CONNECT_SECONDS_MAX
        if connection.password is not None:
            client.username_pw_set(connection.key.username, connection.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if (will := connection.dialect.will()) is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._wire(client, connection)
        connection.client = client
        try:
            if self._version == mqtt.MQTTv5:
                client.connect(self._host, self._port, KEEPALIVE_SECONDS, clean_start=True)
            else:
                client.connect(self._host, self._port, KEEPALIVE_SECONDS)
        except OSError as error:
            self._lost(connection, client, str(error))
            return
        self._dirty[connection.key] = connection

    def _wire(self, client: mqtt.Client, connection: _Connection) -> None:
        key, listener, dialect = connection.key, self._listener, connection.dialect

        def on_socket_open(_client: mqtt.Client, _data: Any, sock: Any) -> None:
            if sock.family in {socket.AF_INET, socket.AF_INET6}:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sock, connection.writing = sock, False
            self._selector.register(sock, selectors.EVENT_READ, connection)

        def on_socket_close(_client: mqtt.Client, _data: Any, sock: Any) -> None:
            if connection.sock is not None:
                connection.sock = None
                self._selector.unregister(sock)

        def on_connect(_client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                connection.refused = str(reason)
            else:
                client.subscribe([(topic, 1) for topic in dialect.hears])

        def on_subscribe(_client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
            if any(reason.is_failure for reason in reasons):
                connection.refused = "the broker refused a subscription"
                client.disconnect()
                return
            connection.ready, connection.failures, connection.refused = True, 0, ""
            self._turned(connection, Turned(dialect.connected()))
            listener.connected(key)

        def on_disconnect(_client: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
            self._lost(connection, client, connection.refused)

        def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
            if connection.client is client:
                listener.heard(bytes(message.payload))
                self._turned(connection, dialect.told(message.topic, bytes(message.payload)))

        client.on_socket_open, client.on_socket_close = on_socket_open, on_socket_close
        client.on_socket_register_write = lambda *_: None  # writes queue until the turn flushes them
        client.on_connect, client.on_subscribe = on_connect, on_subscribe
        client.on_disconnect, client.on_message = on_disconnect, on_message

    def _lost(self, connection: _Connection, client: mqtt.Client, why: str) -> None:
        if connection.client is not client:
            return  # an earlier connection's echo
        was_ready, connection.ready, connection.client = connection.ready, False, None
        connection.refused = why
        self._down[connection.key] = connection
        connection.retry_at = (
            monotonic() + self._back_off_seconds[min(connection.failures, len(self._back_off_seconds) - 1)]
        )
        connection.failures += 1
        if was_ready:
            self._listener.disconnected(connection.key)

    def _drop(self, connection: _Connection) -> None:
        """Close the socket under the client, so that no goodbye is said."""
        client, sock = connection.client, connection.sock
        was_ready, connection.ready, connection.client = connection.ready, False, None
        if sock is not None:
            connection.sock = None
            self._selector.unregister(sock)
            sock.close()
        if client is not None:
            client.on_disconnect = client.on_socket_close = None
        if was_ready:
            self._listener.disconnected(connection.key)
