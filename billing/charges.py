"""The monthly charges of a household: its property fee and its passes, with what is waived. Pure, integer fen."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from billing.money import fee_by_area
from billing.policy_parts import PassOffer, Policy

Kind = Literal["property_fee", "pass"]


class ChargeLine(msgspec.Struct, frozen=True):
    """A line of a charge: the fee itself, then what is waived of it (negative). The lines sum to what is payable."""

    kind: str
    fen: int
    rule: str


class Charged(msgspec.Struct, frozen=True):
    """What a household is charged for one thing and month. `payable_fen = gross_fen − waived_fen`."""

    kind: Kind
    gross_fen: int
    waived_fen: int
    rule: str

    @property
    def payable_fen(self) -> int:
        return self.gross_fen - self.waived_fen

    def lines(self) -> list[ChargeLine]:
        """The charge in lines, each naming its rule."""
        found = [ChargeLine(self.kind, self.gross_fen, self.rule)]
        if self.waived_fen:
            found.append(ChargeLine("low_income", -self.waived_fen, "low_income"))
        return found


def property_fee(policy: Policy, area_m2: Decimal, *, low_income: bool) -> Charged | None:
    """The property fee of a month for a home of this size; None where the policy has none, or the home no size."""
    if policy.property_fee is None or area_m2 <= 0:
        return None
    rate = policy.property_fee.fen_per_square_metre_month
    gross = fee_by_area(rate, area_m2)
    waived = gross if low_income and _exempts(policy, "property_fee") else 0
    return Charged("property_fee", gross, waived, f"property_fee.{rate}fen x {area_m2.normalize():f}m2")


def pass_fee(policy: Policy, offer: PassOffer, months: int, *, low_income: bool) -> Charged:
    """So many months of a pass."""
    gross = offer.fen * months
    return Charged("pass", gross, waived_of(policy, gross, low_income=low_income), f"pass.{offer.id}")


def waived_of(policy: Policy, gross_fen: int, *, low_income: bool) -> int:
    """What of a pass's price a low-income household need not pay."""
    return gross_fen if low_income and _exempts(policy, "pass") else 0


def _exempts(policy: Policy, what: str) -> bool:
    return policy.low_income is not None and what in policy.low_income.exempts
