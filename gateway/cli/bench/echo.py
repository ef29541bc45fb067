"""The floor of every decision: what the broker, the client library and two wake-ups take by themselves.

A process of its own sends every event back to its device as if it were a command, and does nothing else.
"""

from __future__ import annotations

from paho.mqtt import client as mqtt

from gateway.cli.bench import beside
from gateway.cli.bench.child import Child, told
from gateway.runtime.settings import Broker


def start(broker: Broker) -> Child:
    """Raises `DidNotStart`."""
    return Child("gateway.cli.bench.echo", beside.at(broker, "echo"))


def main() -> None:
    """The process that `start` starts. It ends with its standard input."""

    def heard(message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith("/event"):
            client.publish(message.topic[: -len("event")] + "command", message.payload, qos=1)

    client = beside.client_at(beside.Where(*told()), heard)
    beside.serve(client)
