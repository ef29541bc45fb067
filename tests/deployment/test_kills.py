"""Real processes, killed and stopped while vehicles come and go; and that the verdict on such a run would see what broke."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, update

from controllers.commands import Action
from controllers.events import Kind, Outcome, PlateEvent
from gateway.cli.main import Refusal
from gateway.cli.simulate.kills import judge
from gateway.cli.simulate.kills.estate import furnish
from gateway.cli.simulate.kills.gates import Witness
from gateway.cli.simulate.kills.servers import MOSQUITTO_SETTINGS, mosquitto_program, postgres_programs
from gateway.flows.event_path import EventPath
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.flash import FlashJournal
from tests.acceptance.deployment import MOSQUITTO, PARKGATE, POSTGRES_BIN
from tests.servers import missing

KILLS = 25
SEED = 20260302
# The machine of a test may be busy with other tests: the promised 5 s are for `parkgate simulate kills` by itself.
WITHIN_SECONDS = 60
DEPLOYMENTS = [
    pytest.param(
        "mosquitto+postgresql", marks=[pytest.mark.mosquitto, pytest.mark.postgres, pytest.mark.slow], id="street"
    ),
    pytest.param("embedded+sqlite", marks=[pytest.mark.slow], id="laptop"),
]


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_whatever_is_killed_nothing_is_lost_doubled_or_stale(deployment: str) -> None:
    if not PARKGATE.exists():
        missing("parkgate is not installed beside this Python")
    if "mosquitto" in deployment and MOSQUITTO is None:
        missing("the Mosquitto broker is not installed")
    if "mosquitto" in deployment and POSTGRES_BIN is None:
        missing("PostgreSQL's server programs are not installed")
    words = [f"--count={KILLS}", f"--seed={SEED}", f"--on={deployment}", f"--within={WITHIN_SECONDS}", "--json"]
    done = subprocess.run(
        [str(PARKGATE), "simulate", "kills", *words], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr
    [run] = json.loads(done.stdout)["runs"]
    assert len(run["blows"]) == KILLS
    assert run["events"] > 4 * KILLS


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class AfterARun:
    """One vehicle that came in and went, as devices and database hold it after a run."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        self.parts, self.folder = parts, folder
        furnish(parts)
        self.journal = FlashJournal(folder / "east.d1.journal")
        path = EventPath(parts, planner="run")
        now = parts.clock.now() - timedelta(hours=1)
        for name, lane, kind, minutes in (
            ("1", "in-1", Kind.PLATE, 0),
            ("2", "in-1", Kind.PASSED, 0.1),
            ("3", "out-1", Kind.PLATE, 30),
            ("4", "out-1", Kind.PASSED, 30.1),
        ):
            event = self.an_event(name, lane, kind, now + timedelta(minutes=minutes))
            self.journal.write("event", name, event, buffered=True)
            path.run([judge._message(("east", "d1", name), event, now + timedelta(hours=1))])
            self.journal.receipt([name], [])
        self.visits = {"浙A12345": [1, 1]}
        self.taken: dict[str, int] = {}

    @staticmethod
    def an_event(name: str, lane: str, kind: Kind, at: datetime) -> PlateEvent:
        plate = "浙A12345" if kind is Kind.PLATE else None
        completes = str(int(name) - 1) if kind is Kind.PASSED else None
        return PlateEvent(id=name, at=at, lane=lane, kind=kind, plate=plate, plate_raw=plate, for_event=completes)

    def executes(self, statement: object) -> None:
        with self.parts.store.writing() as connection:
            connection.execute(statement)  # type: ignore[call-overload]
            connection.commit()

    def answered(self, *, late_ms: int, times: int = 1) -> None:
        for number in range(times):
            seen = Witness(
                command=f"c{number}",
                action=Action.OPEN,
                lane="in-1",
                event="1",
                outcome=Outcome.DONE,
                at="",
                late_ms=late_ms,
                rose=True,
            )
            with (self.folder / "east.d1.commands").open("ab") as file:
                file.write(msgspec.json.encode(seen) + b"\n")

    def broken(self) -> list[str]:
        records = judge.Records.read(self.folder)
        return judge.broken(self.parts, records, self.visits, self.taken, self.folder)


@pytest.fixture
def run(parts: Parts, tmp_path: Path) -> AfterARun:
    folder = tmp_path / "run"
    folder.mkdir()
    return AfterARun(parts, folder)


def test_a_good_run_is_found_good(run: AfterARun) -> None:
    run.answered(late_ms=-5_000)
    assert run.broken() == []


def a_lost_event(run: AfterARun) -> None:
    run.executes(delete(t.PlateEventRow).where(t.PlateEventRow.event_id == "2"))


def an_event_without_a_receipt(run: AfterARun) -> None:
    run.journal.write("event", "9", run.an_event("9", "in-1", Kind.ALARM, run.parts.clock.now()), buffered=True)


def an_event_from_nowhere(run: AfterARun) -> None:
    run.executes(update(t.PlateEventRow).where(t.PlateEventRow.event_id == "4").values(event_id="5"))


def a_stay_of_nobody(run: AfterARun) -> None:
    run.executes(update(t.Stay).values(plate="浙A54321"))


def a_stay_at_another_time(run: AfterARun) -> None:
    run.executes(update(t.Stay).values(entry_at=run.parts.clock.now() - timedelta(seconds=3)))


def a_vehicle_that_came_twice(run: AfterARun) -> None:
    run.visits["浙A12345"] = [2, 1]


def a_stale_opening(run: AfterARun) -> None:
    run.answered(late_ms=40)


def two_openings_for_one_event(run: AfterARun) -> None:
    run.answered(late_ms=-5_000, times=2)


def a_payment_that_is_gone(run: AfterARun) -> None:
    run.taken["p-1"] = 400


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (a_lost_event, "is lost"),
        (an_event_without_a_receipt, "never got a receipt"),
        (an_event_from_nowhere, "its device wrote it 0 times"),
        (a_stay_of_nobody, "its stays are"),
        (a_stay_at_another_time, "the same events in order do not"),
        (a_vehicle_that_came_twice, "came 2 and went 1 times"),
        (a_stale_opening, "40 ms after it had expired"),
        (two_openings_for_one_event, "opened 2 times"),
        (a_payment_that_is_gone, "the books say None"),
    ],
)
def test_the_verdict_sees(run: AfterARun, breaks: Callable[[AfterARun], None], said: str) -> None:
    breaks(run)
    found = run.broken()
    assert any(said in problem for problem in found), found


# --- around it --------------------------------------------------------------------------------------------------------


def test_mosquitto_runs_as_it_is_deployed() -> None:
    deployed = (Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf").read_text().splitlines()
    assert [line for line in MOSQUITTO_SETTINGS.splitlines() if line not in deployed] == []


def test_a_program_that_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="apt-get install mosquitto"):
        mosquitto_program(path=str(tmp_path))
    with pytest.raises(Refusal, match="apt-get install postgresql"):
        postgres_programs(tmp_path, path=str(tmp_path))
