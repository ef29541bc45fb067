"""Far more than the service can do, from devices that have gone mad, while a well-behaved one asks for openings."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.deployment import (
    MOSQUITTO,
    PARKGATE,
    POSTGRES_BIN,
    Mosquitto,
    Parkgate,
    Postgres,
    eventually,
    free_port,
)
from tests.acceptance.device import now
from tests.acceptance.estate import LANES, prepare
from tests.acceptance.trade import Street
from tests.deployment.flood import Flood
from tests.servers import missing

# Long enough to see it; by hand for a minute and more: PARKGATE_FLOODS_SECONDS=60.
FLOODS_SECONDS = float(os.environ.get("PARKGATE_FLOODS_SECONDS", "6"))
MEMORY_MAX_MIB = 400
DEPLOYMENTS = [
    pytest.param("street", marks=[pytest.mark.mosquitto, pytest.mark.postgres, pytest.mark.slow]),
    pytest.param("laptop", marks=[pytest.mark.slow]),
]


class Flooded:
    """A running deployment, and its service's memory while somebody looks."""

    def __init__(self, parkgate: Parkgate, street: Street) -> None:
        self.parkgate, self.street = parkgate, street
        self.memory_mib = 0
        self._looking = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def flood(self, account: str, lane: str | None = None) -> Flood:
        password = self.street.passwords.get(account)
        return Flood(self.street.broker_port, account, password, lane=lane)

    def metric(self, name: str, *labels: str) -> float:
        lines = httpx.get(f"{self.parkgate.url}/metrics", timeout=90).text.splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found if all(label in line for label in labels))

    def readiness(self) -> Any:
        return httpx.get(f"{self.parkgate.url}/readyz", timeout=90).json()

    def close(self) -> None:
        self._looking.set()
        self._thread.join(10)

    def _look(self) -> None:
        assert self.parkgate.process is not None
        status = Path(f"/proc/{self.parkgate.process.pid}/status")
        while status.exists() and not self._looking.wait(0.2):
            resident = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
            self.memory_mib = max(self.memory_mib, *(int(line.split()[1]) // 1024 for line in resident), 0)


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flooded]:
    if not PARKGATE.exists():
        missing("parkgate is not installed beside this Python")
    street = request.param == "street"
    if street and (MOSQUITTO is None or POSTGRES_BIN is None):
        missing("the Mosquitto broker or PostgreSQL is not installed")
    tmp_path = tmp_path_factory.mktemp("overload")
    with ExitStack() as stack:
        if street:
            port = stack.enter_context(closing(Mosquitto(tmp_path))).port
            database, broker = stack.enter_context(closing(Postgres())).url, f"mqtt://127.0.0.1:{port}"
        else:
            port = free_port()
            database, broker = f"sqlite:///{tmp_path / 'parkgate.db'}", f"embedded://127.0.0.1:{port}"
        today = now()
        close_at = f"{today + timedelta(hours=12):%H:%M}"
        parkgate = stack.enter_context(closing(Parkgate(tmp_path, database, broker, close_at)))
        made = [json.loads(line) for line in prepare(parkgate, today.date()).splitlines() if line.strip()]
        parkgate.start()
        passwords = {} if street else {device["username"]: device["password"] for device in made}
        street_ = stack.enter_context(closing(Street(parkgate, port, passwords, LANES)))
        street_.logs_in("cashier", "console")
        yield stack.enter_context(closing(Flooded(parkgate, street_)))


def opens_while_it_lasts(running: Flooded) -> int:
    """A visitor after the other at a gate that has done nothing wrong: each gets its opening, and while it is fresh."""
    visitors, end = 0, time.monotonic() + FLOODS_SECONDS
    while time.monotonic() < end:
        running.street.is_alive()
        visitors += 1
    return visitors


def settles(running: Flooded) -> None:
    eventually(lambda: running.metric("parkgate_queue_depth") == 0, "nothing waits any more", 60)
    eventually(lambda: running.readiness()["load"] == "normal", "the overload is over", 60)
    assert running.memory_mib < MEMORY_MAX_MIB
    running.street.is_alive()
    assert json.loads(running.parkgate.run("verify", "--json").stdout)["ok"] is True


def test_floods_of_garbage_and_of_events_keep_nobody_elses_gate_shut(running: Flooded) -> None:
    began, quarantined = time.monotonic(), running.metric("parkgate_quarantined_total")
    garbage, events = running.flood("xinyi.d3"), running.flood("annex.d1", "in-1")
    visitors = opens_while_it_lasts(running)
    assert running.readiness()["ready"] is True
    assert visitors > 0
    sent = garbage.end() + events.end()
    settles(running)
    assert (
        0 < running.metric("parkgate_quarantined_total") - quarantined <= 310
    )  # 300 an hour, and what the hour brings
    shed = running.metric("parkgate_shed_total", 'device="d3"') + running.metric("parkgate_shed_total", 'device="d1"')
    assert 0 < shed < sent
    log = (running.parkgate.folder / "serve.log").read_text(encoding="utf-8")
    minutes = (time.monotonic() - began) // 60 + 2
    assert 1 <= log.count("messages stay with a device") <= 3 * minutes, "a line a minute for each of a few devices"


def test_what_a_device_sends_again_is_stored_once_though_it_sent_far_too_much(running: Flooded) -> None:
    """Ten times what one device is allowed: the rest stays with it, and is taken as it sends it again."""
    device, flood = running.street.device("archive", "d1"), running.flood("xinyi.d5")
    running.street.is_alive()
    before = running.metric("parkgate_events_total")
    events = [device.plate("in-1", f"浙E{number:05d}") for number in range(900)]
    device.send(*events)
    running.street.is_alive()
    flood.end()
    device.deliver(*events, seconds=120)
    device.deliver(*events[:100], seconds=120)
    settles(running)
    assert running.metric("parkgate_shed_total", 'site="archive"', 'device="d1"') > 0
    assert running.metric("parkgate_events_total") - before == len(events) + 4  # and two visitors who came and passed
