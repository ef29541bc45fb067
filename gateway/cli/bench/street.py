"""The street that is measured: its site file, its registers, and plates for everybody who drives there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from gateway.cli.demo.house import BIG_TO_SMALL, rule_file
from gateway.cli.main import CheckFailed
from gateway.flows import estate, policies, registers
from gateway.runtime.ids import random_token
from gateway.runtime.settings import Settings
from gateway.store import schema
from gateway.wiring import Parts, build
from simulators.population import Row
from simulators.transport import Key

POLICY = "hushu-residential"
# All devices of this run have the same: a hash takes a twentieth of a second, and a stand is furnished more than once.
_PASSWORD = random_token()
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_A_LETTER = 100_000
PLATES = len(LETTERS) * _A_LETTER


def plate(number: int) -> str:
    """The plate with this number, of `PLATES`. `fill` writes the same ones in SQL."""
    return f"浙{LETTERS[number // _A_LETTER]}{number % _A_LETTER:05d}"


class LaneSpec(NamedTuple):
    """A lane and the device that serves it."""

    key: Key
    lane: str
    inward: bool


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Sites that are all alike. The numbers are those of one site; half of a device's lanes lead in.

    `stride` spreads the registered vehicles' plates, so that they lie apart in a database that knows many others.
    """

    sites: int = 20
    devices: int = 1
    lanes: int = 16
    capacity: int = 20_000
    residents: int = 50
    relatives: int = 15
    deliveries: int = 35
    stride: int = 1

    def site(self, index: int) -> str:
        return f"s{index:02d}"

    def lanes_of_all(self) -> list[LaneSpec]:
        """Round all sites and devices, so that the first few lanes are spread over the street; in and out in turn."""
        each = self.lanes // self.devices
        return [
            LaneSpec(Key(self.site(site), f"d{device}"), f"d{device}-{lane}", lane % 2 == 0)
            for lane in range(each)
            for device in range(self.devices)
            for site in range(self.sites)
        ]

    @property
    def registered(self) -> int:
        return self.sites * (self.residents + self.relatives + self.deliveries)

    def number(self, site: int, place: int) -> int:
        """The number of a site's registered vehicle: residents first, then relatives, then deliveries."""
        return (place * self.sites + site) * self.stride

    def file(self) -> str:
        """The site file."""
        lines = ["[[merchant]]", 'id = "bench"', 'name = "bench"']
        for index in range(self.sites):
            lines += ["[[site]]", f'id = "{self.site(index)}"', f'name = "{self.site(index)}"']
            lines += [f"capacity = {self.capacity}", f'policy = "{POLICY}"', 'merchant = "bench"']
            lines += ["[[site.gate]]", 'id = "main"', 'tier = "main"', "residents_only = false", "staffed = true"]
            for spec in self.lanes_of_all():
                if spec.key.site == self.site(index):
                    lines += ["[[site.gate.lane]]", f'id = "{spec.lane}"', f'device = "{spec.key.device}"']
                    lines += [f'direction = "{"in" if spec.inward else "out"}"', "loop = true"]
                    lines += ["passage_sensor = true", "offline_exit = true"]
            for device in range(self.devices):
                lines += ["[[site.device]]", f'id = "d{device}"', 'vendor = "native"', f'password = "{_PASSWORD}"']
        return "\n".join(lines) + "\n"

    def registers(self, until: str) -> dict[str, list[Row]]:
        """Rows to import. Every resident has a pass, every relative another household, every van its class."""
        rows: dict[str, list[Row]] = {kind: [] for kind in BIG_TO_SMALL}
        for index in range(self.sites):
            site = self.site(index)
            for place in range(self.residents):
                home, own = f"h{place}", plate(self.number(index, place))
                rows["households"].append({"site": site, "household": home, "name": "", "area_m2": "60"})
                rows["vehicles"].append({"site": site, "household": home, "plate": own, "vehicle": "small"})
                held = {"pass": "resident-monthly", "valid_from": "2026-01-01", "valid_to": until}
                rows["passes"].append({"site": site, "plate": own, **held})
            for place in range(self.relatives):
                own = plate(self.number(index, self.residents + place))
                kin = {"household": f"h{place % max(1, self.residents)}", "relation": "parent"}
                rows["relatives"].append({"site": site, "plate": own, **kin, "valid_from": "", "valid_to": until})
            for place in range(self.deliveries):
                own = plate(self.number(index, self.residents + self.relatives + place))
                rows["free-vehicles"].append({"site": site, "plate": own, "class": "delivery", "valid_to": until})
        return rows


# For runs that only show that everything runs.
SMALL = Layout(sites=4, residents=20, relatives=6, deliveries=10)


def furnish(settings: Settings, layout: Layout) -> tuple[Parts, dict[str, str]]:
    """Schema, policy, sites and registers in an empty database. The parts, and the devices' passwords by user name."""
    parts = build(settings)
    schema.upgrade(parts.store.engine)
    policies.apply(parts, rule_file("hushu.toml"), operator="bench")
    estate.apply(parts, layout.file(), operator="bench")
    until = (parts.clock.now() + timedelta(days=365)).date().isoformat()
    for kind, rows in layout.registers(until).items():
        if rows:
            report = registers.import_rows(parts, kind, rows, operator="bench")
            if not report.ok:
                raise CheckFailed(f"the bench's own register {kind} is refused: {report.problems[0]}")
    return parts, {spec.key.username: _PASSWORD for spec in layout.lanes_of_all()}
