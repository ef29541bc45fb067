"""Ten gates without a network for an hour: once they have told of it, everything is as if they had never been away.

The hour is simulated; the sockets are real, and cut between the gates and the broker.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.cli.demo import house
from gateway.cli.demo.purse import Purse
from gateway.cli.demo.service_process import ServiceProcess, SharedClock, spare_the_disk
from gateway.cli.ports import free_port
from gateway.flows import estate, policies, registers
from gateway.flows.sweep import sweep
from gateway.flows.verify import verify
from gateway.store import schema
from gateway.store import tables as t
from gateway.wiring import Parts, build
from simulators.conductor import Conductor
from simulators.journeys import DayPlan, Journey, Outage, Vehicle
from simulators.manners import ExactManners
from simulators.street import parse_street
from simulators.transport import Key
from simulators.yard import Yard
from tests.gateway.cutting_proxy import CuttingProxy
from tests.servers import PATIENCE_SECONDS, Mosquitto

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GATES = range(10)
START = datetime(2026, 3, 2, 1, tzinfo=UTC)  # nine in the morning
CUT, BACK = START + timedelta(minutes=60), START + timedelta(minutes=120)
END = START + timedelta(minutes=240)
AMBULANCES = [f"浙A{number:05d}" for number in range(100, 100 + 2 * len(GATES))]

_GATE = """
[[site.gate]]
id = "g{n}"
tier = "middle"
staffed = false

[[site.gate.lane]]
id = "in-{n}"
direction = "in"
device = "d{n}"

[[site.gate.lane]]
id = "out-{n}"
direction = "out"
device = "d{n}"

[[site.device]]
id = "d{n}"
vendor = "native"
"""
SITE = (
    '[[merchant]]\nid = "m"\nname = "m"\n[[site]]\nid = "xinyi"\nname = "x"\ncapacity = 500\npolicy = "hushu-residential"\n'
    'merchant = "m"\n' + "".join(_GATE.format(n=number) for number in GATES)
)


def journeys() -> Iterator[Journey]:
    """At each gate: before, into, through, out of and after the hour; who comes in meanwhile is on the gate's list."""

    def one(name: str, number: int, plate: str, comes: float, goes: float) -> Iterator[Journey]:
        apart = timedelta(seconds=7 * number)
        both = Journey(
            id=f"{name}-{number}",
            site="xinyi",
            vehicle=Vehicle(plate, None, "visitor"),
            lane_in=f"in-{number}",
            lane_out=f"out-{(number + 3) % len(GATES)}",
            enter_at=START + timedelta(minutes=comes) + apart,
            leave_at=START + timedelta(minutes=goes) + apart,
            read_in=plate,
            read_out=plate,
        )
        # Each read at its own instant, whatever became of the other.
        yield replace(both, leave_at=None)
        yield replace(both, enter_at=None)

    for number in GATES:
        listed = AMBULANCES[2 * number : 2 * number + 2]
        yield from one("before", number, f"浙B{number:05d}", 5, 50)
        yield from one("into", number, f"浙C{number:05d}", 10, 75)
        yield from one("across", number, f"浙D{number:05d}", 30, 200)
        yield from one("within", number, listed[0], 65, 110)
        yield from one("out-of", number, listed[1], 80, 150)
        yield from one("after", number, f"浙E{number:05d}", 130, 190)


class CutYard(Yard):
    """Gates whose network goes down between them and the broker: each end finds out by itself."""

    wire: CuttingProxy

    def cut(self, key: Key) -> None:
        self.wire.cut(key.username)
        turned_away = self.wire.turned_away
        self._until(lambda: not self.gates[key].online and self.wire.turned_away > turned_away, 30, lambda: str(key))
        super().cut(key)  # from now on it is known to be away, and nobody waits for it

    def restore(self, key: Key) -> None:
        self.wire.restore(key.username)
        super().restore(key)


class Run:
    """The whole service with a simulated clock, and ten virtual gates in front of it. `elsewhere`: settings for other than embedded parts."""

    def __init__(self, folder: Path, elsewhere: dict[str, str]) -> None:
        folder.mkdir()
        settings = house.settings_file(folder, http_port=0, broker_port=free_port()).model_copy(update=elsewhere)
        clock = SharedClock(START, folder)
        self.parts: Parts = build(settings, clock=clock)
        spare_the_disk(self.parts)
        schema.upgrade(self.parts.store.engine)
        policies.apply(self.parts, (ROOT / "rules" / "hushu.toml").read_text(encoding="utf-8"), operator="t")
        applied = estate.apply(self.parts, SITE, operator="t")
        listed = [
            {"site": "xinyi", "plate": plate, "class": "ambulance", "valid_to": "2027-01-01"} for plate in AMBULANCES
        ]
        assert registers.import_rows(self.parts, "free-vehicles", listed).ok
        passwords = {one.username: one.password for one in applied.credentials}
        self.wire = CuttingProxy(settings.broker.port)
        gates = parse_street(SITE).with_gates()
        self.yard = CutYard(gates, clock, "127.0.0.1", self.wire.port, boot="t", passwords=passwords)
        self.yard.wire = self.wire
        self._service = ServiceProcess(self.parts, clock)
        self._service.start()
        self.conductor = Conductor(
            self.yard,
            seed="7",
            payer=Purse(self.parts),
            seen_online=self._online,
            manners=lambda *_: ExactManners(timedelta(seconds=5)),
        )

    def close(self) -> None:
        self.yard.close()
        self.wire.close()
        self._service.stop()
        self.parts.store.close()

    def conduct(self, *outages: Outage) -> None:
        self.conductor.open()
        ends = time.monotonic() + PATIENCE_SECONDS
        while not all(gate.list.holds(AMBULANCES[0], START) for gate in self.yard.gates.values()):
            assert time.monotonic() < ends, "not every gate has its list"
            self.yard.pump(0.05)
        self.conductor.add(DayPlan(date(2026, 3, 2), START, END, tuple(journeys()), outages))
        assert self.conductor.run(END)
        assert not any(len(gate.journal) for gate in self.yard.gates.values()), "every event has its receipt"
        sweep(self.parts)

    def _online(self, site: str, device: str) -> bool:
        state = t.DeviceState
        wanted = select(state.online).where(state.site_id == site, state.device_id == device)
        with self.parts.store.reading() as connection:
            return bool(connection.execute(wanted).scalar_one_or_none())

    def stays(self) -> list[tuple[Any, ...]]:
        """What came of each vehicle: when it was there, and what that costs. How it was settled differs by right."""
        stay = t.Stay
        wanted = select(stay.plate, stay.state, stay.entry_at, stay.exit_at, stay.gross_fen, stay.payable_fen)
        with self.parts.store.reading() as connection:
            return sorted(tuple(row) for row in connection.execute(wanted.where(stay.state != "void")))

    def openings(self) -> dict[str, int]:
        """How often barriers rose, by why."""
        found: dict[str, int] = {}
        for gate in self.yard.gates.values():
            for move in gate.movements:
                if move.up:
                    found[move.cause.value] = found.get(move.cause.value, 0) + 1
                assert move.up or not move.occupied
        return found


@contextmanager
def conducted(folder: Path, *outages: Outage, **elsewhere: str) -> Iterator[Run]:
    with closing(Run(folder, elsewhere)) as run:
        run.conduct(*outages)
        report = verify(run.parts)
        assert report.first_failure is None, report.first_failure
        yield run


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    with conducted(tmp_path_factory.mktemp("partition") / "online") as run:
        stays = run.stays()
        assert run.openings() == {"command": 12 * len(GATES)}
    assert len(stays) == 6 * len(GATES)
    assert {row[1] for row in stays} == {"left"}
    return stays


def _an_hour_offline(folder: Path, online: list[tuple[Any, ...]], **elsewhere: str) -> None:
    outages = [Outage("xinyi", f"d{number}", CUT, BACK) for number in GATES]
    with conducted(folder, *outages, **elsewhere) as offline:
        assert offline.stays() == online
        openings = offline.openings()
        assert openings == {"command": 8 * len(GATES), "list": 3 * len(GATES), "offline_exit": len(GATES)}


def test_an_hour_offline_at_ten_gates_ends_as_if_it_had_not_been(tmp_path: Path, online: list[tuple[Any, ...]]) -> None:
    _an_hour_offline(tmp_path / "embedded", online)


@pytest.mark.mosquitto
@pytest.mark.postgres
def test_the_same_hour_on_mosquitto_and_postgresql(
    tmp_path: Path, online: list[tuple[Any, ...]], mosquitto: Mosquitto, postgres_url: str
) -> None:
    _an_hour_offline(tmp_path / "servers", online, database_url=postgres_url, broker_url=mosquitto.url)
