"""The service as it is deployed: a street's (Mosquitto, PostgreSQL) and a laptop's (embedded broker, SQLite)."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from gateway.cli.ports import free_port
from tests.acceptance.deployment import MOSQUITTO, PARKGATE, POSTGRES_BIN, Mosquitto, Parkgate, Postgres
from tests.acceptance.device import now
from tests.acceptance.estate import LANES, ROLES, prepare
from tests.acceptance.trade import Street
from tests.servers import missing

DEPLOYMENTS = [
    pytest.param(
        "street",
        marks=[pytest.mark.mosquitto, pytest.mark.postgres, pytest.mark.slow],
    ),
    pytest.param("laptop", marks=[pytest.mark.slow]),
]


@pytest.fixture(scope="session", params=DEPLOYMENTS)
def deployment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not PARKGATE.exists():
        missing("parkgate is not installed beside this Python")
    if name == "street" and MOSQUITTO is None:
        missing("the Mosquitto broker is not installed")
    if name == "street" and POSTGRES_BIN is None:
        missing("PostgreSQL's server programs are not installed")
    return name


@pytest.fixture(scope="session")
def running_street(deployment: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """One running service with its estate, its devices and its staff; every test brings vehicles of its own."""
    folder = tmp_path_factory.mktemp(deployment)
    opened: list[Mosquitto | Postgres | Parkgate | Street] = []
    try:
        if deployment == "street":
            broker = Mosquitto(folder)
            opened.append(broker)
            database = Postgres()
            opened.append(database)
            database_url, broker_port, broker_url = database.url, broker.port, f"mqtt://127.0.0.1:{broker.port}"
        else:
            broker_port = free_port()
            database_url, broker_url = f"sqlite:///{folder / 'parkgate.db'}", f"embedded://127.0.0.1:{broker_port}"
        today = now()
        # Nothing closes by itself while the tests run, whatever the hour.
        parkgate = Parkgate(folder, database_url, broker_url, close_at=f"{today + timedelta(hours=12):%H:%M}")
        opened.append(parkgate)
        printed = prepare(parkgate, today.date())
        devices = [json.loads(line) for line in printed.splitlines() if line.strip()]
        passwords = {device["username"]: device["password"] for device in devices}
        assert {f"{device['site']}.{device['device']}" for device in devices} == set(passwords)
        parkgate.start()
        running = Street(parkgate, broker_port, passwords if deployment == "laptop" else {}, LANES)
        opened.append(running)
        running.logs_in(*ROLES)
        yield running
    finally:
        for part in reversed(opened):
            part.close()


@pytest.fixture
def street(running_street: Street) -> Street:
    """The running service; one that a failed restart left down is started, so that one failure stays one."""
    if not running_street.parkgate.is_running():
        running_street.parkgate.start()
    return running_street
