"""Paying before leaving (rule 10): for how long a payment holds, and what a stay costs after that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.benefits import Benefits
from billing.bill import Bill, StayToPrice, price
from billing.policy_parts import Policy
from billing.tariff import tariff_for


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
