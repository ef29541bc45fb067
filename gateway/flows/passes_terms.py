"""What a pass would be: its days and its price, and who may be sold it. Decides and writes nothing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import msgspec
from sqlalchemy import Connection, select

from billing.charges import pass_fee
from billing.passes import MONTHS_MAX, months_later, prorated, renewal_from
from billing.policy import PassOffer, Policy
from controllers.plate import normalise
from gateway.flows.charges_books import Desk
from gateway.flows.charges_refusals import NotAtThisDesk, PassNotValid, SpacesTaken, VehicleNotServed
from gateway.flows.passes_records import Rules, SoldPass, is_low_income, passes_of
from gateway.flows.posting import day_bounds
from gateway.flows.refusals import Invalid
from gateway.store import tables as t

AHEAD_MAX = timedelta(days=62)
# The roles that administer low-income certificates; to all others a waiver is nothing that they see.
ADMINISTERS = frozenset({"registrar", "finance"})
Billed = Literal["counter", "monthly"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A pass that somebody wants. `first_day` None is today; `vehicle` is used where the register does not know its type."""

    site: str
    plate: str
    offer: str
    months: int = 1
    first_day: date | None = None
    vehicle: str | None = None
    billed: Billed = "counter"


class Terms(msgspec.Struct, frozen=True):
    """The days and the price of a period, under one version of the policy."""

    policy: Policy
    offer: PassOffer
    first: date
    end: date
    anchor_day: int
    gross_fen: int
    waived_fen: int

    @property
    def amount_fen(self) -> int:
        return self.gross_fen - self.waived_fen


def plate_of(text: str) -> str:
    """A plate as it is stored. Raises `Invalid`."""
    plate = normalise(text)
    if plate is None or not plate.isalnum() or len(plate) < 4:
        raise Invalid("plate: not a number plate")
    return plate


def pass_of_vehicle(connection: Connection, site: str, plate: str, offer_id: str) -> str | None:
    """The pass of an offer that a vehicle has or had and could renew; the newest."""
    sold, vehicle = t.ParkingPass, t.PassVehicle
    found: str | None = connection.execute(
        select(sold.id)
        .join(vehicle, (vehicle.site_id == sold.site_id) & (vehicle.pass_id == sold.id))
        .where(
            sold.site_id == site,
            sold.offer_id == offer_id,
            sold.state == "active",
            vehicle.plate == plate,
            vehicle.until.is_(None),
        )
        .order_by(sold.created_at.desc(), sold.id)
        .limit(1)
    ).scalar()
    return found


def terms_of(desk: Desk, wanted: Wanted, household: str | None, registered: str | None) -> Terms:
    """A new pass. The version in force now names the price."""
    first = wanted.first_day or desk.today
    if not desk.today <= first <= desk.today + AHEAD_MAX:
        raise Invalid(f"first_day: from {desk.today} to {desk.today + AHEAD_MAX}")
    policy = Rules(desk.parts, desk.connection, desk.site).at(desk.now)
    offer = policy.pass_offer(wanted.offer)
    if offer is None:
        known = ", ".join(one.id for one in policy.passes) or "none"
        raise Invalid(f"offer: {wanted.offer!r:.60} is not sold here; the policy has {known}")
    vehicle = registered or wanted.vehicle or "small"
    if vehicle not in offer.vehicles:
        raise VehicleNotServed(f"{offer.id} is for {', '.join(offer.vehicles)} vehicles, not for {vehicle}")
    if wanted.billed == "counter":
        return _priced(desk, policy, offer, household, Days(first, wanted.months, first.day))
    if household is None:
        raise Invalid("billed: only a registered household is billed monthly")
    # The rest of this month by days; the monthly run goes on from there.
    whole = _priced(desk, policy, offer, household, Days(first.replace(day=1), 1, 1), first)
    gross = prorated(whole.gross_fen, first)
    return Terms(policy, offer, first, whole.end, 1, gross, gross if whole.waived_fen else 0)


def renewal_terms(desk: Desk, sold: SoldPass, months: int) -> Terms:
    """The next period of a pass. Raises `PassNotValid` for one that was given back or is not sold any more."""
    if sold.state != "active":
        raise PassNotValid("the pass was given back; sell a new one")
    policy = Rules(desk.parts, desk.connection, sold.site).at(desk.now)
    offer = policy.pass_offer(sold.offer_id)
    if offer is None:
        raise PassNotValid(f"{sold.offer_id} is not sold any more")
    renewal = renewal_from(sold.end, desk.today, offer.grace_days)
    anchor = sold.anchor_day if renewal.contiguous else renewal.first.day
    return _priced(desk, policy, offer, sold.household, Days(renewal.first, months, anchor), but=sold.id)


class Days(msgspec.Struct, frozen=True):
    """So many months from a day; `anchor_day` is the day of the month on which they begin."""

    first: date
    months: int
    anchor_day: int


def _priced(
    desk: Desk,
    policy: Policy,
    offer: PassOffer,
    household: str | None,
    days: Days,
    begins: date | None = None,
    *,
    but: str = "",
) -> Terms:
    """The price, waived for a household with a certificate that is valid when the period begins. Raises `SpacesTaken`."""
    if not 1 <= days.months <= MONTHS_MAX:
        raise Invalid(f"months: from 1 to {MONTHS_MAX}")
    begins = begins or days.first
    end = months_later(days.first, days.months, days.anchor_day)
    valid_at = max(day_bounds(begins, desk.zone)[0], desk.now)
    low_income = is_low_income(desk.connection, desk.site, household, valid_at)
    charged = pass_fee(policy, offer, days.months, low_income=low_income)
    sees = desk.by.role in ADMINISTERS
    if charged.waived_fen and not sees:
        raise NotAtThisDesk
    if charged.waived_fen and days.months > 1:
        raise Invalid("months: a pass whose price is waived is issued for one month at a time")
    if household is not None:
        taken = passes_of(desk.connection, desk.site, household, offer.id, (begins, end), but)
        if taken >= offer.spaces_per_household:
            raise SpacesTaken if sees else NotAtThisDesk
    return Terms(policy, offer, begins, end, days.anchor_day, charged.gross_fen, charged.waived_fen)
