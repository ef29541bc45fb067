"""`parkgate simulate gates`: what it makes of what it is given, and how it counts. It was tried whole against a served estate."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.cli.main import main
from gateway.cli.simulate.gates import Tally, playable, said
from gateway.wiring import Parts
from simulators.clock import SimulatedClock
from simulators.errands import errands
from simulators.manners import StreetManners
from simulators.street import GateSpec, LaneSpec, parse_street
from simulators.traffic import Turn
from simulators.transport import Key
from simulators.yard import Yard
from tests.gateway.house import site_file
from tests.gateway.mqtt_street import mqtt_street

START = datetime(2026, 10, 29, 8, tzinfo=UTC)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(["simulate", "gates", *words])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    return said


def test_what_cannot_be_used_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, known = tmp_path / "site.toml", tmp_path / "known.json"
    site.write_text(site_file("xinyi"), encoding="utf-8")
    given = ("--site", str(site), "--credentials", str(known))
    assert str(known) in refused(capsys, *given)
    known.write_text('{"devices": {"xinyi.d1": 7}}', encoding="utf-8")
    assert "credentials" in refused(capsys, *given)
    known.write_text(json.dumps({"devices": {"another.d1": "x"}}), encoding="utf-8")
    assert "--broker" in refused(capsys, *given)
    assert "no password" in refused(capsys, *given, "--broker", "mqtt://127.0.0.1:1")
    site.write_text(site_file("xinyi").replace("native", "openalpr"), encoding="utf-8")
    known.write_text(json.dumps({"devices": {"xinyi.d1": "x"}, "broker": "mqtt://127.0.0.1:1"}), encoding="utf-8")
    assert "not played: xinyi.d1 (openalpr)" in refused(capsys, *given)
    known.write_text(json.dumps({"devices": {}, "broker": "http://127.0.0.1"}), encoding="utf-8")
    assert "mqtt://" in refused(capsys, *given)


def test_who_is_not_played_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    (site,) = parse_street(site_file("xinyi")).with_gates()
    heard = replace(site.device[0], id="cam", vendor="openalpr")
    sites = [replace(site, device=(*site.device, heard))]
    yard = Yard(sites, SimulatedClock(START), "127.0.0.1", 1, boot="b1")
    assert playable(sites, yard, "nobody") == [site]
    assert capsys.readouterr().err == "left out, such a device is not played: xinyi.cam (openalpr)\n"
    yard.close()


def test_errands_are_over_before_the_end() -> None:
    sites, end = parse_street(site_file("xinyi")).with_gates(), START + timedelta(minutes=10)
    made = errands(sites, 1, START, end, per_hour=600, stay=timedelta(seconds=30))
    assert made == errands(sites, 1, START, end, per_hour=600, stay=timedelta(seconds=30))
    assert 60 < len(made) < 120
    assert all(one.enter_at < one.leave_at < end - timedelta(seconds=20) for one in made)  # type: ignore[operator]
    assert len({one.vehicle.plate for one in made}) == len(made)


def test_no_vehicle_is_sent_to_a_door() -> None:
    (site,) = parse_street(site_file("xinyi")).with_gates()
    door = GateSpec(
        id="garden", tier="small", lane=(LaneSpec(id="garden-in", direction="in", device=site.device[0].id),)
    )
    made = errands(
        [replace(site, gate=(door, *site.gate))],
        1, START, START + timedelta(minutes=5), per_hour=600, stay=timedelta(seconds=30),
    )  # fmt: skip
    assert made
    assert "garden-in" not in {one.lane_in for one in made}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_read_is_counted_once(parts: Parts) -> None:
    """At cameras of Xinlutong, which nobody can tell that a vehicle must wait."""
    with mqtt_street(parts, "xinlutong") as street:
        tally, now = Tally(street.yard, street.sites), street.clock.now()
        (journey, *_) = errands(
            street.sites, 1, now, now + timedelta(minutes=2), per_hour=600, stay=timedelta(seconds=20)
        )
        key = Key("xinyi", "cam-in-1")
        turn = Turn(journey, "in", key, StreetManners("1", journey, "in"))
        turn.read_at, turn.first = now, street.camera("in-1").vehicle_arrives("in-1", now, plate=turn.read)
        tally.read(turn)
        street.yard.send(key)
        street.until(lambda: bool(street.raised("in-1")))
        for answered in street.camera("in-1").answered:
            tally.answered(key, answered)
        lost = Turn(journey, "in", key, StreetManners("1", journey, "in"))
        lost.read_at, lost.first = now, replace(turn.first, id="another")
        tally.read(lost)
        assert tally.figures(now)["silent"] == 0
        found = tally.figures(now + timedelta(seconds=13))
        devices = found.pop("devices")
        counted = {"reads": 2, "raised": 1, "shown": 0, "not_done": 0, "silent": 1, "unanswered": 0, "answer_ms": None}
        assert found | {"answer_ms": None} == {"gates": 2, **counted}
        assert devices["xinyi.cam-in-1"] | {"answer_ms": None} == {"vendor": "xinlutong", **counted}
        assert devices["xinyi.cam-out-1"]["reads"] == 0
        assert "xinyi.cam-in-1 (xinlutong): 2 reads: 1 openings" in said(found | {"devices": devices})
