"""Streets with rules of their own: policies in a few words, and whole visits as they are paid for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from controllers.commands import Command
from controllers.events import Kind
from gateway.flows import payment, policies
from gateway.flows.inbound import Inbound
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import Street, local

BANDS = """
  [[tariff.band]]
  from = "08:00"
  to = "20:00"
  first = { minutes = 60, fen = 400 }
  unit = { minutes = 30, fen = 200 }
  [[tariff.band]]
  from = "20:00"
  to = "08:00"
  unit = { minutes = 60, fen = 100 }
"""
CAP = 'cap = { per = "24h", fen = 2000 }'
ALLOWANCE = """
[relative_allowance]
minutes_per_month = {minutes}
per = "{per}"
relations = ["parent", "child"]
"""
PASS = """
[[pass]]
id = "resident-monthly"
vehicles = ["small"]
fen = 20000
spaces_per_household = {spaces}
"""
ALWAYS = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}


def tariff(more: str = CAP, *, bands: str = BANDS, free_minutes: int = 30, vehicles: str = '"small"') -> str:
    """A tariff; `more` are further keys of it."""
    head = f"[[tariff]]\nvehicles = [{vehicles}]\nfree_minutes = {free_minutes}\nleave_within_minutes = 15\n"
    return f"{head}{more}\n{bands}"


def allowance(minutes: int, per: str = "household") -> str:
    return ALLOWANCE.format(minutes=minutes, per=per)


def policy(*rules: str, version: int = 2, since: str = "2026-03-02T00:00:00+08:00", head: str = "") -> str:
    """A version of the street's policy out of its tariffs and tables. `head`: what stands before the first table."""
    first = f'id = "hushu-residential"\nversion = {version}\neffective_from = {since}\ntimezone = "Asia/Shanghai"\n'
    return "\n".join([head, "[policy]", first, *(rules or (tariff(),))])


class Ruled(Street):
    """A street under a policy of its own, from its first day on."""

    def __init__(self, parts: Parts, *rules: str, head: str = "", capacity: int = 100) -> None:
        super().__init__(parts, capacity=capacity)
        self.rule(*rules, head=head)

    def rule(self, *rules: str, version: int = 2, since: str = "2026-03-02T00:00:00+08:00", head: str = "") -> None:
        """Load a further version."""
        policies.apply(self.parts, policy(*rules, version=version, since=since, head=head))

    # ------------------------------------------------------------------ who is registered

    def household(self, name: str, *plates: str, passes: bool = False, **until: str) -> None:
        self.register("households", {"household": name, "name": "张三", "area_m2": "60"})
        for plate in plates:
            self.register("vehicles", {"household": name, "plate": plate, "vehicle": "small"})
            if passes:
                self.register("passes", {"plate": plate, "pass": "resident-monthly", **ALWAYS, **until})

    def relative(self, household: str, plate: str, relation: str = "parent") -> None:
        self.register("households", {"household": household, "name": "张三", "area_m2": "60"})
        self.register("relatives", {"household": household, "plate": plate, "relation": relation, **ALWAYS})

    def listed(self, plate: str, as_what: str) -> None:
        self.register("free-vehicles", {"plate": plate, "class": as_what, "valid_to": "2026-12-31"})

    # ------------------------------------------------------------------ visits

    def enters(self, plate: str, at: str, **more: Any) -> Command | None:
        return self.passes("in-1", plate, at, **more)

    def leaves(self, plate: str, at: str, **more: Any) -> Any:
        """To the exit, pays what is asked for, goes. Its newest stay, as it then stands."""
        self.arrives("out-1", plate, at, **more)
        read = more.get("id", f"e{self._events}")
        due = self.newest(plate).payable_fen - self.newest(plate).paid_fen
        if due > 0:
            self.pays(plate, due)
        self.clock.advance(seconds=5)
        self.deliver(self.mark("out-1", Kind.PASSED, self.clock.now(), read))
        return self.newest(plate)

    def pays(self, plate: str, fen: int) -> payment.Taken:
        return payment.take(
            self.parts, stay_id=self.newest(plate).id, channel="wechat", amount_fen=fen, operator="li", role="cashier"
        )

    def visit(self, plate: str, since: str, until: str, **more: Any) -> Any:
        self.enters(plate, since, **more)
        return self.leaves(plate, until, **more)

    def told(self, name: str, plate: str, since: str, until: str, *, opening: Any = None) -> list[Inbound]:
        """A visit of which the devices tell afterwards: entry, passed, exit, passed."""
        more = {"buffered": True}
        return [
            self.read("in-1", plate, local(since), id=f"{name}-in", **more),
            self.mark("in-1", Kind.PASSED, _after(since), f"{name}-in", id=f"{name}-in-passed", **more),
            self.read("out-1", plate, local(until), id=f"{name}-out", **more),
            self.mark("out-1", Kind.PASSED, _after(until), f"{name}-out", id=f"{name}-out-passed", **more),
        ]

    # ------------------------------------------------------------------ what the books say

    def newest(self, plate: str) -> Any:
        return [stay for stay in self.stays() if stay.plate == plate and stay.state != "void"][-1]

    def bill(self, stay: Any) -> Any:
        """The bill that stands."""
        bill = t.Bill.__table__
        rows = self._all(select(bill).where(bill.c.stay_id == stay.id).order_by(bill.c.sequence))
        return rows[-1]

    def draws(self) -> dict[tuple[str, str], int]:
        """Minutes drawn by (holder, month): of the draws, which are the balances' too."""
        sums: dict[tuple[str, str], int] = {}
        for row in self._all(select(t.AllowanceDraw.__table__)):
            key = (row.holder, row.month)
            sums[key] = sums.get(key, 0) + row.minutes
        held = {(row.holder, row.month): row.drawn_minutes for row in self._all(select(t.AllowanceBalance.__table__))}
        drawn = {key: minutes for key, minutes in sums.items() if minutes}
        assert drawn == {key: minutes for key, minutes in held.items() if minutes}
        return drawn

    def check(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure


def _after(text: str) -> datetime:
    at = local(text)
    return at.replace(second=5)
