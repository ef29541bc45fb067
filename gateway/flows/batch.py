"""One batch while it is decided: its facts, its outcome, and the questions that every step asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from billing.policy import Policy, in_force
from gateway.flows.outcome import Outcome
from gateway.flows.posting import business_day_for
from gateway.flows.pricing import Standing, months, standing
from gateway.flows.quarantine import Room
from gateway.store.facts import Facts, VehicleKey
from gateway.store.records import Balance, Estate, Registrations


@dataclass(slots=True)
class Batch:
    """`now` is the instant at which the whole batch is decided."""

    estate: Estate
    facts: Facts
    now: datetime
    zone: ZoneInfo
    base_url: str
    planner: str | None = None
    room: Room | None = None
    outcome: Outcome = field(default_factory=Outcome)
    _standings: dict[tuple[VehicleKey, str | None, datetime], Standing] = field(default_factory=dict)

    def policy(self, site: str, entry: datetime) -> Policy | None:
        """The version in force at an entry; None if the site's policy was never applied."""
        versions = self.estate.policies.get(self.estate.sites[site].policy_id)
        return in_force(versions, entry) if versions else None

    def standing(self, key: VehicleKey, colour: str | None, at: datetime) -> Standing:
        """What the vehicle is at an instant, by plate and registers. Asked several times of each entry, and the same in a whole batch."""
        known = self._standings.get((key, colour, at))
        if known is None:
            known = self._standings[key, colour, at] = self._judged(key, colour, at)
        return known

    def _judged(self, key: VehicleKey, colour: str | None, at: datetime) -> Standing:
        policy = self.policy(key[0], at)
        found = self.facts.registrations.get(key) or Registrations()
        if policy is None:
            return Standing(household=found.household, registered=found.known)
        return standing(policy, key[1], colour, found, at)

    def balance(self, site: str, holder: str, month: str, limit: int) -> Balance:
        """A month of an allowance, with the limit that the policy gives it today."""
        balance = self.facts.balances.get((site, holder, month))
        if balance is None:
            balance = self.facts.balances[site, holder, month] = Balance(limit, 0, new=True)
        if balance.limit != limit:
            # A lower limit never makes overdrawn what was drawn under a higher one.
            balance.limit, balance.dirty = max(limit, balance.drawn), True
        return balance

    def allowance_left(self, site: str, holders: Sequence[str], policy: Policy | None, at: datetime) -> int:
        """Minutes left in the month of `at`, of all who give; 0 without an allowance."""
        if not holders or policy is None or policy.relative_allowance is None:
            return 0
        month = months(at, at, self.zone)[0]
        limit = policy.relative_allowance.minutes_per_month
        return sum(self.balance(site, holder, month, limit).left for holder in holders)

    def business_day(self, site: str, at: datetime) -> tuple[date, date | None]:
        """On which day something of this instant is posted, and its own day where that one takes nothing more."""
        return business_day_for(at, self.zone, self.facts.closed_through.get(site))
