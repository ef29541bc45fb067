"""A street for tests of the event path: sites, vehicles and devices in the words of the trade, without sockets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from controllers.adapters import native
from controllers.commands import Command
from controllers.events import CommandResult, DeviceStatus, Kind, Outcome, PlateEvent
from gateway.flows import estate, policies, registers
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn, Inbound, ResultIn, StatusIn
from gateway.flows.outcome import Outcome as Decided
from gateway.store import tables as t
from gateway.wiring import Parts

SHANGHAI = ZoneInfo("Asia/Shanghai")

SITE = """
[[merchant]]
id = "hushu"
name = "湖墅"

[[site]]
id = "xinyi"
name = "信义坊"
capacity = {capacity}
policy = "hushu-residential"
merchant = "hushu"

  [[site.gate]]
  id = "east"
  tier = "main"
  staffed = true
    [[site.gate.lane]]
    id = "in-1"
    direction = "in"
    device = "d1"
    loop = true
    passage_sensor = true
    [[site.gate.lane]]
    id = "out-1"
    direction = "out"
    device = "d1"
    loop = true
    passage_sensor = true

  [[site.gate]]
  id = "west"
  tier = "middle"
  residents_only = true
  staffed = false
    [[site.gate.lane]]
    id = "in-2"
    direction = "in"
    device = "d2"
    loop = true
    passage_sensor = false
    [[site.gate.lane]]
    id = "out-2"
    direction = "out"
    device = "d2"
    loop = true
    passage_sensor = false
    offline_exit = true

  [[site.device]]
  id = "d1"
  vendor = "native"
  password = "not a secret"
  [[site.device]]
  id = "d2"
  vendor = "native"
  password = "not a secret"
"""

POLICY = """
[policy]
id = "hushu-residential"
version = 1
effective_from = 2025-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
plausible_days_max = 7

[[tariff]]
vehicles = ["small", "large", "motorcycle"]
free_minutes = 30
leave_within_minutes = 15
cap = {{ per = "24h", fen = 2000 }}
  [[tariff.band]]
  from = "08:00"
  to = "20:00"
  first = {{ minutes = 60, fen = 400 }}
  unit = {{ minutes = 30, fen = 200 }}
  [[tariff.band]]
  from = "20:00"
  to = "08:00"
  unit = {{ minutes = 60, fen = 100 }}

[[free_class]]
id = "emergency"
plates = ["police", "emergency"]
[[free_class]]
id = "ambulance"
register = true

[relative_allowance]
minutes_per_month = 3600
per = "household"
relations = ["parent", "child", "grandparent", "grandchild", "child_in_law"]

[low_income]
exempts = ["parking", "pass", "property_fee"]

[pay_later]
arrears_limit_fen = 1000

[exit]
mode = "{mode}"

[[pass]]
id = "resident-monthly"
vehicles = ["small"]
fen = 20000
spaces_per_household = 1
grace_days = 3
"""


def local(text: str) -> datetime:
    """`09:00` on the tests' first day, or `2026-03-03 09:00`, in Shanghai."""
    text = text if " " in text else f"2026-03-02 {text}"
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


class Street:
    """One site, its devices, and the event path that serves them."""

    def __init__(self, parts: Parts, *, capacity: int = 100, mode: str = "pay_first") -> None:
        self.parts = parts
        self.clock: Any = parts.clock
        self.clock.set(local("2026-03-01 12:00"))
        policies.apply(parts, POLICY.format(mode=mode))
        estate.apply(parts, SITE.format(capacity=capacity))
        self.clock.set(local("06:00"))
        self.path = EventPath(parts, planner="test")
        self.commands: list[Command] = []
        self._events = 0

    def register(self, kind: str, *rows: dict[str, str]) -> None:
        registers.import_rows(self.parts, kind, [{"site": "xinyi", **row} for row in rows])

    # ------------------------------------------------------------------ what devices send

    def read(self, lane: str, plate: str | None, at: datetime, **more: Any) -> EventIn:
        self._events += 1
        more.setdefault("id", f"e{self._events}")
        return self._event(lane, PlateEvent(at=at, lane=lane, kind=Kind.PLATE, plate=plate, plate_raw=plate, **more))

    def mark(self, lane: str, kind: Kind, at: datetime, completes: str | None, **more: Any) -> EventIn:
        self._events += 1
        more.setdefault("id", f"e{self._events}")
        return self._event(lane, PlateEvent(at=at, lane=lane, kind=kind, for_event=completes, **more))

    def _event(self, lane: str, event: PlateEvent) -> EventIn:
        device = "d1" if lane.endswith("1") else "d2"
        return EventIn(
            site="xinyi",
            device=device,
            event=event,
            received_at=self.clock.now(),
            topic=native.topic("xinyi", device, "event"),
            payload=native.encode_event(event),
        )

    def result(self, command: Command, outcome: Outcome = Outcome.DONE) -> ResultIn:
        device = "d1" if command.lane.endswith("1") else "d2"
        said = CommandResult(command=command.id, outcome=outcome, at=self.clock.now())
        return ResultIn(
            site="xinyi",
            device=device,
            result=said,
            received_at=self.clock.now(),
            topic=native.topic("xinyi", device, "result"),
            payload=native.encode(said),
        )

    def status(self, device: str = "d1", offset_ms: int | None = 0) -> StatusIn:
        said = DeviceStatus(online=True, at=self.clock.now())
        return StatusIn(site="xinyi", device=device, status=said, received_at=self.clock.now(), offset_ms=offset_ms)

    def deliver(self, *messages: Inbound) -> Decided:
        outcome = self.path.run(messages)
        self.commands += [native.decode_command(planned.payload) for planned in outcome.commands]
        return outcome

    # ------------------------------------------------------------------ whole passages

    def arrives(self, lane: str, plate: str | None, at: str, **more: Any) -> Command | None:
        """A vehicle is read where it stands; the answer, if there was one."""
        self.clock.set(local(at))
        before = len(self.commands)
        self.deliver(self.read(lane, plate, local(at), **more))
        return self.commands[-1] if len(self.commands) > before else None

    def goes(self, lane: str, at: str, *, after: str, **more: Any) -> None:
        """It passes the barrier."""
        self.clock.set(local(at))
        self.deliver(self.mark(lane, Kind.PASSED, local(at), after, **more))

    def passes(self, lane: str, plate: str, at: str, **more: Any) -> Command | None:
        """Read, let through, gone five seconds later."""
        command = self.arrives(lane, plate, at, **more)
        self.clock.set(local(at) + timedelta(seconds=5))
        self.deliver(self.mark(lane, Kind.PASSED, self.clock.now(), more.get("id", f"e{self._events}")))
        return command

    # ------------------------------------------------------------------ what the database holds

    def stays(self) -> list[Any]:
        return self._all(select(t.Stay.__table__).order_by(t.Stay.started_at, t.Stay.id))

    def stay(self, plate: str) -> Any:
        found = [stay for stay in self.stays() if stay.plate == plate and stay.state != "void"]
        assert len(found) == 1, found
        return found[0]

    def situations(self) -> dict[str, int]:
        rows = self._all(select(t.ExceptionItem.__table__).where(t.ExceptionItem.state == "open"))
        kinds: dict[str, int] = {}
        for row in rows:
            kinds[row.kind] = kinds.get(row.kind, 0) + 1
        return kinds

    def accounts(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for row in self._all(select(t.Posting.__table__)):
            sums[row.account] = sums.get(row.account, 0) + row.amount_fen
        return {account: fen for account, fen in sums.items() if fen}

    def drawn(self, holder: str, month: str) -> int:
        rows = self._all(select(t.AllowanceBalance.__table__))
        return sum(row.drawn_minutes for row in rows if (row.holder, row.month) == (holder, month))

    def quarantine(self) -> list[str]:
        return [row.code for row in self._all(select(t.Quarantine.__table__))]

    def _all(self, statement: Any) -> Sequence[Any]:
        with self.parts.store.reading() as connection:
            return connection.execute(statement).fetchall()
