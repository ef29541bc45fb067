"""The floor of every decision: what the broker, the client library and two wake-ups take by themselves.

A process of its own sends every event back to its device as if it were a command, and does nothing else.
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.bridge.intake import topics
from gateway.cli.bench.servers import DidNotStart
from gateway.runtime import collector
from gateway.runtime.settings import Broker
from wire.client import JoinedClient

_KEEPALIVE_SECONDS = 30
_ENDS_WITHIN_SECONDS = 10


class EchoProcess:
    """Raises `DidNotStart`."""

    def __init__(self, broker: Broker) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from gateway.cli.bench.echo import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = [broker.host, broker.port, broker.username, broker.password, broker.embedded]
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != b"READY":
            self.close()
            raise DidNotStart("the echo does not reach its broker")

    def close(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main() -> None:
    """The process that `EchoProcess` starts. It ends with its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host, port, username, password, embedded = json.loads(sys.stdin.readline())
    client = _client(username, password, mqtt.MQTTv311 if embedded else mqtt.MQTTv5)
    client.connect(host, port, _KEEPALIVE_SECONDS)
    collector.started_up()
    while (sock := client.socket()) is not None:
        readable, writable, _ = select.select([sock, sys.stdin], [sock] if client.want_write() else [], [], 1.0)
        if sys.stdin in readable:
            client.disconnect()
            return
        if sock in readable:
            client.loop_read()
        if writable or client.want_write():
            client.loop_write()
        client.loop_misc()


def _client(username: str | None, password: str | None, version: Any) -> JoinedClient:
    """Tuned as the bridge's: one send a turn, no delay, no limit of messages in flight."""
    client = JoinedClient(CallbackAPIVersion.VERSION2, client_id="parkgate.echo", protocol=version)
    client.max_inflight_messages_set(0)
    client.max_queued_messages_set(0)
    if username:
        client.username_pw_set(username, password)

    def opened(_client: Any, _data: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            # All that a bridge hears: the embedded broker lets no device in before.
            client.subscribe([(topic, 1) for topic in topics("")])

    def subscribed(*_: Any) -> None:
        sys.stdout.write("READY\n")
        sys.stdout.flush()

    def heard(_client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith("/event"):
            client.publish(message.topic[: -len("event")] + "command", message.payload, qos=1)

    client.on_socket_open = opened
    client.on_socket_register_write = lambda *_: None
    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, heard
    return client
