"""Paying before leaving (rule 10): for how long a payment holds, what a stay costs after that, and which vouchers it then needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from billing.benefits import Benefits
from billing.bill import Bill, StayToPrice, price
from billing.policy_parts import Policy
from billing.tariff import tariff_for

_IN_ORDER: Final = ("whole_stay", "minutes", "amount")


@dataclass(frozen=True, slots=True)
class Prepaid:
    """A bill that was fixed and paid before leaving; `until` is the moment of payment."""

    until: datetime
    bill: Bill
    paid_fen: int


def holds(policy: Policy, stay: StayToPrice, prepaid: Prepaid | None) -> bool:
    """Whether a payment still covers the stay at its exit: something was paid, at most `leave_within_minutes` whole
    minutes ago. Seconds beyond them do not count. Raises UnknownVehicle.
    """
    if prepaid is None or prepaid.paid_fen <= 0:
        return False  # a bill of 0 is no payment and grants no time
    tariff = tariff_for(policy, stay.vehicle, stay.energy, stay.who)
    return (stay.exit - prepaid.until) // timedelta(minutes=1) <= tariff.leave_within_minutes


def rebill(policy: Policy, stay: StayToPrice, benefits: Benefits, prepaid: Prepaid | None) -> Bill:
    """The bill at the exit: the prepaid one while it holds, otherwise the whole stay priced again.

    `benefits` include what this stay drew before; what was paid is the caller's to take off, and nothing is given
    back. Raises a CannotPrice.
    """
    if prepaid is not None and holds(policy, stay, prepaid):
        return prepaid.bill
    return price(policy, stay, benefits)


def vouchers_needed(policy: Policy, stay: StayToPrice, benefits: Benefits, paid_fen: int) -> list[int]:
    """Which of the vouchers presented, by place, a stay needs for which something was paid.

    What was paid is not given back, so a bill below it is worth no more than one that it covers: from the last to be applied to the
    first, each voucher without which nothing would be due either is left alone (rules 6, 8 and 10). Raises a CannotPrice.
    """
    vouchers = benefits.vouchers
    kept = list(range(len(vouchers)))
    for place in sorted(kept, key=lambda one: (_IN_ORDER.index(vouchers[one].kind), one), reverse=True):
        others = [one for one in kept if one != place]
        without = replace(benefits, vouchers=tuple(vouchers[one] for one in others))
        if price(policy, stay, without).payable_fen <= paid_fen:
            kept = others
    return kept
