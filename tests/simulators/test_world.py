"""The seeded street: its size, its registers, its day."""

import itertools
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from controllers.plate import PlateClass, plate_class
from simulators.street import DeviceSpec, GateSpec, LaneSpec, parse_street
from simulators.vehicles import misread
from simulators.world import FIRST_DAY, World

STREET = parse_street((Path(__file__).parents[2] / "rules" / "hushu-street.toml").read_text(encoding="utf-8"))
COLUMNS = {
    "households": ["site", "household", "name", "area_m2"],
    "vehicles": ["site", "household", "plate", "vehicle"],
    "relatives": ["site", "household", "plate", "relation", "valid_from", "valid_to"],
    "certificates": ["site", "household", "number", "issuer", "valid_from", "valid_to"],
    "passes": ["site", "plate", "pass", "valid_from", "valid_to"],
    "free-vehicles": ["site", "plate", "class", "valid_to"],
    "blocklist": ["site", "plate", "reason", "valid_to"],
}


@pytest.fixture(scope="module")
def world():
    return World(STREET, 7)


@pytest.fixture(scope="module")
def plan(world):
    return world.plan(FIRST_DAY)


def test_no_vehicle_is_sent_to_a_small_gate_and_no_plan_changes_by_it(world, plan):
    """Nor does its device lose its network: what a street does in a day does not depend on its doors."""
    door = GateSpec(
        id="garden",
        tier="small",
        lane=tuple(LaneSpec(id=f"garden-{way}", direction=way, device="door") for way in ("in", "out")),
    )
    with_doors = replace(
        STREET,
        site=tuple(
            replace(site, gate=(door, *site.gate), device=(DeviceSpec(id="door"), *site.device)) if site.gate else site
            for site in STREET.site
        ),
    )
    assert World(with_doors, 7).plan(FIRST_DAY) == plan
    (lane, _) = with_doors.with_gates()[0].lanes_of("door")
    assert (lane.door, lane.loop, lane.passage_sensor) == (True, False, False)


def test_the_street_is_the_reference_deployment():
    gated = STREET.with_gates()
    assert len(STREET.site) == 30
    assert len(gated) == 22
    assert Counter(len(site.gate) for site in gated) == {1: 18, 2: 4}
    assert sum(len(site.device) for site in STREET.site) == 26
    lanes = [lane for site in gated for device in site.device for lane in site.lanes_of(device.id)]
    assert Counter(lane.direction for lane in lanes) == {"in": 26, "out": 26}
    assert {lane.offline_exit for lane in lanes if lane.direction == "in"} == {False}
    assert sum(gate.residents_only for site in gated for gate in site.gate) == 1


def test_registers_have_the_columns_of_the_import_and_14000_households(world):
    registers = world.registers()
    assert {kind: list(rows[0]) for kind, rows in registers.items()} == COLUMNS
    assert len(registers["households"]) == 14_000
    assert len({row["site"] for row in registers["households"]}) == 30
    homes = [(row["site"], row["household"]) for row in registers["households"]]
    assert len(set(homes)) == len(homes)
    for kind in ("vehicles", "relatives", "certificates"):
        assert {(row["site"], row["household"]) for row in registers[kind]} <= set(homes)
    plates = [row["plate"] for row in registers["vehicles"]]
    assert len(set(plates)) == len(plates)


def test_a_day_has_at_least_five_thousand_stays(plan):
    assert len(plan.journeys) >= 5_200
    assert sum(journey.leave_at is not None for journey in plan.journeys) >= 4_000
    assert all(
        plan.start <= at < plan.end
        for journey in plan.journeys
        for at in (journey.enter_at, journey.leave_at, journey.pays_early_at)
        if at is not None
    )


@pytest.mark.parametrize("day", [FIRST_DAY + timedelta(days=1), date(2026, 3, 9)])
def test_any_later_day_is_as_busy_and_the_night_guests_leave_in_the_morning(world, day):
    journeys = world.plan(day).journeys
    assert len(journeys) >= 5_000
    arrived = {j.vehicle.plate for j in world.plan(day - timedelta(days=1)).journeys if j.vehicle.kind == "overnight"}
    leaving = {j.vehicle.plate for j in journeys if j.vehicle.kind == "overnight" and j.enter_at is None}
    assert leaving
    assert leaving <= arrived


def test_everything_that_goes_wrong_goes_wrong(plan):
    journeys = plan.journeys
    for mishap in ("backs_out", "slips_in", "slips_out", "waved_in", "waved_out", "sent_twice", "pays_early_at"):
        assert any(getattr(journey, mishap) for journey in journeys), mishap
    assert any(journey.vehicle.plate is None for journey in journeys)
    assert any(journey.read_out != journey.vehicle.plate for journey in journeys)
    assert plan.outages
    assert all(600 <= (outage.restored_at - outage.cut_at).total_seconds() <= 2400 for outage in plan.outages)
    assert {journey.vehicle.kind for journey in journeys} >= {
        "resident",
        "relative",
        "visitor",
        "delivery",
        "police",
        "blocked",
    }
    police = [j.vehicle for j in journeys if j.vehicle.kind == "police"]
    assert {plate_class(vehicle.plate, vehicle.colour) for vehicle in police} == {PlateClass.POLICE}


def test_the_same_seed_is_the_same_world_and_another_is_not(world, plan):
    again = World(STREET, 7)
    assert again.registers() == world.registers()
    assert again.plan(FIRST_DAY) == plan
    assert again.clock_offsets() == world.clock_offsets()
    assert World(STREET, 8).plan(FIRST_DAY) != plan


def test_a_day_does_not_depend_on_the_days_before_it(world):
    day = FIRST_DAY + timedelta(days=3)
    assert World(STREET, 7).plan(day) == world.plan(day)


def test_device_clocks_are_at_most_a_second_off(world):
    offsets = world.clock_offsets().values()
    assert max(abs(offset) for offset in offsets) <= timedelta(seconds=1)
    assert len(set(offsets)) > 1


def test_nobody_is_at_two_places_of_a_site_at_once(plan):
    by_vehicle = {}
    for journey in plan.journeys:
        if journey.enter_at is not None:
            by_vehicle.setdefault((journey.site, journey.vehicle.name), []).append(journey)
    assert any(len(journeys) > 1 for journeys in by_vehicle.values())
    for journeys in by_vehicle.values():
        journeys.sort(key=lambda journey: journey.enter_at)
        for earlier, later in itertools.pairwise(journeys):
            assert earlier.leave_at is not None
            assert earlier.leave_at <= later.enter_at


def test_a_misread_differs_in_one_character():
    random = Random(1)
    for plate in ("浙A12345", "浙AD12345", "沪BKX003"):
        wrong = misread(plate, random)
        assert sum(a != b for a, b in zip(plate, wrong, strict=True)) == 1
        assert wrong[:2] == plate[:2]


def test_a_broken_site_file_is_refused_with_what_is_wrong():
    for text, what in (
        ("[[site]]\nid = 1", "site file"),
        ("[[site", "site file"),
        ('[[site]]\nid="Xinyi"\nname="x"\ncapacity=1', "Xinyi"),
        (
            '[[site]]\nid="x"\nname="x"\ncapacity=1\n[[site.gate]]\nid="g"\n[[site.gate.lane]]\nid="in"\ndirection="in"\ndevice="d9"',
            "device",
        ),
    ):
        with pytest.raises(ValueError, match=what):
            parse_street(text)
