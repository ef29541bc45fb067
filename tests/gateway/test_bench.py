"""The benches: what they print has its shape, their load keeps the protocol, and their rows stand beside real ones. No times."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from controllers.adapters import native
from controllers.commands import Receipt
from gateway.cli.bench import backlog, events, fill, paint, report, servers
from gateway.cli.bench.options import databases_at_hand
from gateway.cli.bench.stand import can_be_measured
from gateway.cli.bench.street import Layout, furnish, plate
from gateway.cli.bench.traffic import DEMO_SHARES, Guest, Traffic, inbound, let_in, read
from gateway.cli.main import CheckFailed
from gateway.flows.estate_file import parse
from gateway.flows.event_path import EventPath
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.gate import Message
from simulators.transport import Key
from tests.servers import missing

ROW = {
    "broker", "database", "bridges", "in_flight", "p50_ms", "p99_ms", "per_s",
    "echo_p50_ms", "echo_p99_ms", "commit_p50_ms", "commit_p99_ms",
}  # fmt: skip
BESIDE = {"echo_per_s", "ideal_p50_ms", "ideal_p99_ms", "ideal_per_s"}
SMALL = Layout(sites=2, lanes=4, residents=6, relatives=3, deliveries=3)


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that PostgreSQL's own account may enter, too."""
    with tempfile.TemporaryDirectory(prefix="parkgate-bench-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def bench(room: Path, *words: str) -> tuple[Any, str]:
    """One run as a user starts it, with small sizes: its document and what it said beside."""
    done = subprocess.run(
        servers.parkgate("bench", *words, "--quick", "--json", "--dir", str(room)),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(room.iterdir()) == [], "a bench leaves nothing behind"
    return json.loads(done.stdout), done.stderr


def need(broker: str, database: str) -> None:
    why = servers.absent(broker=broker, database=database)
    if why:
        missing(why)


PAIRS = [
    pytest.param(("embedded", "sqlite"), id="laptop"),
    pytest.param(("mosquitto", "postgresql"), marks=[pytest.mark.postgres, pytest.mark.mosquitto], id="deployed"),
]


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> tuple[str, ...]:
    broker, database = request.param
    need(broker, database)
    return "--broker", broker, "--database", database


# --- the commands -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_events_prints_a_list_of_rows_with_their_floors(room: Path, pair: tuple[str, ...]) -> None:
    rows, _ = bench(room, "events", *pair)
    assert [set(row) for row in rows] == [ROW] * len(rows)
    assert {row["in_flight"] for row in rows} >= {1, 12, 50}
    assert all(row[key] > 0 for row in rows for key in ROW - {"broker", "database"})


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.mosquitto
def test_several_bridges_share_the_events(room: Path) -> None:
    need("mosquitto", "postgresql")
    rows, said = bench(room, "events", "--bridges", "2", "--details")
    assert {row["bridges"] for row in rows} == {2}
    assert "never answered" not in said
    assert all(set(row) >= ROW | BESIDE for row in rows), "as many ideal bridges beside them"
    assert all(row[key] > 0 for row in rows for key in BESIDE)
    assert sum(rows[-1]["stages"].values()) == pytest.approx(1, abs=0.01)


@pytest.mark.slow
def test_memory_is_sampled_while_events_pass(room: Path) -> None:
    (found,), said = bench(room, "memory", "--broker", "embedded")
    # On a machine that does too much else a vehicle may wait for longer than the bench waits for it, which it says.
    assert found["events"] == 400 or ("never answered" in said and found["events"] > 200), said
    assert [sorted(sample["mib"]) for sample in found["samples"]] == [["broker", "service"]] * 20
    assert set(found["growth"]) == {"broker", "service"}


@pytest.mark.slow
def test_a_site_takes_shares_of_the_machine(room: Path) -> None:
    found, _ = bench(room, "site", "--broker", "embedded")
    assert [one["case"] for one in found] == ["busy site", "city peak"]
    for one in found:
        assert set(one["shares"]) == {"service", "broker", "payments"}
        assert 0 <= one["machine"] <= 1


@pytest.mark.slow
def test_a_backlog_drains_beside_live_events(room: Path, pair: tuple[str, ...]) -> None:
    (found,), said = bench(room, "backlog", *pair)
    assert found["buffered"] == 400
    assert found["unanswered"] == 0, said
    assert all(found[when]["reads"] > 0 for when in ("undisturbed", "draining", "afterwards"))


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_growth_measures_few_stays_and_many(room: Path, database: str) -> None:
    need("embedded", database)
    (few, many), _ = bench(room, "growth", "--database", database)
    assert (few["stays"], many["stays"]) == (2_000, 4_000)
    assert few["rows"] < many["rows"]
    assert few["ratio"] == {"in_process": 1.0, "end_to_end": 1.0}


@pytest.mark.slow
def test_compare_comes_to_what_was_booked(room: Path) -> None:
    (row,), _ = bench(room, "compare", "--database", "sqlite", "--stays", "1500")
    assert (row["database"], row["stays"]) == ("sqlite", 1_500)
    assert row["pay_more"] > 0
    assert row["ratio"] > 0


@pytest.mark.slow
def test_exports_measures_every_format(room: Path) -> None:
    found, _ = bench(room, "exports", "--stays", "1000")
    assert [one["format"] for one in found["formats"]] == [
        *("copy", "xlsx", "csv", "json", "beancount", "accounting", "pdf")
    ]
    assert all(one["peak_mib"] > 0 for one in found["formats"][1:])
    # The others are small: a month of two sites is a line a day, or a page.
    assert all(one["files_mib"] > 0 for one in found["formats"] if one["format"] in {"xlsx", "csv", "beancount"})


def test_a_statement_is_read_and_imported_beside_splitting_its_lines(room: Path) -> None:
    (row,), _ = bench(room, "statements", "--database", "sqlite")
    assert (row["database"], row["rows"]) == ("sqlite", 4_000)
    assert row["import_s"] >= row["transaction_s"] > 0
    assert row["peak_mib"] > 0


@pytest.mark.postgres
def test_a_folder_that_postgresql_cannot_enter_is_one_line(tmp_path: Path) -> None:
    need("embedded", "postgresql")
    if os.geteuid() != 0:
        pytest.skip("PostgreSQL runs under another account only for root")
    words = ("bench", "growth", "--database", "postgresql", "--quick", "--dir", str(tmp_path))
    done = subprocess.run(servers.parkgate(*words), capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, "give another folder with --dir" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_what_is_asked_for_and_not_measured_is_one_line(room: Path) -> None:
    words = ("bench", "memory", "--broker", "embedded", "--database", "postgresql", "--quick", "--dir", str(room))
    done = subprocess.run(servers.parkgate(*words), capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nothing to measure with --broker embedded and --database postgresql" in done.stderr


def test_what_is_not_installed_is_left_out_and_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "mosquitto_program", lambda: None)
    monkeypatch.setattr(servers, "postgres_programs", lambda: None)
    left = can_be_measured(events.ARRANGEMENTS)
    assert [(one.broker, one.database) for one in left] == [("embedded", "sqlite")]
    assert capsys.readouterr().err.count("left out: mosquitto, ") == 4
    with pytest.raises(CheckFailed, match="Mosquitto is not installed"):
        can_be_measured([one for one in events.ARRANGEMENTS if one.broker == "mosquitto"])
    assert databases_at_hand("all") == ["sqlite"]
    with pytest.raises(CheckFailed, match="PostgreSQL"):
        databases_at_hand("postgresql")


# --- figures ------------------------------------------------------------------------------------------------------


def test_percentiles_are_milliseconds() -> None:
    assert report.percentile([number / 1000 for number in range(1, 101)], 0.5) == 51.0
    assert report.percentile([number / 1000 for number in range(1, 101)], 0.99) == 100.0
    assert report.percentile([], 0.99) == 0


def test_a_table_has_words_to_the_left_and_figures_to_the_right() -> None:
    assert report.table(("name", "n"), [("ab", 1), ("c", 1200)]).splitlines() == [
        "name      n",
        "----  -----",
        "ab        1",
        "c     1,200",
    ]


# --- the load -----------------------------------------------------------------------------------------------------


def test_the_street_is_a_site_file_that_holds() -> None:
    estate = parse(SMALL.file())
    assert (len(estate.sites), len(estate.devices), len(estate.lanes)) == (2, 2, 8)


def test_whoever_leaves_was_inside_and_nobody_comes_twice(parts: Parts) -> None:
    traffic = Traffic(SMALL, seed=5)
    inside = {(guest.site, guest.vehicle.plate) for guest in traffic.guests(40, parts.clock.now())}
    for turn in range(2_000):
        site = turn % 2
        comes = traffic.arrives(site)
        assert (site, comes.plate) not in inside
        traffic.entered(site, comes)
        inside.add((site, comes.plate))
        leaves = traffic.leaves(site)
        assert leaves is not None
        inside.remove((site, leaves.plate))
        traffic.left(site, leaves)


def test_the_mix_is_the_demos(parts: Parts) -> None:
    traffic = Traffic(Layout(), seed=5)
    comes = Counter()
    for turn in range(4_000):
        vehicle = traffic.arrives(turn % 20)
        comes[vehicle.kind] += 1
        traffic.left(turn % 20, vehicle)
    shares = {kind: round(100 * many / 4_000) for kind, many in comes.items()}
    assert all(abs(shares[kind] - share) < 4 for kind, share in DEMO_SHARES.items()), shares


class Devices:
    """A driver whose transport only writes down what it is given."""

    def __init__(self) -> None:
        self.transport = self
        self.published: list[tuple[Key, str]] = []

    def publish(self, key: Key, message: Message) -> None:
        event = native.decode_event(native.Address(key.site, key.device, "event"), message.payload)
        assert event.buffered
        self.published.append((key, event.id))


def test_a_device_has_at_most_32_buffered_events_without_a_receipt(parts: Parts) -> None:
    devices = Devices()
    kept = backlog.Backlog(devices, SMALL, Traffic(SMALL), parts.clock, 400)  # type: ignore[arg-type]
    kept.send()
    kept.send()
    assert Counter(key for key, _ in devices.published) == dict.fromkeys(
        (Key("s00", "d0"), Key("s01", "d0")), backlog.BUFFERED_UNRECEIPTED_MAX
    )
    while not kept.done:
        under_way, devices.published = devices.published, []
        for key, event in under_way:
            kept.receipted(key, Receipt(events=(event,)))
        kept.send()
        assert max(Counter(key for key, _ in devices.published).values(), default=0) <= 32
    assert kept.drained == 400


# --- bulk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def street(parts: Parts) -> Parts:
    """A furnished street on either database."""
    furnished, _ = furnish(parts.settings, SMALL)
    furnished.store.close()
    return parts


def test_filled_stays_stand_beside_real_ones_and_are_never_folded(street: Parts, clock: Any) -> None:
    clock.set(furnished_today(street))
    written: list[int] = []
    fill.fill(street, SMALL, 300, 60, until=street.clock.now() - timedelta(days=3), step_done=written.append)
    before = fill.rows(street)
    assert sum(written) == 300
    assert {name: before[name] for name in ("stay", "plate_event", "bill", "presence", "posting", "command")} == {
        "stay": 300, "plate_event": 1_200, "bill": 300, "presence": 60, "posting": 200, "command": 60,
    }  # fmt: skip
    known = Traffic(SMALL).registered(0)[0]
    path = EventPath(street, planner="test")
    outcome = path.run([inbound(street, "s00", "d0", read("now", street.clock.now(), "d0-0", known))])
    assert [command.reason for command in outcome.commands] == ["resident"]
    with street.store.reading() as connection:
        own = connection.execute(select(t.Stay.state).where(t.Stay.site_id == "s00", t.Stay.plate == known.plate)).all()
    assert Counter(row.state for row in own) == {"left": 5, "inside": 1}


def test_guests_are_inside_since_they_came(street: Parts, clock: Any) -> None:
    clock.set(furnished_today(street))
    vehicle = Traffic(SMALL).strangers(1)[0]
    let_in(street, SMALL, [Guest(1, vehicle, street.clock.now() - timedelta(hours=2))])
    outcome = EventPath(street, planner="test").run(
        [inbound(street, "s01", "d0", read("leaves", street.clock.now(), "d0-1", vehicle))]
    )
    assert [command.reason for command in outcome.commands] == ["payment_due"]


def furnished_today(parts: Parts) -> Any:
    """An instant after the registers were imported: who is registered counts from then on."""
    with parts.store.reading() as connection:
        newest = connection.execute(select(t.PassHeld.registered_at)).scalars().first()
    assert newest is not None
    return newest + timedelta(minutes=1)


def test_plates_are_the_same_in_python_and_in_sql(street: Parts, clock: Any) -> None:
    clock.set(furnished_today(street))
    fill.fill(street, SMALL, 50, 25, until=street.clock.now(), step_done=lambda _: None)
    with street.store.reading() as connection:
        found = {tuple(row) for row in connection.execute(select(t.Presence.site_id, t.Presence.plate))}
    assert found == {(f"s{number % 2:02d}", plate(number)) for number in range(25)}


@pytest.mark.slow
def test_the_console_is_measured_page_by_page(room: Path) -> None:
    found, _ = bench(room, "console", "--stays", "1000")
    named = {one["page"] for one in found["pages"]}
    assert {"login", "board", "stays", "a stay", "report.flow", "admin.audit"} <= named
    assert all(one["max_ms"] >= 0 < one["p50_ms"] for one in found["pages"])
    # A page is more than this, be it empty; a document of a year's beginning may be short.
    assert [one for one in found["pages"] if one["bytes"] <= 500 and "at an instant" not in one["page"]] == []
    # Each report for as long as it may be asked for, and beside the year before.
    assert {
        "flow by hour_of_day, 366 days",
        "income by gate, 366 days, and a year before",
        "occupancy, 31 days",
    } <= named
    # Also what no navigation names.
    assert {
        "stays, no_entry",
        "a read, and why",
        "whose call it is",
        "a household's free hours",
        "voucher stock",
        "a site",
        "trial balance by site, 366 days, with balances",
        "trial balance at an instant, half a year ago",
    } <= named
    assert found["paint_left_out"] == paint.absent()
    if not found["paint_left_out"]:
        assert [(one["page"], one["cache"]) for one in found["paint"]][-2:] == [("board", "cold"), ("board", "warm")]
        assert all(one["p50_ms"] > one["response_ms"] > 0 for one in found["paint"])
        assert [one["layout"] for one in found["live"]] == ["cards", "map", "list"]
        # How soon is the machine's affair; that nothing moves is not.
        assert all(one["seen"] > 0 and one["layout_shift"] == 0 for one in found["live"])
