"""A test stand: one broker, one database, so many bridges, the load and what stands beside it, all started here and stopped here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.bench import echo, ideal, machine, servers
from gateway.cli.bench.cashier import CashierProcess
from gateway.cli.bench.driver import Driver, Echoed
from gateway.cli.bench.floor import CommitFloor
from gateway.cli.bench.report import note
from gateway.cli.bench.street import Layout, furnish
from gateway.cli.bench.traffic import DEMO_SHARES, Traffic, let_in
from gateway.cli.main import CheckFailed
from gateway.cli.ports import free_port
from gateway.runtime.clock import Clock
from gateway.runtime.ids import random_token
from gateway.runtime.settings import Settings
from gateway.wiring import Parts

_SHARE_GROUP = "bench"


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """What is measured."""

    broker: str  # mosquitto | embedded
    database: str  # sqlite | postgresql
    bridges: int = 1

    def __str__(self) -> str:
        many = "" if self.bridges == 1 else f", {self.bridges} bridges"
        return f"{self.broker}, {self.database}{many}"

    def absent(self) -> str:
        """Why it cannot be measured here; empty if it can."""
        return servers.absent(broker=self.broker, database=self.database)


def can_be_measured(wanted: Sequence[Arrangement]) -> list[Arrangement]:
    """Those whose servers are installed; says which are not. Raises `CheckFailed` if none is."""
    found = []
    for one in wanted:
        if why := one.absent():
            note(f"left out: {one}. {why}")
        else:
            found.append(one)
    if not found:
        raise CheckFailed(f"nothing to measure: {wanted[0].absent()}")
    return found


@dataclass(frozen=True, kw_only=True)
class Floors:
    """What the parts take without us: an echo, a bare commit, and the ideal bridge with a load like ours (None: not asked for)."""

    echoed: Echoed
    commits: CommitFloor
    ideal: Driver | None


@dataclass
class Stand:
    """Running. `processes` are roots of process families, by what they are; `metrics` where the bridges show theirs."""

    arrangement: Arrangement
    layout: Layout
    traffic: Traffic
    parts: Parts
    driver: Driver
    processes: dict[str, int]
    metrics: list[str]
    floors: Floors | None = None

    def shares(self) -> machine.Shares:
        """The processes' shares of the machine from now on."""
        return machine.Shares(self.processes, alone=("service",))


class Databases:
    """Databases to measure on: files in a folder of their own, and one PostgreSQL cluster, started when first needed."""

    def __init__(self, folder: Path | None) -> None:
        self._stack = ExitStack()
        self.folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="parkgate-bench-", dir=folder))
        ).resolve()
        self._base = folder
        self._postgres: servers.Postgres | None = None
        self._count = 0

    def make(self, kind: str) -> str:
        """An empty database; its URL."""
        self._count += 1
        if kind == "sqlite":
            return f"sqlite:///{self.folder / f'parkgate-{self._count}.db'}"
        if self._postgres is None:
            self._postgres = servers.Postgres(self._base)
            self._stack.callback(self._postgres.close)
        return self._postgres.database(f"bench{self._count}")

    def drop(self, url: str) -> None:
        """Give its room on the disk back."""
        if url.startswith("sqlite"):
            path = Path(url.removeprefix("sqlite:///"))
            for end in ("", "-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)
        elif self._postgres is not None:
            self._postgres.drop(url.rsplit("/", 1)[1])

    @property
    def postgres_pid(self) -> int | None:
        return self._postgres.pid if self._postgres is not None else None

    def close(self) -> None:
        self._stack.close()


@contextmanager
def databases(folder: Path | None) -> Iterator[Databases]:
    made = Databases(folder)
    try:
        yield made
    finally:
        made.close()


def settings_for(database_url: str, broker_url: str = "embedded://127.0.0.1:1883", **more: str) -> dict[str, str]:
    """What the processes under test are told, as variables without their prefix."""
    return {
        "database_url": database_url,
        "broker_url": broker_url,
        "secret_key": random_token(32),
        "http_host": "127.0.0.1",
        "http_port": str(free_port()),
        "test": "true",
        "timezone": "Asia/Shanghai",
        "log_level": "warning",
        "log_format": "text",
        # What the service can do is measured, not what it allows one device.
        "device_rate": "0",
        **more,
    }


def settings_of(values: Mapping[str, str]) -> Settings:
    """The same for flows of this process, whatever its environment says."""
    return Settings.model_validate(dict(values)).model_copy(
        update={"database_url": values["database_url"], "broker_url": values["broker_url"]}
    )


@contextmanager
def stand(
    arrangement: Arrangement,
    made: Databases,
    *,
    layout: Layout | None = None,
    exits: int,
    shares: Mapping[str, int] = DEMO_SHARES,
    floors: bool = False,
    ideal_too: bool = False,
    database_url: str | None = None,
    seed: int = 1,
) -> Iterator[Stand]:
    """Everything that `arrangement` names, ready for load in which about `exits` vehicles leave.

    `database_url`: a database that is furnished already. Raises `Missing`, `DidNotStart` or `BrokerDidNotStart`.
    """
    layout = layout or Layout()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stand-", dir=made.folder)))
        url = database_url or made.make(arrangement.database)
        processes: dict[str, int] = {}
        if arrangement.broker == "mosquitto":
            broker = servers.Mosquitto(folder)
            stack.callback(broker.close)
            processes["broker"], port = broker.pid, broker.port
        else:
            port = free_port()
        scheme = "mqtt" if arrangement.broker == "mosquitto" else "embedded"
        values = settings_for(url, f"{scheme}://127.0.0.1:{port}")
        parts, passwords = furnish(settings_of(values), layout)
        stack.callback(parts.store.close)
        traffic = Traffic(layout, seed, shares)
        let_in(parts, layout, traffic.guests(exits, parts.clock.now()), name=f"guest-{seed}")
        settle(parts)
        started, metrics = _gateways(arrangement, stack, folder, values)
        processes |= started
        if arrangement.database == "postgresql" and made.postgres_pid is not None:
            processes["database"] = made.postgres_pid
        cashier = CashierProcess(parts.settings)
        stack.callback(cashier.close)
        processes["payments"] = cashier.pid
        devices = _Devices(layout, parts.clock, passwords if arrangement.broker == "embedded" else None)
        driver = devices.at(port, traffic, stack, cashier)
        running = Stand(arrangement, layout, traffic, parts, driver, processes, metrics)
        if floors:
            beside = Traffic(layout, seed, shares)
            beside.guests(exits, parts.clock.now())
            running.floors = Floors(
                echoed=_echoed(running, stack, folder, devices),
                commits=stack.enter_context(closing(CommitFloor(url))),
                ideal=_ideal(running, stack, folder, devices, made, beside) if ideal_too else None,
            )
        yield running


@dataclass(frozen=True)
class _Devices:
    """Who connects to each of the brokers."""

    layout: Layout
    clock: Clock
    passwords: Mapping[str, str] | None

    def at(self, port: int, traffic: Traffic, stack: ExitStack, cashier: CashierProcess | None = None) -> Driver:
        driver = Driver(
            self.layout, traffic, self.clock, host="127.0.0.1", port=port, passwords=self.passwords, cashier=cashier
        )
        stack.callback(driver.close)
        driver.connect()
        return driver


def settle(parts: Parts) -> None:
    """What PostgreSQL does by itself within a minute, done before the measurement: it counts what its tables hold."""
    if parts.store.postgres:
        with parts.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _gateways(
    arrangement: Arrangement, stack: ExitStack, folder: Path, values: Mapping[str, str]
) -> tuple[dict[str, int], list[str]]:
    """The service under test: its processes by name, and where it shows its metrics."""
    if arrangement.broker == "embedded":
        serve = servers.Gateway("serve", folder, values, name="serve")
        stack.callback(serve.close)
        (broker,) = machine.children(serve.pid) if machine.known() else (serve.pid,)
        return {"service": serve.pid, "broker": broker}, [f"http://127.0.0.1:{values['http_port']}/metrics"]
    found: dict[str, int] = {}
    metrics = []
    for number in range(1, arrangement.bridges + 1):
        port = free_port()
        own = {"share_group": _group(arrangement), "bridge_id": str(number), "metrics_port": str(port)}
        bridge = servers.Gateway("bridge", folder, {**values, **own}, name=f"bridge-{number}")
        stack.callback(bridge.close)
        found[f"bridge {number}" if arrangement.bridges > 1 else "bridge"] = bridge.pid
        metrics.append(f"http://127.0.0.1:{port}/metrics")
    return found, metrics


def _group(arrangement: Arrangement) -> str:
    return _SHARE_GROUP if arrangement.bridges > 1 else ""


def _beside(running: Stand, stack: ExitStack, folder: Path, name: str) -> servers.Mosquitto | servers.Embedded:
    """One more broker of the same kind, so that the service hears nothing of what is beside it."""
    broker = (
        servers.Embedded(running.parts.settings)
        if running.arrangement.broker == "embedded"
        else servers.Mosquitto(folder, name=f"mosquitto-for-the-{name}")
    )
    stack.callback(broker.close)
    return broker


def _echoed(running: Stand, stack: ExitStack, folder: Path, devices: _Devices) -> Echoed:
    broker = _beside(running, stack, folder, "echo")
    stack.callback(echo.start(broker.for_floor()).close)
    echoed = Echoed(devices.layout, devices.clock, host="127.0.0.1", port=broker.port, passwords=devices.passwords)
    stack.callback(echoed.close)
    echoed.connect()
    return echoed


def _ideal(
    running: Stand, stack: ExitStack, folder: Path, devices: _Devices, made: Databases, traffic: Traffic
) -> Driver:
    """As many ideal bridges as ours, on an empty database of the same kind."""
    broker = _beside(running, stack, folder, "ideal")
    url = made.make(running.arrangement.database)
    inward = {spec.lane for spec in devices.layout.lanes_of_all() if spec.inward}
    for number in range(1, running.arrangement.bridges + 1):
        group = _group(running.arrangement)
        stack.callback(ideal.start(broker.for_floor(), url, inward, number=number, share_group=group).close)
    return devices.at(broker.port, traffic, stack)
