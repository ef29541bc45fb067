"""A charge as rows and as postings. One a household, thing and month, until it is reversed.

The receivable's party is what is owed for (`pass`, `property_fee`), as that of a stay is why it left unpaid: a household's number is
its address, and the ledger holds nobody's. Which household a charge is to stands in `charge`, which the transaction names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from billing.charges import Charged
from billing.ledger import RECEIVABLE, WAIVED, Posting, Transaction
from billing.policy import Policy
from gateway.flows.charges_books import PREPAID, Desk
from gateway.flows.passes_records import SoldPass, SoldPeriod
from gateway.flows.posting import book
from gateway.flows.refusals import Invalid
from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t

LOW_INCOME = "low_income"
_MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")


class ToCharge(msgspec.Struct, frozen=True, kw_only=True):
    """One charge before it is stored."""

    household: str
    charged: Charged
    pass_id: str = ""
    period_id: str | None = None


def month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def first_of(month: str) -> date:
    """`2026-03` as its first day. Raises `Invalid`."""
    found = _MONTH.fullmatch(month)
    if found is None:
        raise Invalid(f"month: {month!r:.20} is no month; write it as YYYY-MM")
    return date(int(found[1]), int(found[2]), 1)


def receivable(kind: str) -> str:
    """The account on which a charge of a kind is owed."""
    return RECEIVABLE + kind


def postings_of(charged: Charged) -> list[Posting]:
    """A property fee is earned at once, gross, with what is waived beside it; a pass is earned day by day, waiver and all."""
    if charged.kind == "pass":
        return [Posting(receivable("pass"), charged.payable_fen), Posting(PREPAID, -charged.payable_fen)]
    return [
        Posting(receivable("property_fee"), charged.payable_fen),
        Posting(WAIVED + LOW_INCOME, charged.waived_fen),
        Posting("income:property_fee", -charged.gross_fen),
    ]


def put(desk: Desk, month: str, wanted: Sequence[ToCharge], policy: Policy) -> list[str]:
    """Store charges that do not stand yet, and book them. Returns their ids, in order."""
    before = _attempts(desk.connection, desk.site, month)
    rows: list[dict[str, Any]] = []
    booked: list[Transaction] = []
    for one in wanted:
        place = (one.household, one.charged.kind, one.pass_id)
        charge_id = derive_in_site(desk.site, "charge", month, *place, str(before.get(place, 0)))
        made = desk.transaction("charge", ("charge", charge_id), f"charge:{charge_id}", postings_of(one.charged))
        if made is not None:
            booked.append(made)
        rows.append(
            {
                "site_id": desk.site,
                "id": charge_id,
                "month": month,
                **_says(one),
                "paid_fen": 0,
                "credited_fen": 0,
                "policy_id": policy.id,
                "policy_version": policy.version,
                "charged_at": desk.now,
                "charged_by": desk.by.operator,
                "transaction_id": made.id if made else None,
                "reversed_at": None,
                "reversed_by": None,
                "reversal": "",
            }
        )
    if rows:
        desk.connection.execute(insert(t.Charge), rows)
    book(desk.connection, booked)
    return [row["id"] for row in rows]


def charge_pass(desk: Desk, sold: SoldPass, period: SoldPeriod, policy: Policy) -> None:
    """Charge the period of a pass that is billed monthly to its household."""
    assert sold.household is not None
    charged = Charged("pass", period.gross_fen, period.waived_fen, f"pass.{sold.offer_id}")
    one = ToCharge(household=sold.household, charged=charged, pass_id=sold.id, period_id=period.id)
    put(desk, month_of(period.first_day), [one], policy)


def _says(one: ToCharge) -> dict[str, Any]:
    return {
        "household_id": one.household,
        "kind": one.charged.kind,
        "pass_id": one.pass_id,
        "period_id": one.period_id,
        "gross_fen": one.charged.gross_fen,
        "waived_fen": one.charged.waived_fen,
        "rule": one.charged.rule,
    }


def _attempts(connection: Connection, site: str, month: str) -> dict[tuple[str, str, str], int]:
    """How often each was charged in a month already: what was reversed may be charged again, under another id."""
    charge = t.Charge
    found = connection.execute(
        select(charge.household_id, charge.kind, charge.pass_id, func.count())
        .where(charge.site_id == site, charge.month == month)
        .group_by(charge.household_id, charge.kind, charge.pass_id)
    )
    return {(household, kind, pass_id): count for household, kind, pass_id, count in found}
