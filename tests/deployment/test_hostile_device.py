"""A device with valid credentials of its own that wants more, against Mosquitto as deployed, over TLS."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.bridge.broker_refusals import REFUSED_TOPIC
from gateway.cli.ports import free_port
from tests.acceptance.deployment import MOSQUITTO, PARKGATE, Parkgate, eventually
from tests.deployment.roles import BRIDGE_PASSWORD, CONTROL, PLUGIN, SHARE_GROUP, BrokerWithAccounts
from tests.servers import missing

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow]

SITE = """
[[merchant]]
id = "hushu"
name = "m"

[[site]]
id = "xinyi"
name = "s"
capacity = 9
policy = "p"
merchant = "hushu"

[[site.gate]]
id = "east"
tier = "main"

[[site.gate.lane]]
id = "in-1"
direction = "in"
device = "d1"

[[site.device]]
id = "d1"
vendor = "native"

[[site.device]]
id = "d2"
vendor = "native"

[[site.device]]
id = "cam1"
vendor = "xinlutong"
serial = "SN1"

[[site.device]]
id = "cam2"
vendor = "xinlutong"
serial = "SN2"
"""
SHARED = f"$share/{SHARE_GROUP}/parkgate/v1/+/+/event"


class Client:
    """A connection to the devices' listener, and all that came of it."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        username: str,
        password: str,
        client_id: str | None = None,
    ) -> None:
        self.connected: list[bool] = []
        self.heard: list[tuple[str, bytes]] = []
        self.disconnects = 0
        self._answers: dict[int, list[Any]] = {}
        self._answered = threading.Condition()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=username if client_id is None else client_id, protocol=mqtt.MQTTv5
        )
        self.client.username_pw_set(username, password)
        self.client.tls_set_context(context)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.connected.append(not reason.is_failure)
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda _c, _u, mid, reasons, _p: self._answer(mid, reasons)
        self.client.on_publish = lambda _c, _u, mid, reason, _p: self._answer(mid, [reason])
        self.client.on_message = lambda _c, _u, message: self.heard.append((message.topic, bytes(message.payload)))
        try:
            self.client.connect("127.0.0.1", port)
        except ssl.SSLError:
            self.connected.append(False)
        self.client.loop_start()

    def is_in(self) -> bool:
        """What the broker said to its CONNECT. A certificate that is refused after the handshake ends the connection without a word."""
        eventually(lambda: bool(self.connected or self.disconnects), "the broker answers")
        return self.connected[:1] == [True]

    def is_granted(self, topic: str) -> bool:
        _, mid = self.client.subscribe(topic, 1)
        return not self._wait(mid)[0].is_failure

    def may_say(self, topic: str, payload: bytes = b"hostile", *, retain: bool = False) -> bool:
        info = self.client.publish(topic, payload, qos=1, retain=retain)
        return not self._wait(info.mid)[0].is_failure

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _answer(self, mid: int, reasons: Any) -> None:
        with self._answered:
            self._answers[mid] = list(reasons)
            self._answered.notify_all()

    def _wait(self, mid: int | None) -> list[Any]:
        assert mid is not None
        with self._answered:
            assert self._answered.wait_for(lambda: mid in self._answers, 90), "the broker does not answer"
            return self._answers[mid]

    def _on_disconnect(self, *_: Any) -> None:
        self.disconnects += 1


class Estate:
    """A broker whose devices need certificates, the estate that it serves, and the devices' passwords."""

    def __init__(self, stack: ExitStack, broker: BrokerWithAccounts, parkgate: Parkgate) -> None:
        self._stack, self.broker, self.parkgate = stack, broker, parkgate
        parkgate.run("db", "upgrade")
        (parkgate.folder / "site.toml").write_text(SITE)
        printed = parkgate.run("site", "apply", "site.toml", "--json").stdout
        self.passwords = {one["username"]: one["password"] for one in map(json.loads, printed.splitlines())}
        parkgate.run("device", "accounts", "--bridges", "1 2", "--credentials", "-", given=printed)

    def client(self, username: str, *, client_id: str | None = None, **said: Any) -> Client:
        certificate = said.get("certificate") or self.broker.certificates.of_device(username)
        password = said.get("password", self.passwords.get(username, BRIDGE_PASSWORD))
        made = Client(self.broker.tls_port, certificate, username, password, client_id)
        return self._stack.enter_context(closing(made))

    def rotates(self, name: str) -> None:
        made = json.loads(self.parkgate.run("device", "rotate", name, "--reason", "a test", "--json").stdout)
        self.passwords[name] = made["password"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrokerWithAccounts, Parkgate, dict[str, str]]]:
    if not PARKGATE.exists():
        missing("parkgate is not installed beside this Python")
    if MOSQUITTO is None or PLUGIN is None or CONTROL is None:
        missing("the Mosquitto broker with mosquitto_ctrl and its dynamic-security plugin is not installed")
    folder = tmp_path_factory.mktemp("hostile")
    with ExitStack() as stack:
        broker = stack.enter_context(closing(BrokerWithAccounts(folder, client_certificates=True, counts_denied=True)))
        parkgate = Parkgate(folder, f"sqlite:///{folder / 'parkgate.db'}", "embedded://127.0.0.1:1", "02:00")
        parkgate.environment |= broker.administered
        stack.enter_context(closing(parkgate))
        yield broker, parkgate, {}


@pytest.fixture(scope="module")
def made(running: Any) -> Iterator[Estate]:
    broker, parkgate, _ = running
    with ExitStack() as stack:
        yield Estate(stack, broker, parkgate)


@pytest.fixture
def estate(made: Estate) -> Iterator[Estate]:
    """Its clients leave after each test."""
    with ExitStack() as stack:
        made._stack = stack
        yield made


def test_it_may_do_what_its_work_needs(estate: Estate) -> None:
    device, camera = (
        estate.client("xinyi.d1"),
        estate.client("xinyi.cam1", client_id="whatever the camera calls itself"),
    )
    bridge = estate.client("parkgate.bridge-1")
    assert device.is_in()
    assert camera.is_in()
    assert all(bridge.is_granted(topic) for topic in (SHARED, "parkgate/v1/+/+/status", "upload/SN1"))
    assert all(device.is_granted(f"parkgate/v1/xinyi/d1/{end}") for end in ("command", "receipt", "list", "list/delta"))
    assert device.may_say("parkgate/v1/xinyi/d1/event", b"mine")
    assert camera.is_granted("download/SN1")
    assert camera.may_say("upload/SN1", b"its own")
    assert bridge.may_say("parkgate/v1/xinyi/d1/command", b"open")
    assert bridge.may_say("download/SN1", b"open")
    eventually(lambda: all((len(bridge.heard) == 2, device.heard, camera.heard)), "each hears what is for it")
    assert device.heard == [("parkgate/v1/xinyi/d1/command", b"open")]
    assert camera.heard == [("download/SN1", b"open")]


@pytest.mark.parametrize("username", ["xinyi.d2", "xinyi.cam2"])
def test_everything_that_is_anothers_is_refused(estate: Estate, username: str) -> None:
    """Each subscription and each topic, and whoever they belong to hears nothing of it."""
    victim, bridge, hostile = estate.client("xinyi.d1"), estate.client("parkgate.bridge-1"), estate.client(username)
    assert victim.is_granted("parkgate/v1/xinyi/d1/command")
    assert bridge.is_granted(SHARED)
    assert hostile.is_in()
    filters = [
        "#", "+/#", "$SYS/#", "$CONTROL/#", "$CONTROL/dynamic-security/v1/response",
        "parkgate/#", "parkgate/v1/+/+/event", "parkgate/v1/+/+/command", "parkgate/v1/xinyi/+/command",
        "parkgate/v1/xinyi/d1/command", "parkgate/v1/xinyi/d1/#", "parkgate/v1/xinyi/d1/receipt", "parkgate/v1/xinyi/d1/list",
        SHARED, f"$share/{SHARE_GROUP}/parkgate/v1/+/+/result", f"$share/{SHARE_GROUP}/#", "$share/mine/parkgate/v1/+/+/event",
        f"$share/{SHARE_GROUP}/upload/SN1", "upload/SN1", "download/SN1", "download/+", "+/SN1",
    ]  # fmt: skip
    assert [one for one in filters if hostile.is_granted(one)] == []
    topics = [
        "parkgate/v1/xinyi/d1/event", "parkgate/v1/xinyi/d1/status", "parkgate/v1/xinyi/d1/result", "parkgate/v1/xinyi/d1/command",
        "parkgate/v1/xinyi/d1/receipt", "parkgate/v1/xinyi/d1/list", "parkgate/v1/xinyi/d2/command", "parkgate/v1/street/all/event",
        "upload/SN1", "download/SN1", "download/SN2", "elsewhere", "$CONTROL/dynamic-security/v1",
    ]  # fmt: skip
    assert [one for one in topics if hostile.may_say(one)] == []
    assert not hostile.may_say("parkgate/v1/xinyi/d1/list", retain=True)
    assert (victim.heard, bridge.heard, hostile.heard) == ([], [], [])


def test_what_the_broker_refuses_is_told_to_the_bridges(estate: Estate) -> None:
    """By whose account it was, where that is known; and nobody but the broker's own account can say so."""
    bridge, hostile = estate.client("parkgate.bridge-1"), estate.client("xinyi.d2")
    assert bridge.is_granted(f"$share/{SHARE_GROUP}/{REFUSED_TOPIC}")

    def told(name: str, what: str) -> bool:
        # The next refusal brings along what has been counted since it was told last.
        assert not hostile.may_say("elsewhere")
        assert not hostile.may_say(REFUSED_TOPIC, b"xinyi.d1 publish 99")
        lines = [line for topic, said in bridge.heard for line in said.decode().splitlines() if topic == REFUSED_TOPIC]
        return any(line.startswith(f"{name} {what} ") for line in lines) and "xinyi.d1 publish 99" not in lines

    assert not hostile.is_granted("parkgate/v1/xinyi/d1/command")
    assert not estate.client("xinyi.d1", password="a guess").is_in()
    for name, what in (("xinyi.d2", "publish"), ("xinyi.d2", "subscribe"), ("-", "login")):
        eventually(lambda: told(name, what), f"{name} was refused {what}", 40)  # noqa: B023


def test_it_swallows_none_of_the_bridges_events(estate: Estate) -> None:
    """With a plain acl_file it got every second one of these."""
    bridge, hostile, honest = (estate.client(one) for one in ("parkgate.bridge-1", "xinyi.d2", "xinyi.d1"))
    assert bridge.is_granted(SHARED)
    assert not hostile.is_granted(SHARED)
    for number in range(100):
        honest.client.publish("parkgate/v1/xinyi/d1/event", str(number), qos=1)
    eventually(lambda: len(bridge.heard) == 100, "the bridge has every event")


def test_it_takes_over_nobodys_connection(estate: Estate) -> None:
    bridge, other = estate.client("parkgate.bridge-1"), estate.client("xinyi.cam1")
    assert bridge.is_in()
    assert other.is_in()
    assert not estate.client("parkgate.bridge-1", password="a guess").is_in()
    # Whatever id it gives, it is known by its account's name: the one whom it throws out is itself.
    for name in ("xinyi.d2", "xinyi.cam2"):
        for taken in ("parkgate.bridge-1", "xinyi.cam1", "+"):
            itself = estate.client(name)
            assert itself.is_in()
            assert estate.client(name, client_id=taken).is_in()
            eventually(lambda: itself.disconnects > 0, "it has taken its own place")  # noqa: B023
            itself.close()
    assert (bridge.disconnects, other.disconnects) == (0, 0)
    assert bridge.may_say("parkgate/v1/xinyi/d1/command")


def test_without_a_certificate_of_today_nobody_is_let_in(estate: Estate) -> None:
    certificates = estate.broker.certificates
    expired = certificates.of_device("xinyi.d2-old", expired=True)
    assert not estate.client("xinyi.d2", certificate=expired).is_in()
    assert not estate.client("xinyi.d2", certificate=certificates.trusting()).is_in()
    assert estate.client("xinyi.d2").is_in()


def test_a_password_ends_at_once_and_only_a_new_one_lets_it_in_again(estate: Estate) -> None:
    device, other, before = estate.client("xinyi.d2"), estate.client("xinyi.d1"), estate.passwords["xinyi.d2"]
    assert device.is_in()
    assert other.is_in()
    estate.parkgate.run("device", "revoke", "xinyi.d2", "--reason", "stolen from the east gate")
    eventually(lambda: device.disconnects > 0, "it is thrown out while connected")
    assert not estate.client("xinyi.d2", password=before).is_in()
    estate.parkgate.run("site", "apply", "site.toml")
    estate.parkgate.run("device", "accounts")
    assert not estate.client("xinyi.d2", password=before).is_in()
    estate.rotates("xinyi.d2")
    assert not estate.client("xinyi.d2", password=before).is_in()
    assert estate.client("xinyi.d2").is_in()
    estate.rotates("xinyi.d2")
    assert estate.client("xinyi.d2").is_in()
    assert other.disconnects == 0
    trail = estate.parkgate.run("device", "revoke", "xinyi.nobody", "--reason", "x", expect=(2,))
    assert "there is no such device" in trail.stderr


def test_what_leaves_the_site_file_is_shut_out_and_comes_back_with_its_password(estate: Estate) -> None:
    device = estate.client("xinyi.cam2")
    assert device.is_in()
    whole = (estate.parkgate.folder / "site.toml").read_text()
    without = whole[: whole.index('[[site.device]]\nid = "cam2"')]
    (estate.parkgate.folder / "without.toml").write_text(without)
    estate.parkgate.run("site", "apply", "without.toml")
    estate.parkgate.run("device", "accounts")
    eventually(lambda: device.disconnects > 0, "it is thrown out")
    assert not estate.client("xinyi.cam2").is_in()
    estate.parkgate.run("site", "apply", "site.toml")
    estate.parkgate.run("device", "accounts")
    assert estate.client("xinyi.cam2").is_in()


def test_a_broker_that_cannot_be_administered_is_one_line(estate: Estate) -> None:
    def refused(url: str, *said: str) -> None:
        environment = estate.parkgate.environment
        before = environment["PARKGATE_BROKER_ADMIN_URL"]
        environment["PARKGATE_BROKER_ADMIN_URL"] = url
        try:
            told = estate.parkgate.run("device", "accounts", expect=(1, 2))
        finally:
            environment["PARKGATE_BROKER_ADMIN_URL"] = before
        assert len(told.stderr.splitlines()) == 1
        assert all(words in told.stderr for words in said)

    port = estate.broker.port
    refused(f"mqtt://admin:a-guess@127.0.0.1:{port}", "does not let its administrator in")
    refused(f"mqtt://parkgate.bridge-1:{BRIDGE_PASSWORD}@127.0.0.1:{port}", "it is not the administrator")
    refused(f"mqtt://admin:x@127.0.0.1:{free_port()}", "cannot reach", "PARKGATE_BROKER_ADMIN_URL")
    refused("", "broker_admin_url is not set")
