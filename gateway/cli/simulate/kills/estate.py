"""The estate of a run: two sites of two devices, each device with a way in, a way out and a lane for probes."""

from __future__ import annotations

from gateway.flows import estate, policies, registers
from gateway.store import schema
from gateway.wiring import Parts
from simulators.street import LaneSpec

SITES = ("east", "west")
DEVICES = ("d1", "d2")
POLICY = """
[policy]
id = "kills"
version = 1
effective_from = 2020-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
plausible_days_max = 7

[[tariff]]
vehicles = ["small", "large", "motorcycle"]
free_minutes = 0
leave_within_minutes = 15
cap = { per = "24h", fen = 2000 }
  [[tariff.band]]
  from = "00:00"
  to = "00:00"
  first = { minutes = 60, fen = 400 }
  unit = { minutes = 30, fen = 200 }

[pay_later]
arrears_limit_fen = 0
[exit]
mode = "pay_first"

[[pass]]
id = "resident-monthly"
vehicles = ["small"]
fen = 20000
spaces_per_household = 1
grace_days = 3
"""
_FOREVER = {"valid_from": "2020-01-01", "valid_to": "2099-12-31"}
# Holders of passes: gates without a network let them through by their lists.
RESIDENTS = {
    site: [f"浙{letter}R{number:04d}" for number in range(1, 13)] for site, letter in zip(SITES, "AB", strict=True)
}


def lanes_of(device: str) -> tuple[LaneSpec, ...]:
    """The three lanes of a device. The second device of a site has nobody beside it: its exit opens without a network."""
    number = device[1:]
    return (
        LaneSpec(id=f"in-{number}", direction="in", device=device),
        LaneSpec(id=f"out-{number}", direction="out", device=device, offline_exit=number == "2"),
        LaneSpec(id=f"probe-{number}", direction="in", device=device),
    )


def site_file() -> str:
    """The estate as `parkgate site apply` reads it."""
    text = ["[[merchant]]", 'id = "hushu"', 'name = "湖墅街道"']
    for site in SITES:
        text += [
            "[[site]]",
            f'id = "{site}"',
            f'name = "{site}"',
            "capacity = 1000000",
            'policy = "kills"',
            'merchant = "hushu"',
        ]
        for device in DEVICES:
            text += ["[[site.gate]]", f'id = "gate-{device}"', 'tier = "middle"', "staffed = true"]
            for lane in lanes_of(device):
                text += [
                    "[[site.gate.lane]]",
                    f'id = "{lane.id}"',
                    f'direction = "{lane.direction}"',
                    f'device = "{device}"',
                ]
                text += [
                    "loop = true",
                    "passage_sensor = true",
                    f"offline_exit = {str(bool(lane.offline_exit)).lower()}",
                ]
            text += ["[[site.device]]", f'id = "{device}"', 'vendor = "native"']
    return "\n".join(text) + "\n"


def furnish(parts: Parts) -> dict[str, str]:
    """Schema, policy, sites and registers into an empty database. The devices' passwords, by user name."""
    schema.upgrade(parts.store.engine)
    policies.apply(parts, POLICY, operator="simulation")
    applied = estate.apply(parts, site_file(), operator="simulation")
    rows: dict[str, list[dict[str, str]]] = {"households": [], "vehicles": [], "passes": []}
    for site, plates in RESIDENTS.items():
        for plate in plates:
            house = f"h-{plate[1:].lower()}"
            rows["households"].append({"site": site, "household": house, "name": "住户", "area_m2": "60"})
            rows["vehicles"].append({"site": site, "household": house, "plate": plate, "vehicle": "small"})
            rows["passes"].append({"site": site, "plate": plate, "pass": "resident-monthly", **_FOREVER})
    for kind, of_kind in rows.items():
        report = registers.import_rows(parts, kind, of_kind, operator="simulation")
        assert report.ok, report.problems
    return {one.username: one.password for one in applied.credentials}
