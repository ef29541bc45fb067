"""The street's deployment without its containers: the same files of deploy/, the same commands, one process a role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.ports import free_port
from tests.acceptance.deployment import MOSQUITTO, PARKGATE, POSTGRES_BIN, Parkgate, Postgres, eventually
from tests.acceptance.device import now
from tests.acceptance.estate import LANES, prepare
from tests.acceptance.trade import DUE_FEN, Street
from tests.deployment.roles import CONTROL, PLUGIN, SHARE_GROUP, BrokerWithAccounts, Role
from tests.servers import missing

pytestmark = [pytest.mark.mosquitto, pytest.mark.postgres, pytest.mark.slow]


class Roles:
    """The running deployment: two bridges that share the events, web, jobs; and the street in front of them."""

    def __init__(self, stack: ExitStack, broker: BrokerWithAccounts, parkgate: Parkgate, street: Street) -> None:
        self.broker, self.street = broker, street

        def role(name: str, log: str, health: str, **settings: str) -> Role:
            return stack.enter_context(closing(Role(parkgate, name, log, health, **settings)))

        def with_metrics(name: str, log: str, **settings: str) -> Role:
            port = free_port()
            return role(name, log, f"http://127.0.0.1:{port}/metrics", PARKGATE_METRICS_PORT=str(port), **settings)

        self.bridges = [
            with_metrics(
                "bridge",
                f"bridge-{number}",
                PARKGATE_BRIDGE_ID=number,
                PARKGATE_BROKER_URL=broker.url(number),
            )
            for number in ("1", "2")
        ]
        self.jobs = with_metrics("jobs", "jobs")
        self.web = role("web", "web", f"{parkgate.url}/readyz")
        self.all = [*self.bridges, self.jobs, self.web]
        for one in self.all:
            eventually(one.is_well, f"parkgate {one.name} is well", 45)


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    if not PARKGATE.exists():
        missing("parkgate is not installed beside this Python")
    if MOSQUITTO is None or PLUGIN is None or CONTROL is None:
        missing("the Mosquitto broker with mosquitto_ctrl and its dynamic-security plugin is not installed")
    if POSTGRES_BIN is None:
        missing("PostgreSQL's server programs are not installed")
    folder = tmp_path_factory.mktemp("roles")
    with ExitStack() as stack:
        broker = stack.enter_context(closing(BrokerWithAccounts(folder)))
        database = stack.enter_context(closing(Postgres()))
        today = now()
        close_at = f"{today + timedelta(hours=12):%H:%M}"
        parkgate = Parkgate(folder, database.url, f"mqtt://127.0.0.1:{broker.port}", close_at)
        stack.enter_context(closing(parkgate))
        parkgate.environment |= broker.administered
        printed = prepare(parkgate, today.date())
        made = {device["username"]: device["password"] for device in map(json.loads, printed.splitlines())}
        parkgate.run("device", "accounts", "--bridges", "1 2", "--credentials", "-", given=printed)
        street = stack.enter_context(closing(Street(parkgate, broker.port, made, LANES)))
        running = Roles(stack, broker, parkgate, street)
        street.logs_in("cashier", "console")
        yield running


def test_a_vehicle_comes_in_pays_and_leaves_through_four_processes(roles: Roles) -> None:
    visitor = roles.street.a_visitor().entered()
    waits = visitor.at("out-1").is_shown("payment_due", DUE_FEN)
    stay = visitor.stay("inside")
    paid = roles.street.staff["cashier"].takes(stay["id"], DUE_FEN)
    assert paid.status_code == 201, paid.text
    waits.opens("paid").passes()
    left = visitor.stay("left")
    assert (left["gross_fen"], left["payable_fen"], left["paid_fen"]) == (DUE_FEN, DUE_FEN, DUE_FEN)
    roles.street.a_visitor().at("in-1").opens("temporary").passes()
    assert sum(bridge.metric("parkgate_events_total") for bridge in roles.bridges) == 6
    eventually(lambda: roles.jobs.metric("parkgate_jobs_leader") == 1, "one process schedules the jobs")


@pytest.mark.parametrize(
    "topic",
    [
        f"$share/{SHARE_GROUP}/parkgate/v1/+/+/event",
        "parkgate/v1/+/+/event",
        "parkgate/v1/xinyi/d2/command",
        "parkgate/v1/+/+/command",
        "#",
    ],
)
def test_a_device_cannot_listen_to_others(roles: Roles, topic: str) -> None:
    assert not _is_granted(roles, topic)


def test_a_device_may_listen_to_its_own_commands(roles: Roles) -> None:
    assert _is_granted(roles, "parkgate/v1/xinyi/d1/command")


def test_bringing_the_accounts_in_line_again_throws_nobody_out(roles: Roles) -> None:
    device, dropped = roles.street.device("xinyi", "d5"), []
    device.is_connected()
    device.client.on_disconnect = lambda *_: dropped.append("out")
    roles.street.parkgate.run("device", "accounts")
    roles.street.is_alive()
    assert (device.client.is_connected(), dropped) == (True, [])


def test_accounts_are_made_only_from_what_site_apply_prints(roles: Roles) -> None:
    for line in ("nonsense", '{"username": "xinyi.d1"}', "[]"):
        told = roles.street.parkgate.run("device", "accounts", "--credentials", "-", given=f"{line}\n", expect=(2,))
        assert "site apply --json" in told.stderr


def test_every_role_ends_cleanly_and_the_books_hold(roles: Roles) -> None:
    """Last, as it ends them."""
    assert [(role.name, role.ends()) for role in roles.all] == [(role.name, 0) for role in roles.all]
    assert json.loads(roles.street.parkgate.run("verify", "--json").stdout)["ok"] is True


def _is_granted(roles: Roles, topic: str) -> bool:
    """Whether the account of xinyi.d1 is granted a subscription. It takes that device's connection over."""
    answers: list[int] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="xinyi.d1", clean_session=True)
    client.username_pw_set("xinyi.d1", roles.street.passwords["xinyi.d1"])
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: answers.extend(r.value for r in reasons)
    client.connect("127.0.0.1", roles.broker.port)
    client.loop_start()
    try:
        eventually(lambda: bool(answers), "the broker answers a subscription")
    finally:
        client.disconnect()
        client.loop_stop()
    return answers[0] < 0x80
