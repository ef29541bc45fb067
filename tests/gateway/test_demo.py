"""The demo: a seed gives the same day, to the fen, at any speed, and its folder is its own."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.cli.demo import house, mixed, run, small_gates
from gateway.cli.main import main
from gateway.cli.ports import free_port
from gateway.flows.estate_file import ASKED, parse
from simulators.gate import Gate, Message

HOUSEHOLDS = 200
SEED = 7


class Lived(NamedTuple):
    """A day that is over. `statuses` is how often the gates said how they are."""

    found: dict[str, Any]
    out: Path
    statuses: int


def a_day(out: Path, monkeypatch: pytest.MonkeyPatch, speed: float | None) -> Lived:
    told = []
    say = Gate._status

    def status(gate: Gate, now: datetime) -> Message:
        told.append(gate.device)
        return say(gate, now)

    monkeypatch.setattr(Gate, "_status", status)
    street = run.Street(out, SEED, speed=speed, port=free_port(), stop=threading.Event(), households=HOUSEHOLDS)
    try:
        house.write_credentials(street.house, street.parts.settings.base_url)
        return Lived(run.once(street), out, len(told))
    finally:
        street.close()


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return a_day(tmp_path_factory.mktemp("fast") / "out", monkeypatch, None)


@pytest.mark.slow
def test_all_ten_invariants_hold(fast: Lived) -> None:
    assert fast.found["invariants"] == {str(number): "ok" for number in range(1, 11)}
    assert fast.found["stays"] > 20
    assert fast.found["received_fen"] > 0


@pytest.mark.slow
def test_other_vendors_cameras_let_everybody_in_and_out_who_comes(fast: Lived) -> None:
    with closing(sqlite3.connect(fast.out / "parkgate.db")) as connection:
        came = connection.execute("SELECT DISTINCT site_id, device_id FROM plate_event WHERE device_id LIKE 'cam-%'")
        opened = connection.execute(
            "SELECT DISTINCT site_id, device_id FROM command WHERE action = 'open' AND state IN ('done', 'accepted')"
        )
        there, raised = set(came), set(opened)
    assert there <= raised
    assert len({mixed.MAKES[site].vendor for site, _ in there}) >= 5  # so few households do not come everywhere


def test_the_mixed_street_is_the_street_with_other_devices() -> None:
    street = house.rule_file("hushu-street.toml")
    before, after = parse(street), parse(mixed.site_file(street, free_port))
    assert (after.sites, after.gates, after.merchants) == (before.sites, before.gates, before.merchants)
    assert len(after.gates) == 26
    assert [(one.site, one.id, one.direction) for one in after.lanes] == [
        (one.site, one.id, one.direction) for one in before.lanes
    ]
    built = {one.site: one.vendor for one in after.devices if one.vendor != "native"}
    assert built == {site: make.vendor for site, make in mixed.MAKES.items()}
    assert {one.vendor for one in after.devices if one.address} == ASKED
    with pytest.raises(ValueError, match="xiawan"):
        mixed.site_file(street.replace('vendor = "native"', 'vendor = "dahua"'), free_port)


@pytest.mark.slow
def test_people_come_to_the_small_gate_and_whoever_it_is_not_for_stays_outside(fast: Lived) -> None:
    with closing(sqlite3.connect(fast.out / "parkgate.db")) as connection:
        passed = list(connection.execute("SELECT lane_id, reason, by, opened FROM door_passage"))
        became = set(connection.execute("SELECT state FROM command WHERE lane_id LIKE 'garden-%' AND action = 'open'"))
        told = connection.execute("SELECT kind FROM exception_item WHERE lane_id LIKE 'garden-%'").fetchall()
    out, into = small_gates.DOOR.lane_out, small_gates.DOOR.lane_in
    assert {reason for lane, reason, _, _ in passed if lane == out} == {"leaving"}
    reasons = Counter(reason for lane, reason, _, _ in passed if lane == into)
    assert reasons.keys() == {"member", "not_a_member", "outside_hours", "blocked", "expired"}
    assert reasons["not_a_member"] == 3  # a slip of the finger, another, and a card of another estate
    assert {by for _, reason, by, _ in passed if reason == "member"} == {"card", "code"}
    assert (became, told) == ({("done",)}, [])
    assert fast.found["doors"] == {
        "opened": sum(opened for *_, opened in passed),
        "refused": sum(not opened for *_, opened in passed),
    }


def test_the_small_gate_stands_beside_the_gates_and_changes_none() -> None:
    street = mixed.site_file(house.rule_file("hushu-street.toml"), free_port)
    before, after = parse(street), parse(small_gates.site_file(street))
    assert [one.tier for one in after.gates if one not in before.gates] == ["small"]
    assert [one.id for one in after.lanes if one not in before.lanes] == ["garden-in", "garden-out"]
    assert (len(after.devices), after.sites) == (len(before.devices) + 1, before.sites)
    with pytest.raises(ValueError, match="xinyifang"):
        small_gates.site_file(street.replace('id = "xinyifang"', 'id = "another"'))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures_and_the_same_close_at_another_speed(
    fast: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paced = a_day(tmp_path / "out", monkeypatch, 40_000)
    assert paced.found == fast.found
    assert paced.statuses > fast.statuses, "with a speed there are people who watch, and gates say how they are"


@pytest.mark.slow
def test_exports_and_credentials_lie_in_its_folder_and_the_credentials_are_its_owners_alone(fast: Lived) -> None:
    assert any((fast.out / "exports").iterdir())
    for name in ("credentials.json", "parkgate.toml"):
        assert stat.S_IMODE((fast.out / name).stat().st_mode) == 0o600
    credentials = json.loads((fast.out / "credentials.json").read_text(encoding="utf-8"))
    assert set(credentials) == {"http", "broker", "users", "devices"}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main(["demo", *arguments])
    said = capsys.readouterr()
    assert (left.value.code, said.err.count("\n")) == (2, 1)
    return said.err


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "is not empty and holds no earlier demo" in refused(["--once", "--out", str(tmp_path)], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_json_goes_with_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--json goes with --once" in refused(["--json"], capsys)
