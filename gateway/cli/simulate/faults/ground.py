"""The ground that a run stands on: a database made once a process, and put back to its beginning before every run."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import event

from controllers.events import PlateColour
from gateway.cli.demo.house import BIG_TO_SMALL, rule_file
from gateway.cli.simulate.faults.database import Calm, FaultyConnection, Place
from gateway.flows import estate, policies, registers
from gateway.runtime.clock import Clock
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import schema
from gateway.store.engine import Store, open_engine
from gateway.store.estate import Estates
from gateway.wiring import Parts
from simulators.faults.traffic import Car
from simulators.street import SiteSpec, parse_street

SITE = "xinyi"
# The last evening of a month, a workday's: stays reach over a close, a day's end and an allowance's.
START = datetime(2026, 3, 31, 13, 0, tzinfo=UTC)
ALLOWANCE_MINUTES = 120
HOLDER = "household:3-201"

_LANES = """
  [[site.gate]]
  id = "{gate}"
  tier = "{tier}"
  staffed = {staffed}
    [[site.gate.lane]]
    id = "in-{device}"
    direction = "in"
    device = "{device}"
    [[site.gate.lane]]
    id = "out-{device}"
    direction = "out"
    device = "{device}"
  [[site.device]]
  id = "{device}"
  vendor = "native"
  password = "of no use to anybody"
"""
_STREET = (
    f"""
[[merchant]]
id = "hushu"
name = "湖墅街道"
[[site]]
id = "{SITE}"
name = "信义坊"
capacity = 100
policy = "hushu-residential"
merchant = "hushu"
"""
    + _LANES.format(gate="east", tier="main", staffed="true", device="d1")
    + _LANES.format(gate="west", tier="middle", staffed="false", device="d2")
)
_KEY = "of the simulation alone"
_YEAR = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}
_REGISTERS: dict[str, list[dict[str, str]]] = {
    "households": [{"household": name, "name": "张三", "area_m2": "60"} for name in ("3-201", "3-202", "3-203")],
    "vehicles": [
        {"household": "3-202", "plate": "浙A00001", "vehicle": "small"},
        {"household": "3-203", "plate": "浙A00005", "vehicle": "small"},
    ],
    "relatives": [
        {"household": "3-201", "plate": "浙A00003", "relation": "parent", **_YEAR},
        {"household": "3-201", "plate": "浙A00004", "relation": "child", **_YEAR},
    ],
    "certificates": [{"household": "3-203", "number": "DB-0001", "issuer": "湖墅街道办事处", **_YEAR}],
    "passes": [{"plate": "浙A00001", "pass": "resident-monthly", **_YEAR}],
    "free-vehicles": [{"plate": "浙A00006", "class": "delivery", "valid_to": "2026-12-31"}],
}
# A visitor, a mother and a son who share an allowance, a resident, a household with a certificate, a parcel van, the police.
CARS = (
    Car("浙A12345", PlateColour.BLUE),
    Car("浙A00003", PlateColour.BLUE),
    Car("浙A00004", PlateColour.GREEN),
    Car("浙A00001", PlateColour.BLUE),
    Car("浙A00005", PlateColour.BLUE),
    Car("浙A00006", PlateColour.BLUE),
    Car("浙A1234警", PlateColour.WHITE),
)

Alter = Callable[[sqlite3.Connection], None]


class _StandingClock:
    def now(self) -> datetime:
        return START


class Ground:
    """One database file and one engine for run after run: an engine compiles every statement anew.

    `alter` changes the template when the service has furnished it: for tests that plant a bug.
    """

    def __init__(self, alter: Alter = lambda _: None) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
        self._folder = tempfile.TemporaryDirectory(
            prefix="parkgate-faults-", dir=memory if os.access(memory, os.W_OK) else None
        )
        self._path = Path(self._folder.name) / "parkgate.db"
        self._url = f"sqlite:///{self._path}"
        self._engine = open_engine(self._url, pool_size=4)
        self.place = Place(self._engine)
        event.listen(self._engine, "connect", _careless)
        self._metrics = Metrics()
        self._settings = Settings(database_url=self._url, secret_key=_KEY, test=True, http_port=0)
        self.spec: SiteSpec = parse_street(_STREET).site[0]
        parts = self.parts(_StandingClock())
        schema.upgrade(self._engine)
        policy = rule_file("hushu.toml").replace("minutes_per_month = 3600", f"minutes_per_month = {ALLOWANCE_MINUTES}")
        policies.apply(parts, policy)
        estate.apply(parts, _STREET)
        for kind in BIG_TO_SMALL:
            report = registers.import_rows(parts, kind, [{"site": SITE, **row} for row in _REGISTERS.get(kind, [])])
            assert report.ok, report.problems
        self._engine.dispose()
        self._template = sqlite3.connect(":memory:")
        with contextlib.closing(sqlite3.connect(self._path)) as furnished:
            furnished.backup(self._template)
        alter(self._template)
        self._world = sqlite3.connect(self._path, isolation_level=None)
        self._world.row_factory = sqlite3.Row

    def parts(self, clock: Clock, monotonic: Callable[[], float] = lambda: 0.0) -> Parts:
        """What a process that has just started holds."""
        return Parts(
            settings=self._settings,
            clock=clock,
            store=Store(self._engine),
            metrics=self._metrics,
            estates=Estates(monotonic),
        )

    def restore(self) -> None:
        """Nothing has happened yet."""
        self.place.disk = Calm()
        pooled = self._engine.raw_connection()
        driver = pooled.driver_connection
        assert isinstance(driver, FaultyConnection)
        self._template.backup(driver)
        pooled.close()

    def process_ends(self) -> None:
        """Whatever was not committed is gone with its connections."""
        self._engine.dispose()

    def look(self, statement: str, *parameters: Any) -> list[sqlite3.Row]:
        """Rows by a connection of the world's own, which no fault reaches: it sees what is committed."""
        return self._world.execute(statement, parameters).fetchall()

    def close(self) -> None:
        self._template.close()
        self._world.close()
        self._engine.dispose()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def _careless(connection: Any, _record: Any) -> None:
    """Crashes are simulated: nothing is gained by waiting for a disk."""
    connection.execute("PRAGMA synchronous=OFF").close()
