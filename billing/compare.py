"""What recorded stays would have cost under another policy: each priced again in the order in which their bills were fixed.

A world is one policy (or one policy's versions) with what it remembers of earlier stays: minutes drawn from allowances,
what a vehicle was charged on a day, and stays that another entry continues. Two worlds see the same stays; where they differ is the answer. Pure: recorded facts in, figures out.

How each benefit is judged again is said in the documents ("Comparing policies"); in short: what depends on the policy is
judged by the policy, what a vehicle is stays as it was recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from billing.benefits import Benefits, PassPeriod, Voucher
from billing.bill import Figures, StayToPrice, figures
from billing.calendar import minute_of, month_of, wall_clock
from billing.policy import Policy, in_force
from billing.policy_parts import Tariff
from billing.tariff import tariff_for


class Raw(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A stay that has ended, as it is read. Nothing of it leaves the comparison but sums.

    `facts` is the JSON text of its standing bill's. `key` tells one vehicle from another (None: its plate is deleted, and it is
    judged alone), `party` is its household, or else its vehicle. `shown` is its plate's class. `households`, whose relative it is
    in the order in which they give, and `relation` are empty where that is not known. `grace_days` and `limit_minutes`: what the
    version that billed it gave its passes and its allowance. `came_before`: how many of the vehicle's entries of that local day
    were earlier. `paid_early_at`: the moment of a payment before leaving. `counted` is false for what only leads up to the period.
    """

    id: str
    site: str
    key: str | None
    entry: datetime
    exit: datetime
    party: str = ""
    facts: str = "{}"
    shown: str | None = None
    households: tuple[str, ...] = ()
    relation: str | None = None
    grace_days: dict[str, int] = {}
    limit_minutes: int = 0
    came_before: int = 0
    paid_early_at: datetime | None = None
    booked_gross_fen: int = 0
    booked_payable_fen: int = 0
    counted: bool = True


class Recorded(NamedTuple):
    """A stay, and what its facts say: what it was priced as, and what it could draw on. When it came and left is in `raw`."""

    raw: Raw
    stay: StayToPrice
    benefits: Benefits


class Repriced(NamedTuple):
    """What a stay comes to in one world, and with what it was priced: the version of its policy, and the rest.

    Of a continued stay only what it adds.
    """

    version: int
    stay: StayToPrice
    benefits: Benefits
    gross_fen: int
    payable_fen: int
    waived: dict[str, int]


class ToAPerson(Exception):
    """The stay is longer than the policy holds possible."""


@dataclass(slots=True)
class _Continued:
    """A vehicle's last stay, which another entry may continue: what it was and what it came to."""

    policy: Policy
    first_entry: datetime
    free_stays_used: int
    last_exit: datetime
    figures: Figures
    draws: Mapping[tuple[str, str], int]
    vouchers: tuple[Voucher, ...]
    payable_fen: int


@dataclass
class World:
    """One policy's versions and what they remember. `months_from`: the first month (`2026-11`) of which every draw is seen;
    of an earlier one the recorded balance holds.
    """

    versions: Sequence[Policy]
    months_from: str
    drawn: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    charged: dict[tuple[str, str], dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    joined: dict[tuple[str, str, int], int] = field(default_factory=lambda: defaultdict(int))
    last: dict[tuple[str, str], _Continued] = field(default_factory=dict)

    def reprice(self, one: Recorded) -> Repriced:
        """The stay under this world's policy, which remembers it. Raises `ToAPerson` and a `CannotPrice`."""
        raw = one.raw
        policy = in_force(self.versions, raw.entry) if len(self.versions) > 1 else self.versions[0]
        vehicle = (raw.site, raw.key) if raw.key is not None else None
        before = self._continues(one, self.last.get(vehicle)) if vehicle is not None and self.last else None
        if before is not None:
            policy = before.policy
        entry = before.first_entry if before is not None else raw.entry
        if policy.plausible_days_max is not None and raw.exit - entry > timedelta(days=policy.plausible_days_max):
            raise ToAPerson
        who = _who(policy, one)
        tariff = tariff_for(policy, one.stay.vehicle, one.stay.energy, who)
        used = self._free_stays_used(one, tariff, before)
        relative = _relative(policy, one)
        pools = _pools(policy, one) if relative else ()
        for (pool, month), minutes in before.draws.items() if before is not None else ():
            self.drawn[raw.site, pool, month] -= minutes  # it is priced as one: what it drew is its own again
        stay = one.stay
        if (
            before is not None
            or who != stay.who
            or used != stay.free_stays_used
            or stay.charged
            or tariff.counts_charges
        ):
            charged = self._charged(one, before) if tariff.counts_charges else {}
            stay = StayToPrice(entry, max(raw.exit, entry), stay.vehicle, stay.energy, who, charged, used)
        kept = before.vouchers if before is not None else ()
        benefits = self._benefits(policy, one, kept, self._allowance(policy, one, pools) if relative else None)
        stay, found = _priced(policy, tariff, stay, benefits, raw.paid_early_at)
        draws = self._draw(policy, raw.site, pools, found.drawn) if found.drawn else {}
        if vehicle is not None and tariff.counts_charges:
            self._remember(vehicle, before, found.charged)
        if vehicle is not None and tariff.reentry_minutes is not None:
            payable = max(found.payable_fen, before.payable_fen) if before is not None else found.payable_fen
            self.last[vehicle] = _Continued(policy, entry, used, raw.exit, found, draws, benefits.vouchers, payable)
        return _added(policy, stay, benefits, found, before)

    def _continues(self, one: Recorded, last: _Continued | None) -> _Continued | None:
        if last is None:
            return None
        tariff = tariff_for(last.policy, one.stay.vehicle, one.stay.energy, _who(last.policy, one))
        if tariff.reentry_minutes is None:
            return None
        gap = minute_of(one.raw.entry) - minute_of(last.last_exit)
        return last if 0 <= gap <= tariff.reentry_minutes else None

    def _free_stays_used(self, one: Recorded, tariff: Tariff, before: _Continued | None) -> int:
        """The vehicle's earlier stays of the same local day; an entry that went on with a stay began none."""
        raw = one.raw
        if raw.key is None:
            return one.stay.free_stays_used
        if before is None and tariff.free_stays_per_day is None:
            return 0
        day, _ = wall_clock(minute_of(raw.entry), self.versions[0].zone)
        if before is not None:
            self.joined[raw.site, raw.key, day] += 1
            return before.free_stays_used
        return max(0, raw.came_before - self.joined[raw.site, raw.key, day])

    def _charged(self, one: Recorded, before: _Continued | None) -> Mapping[str, int]:
        if one.raw.key is None:
            return one.stay.charged
        charged = dict(self.charged[one.raw.site, one.raw.key])
        for day, fen in before.figures.charged.items() if before is not None else ():
            charged[day] = charged.get(day, 0) - fen
        return {day: fen for day, fen in charged.items() if fen > 0}

    def _remember(self, vehicle: tuple[str, str], before: _Continued | None, found: Mapping[str, int]) -> None:
        charged = self.charged[vehicle]
        for day, fen in before.figures.charged.items() if before is not None else ():
            charged[day] = charged.get(day, 0) - fen
        for day, fen in found.items():
            charged[day] = charged.get(day, 0) + fen

    def _left(self, policy: Policy, site: str, pool: str, month: str) -> int:
        rule = policy.relative_allowance
        return 0 if rule is None else max(0, rule.minutes_per_month - self.drawn[site, pool, month])

    def _draw(
        self, policy: Policy, site: str, pools: Sequence[str], drawn: Mapping[str, int]
    ) -> dict[tuple[str, str], int]:
        """The minutes that a bill drew, from the first household as long as it has any, then from the next."""
        draws: dict[tuple[str, str], int] = {}
        for month, minutes in drawn.items():
            rest = minutes if month >= self.months_from else 0
            for pool in pools:
                taken = min(rest, self._left(policy, site, pool, month))
                if taken:
                    self.drawn[site, pool, month] += taken
                    draws[pool, month] = taken
                    rest -= taken
        return draws

    def _benefits(
        self, policy: Policy, one: Recorded, kept: tuple[Voucher, ...], allowance: dict[str, int] | None
    ) -> Benefits:
        was = one.benefits
        free_class = _free_class(policy, one)
        if was.has_nothing and free_class is None and allowance is None and not kept:
            return was
        passes = tuple([_pass(policy, one.raw, period) for period in was.passes])
        if allowance is was.allowance is None and not kept and free_class == was.free_class and passes == was.passes:
            return was
        return Benefits(free_class, was.low_income, passes, allowance, kept + was.vouchers, was.discount_registers)

    def _allowance(self, policy: Policy, one: Recorded, pools: Sequence[str]) -> dict[str, int]:
        rule = policy.relative_allowance
        assert rule is not None
        raw, recorded = one.raw, one.benefits.allowance or {}
        months: dict[str, int] = {}
        for month in _months(raw.entry, raw.exit, policy.zone):
            if pools and month >= self.months_from:
                months[month] = sum([self._left(policy, raw.site, pool, month) for pool in pools])
            else:
                more = rule.minutes_per_month - raw.limit_minutes
                months[month] = max(0, recorded.get(month, raw.limit_minutes) + more)
        return months


def _priced(
    policy: Policy, tariff: Tariff, stay: StayToPrice, benefits: Benefits, paid_at: datetime | None
) -> tuple[StayToPrice, Figures]:
    """Who paid before leaving pays at that moment under either policy; whoever then stayed too long for it pays for all."""
    if paid_at is not None and stay.entry <= paid_at <= stay.exit:
        early = replace(stay, exit=paid_at)
        found = figures(policy, early, benefits)
        in_time = (stay.exit - paid_at) // timedelta(minutes=1) <= tariff.leave_within_minutes
        if found.payable_fen and in_time:
            return early, found
    return stay, figures(policy, stay, benefits)


def _added(
    policy: Policy, stay: StayToPrice, benefits: Benefits, found: Figures, before: _Continued | None
) -> Repriced:
    if before is None:
        return Repriced(policy.version, stay, benefits, found.gross_fen, found.payable_fen, found.waived)
    payable = max(0, found.payable_fen - before.payable_fen)  # nothing is given back
    gross = found.gross_fen - before.figures.gross_fen
    waived = {
        kind: fen
        for kind in {**found.waived, **before.figures.waived}
        if (fen := found.waived.get(kind, 0) - before.figures.waived.get(kind, 0))
    }
    return Repriced(policy.version, stay, benefits, gross, payable, waived)


def _who(policy: Policy, one: Recorded) -> str | None:
    """The group whose tariff it has: by the lists it was on, of which its bill keeps all."""
    if not policy.groups:
        return None
    listed = next((group for group in policy.groups if group in one.benefits.discount_registers), None)
    return listed or (one.stay.who if one.stay.who in policy.groups else None)


def _relative(policy: Policy, one: Recorded) -> bool:
    rule = policy.relative_allowance
    if rule is None:
        return False
    if one.raw.relation is not None:
        return one.raw.relation in rule.relations
    return one.benefits.allowance is not None


def _pools(policy: Policy, one: Recorded) -> Sequence[str]:
    """Whose balances a relative draws on; none where that is not known any more."""
    assert policy.relative_allowance is not None
    if policy.relative_allowance.per == "vehicle":
        return () if one.raw.key is None else (f"vehicle:{one.raw.key}",)
    return [f"household:{household}" for household in one.raw.households]


def _free_class(policy: Policy, one: Recorded) -> str | None:
    """The class that frees it for longest, by its plate, by the lists it was on, or as recorded where no plate is left."""
    shown, was = one.raw.shown, one.benefits
    best: tuple[int, str] | None = None
    for offered in policy.free_classes:
        listed = offered.register and offered.id in was.discount_registers
        if listed or (shown in offered.plates if shown is not None else offered.id == was.free_class):
            rank = (-(offered.minutes or 10**9), offered.id)
            best = rank if best is None else min(best, rank)
    return best[1] if best else None


def _pass(policy: Policy, raw: Raw, period: PassPeriod) -> PassPeriod:
    """The days of grace are the policy's; those of the version that billed it are in the recorded end."""
    offer = policy.pass_offer(period.id)
    days = (offer.grace_days if offer is not None else 0) - raw.grace_days.get(period.id, 0)
    if not days:
        return period
    local = period.valid_to.astimezone(policy.zone)
    # What ends within a day was cut to the minutes of a household's space, or was sold so.
    if (local.hour, local.minute, local.second) != (0, 0, 0):
        return period
    return PassPeriod(period.id, period.valid_from, period.valid_to + timedelta(days=days))


def _months(since: datetime, until: datetime, zone: ZoneInfo) -> list[str]:
    """The local months from one instant to another, both included."""
    day, _ = wall_clock(minute_of(since), zone)
    last, _ = wall_clock(minute_of(until), zone)
    return list(dict.fromkeys(month_of(one) for one in range(day, last + 1)))
