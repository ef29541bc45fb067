"""The embedded broker's process ends with its parent, so that a restart finds the port free."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gateway.bridge.embedded import EmbeddedBroker
from gateway.runtime.settings import Settings
from gateway.store import schema
from gateway.store.engine import open_engine
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
def settings(tmp_path: Path) -> Settings:
    url = f"sqlite:///{tmp_path / 'parkgate.db'}"
    engine = open_engine(url)
    schema.upgrade(engine)
    engine.dispose()
    return Settings(database_url=url, broker_url=f"embedded://127.0.0.1:{free_port()}")


def test_after_a_kill_with_devices_connected_the_next_run_gets_the_port(settings: Settings) -> None:
    port = settings.broker.port
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, settings.database_url, settings.broker_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    devices: list[Client] = []
    try:
        assert parent.stdout is not None
        username, password = parent.stdout.readline().split()
        devices = [_connected(port, f"d{number}", username, password) for number in range(5)]
        for number in range(50):
            devices[0].publish("parkgate/x", str(number), qos=1)  # acknowledgements it still waits for when it ends
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
            device.loop_stop()


def _connected(port: int, client_id: str, username: str, password: str) -> Client:
    """A client that comes back whenever it is thrown out: a broker that waits for it to hang up never ends."""
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.on_subscribe = lambda *_: subscribed.set()
    client.username_pw_set(username, password)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("#", 1)
    assert subscribed.wait(10), "the embedded broker did not let the bridge's account in"
    return client
