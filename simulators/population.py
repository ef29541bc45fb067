"""Who lives on the street and what stands in its registers: derived from the seed, the same on every day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from controllers.events import VehicleType
from simulators.journeys import Vehicle
from simulators.street import SiteSpec, Street
from simulators.vehicles import Plates

HOUSEHOLDS = 14_000
CARS_MOVING = 1_130  # residents' cars on the sites with gates that drive on a working day
SURNAMES = "王陈李张周徐朱吴沈杨胡俞金章钱孙施姚许郑"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建国海燕文斌晓东"
RELATIONS = ("parent", "child", "grandparent", "grandchild", "child_in_law")
BLOCKED_FOR = ("占用消防通道", "损坏道闸未处理", "多次尾随出场", "长期占用车位")
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Local:
    """A vehicle that is at home, or expected, at one site."""

    site: str
    vehicle: Vehicle


@dataclass(slots=True)
class Population:
    """Registers as rows to import, and the vehicles behind them that move."""

    registers: dict[str, list[Row]]
    residents: list[Local] = field(default_factory=list)
    relatives: list[Local] = field(default_factory=list)
    deliveries: list[tuple[Vehicle, tuple[str, ...]]] = field(default_factory=list)
    ambulances: list[Local] = field(default_factory=list)
    blocked: list[Local] = field(default_factory=list)
    police: list[Vehicle] = field(default_factory=list)
    plates: frozenset[str] = frozenset()


KINDS = ("households", "vehicles", "relatives", "certificates", "passes", "free-vehicles", "blocklist")


class _Settlers:
    """Fills the registers site by site."""

    def __init__(self, street: Street, seed: str, first_day: date) -> None:
        self.street, self.seed, self.first_day = street, seed, first_day
        self.plates = Plates()
        self.people = Population({kind: [] for kind in KINDS})
        self.cars: dict[str, list[Vehicle]] = {}

    def household(self, site: SiteSpec, number: int, random: Random) -> None:
        rows = self.people.registers
        home = f"{1 + number // 48}-{1 + number // 12 % 4}-{1 + number // 2 % 6}0{1 + number % 2}"
        name = random.choice(SURNAMES) + "".join(random.choices(GIVEN, k=random.choice((1, 2, 2))))
        area = f"{random.triangular(38, 128, 62):.2f}"
        rows["households"].append({"site": site.id, "household": home, "name": name, "area_m2": area})
        poor = random.random() < 0.02
        if poor:
            rows["certificates"].append(
                {
                    "site": site.id,
                    "household": home,
                    "number": f"DB-{site.id}-{number:04d}",
                    "issuer": "湖墅街道办事处",
                    "valid_from": "2026-01-01",
                    "valid_to": "2026-12-31" if random.random() < 0.95 else "2026-02-15",
                }
            )
        cars = (random.random() < (0.12 if poor else 0.34)) + (random.random() < 0.02)
        for _ in range(cars):
            self._car(site, home, random, paying=not poor)
        if random.random() < 0.055:
            self._relative(site, home, random)

    def _car(self, site: SiteSpec, home: str, random: Random, *, paying: bool) -> None:
        plate, colour = self.plates.civil(random, local=0.95, green=0.28)
        row = {"site": site.id, "household": home, "plate": plate, "vehicle": "small"}
        self.people.registers["vehicles"].append(row)
        if paying and random.random() < 0.9:
            valid_to = random.choices(("2026-12-31", "2026-06-30", "2026-02-27", "2026-02-10"), (70, 27, 2, 1))[0]
            self.people.registers["passes"].append(
                {
                    "site": site.id,
                    "plate": plate,
                    "pass": "resident-monthly",
                    "valid_from": "2026-01-01",
                    "valid_to": valid_to,
                }
            )
        self.cars.setdefault(site.id, []).append(Vehicle(plate, colour, "resident", VehicleType.SMALL))

    def _relative(self, site: SiteSpec, home: str, random: Random) -> None:
        plate, colour = self.plates.civil(random, local=0.7)
        row = {"site": site.id, "household": home, "plate": plate, "relation": random.choice(RELATIONS)}
        valid_to = "2026-12-31" if random.random() < 0.97 else "2026-02-28"
        self.people.registers["relatives"].append({**row, "valid_from": "2026-01-01", "valid_to": valid_to})
        self.people.relatives.append(Local(site.id, Vehicle(plate, colour, "relative", VehicleType.SMALL)))

    def free(self, random: Random) -> None:
        """Delivery vans are known at several sites; ambulances at all; both by the register alone."""
        sites = [site.id for site in self.street.with_gates()]
        valid_to = (self.first_day + timedelta(days=300)).isoformat()
        for _ in range(125):
            plate, colour = self.plates.civil(random, local=0.9, green=0.5)
            round_ = tuple(random.sample(sites, min(len(sites), random.randint(6, 10))))
            self.people.deliveries.append((Vehicle(plate, colour, "delivery", VehicleType.SMALL), round_))
            self._free_rows(plate, "delivery", round_, valid_to)
        for _ in range(6):
            plate, colour = self.plates.civil(random, local=1, green=0)
            vehicle = Vehicle(plate, colour, "ambulance", VehicleType.SMALL)
            self.people.ambulances += [Local(site, vehicle) for site in sites]
            self._free_rows(plate, "ambulance", tuple(site.id for site in self.street.site), valid_to)
        for _ in range(12):
            plate, colour = self.plates.police(random)
            self.people.police.append(Vehicle(plate, colour, "police", VehicleType.SMALL))

    def _free_rows(self, plate: str, class_: str, sites: tuple[str, ...], valid_to: str) -> None:
        rows = self.people.registers["free-vehicles"]
        rows += [{"site": site, "plate": plate, "class": class_, "valid_to": valid_to} for site in sites]

    def blocked(self, random: Random) -> None:
        for site in self.street.with_gates():
            for _ in range(random.randint(0, 2)):
                plate, colour = self.plates.civil(random, local=0.8)
                valid_to = (self.first_day + timedelta(days=random.randint(30, 400))).isoformat()
                row = {"site": site.id, "plate": plate, "reason": random.choice(BLOCKED_FOR), "valid_to": valid_to}
                self.people.registers["blocklist"].append(row)
                self.people.blocked.append(Local(site.id, Vehicle(plate, colour, "blocked", VehicleType.SMALL)))


def settle(street: Street, seed: str, first_day: date, households: int = HOUSEHOLDS) -> Population:
    """14,000 households over the sites by size (capacity stands for it), their vehicles and what the registers say."""
    settlers = _Settlers(street, seed, first_day)
    spaces = sum(site.capacity for site in street.site)
    settled, seen = 0, 0
    for site in street.site:
        seen += site.capacity
        share = households * seen // spaces - settled
        settled += share
        random = Random(f"{seed}:households:{site.id}")
        for number in range(share):
            settlers.household(site, number, random)
    settlers.free(Random(f"{seed}:free"))
    settlers.blocked(Random(f"{seed}:blocked"))
    people = settlers.people
    gated = [Local(site.id, car) for site in street.with_gates() for car in settlers.cars.get(site.id, [])]
    moving = min(len(gated), round(CARS_MOVING * households / HOUSEHOLDS))
    people.residents = Random(f"{seed}:drivers").sample(gated, moving)
    with_gates = {site.id for site in street.with_gates()}
    people.relatives = [local for local in people.relatives if local.site in with_gates]
    people.plates = settlers.plates.taken
    return people
