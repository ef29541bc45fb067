"""The embedded broker: who hears what, in which order; and its process ends with its parent, so that a restart finds the port free."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.bridge.embedded import EmbeddedBroker
from gateway.bridge.intake import topics
from gateway.cli.simulate.kills.estate import furnish
from gateway.runtime.settings import Broker, Settings
from gateway.service import Service
from gateway.wiring import build
from tests.acceptance.deployment import eventually
from tests.servers import free_port

_PARENT = """
import sys
from gateway.bridge.embedded import EmbeddedBroker
from gateway.runtime.settings import Settings

broker = EmbeddedBroker(Settings(database_url=sys.argv[1], broker_url=sys.argv[2]))
broker.start()
account = broker.for_bridge()
print(account.username, account.password, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return Settings(database_url=sqlite_url, broker_url=f"embedded://127.0.0.1:{free_port()}")


def test_after_a_kill_with_devices_connected_the_next_run_gets_the_port(settings: Settings) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, settings.database_url, settings.broker_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    devices: list[Heard] = []
    try:
        assert parent.stdout is not None
        username, password = parent.stdout.readline().split()
        there = Broker(f"embedded://{username}:{password}@127.0.0.1:{settings.broker.port}")
        # They come back whenever they are thrown out: a broker that waits for them to hang up never ends.
        devices = [Heard(there, f"d{number}", "#").ready() for number in range(5)]
        for number in range(50):
            devices[0].client.publish(
                "parkgate/x", str(number), qos=1
            )  # acknowledgements it still waits for when it ends
    finally:
        parent.kill()
        parent.communicate()
    again = EmbeddedBroker(settings)
    try:
        again.start()
        assert again.alive()
    finally:
        again.stop()
        for device in devices:
            device.leaves()


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    """A running one: where the bridge's account logs in, under any client id."""
    running = EmbeddedBroker(settings)
    running.start()
    try:
        yield running.for_bridge()
    finally:
        running.stop()


class Heard:
    """A client of the bridge's account that keeps what it hears."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *topics: str,
        lasting: bool = False,
        silent: bool = False,
    ) -> None:
        """`lasting`: its session outlives its connection. `silent`: it never acknowledges."""
        self.messages: list[tuple[str, str]] = []
        self.disconnects = 0
        self._subscribed = threading.Event()
        self._arrived = threading.Condition()
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not lasting, manual_ack=silent)
        client.max_inflight_messages_set(0)
        client.on_connect = lambda *_: client.subscribe([(topic, 1) for topic in topics or (f"nothing/{client_id}",)])
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.username_pw_set(broker.username, broker.password)
        client.connect(broker.host, broker.port)
        client.loop_start()
        self.client = client

    def is_ready(self, within_seconds: float) -> bool:
        return self._subscribed.wait(within_seconds)

    def ready(self) -> "Heard":
        assert self.is_ready(10), "the subscription was not granted"
        return self

    def wait_for(self, number: int) -> list[str]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.messages) >= number, 20), f"{len(self.messages)} of {number}"
        return [payload for _, payload in self.messages]

    def leaves(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        if (sock := self.client.socket()) is not None:
            sock.close()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._arrived:
            self.messages.append((message.topic, message.payload.decode()))
            self._arrived.notify_all()

    def _on_disconnect(self, *_: object) -> None:
        self.disconnects += 1


def test_messages_arrive_once_and_in_order(broker: Broker) -> None:
    told = [str(number) for number in range(2_000)]
    by_pattern, by_name = Heard(broker, "a", "site/+/event").ready(), Heard(broker, "b", "site/d1/event").ready()
    speaker = Heard(broker, "c").ready()
    for payload in told:
        speaker.client.publish("site/d1/event", payload, qos=1)
    assert by_pattern.wait_for(2_000) == by_name.wait_for(2_000) == told
    for one in (by_pattern, by_name, speaker):
        one.leaves()


def test_one_who_never_acknowledges_holds_nobody_up(broker: Broker) -> None:
    silent, other = Heard(broker, "a", "t", silent=True).ready(), Heard(broker, "b", "t").ready()
    speaker = Heard(broker, "c").ready()
    for number in range(1_500):
        speaker.client.publish("t", str(number), qos=1)
    assert len(other.wait_for(1_500)) == 1_500
    assert len(silent.wait_for(1_000)) >= 1_000
    for one in (silent, other, speaker):
        one.leaves()


def test_who_was_away_hears_what_was_said_meanwhile(broker: Broker) -> None:
    Heard(broker, "bridge", "t", lasting=True).ready().leaves()
    speaker = Heard(broker, "c").ready()
    for number in range(20):
        speaker.client.publish("t", str(number), qos=1).wait_for_publish(10)
    back = Heard(broker, "bridge", "t", lasting=True)
    assert sorted(back.wait_for(20), key=int) == [str(number) for number in range(20)]
    for one in (back, speaker):
        one.leaves()


def test_a_newcomer_hears_only_what_it_subscribed_to(broker: Broker) -> None:
    watcher = Heard(broker, "bridge", "parkgate/v1/+/+/status").ready()
    watcher.client.publish("parkgate/v1/a/d1/status", "online", qos=1, retain=True)
    watcher.wait_for(1)
    newcomer = Heard(broker, "b", "parkgate/v1/b/d1/command").ready()
    watcher.client.publish("parkgate/v1/b/d1/command", "open", qos=1)
    assert newcomer.wait_for(1) == ["open"]
    late = Heard(broker, "d", "parkgate/v1/a/d1/status").ready()
    assert late.wait_for(1) == ["online"]
    for one in (watcher, newcomer, late):
        one.leaves()


def test_a_street_that_comes_back_at_once_is_let_in_at_once(broker: Broker) -> None:
    everybody = [Heard(broker, f"d{number}", f"site/d{number}/command", "site/all") for number in range(60)]
    for one in everybody:
        one.ready()
    everybody[0].client.publish("site/all", "hello", qos=1)
    assert all(one.wait_for(1) == ["hello"] for one in everybody)
    assert [one.disconnects for one in everybody] == [0] * 60
    for one in everybody:
        one.leaves()


def test_a_device_is_let_in_when_the_bridge_listens(settings: Settings) -> None:
    """Not before: its events would be acknowledged, and nobody would hear them."""
    parts = build(settings)
    password = furnish(parts)["east.d1"]
    parts.store.close()
    running = EmbeddedBroker(settings)
    running.start()
    address = running.address
    device_url = Broker(f"embedded://east.d1:{password}@{address.host}:{address.port}")
    device = Heard(device_url, "east.d1", "parkgate/v1/east/d1/command")
    try:
        assert not device.is_ready(within_seconds=1)
        bridge = Heard(running.for_bridge(), "bridge", *topics(""), lasting=True)
        bridge.ready()
        device.ready()
        device.client.publish("parkgate/v1/east/d1/event", "first", qos=1)
        assert bridge.wait_for(1) == ["first"]
        bridge.leaves()
    finally:
        device.leaves()
        running.stop()


def test_a_broker_that_was_killed_is_started_again_and_everybody_comes_back(settings: Settings) -> None:
    service = Service(build(settings.model_copy(update={"secret_key": "a secret of the tests only"})), jobs=False)
    try:
        service.start()
        assert service.bridge.link.connected
        before = service.bridge.link.connections
        assert service._broker is not None
        assert service._broker._process is not None
        service._broker._process.kill()
        service._broker._process.wait(10)
        assert not service.well()
        service.mend()
        assert service.well()
        eventually(
            lambda: service.bridge.link.connections > before and service.bridge.link.connected, "the bridge is back"
        )
    finally:
        service.stop()
        service._parts.store.close()
