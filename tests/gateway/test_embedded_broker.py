"""The embedded broker: who hears what, in which order; and its process ends with its parent, so that a restart finds the port free."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from controllers.adapters.port import PICTURE_PAYLOAD_BYTES_MAX
from gateway.bridge.embedded import EmbeddedBroker
from gateway.bridge.intake import topics
from gateway.cli.ports import free_port
from gateway.cli.simulate.kills.estate import furnish
from gateway.flows.charges_books import By
from gateway.flows.device_access import revoke
from gateway.runtime.settings import Broker, Settings
from gateway.service import Service
from gateway.wiring import build
from tests.acceptance.deployment import eventually
from tests.servers import PATIENCE_SECONDS

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
        assert self.is_ready(PATIENCE_SECONDS), "the subscription was not granted"
        return self

    def wait_for(self, number: int) -> list[str]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.messages) >= number, PATIENCE_SECONDS), (
                f"{len(self.messages)} of {number}"
            )
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


class Admitted:
    """Two devices' accounts and the bridge's, on a running service with its database."""

    def __init__(self, settings: Settings) -> None:
        parts = build(settings)
        self.passwords = furnish(parts)
        self.parts = parts
        self.refused: list[tuple[str, str, int]] = []
        self.running = EmbeddedBroker(settings)
        self.running.refused = lambda *told: self.refused.append(told)
        self.running.start()
        self.clients: list[Heard] = [Heard(self.running.for_bridge(), "parkgate.bridge-1", *topics(""), lasting=True)]
        self.bridge = self.clients[0].ready()

    def account(self, name: str, password: str | None = None) -> Broker:
        address = self.running.address
        return Broker(f"embedded://{name}:{password or self.passwords[name]}@{address.host}:{address.port}")

    def device(self, name: str, *topics: str, client_id: str | None = None, password: str | None = None) -> Heard:
        made = Heard(self.account(name, password), client_id or name, *topics)
        self.clients.append(made)
        return made

    def was_refused(self, name: str, what: str) -> None:
        eventually(lambda: any(told[:2] == (name, what) for told in self.refused), f"{name}: {what}, {self.refused}")

    def close(self) -> None:
        for one in self.clients:
            one.leaves()
        self.running.stop()
        self.parts.store.close()


@pytest.fixture
def admitted(settings: Settings) -> Iterator[Admitted]:
    made = Admitted(settings)
    try:
        yield made
    finally:
        made.close()


def test_who_is_not_let_in_takes_nobodys_connection_and_no_session(admitted: Admitted) -> None:
    """A wrong password with another's client id threw that one out, and left it deaf."""
    east = admitted.device("east.d1", "parkgate/v1/east/d1/command").ready()
    other = next(name for name in admitted.passwords if name != "east.d1")
    for name, password, client_id in (
        ("east.d1", "a guess", "parkgate.bridge-1"),
        ("nobody", "a guess", "parkgate.bridge-1"),
        ("east.d1", "a guess", "east.d1"),
        (other, None, "parkgate.bridge-1"),
        (other, None, "east.d1"),
    ):
        assert not admitted.device(name, client_id=client_id, password=password).is_ready(within_seconds=0.5)
    east.client.publish("parkgate/v1/east/d1/event", "heard", qos=1)
    assert admitted.bridge.wait_for(1) == ["heard"]
    admitted.bridge.client.publish("parkgate/v1/east/d1/command", "told", qos=1)
    assert east.wait_for(1) == ["told"]
    assert (admitted.bridge.disconnects, east.disconnects) == (0, 0)
    admitted.was_refused("east.d1", "login")
    admitted.was_refused(other, "client_id")


def test_a_device_says_and_hears_only_its_own_and_not_by_its_last_will_either(admitted: Admitted) -> None:
    other = next(name for name in admitted.passwords if name != "east.d1")
    victim = admitted.device("east.d1", "parkgate/v1/east/d1/command").ready()
    hostile = admitted.device(other, "parkgate/v1/east/d1/command", "#", "parkgate/v1/+/+/event")
    hostile.ready()
    for qos, retain in ((0, False), (1, False), (2, False), (1, True)):
        hostile.client.publish("parkgate/v1/east/d1/command", "open", qos=qos, retain=retain)
        hostile.client.publish("parkgate/v1/east/d1/event", "forged", qos=qos, retain=retain)
    admitted.was_refused(other, "publish")
    admitted.was_refused(other, "subscribe")
    willing = Client(CallbackAPIVersion.VERSION2, client_id=other)
    willing.username_pw_set(other, admitted.passwords[other])
    willing.will_set("parkgate/v1/east/d1/command", "open", qos=1)
    refused: list[bool] = []
    willing.on_connect = lambda _c, _u, _f, reason, _p: refused.append(reason.is_failure)
    willing.connect(admitted.running.address.host, admitted.running.address.port)
    willing.loop_start()
    eventually(lambda: bool(refused), "the broker answers")
    willing.disconnect()
    willing.loop_stop()
    assert refused[0]
    victim.client.publish("parkgate/v1/east/d1/event", "mine", qos=1)
    admitted.bridge.client.publish("parkgate/v1/east/d1/command", "real", qos=1)
    assert (admitted.bridge.wait_for(1), victim.wait_for(1), hostile.messages) == (["mine"], ["real"], [])


def test_a_revoked_device_is_hung_up_on_and_an_endless_packet_is_not_read(admitted: Admitted) -> None:
    device = admitted.device("east.d1").ready()
    revoke(admitted.parts, None, "east.d1", "stolen", By(operator="li"))
    eventually(lambda: device.disconnects > 0, "it is hung up on")
    assert not admitted.device("east.d1").is_ready(within_seconds=0.5)
    other = next(name for name in admitted.passwords if name != "east.d1")
    boaster = admitted.device(other).ready()
    site, _, name = other.partition(".")
    boaster.client.publish(f"parkgate/v1/{site}/{name}/event", b"x" * (PICTURE_PAYLOAD_BYTES_MAX + 1), qos=1)
    admitted.was_refused(other, "too_large")
