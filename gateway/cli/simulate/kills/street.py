"""The vehicles of a run, in real time: they come, pay, park for seconds and leave, whatever dies around them.

The street is the physical world, which no kill touches. One thread moves it; a vehicle knows only what it sees at the barrier.
"""

from __future__ import annotations

import heapq
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from gateway.cli.simulate.kills.boxes import Box, Heard
from gateway.cli.simulate.kills.estate import RESIDENTS
from gateway.cli.simulate.kills.gates import Order, Said
from gateway.cli.simulate.kills.till import Till

_EVERY_SECONDS = 0.45  # a vehicle comes to the street, on average
_INSIDE_MAX = 150
_PATIENCE_SECONDS = 9.0
_QUEUE_MAX = 3


@dataclass
class Visit:
    """A vehicle on its way in or out. `moving`: it drives through, or backs away, and nobody has confirmed it yet."""

    plate: str
    site: str
    leg: str = "in"
    moving: str = ""


@dataclass
class Spot:
    """A lane, the vehicle at its barrier, and those behind it. `turn` tells one standing there from the next."""

    name: str
    device: str
    box: Box
    visit: Visit | None = None
    behind: deque[Visit] = field(default_factory=deque)
    turn: int = 0
    dark: bool = True  # its box is not running, or starting


@dataclass
class Probe:
    """A vehicle at every gate at once: `seconds` by gate, from its beginning to the answer of the service."""

    waiting: set[str]
    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)


class Street:
    """Moves until it is told to end. `visits`: how often each vehicle truly came in and went out."""

    def __init__(self, boxes: Sequence[Box], heard: queue.SimpleQueue[Heard], till: Till, random: Random) -> None:
        self._heard, self._till, self._random = heard, till, random
        self._boxes = tuple(boxes)
        self.spots: dict[str, Spot] = {}
        for box in boxes:
            for one in box.devices:
                device = f"{one.site}.{one.device}"
                for lane in one.lanes:
                    name = f"{one.site}.{lane.id}"
                    self.spots[name] = Spot(name=name, device=device, box=box)
        self.visits: dict[str, list[int]] = {}
        self._online: set[str] = set()
        self._inside = 0
        self._plates = 0
        self._abroad: set[str] = set()  # residents on their way
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._probe: Probe | None = None
        self._journals: dict[Box, int] = {}
        self._closing = self._ended = False
        self._calm = 0
        self._thread = threading.Thread(target=self._run, name="street", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._later(0, self._next_comes)
        self._thread.start()

    def probe(self) -> Probe:
        """Have a vehicle come to every gate now, and see when each is answered. Thread-safe."""
        probe = Probe({spot.device for spot in self._probe_spots()})
        self._orders.put(lambda: self._begin(probe))
        return probe

    def close(self) -> None:
        """Nobody comes any more; whoever is at a barrier goes his way. Thread-safe."""
        self._orders.put(self._nobody_comes)

    def quiet(self) -> bool:
        """Nobody stands anywhere, and no journal holds anything. Thread-safe, after `close`."""
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._orders.put(lambda: answer.put(self._is_quiet()))
        return answer.get(timeout=30)

    def waits_for(self) -> str:
        """What keeps it from being quiet, in words."""
        standing = [f"{spot.name} ({spot.visit.plate})" for spot in self.spots.values() if spot.visit is not None]
        return f"{sum(self._journals.values())} entries in the journals; at the barriers: {', '.join(standing) or 'nobody'}"

    def end(self) -> None:
        self._ended = True
        self._thread.join()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            while not self._ended:
                self._turn()
        except BaseException as problem:
            self.failure = problem
            raise

    def _turn(self) -> None:
        while not self._orders.empty():
            self._orders.get()()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        wait = self._timers[0][0] - time.monotonic() if self._timers else 0.05
        try:
            heard = self._heard.get(timeout=min(0.05, max(0.0, wait)))
        except queue.Empty:
            return
        self._hear(heard.box, heard.said)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._order, what))

    def _between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    # ------------------------------------------------------------------ what vehicles do

    def _next_comes(self) -> None:
        if self._closing:
            return
        self._later(self._random.expovariate(1 / _EVERY_SECONDS), self._next_comes)
        if self._inside >= _INSIDE_MAX:
            return
        lanes = [spot for spot in self.spots.values() if ".in-" in spot.name]
        spot = self._random.choice(lanes)
        site = spot.name.partition(".")[0]
        home = [plate for plate in RESIDENTS[site] if plate not in self._abroad]
        if home and self._random.random() < 0.3:
            plate = self._random.choice(home)
            self._abroad.add(plate)
        else:
            plate = self._new_plate()
        self._comes_to(spot, Visit(plate, site))

    def _new_plate(self) -> str:
        self._plates += 1
        return f"浙C{self._plates:05d}"

    def _comes_to(self, spot: Spot, visit: Visit) -> None:
        if spot.visit is None:
            self._stands_at(spot, visit)
        elif visit.leg == "out" or len(spot.behind) < _QUEUE_MAX:
            spot.behind.append(visit)
        else:
            self._abroad.discard(visit.plate)  # the queue is too long for him

    def _stands_at(self, spot: Spot, visit: Visit) -> None:
        spot.visit, visit.moving = visit, ""
        spot.turn += 1
        if not spot.dark:
            spot.box.tell(Order(do="arrive", lane=spot.name, plate=visit.plate))
        turn = spot.turn
        self._later(_PATIENCE_SECONDS + self._between(0, 3), lambda: self._loses_patience(spot, turn))

    def _loses_patience(self, spot: Spot, turn: int) -> None:
        """He backs away, and tries again. A driver whose gate is dark waits for it."""
        if spot.turn == turn and spot.visit is not None and not spot.visit.moving and not spot.dark:
            self._backs(spot)

    def _backs(self, spot: Spot) -> None:
        assert spot.visit is not None
        spot.visit.moving = "reverse"
        spot.box.tell(Order(do="reverse", lane=spot.name))

    def _drives(self, spot: Spot, turn: int) -> None:
        if spot.turn == turn and spot.visit is not None and not spot.visit.moving and not spot.dark:
            spot.visit.moving = "pass"
            spot.box.tell(Order(do="pass", lane=spot.name))

    def _has_passed(self, spot: Spot) -> None:
        visit, spot.visit = spot.visit, None
        spot.turn += 1
        if visit is None:
            return
        self.visits.setdefault(visit.plate, [0, 0])[visit.leg == "out"] += 1
        if ".probe-" in spot.name:
            return
        if visit.leg == "in":
            self._inside += 1
            # Whole minutes are charged: who stays for seconds mostly leaves free, who stays longer mostly pays.
            parks = self._between(20, 70) if self._random.random() < 0.5 else self._between(0.5, 8)
            self._later(parks, lambda: self._leaves(visit))
        else:
            self._inside -= 1
            self._abroad.discard(visit.plate)
        self._later(self._between(0.1, 0.5), lambda: self._moves_up(spot))

    def _leaves(self, visit: Visit) -> None:
        if self._closing:
            return
        exits = [spot for spot in self.spots.values() if spot.name.startswith(f"{visit.site}.out-")]
        visit.leg = "out"
        self._comes_to(self._random.choice(exits), visit)

    def _has_backed(self, spot: Spot) -> None:
        visit, spot.visit = spot.visit, None
        spot.turn += 1
        if visit is None:
            return
        if self._closing:
            self._moves_up(spot)
        else:
            # A probe comes at once: its pause would count as the service's.
            pause = 0.0 if ".probe-" in spot.name else self._between(0.1, 0.6)
            self._later(pause, lambda: self._comes_again(spot, visit))

    def _comes_again(self, spot: Spot, visit: Visit) -> None:
        if spot.visit is None:
            self._stands_at(spot, visit)
        else:
            spot.behind.appendleft(visit)

    def _moves_up(self, spot: Spot) -> None:
        if spot.visit is None and spot.behind:
            self._stands_at(spot, spot.behind.popleft())

    def _nobody_comes(self) -> None:
        """Queues dissolve. Whoever stands at a barrier goes through, or loses patience and backs away."""
        self._closing = True
        self._timers = [one for one in self._timers if one[2] != self._next_comes]
        heapq.heapify(self._timers)
        for spot in self.spots.values():
            spot.behind.clear()

    # ------------------------------------------------------------------ what they see

    def _hear(self, box: Box, said: Said | None) -> None:
        if said is None:
            self._goes_dark(box)
        elif said.what == "booted":
            self._lights_up(box, said)
        elif said.what == "online":
            self._online.add(said.device)
            self._is_back(said.device)
        elif said.what == "offline":
            self._online.discard(said.device)
        elif said.what == "journal":
            self._journals[box] = said.entries
        elif (spot := self.spots.get(said.lane)) is not None and not spot.dark:
            self._sees(spot, said)

    def _sees(self, spot: Spot, said: Said) -> None:
        turn = spot.turn
        if said.what == "opened":
            self._later(self._between(0.05, 0.4), lambda: self._drives(spot, turn))
        elif said.what == "shown":
            again = self._random.random() < 0.2
            site, fen, event, device = spot.name.partition(".")[0], said.fen, said.event, said.device
            self._later(self._between(0.1, 0.6), lambda: self._till.pay(site, device, event, fen, twice=again))
        elif said.what == "answered" and ".probe-" in spot.name:
            self._probe_is_answered(spot)
        elif said.what == "passed":
            self._has_passed(spot)
        elif said.what == "reversed":
            self._has_backed(spot)

    def _goes_dark(self, box: Box) -> None:
        for spot in self._of(box):
            spot.dark = True
            self._online.discard(spot.device)

    def _lights_up(self, box: Box, said: Said) -> None:
        """The gates are back. Whoever was driving as they died has passed if the journal says so, and else stands there still."""
        for spot in self._of(box):
            spot.dark = False
            last, visit = said.last.get(spot.name), spot.visit
            if visit is None:
                continue
            if visit.moving == "pass" and last == "passed":
                self._has_passed(spot)
            elif visit.moving == "reverse" and last == "reversed":
                self._has_backed(spot)
            else:
                visit.moving = ""
                # Read again when there is somebody to answer; see `_is_back`.

    def _is_back(self, device: str) -> None:
        """With a connection again: what stood there meanwhile is not answered any more, so it comes up to the barrier anew."""
        for spot in self.spots.values():
            if spot.device == device and spot.visit is not None and not spot.visit.moving:
                # One that a restart left without a read arrives; of one that was read, the gate knows that it is there.
                self._later(0, lambda spot=spot, visit=spot.visit: self._again(spot, visit))  # type: ignore[misc]

    def _again(self, spot: Spot, visit: Visit) -> None:
        if spot.visit is visit and not visit.moving and not spot.dark:
            spot.box.tell(Order(do="arrive", lane=spot.name, plate=visit.plate))
            self._backs(spot)

    def _of(self, box: Box) -> list[Spot]:
        return [spot for spot in self.spots.values() if spot.box is box]

    # ------------------------------------------------------------------ probes

    def _probe_spots(self) -> list[Spot]:
        return [spot for spot in self.spots.values() if ".probe-" in spot.name]

    def _begin(self, probe: Probe) -> None:
        self._probe, probe.began = probe, time.monotonic()
        for spot in self._probe_spots():
            self._probe_comes(spot, probe)

    def _probe_comes(self, spot: Spot, probe: Probe) -> None:
        if self._probe is not probe:
            return
        if spot.visit is not None:
            self._later(0.05, lambda: self._probe_comes(spot, probe))  # the one before is still there
            return
        self._stands_at(spot, Visit(self._new_plate(), spot.name.partition(".")[0]))

    def _probe_is_answered(self, spot: Spot) -> None:
        probe = self._probe
        if probe is None or spot.device not in probe.waiting:
            return
        probe.waiting.discard(spot.device)
        probe.seconds[spot.device] = time.monotonic() - probe.began
        if not probe.waiting:
            self._probe = None
            probe.done.set()

    # ------------------------------------------------------------------ the end

    def _is_quiet(self) -> bool:
        """Twice in a row: what the journals say is from before a vehicle that has just passed."""
        empty = set(self._journals) == set(self._boxes) and not sum(self._journals.values())
        standing = any(spot.visit for spot in self.spots.values())
        self._calm = self._calm + 1 if self._closing and empty and not standing else 0
        self._journals.clear()
        for box in self._boxes:
            box.tell(Order(do="count"))
        return self._calm > 1
