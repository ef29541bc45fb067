"""One day's journeys on the sites with gates: who comes and goes when, and what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from controllers.events import VehicleType
from simulators.journeys import DayPlan, Journey, Outage, Vehicle
from simulators.manners import seconds
from simulators.population import Population
from simulators.street import GateSpec, SiteSpec
from simulators.vehicles import Plates, misread, unlicensed

VISITS = {
    "visitor": 1_500,
    "taxi": 440,
    "relative": 330,
    "delivery": 860,
    "overnight": 28,
    "police": 14,
    "ambulance": 6,
}
OUTAGES = 3
LUNCH = 0.08
DRIVES = {True: 1.0, False: 0.62}  # of the residents' cars, on a working day and at the weekend
MISREAD_OUT, MISREAD_IN, BACKS_OUT, SENT_TWICE = 0.007, 0.002, 0.005, 0.005
SLIPS_IN, SLIPS_OUT, WAVED_IN, WAVED_OUT = 0.0012, 0.0018, 0.001, 0.001
UNLICENSED, PAYS_EARLY, WRONG_GATE = 0.004, 0.06, 0.004
HOURS = {"visitor": ((9.8, 1.3), (14.8, 1.6), (18.9, 1.2)), "taxi": ((8.2, 1.2), (13, 3), (19.5, 2)),
         "relative": ((10.3, 1.2), (15.5, 2), (18.2, 1)), "police": ((14, 5),), "ambulance": ((13, 5),)}  # fmt: skip


class DayPlanner:
    """Plans a day from streams of its own, so that one day never depends on another."""

    def __init__(
        self, sites: tuple[SiteSpec, ...], people: Population, seed: str, zone: ZoneInfo, first_day: date, scale: float
    ) -> None:
        self._sites = {site.id: site for site in sites}
        # Some estates lie beside a clinic or a school and draw more strangers than their size tells.
        self._weights = [site.capacity * Random(f"{seed}:draw:{site.id}").uniform(0.6, 1.5) for site in sites]
        self._people, self._seed, self._zone, self._first_day, self._scale = people, seed, zone, first_day, scale

    def plan(self, day: date) -> DayPlan:
        strangers = Plates(self._people.plates)
        journeys = [
            *self._residents(day),
            *self._visits(day, "visitor", strangers),
            *self._visits(day, "taxi", strangers),
            *self._relatives(day),
            *self._deliveries(day),
            *self._officials(day),
            *self._blocked(day),
            *self._overnight_entries(day),
            *(() if day == self._first_day else self._overnight_exits(day)),
        ]
        start, end = self._at(day, 0), self._at(day + timedelta(days=1), 0)
        mishaps = Random(f"{self._seed}:{day}:mishaps")
        planned = tuple(self._mishap(journey, mishaps) for journey in journeys)
        return DayPlan(day, start, end, planned, self._outages(day))

    # Who comes ---------------------------------------------------------------------------------------------------------

    def _residents(self, day: date) -> list[Journey]:
        journeys = []
        for number, local in enumerate(self._people.residents):
            random = Random(f"{self._seed}:{day}:resident:{local.vehicle.plate}")
            gate_in, gate_out = (
                self._gate(local.site, random, resident=True),
                self._gate(local.site, random, resident=True),
            )
            base = self._journey(f"{day:%y%m%d}-resident-{number}", local.site, local.vehicle, gate_in, gate_out)
            # On the street's first day the cars that live here drive in through the new gates in the small hours.
            moved_in = self._at(day, random.uniform(0.02, 4.9)) if day == self._first_day else None
            if random.random() >= DRIVES[day.weekday() < 5]:
                if moved_in is not None:
                    journeys.append(replace(base, enter_at=moved_in))
                continue
            leaves = _clip(random.gauss(7.9, 0.8), 5.3, 11.2)
            returns = _clip(random.gauss(18.2, 1.3), 14.5, 23.4)
            journeys.append(replace(base, enter_at=moved_in, leave_at=self._at(day, leaves)))
            if random.random() < LUNCH:
                at_home = replace(base, id=base.id + "-noon", enter_at=self._at(day, random.uniform(11.6, 12.4)))
                journeys.append(replace(at_home, leave_at=self._at(day, random.uniform(12.9, 13.8))))
            journeys.append(replace(base, id=base.id + "-home", enter_at=self._at(day, returns)))
        return journeys

    def _visits(self, day: date, kind: str, plates: Plates) -> list[Journey]:
        random = Random(f"{self._seed}:{day}:{kind}")
        journeys = []
        for number in range(round(VISITS[kind] * self._scale)):
            journey_id = f"{day:%y%m%d}-{kind}-{number}"
            vehicle = self._stranger(plates, random, kind, journey_id)
            enters = self._hour(random, kind)
            if kind == "taxi":
                hours = random.uniform(0.04, 0.3)
            else:
                hours = (
                    random.uniform(0.1, 0.5)
                    if random.random() < 0.2
                    else _clip(random.lognormvariate(0.35, 0.6), 0.5, 8)
                )
            leaves = min(enters + hours, 23.8)
            journey = self._through(journey_id, random.choices(list(self._sites), self._weights)[0], vehicle, random)
            journey = replace(journey, enter_at=self._at(day, enters), leave_at=self._at(day, leaves))
            if kind == "visitor" and hours > 0.75 and random.random() < PAYS_EARLY:
                before = random.uniform(3, 13) if random.random() < 0.7 else random.uniform(18, 40)
                journey = replace(journey, pays_early_at=self._at(day, leaves - before / 60))
            journeys.append(journey)
        return journeys

    def _relatives(self, day: date) -> list[Journey]:
        random = Random(f"{self._seed}:{day}:relative")
        wanted = round(VISITS["relative"] * self._scale)
        coming = random.sample(self._people.relatives, min(wanted, len(self._people.relatives)))
        journeys = []
        for number, local in enumerate(coming):
            journey = self._through(f"{day:%y%m%d}-relative-{number}", local.site, local.vehicle, random)
            enters = self._hour(random, "relative")
            leaves = min(enters + _clip(random.lognormvariate(0.8, 0.5), 0.4, 8), 23.7)
            journeys.append(replace(journey, enter_at=self._at(day, enters), leave_at=self._at(day, leaves)))
        return journeys

    def _deliveries(self, day: date) -> list[Journey]:
        """Each van drives its round, one site after the other; most stops are short."""
        random = Random(f"{self._seed}:{day}:delivery")
        wanted = round(VISITS["delivery"] * self._scale)
        journeys: list[Journey] = []
        for van, (vehicle, sites) in enumerate(self._people.deliveries):
            clock = random.uniform(7.5, 10.5)
            for stop in range(wanted * (van + 1) // len(self._people.deliveries) - len(journeys)):
                site = sites[stop % len(sites)]
                stays = random.uniform(0.12, 0.45) if random.random() < 0.92 else random.uniform(0.52, 0.9)
                journey = self._through(f"{day:%y%m%d}-delivery-{van}-{stop}", site, vehicle, random)
                at = self._at(day, clock)
                journeys.append(replace(journey, enter_at=at, leave_at=self._at(day, clock + stays)))
                clock += stays + random.uniform(0.25, 0.75)
        return journeys

    def _officials(self, day: date) -> list[Journey]:
        random = Random(f"{self._seed}:{day}:officials")
        journeys = []
        for kind in ("police", "ambulance"):
            for number in range(round(VISITS[kind] * self._scale)):
                if kind == "police":
                    vehicle, site = random.choice(self._people.police), random.choice(list(self._sites))
                else:
                    local = random.choice(self._people.ambulances)
                    vehicle, site = local.vehicle, local.site
                journey = self._through(f"{day:%y%m%d}-{kind}-{number}", site, vehicle, random)
                enters = self._hour(random, kind)
                leaves = enters + random.uniform(0.2, 0.9)
                journeys.append(replace(journey, enter_at=self._at(day, enters), leave_at=self._at(day, leaves)))
        return journeys

    def _blocked(self, day: date) -> list[Journey]:
        random = Random(f"{self._seed}:{day}:blocked")
        blocked = self._people.blocked
        coming = random.sample(blocked, min(len(blocked), round(7 * self._scale) or 1)) if blocked else []
        return [
            replace(
                self._through(f"{day:%y%m%d}-blocked-{number}", local.site, local.vehicle, random),
                enter_at=self._at(day, random.uniform(8, 20)),
                leave_at=self._at(day, random.uniform(20.5, 22)),
            )
            for number, local in enumerate(coming)
        ]

    def _overnight_entries(self, day: date) -> list[Journey]:
        return [replace(journey, leave_at=None) for journey in self._overnight(day)]

    def _overnight_exits(self, day: date) -> list[Journey]:
        before = self._overnight(day - timedelta(days=1))
        return [replace(journey, id=journey.id + "-leaves", enter_at=None) for journey in before]

    def _overnight(self, day: date) -> list[Journey]:
        """Visitors who stay the night: in this evening, out tomorrow morning."""
        random = Random(f"{self._seed}:{day}:overnight")
        plates = Plates(self._people.plates)
        tomorrow = day + timedelta(days=1)
        journeys = []
        for number in range(round(VISITS["overnight"] * self._scale)):
            journey_id = f"{day:%y%m%d}-overnight-{number}"
            # An office of their own keeps these apart from the other visitors of both days.
            plate, colour = plates.civil(random, local=0, green=0.2, elsewhere=("浙H",))
            vehicle = Vehicle(plate, colour, "overnight", VehicleType.SMALL)
            journey = self._through(journey_id, random.choices(list(self._sites), self._weights)[0], vehicle, random)
            enters, leaves = self._at(day, random.uniform(19, 23)), self._at(tomorrow, random.uniform(6.5, 11))
            journeys.append(replace(journey, enter_at=enters, leave_at=leaves))
        return journeys

    # What goes wrong ---------------------------------------------------------------------------------------------------

    def _mishap(self, journey: Journey, random: Random) -> Journey:
        """At most one mishap a journey, each with its own small probability."""
        plate, drawn = journey.vehicle.plate, random.random()
        entering, leaving = journey.enter_at is not None, journey.leave_at is not None
        bounds = 0.0
        for probability, possible, change in (
            (MISREAD_OUT, leaving and plate, lambda: {"read_out": misread(plate or "", random)}),
            (MISREAD_IN, entering and plate, lambda: {"read_in": misread(plate or "", random)}),
            (BACKS_OUT, entering, lambda: {"backs_out": True}),
            (SENT_TWICE, True, lambda: {"sent_twice": True}),
            (SLIPS_IN, entering, lambda: {"slips_in": True}),
            (SLIPS_OUT, leaving, lambda: {"slips_out": True}),
            (WAVED_IN, entering, lambda: {"waved_in": True}),
            (WAVED_OUT, leaving, lambda: {"waved_out": True}),
        ):
            bounds += probability
            if drawn < bounds:
                return replace(journey, **change()) if possible else journey
        return journey

    def _outages(self, day: date) -> tuple[Outage, ...]:
        random = Random(f"{self._seed}:{day}:outages")
        # Of other vendors' devices the service hears only by their silence that they are away.
        devices = [
            (site.id, one.id)
            for site in self._sites.values()
            for one in site.device
            if one.vendor == "native" and not all(lane.door for lane in site.lanes_of(one.id))
        ]
        outages = []
        for site, device in random.sample(devices, min(OUTAGES, len(devices))):
            cut_at = self._at(day, random.uniform(8, 21))
            outages.append(Outage(site, device, cut_at, cut_at + seconds(random.uniform(600, 2400))))
        return tuple(outages)

    # Where and when ----------------------------------------------------------------------------------------------------

    def _stranger(self, plates: Plates, random: Random, kind: str, name: str) -> Vehicle:
        if random.random() < UNLICENSED:
            return unlicensed(name)
        if kind == "visitor" and random.random() < 0.02:
            plate, colour = plates.yellow(random)
            return Vehicle(plate, colour, kind, VehicleType.LARGE)
        local, green = (0.98, 0.85) if kind == "taxi" else (0.8, 0.35)
        plate, colour = plates.civil(random, local=local, green=green)
        return Vehicle(plate, colour, kind, VehicleType.SMALL if random.random() < 0.7 else None)

    def _through(self, journey_id: str, site: str, vehicle: Vehicle, random: Random) -> Journey:
        wrong = random.random() < WRONG_GATE
        gate_in = self._gate(site, random, resident=wrong)
        return self._journey(journey_id, site, vehicle, gate_in, self._gate(site, random, resident=False))

    def _gate(self, site: str, random: Random, *, resident: bool) -> GateSpec:
        gates = self._sites[site].barriers()
        open_to = [gate for gate in gates if resident or not gate.residents_only] or list(gates)
        return random.choices(open_to, [2 if gate.tier == "main" else 1 for gate in open_to])[0]

    def _journey(self, journey_id: str, site: str, vehicle: Vehicle, gate_in: GateSpec, gate_out: GateSpec) -> Journey:
        return Journey(
            id=journey_id,
            site=site,
            vehicle=vehicle,
            lane_in=next(lane.id for lane in gate_in.lane if lane.direction == "in"),
            lane_out=next(lane.id for lane in gate_out.lane if lane.direction == "out"),
            read_in=vehicle.plate,
            read_out=vehicle.plate,
        )

    def _hour(self, random: Random, kind: str) -> float:
        mean, spread = random.choice(HOURS[kind])
        return _clip(random.gauss(mean, spread), 5.5, 22.8)

    def _at(self, day: date, hours: float) -> datetime:
        """Hours after local midnight, in UTC."""
        midnight = datetime.combine(day, time(0), self._zone)
        return midnight.astimezone(ZoneInfo("UTC")) + seconds(hours * 3600)


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
