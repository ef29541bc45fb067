"""What stands beside ours at the broker, in a process of its own: a client tuned as the bridge's, on one thread that also does the work."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.bridge.intake import topics
from gateway.cli.bench.child import ready
from gateway.runtime import collector
from gateway.runtime.settings import Broker
from wire.client import JoinedClient

_KEEPALIVE_SECONDS = 30
_TURN_SECONDS = 1.0


class Where(NamedTuple):
    """A broker, and what to hear there as whom; crosses the pipe as a list."""

    host: str
    port: int
    username: str | None
    password: str | None
    embedded: bool
    name: str
    share_group: str = ""


def at(broker: Broker, name: str, share_group: str = "") -> Where:
    return Where(broker.host, broker.port, broker.username, broker.password, broker.embedded, name, share_group)


def client_at(where: Where, heard: Callable[[mqtt.MQTTMessage], None], *, acknowledges: bool = False) -> JoinedClient:
    """Connecting; says `READY` once it hears all that a bridge does (the embedded broker lets no device in before).

    One send a turn, no delay, no limit of messages in flight. `acknowledges`: the caller does, with `ack`.
    """
    version = mqtt.MQTTv311 if where.embedded else mqtt.MQTTv5
    client = JoinedClient(
        CallbackAPIVersion.VERSION2, client_id=f"parkgate.{where.name}", protocol=version, manual_ack=acknowledges
    )
    client.max_inflight_messages_set(0)
    client.max_queued_messages_set(0)
    if where.username:
        client.username_pw_set(where.username, where.password)

    def opened(_client: Any, _data: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe([(topic, 1) for topic in topics(where.share_group)])

    client.on_socket_open = opened
    client.on_socket_register_write = lambda *_: None
    client.on_connect = connected
    client.on_subscribe = lambda *_: ready()
    client.on_message = lambda _client, _data, message: heard(message)
    client.connect(where.host, where.port, _KEEPALIVE_SECONDS)
    return client


def serve(client: JoinedClient, work: Callable[[], None] = lambda: None) -> None:
    """Until standard input ends. `work`: after all that has come by now was heard."""
    collector.started_up()
    while (sock := client.socket()) is not None:
        readable, writable, _ = select.select(
            [sock, sys.stdin], [sock] if client.want_write() else [], [], _TURN_SECONDS
        )
        if sys.stdin in readable:
            client.disconnect()
            return
        if sock in readable:
            client.loop_read()
            work()
        if writable or client.want_write():
            client.loop_write()
        client.loop_misc()
