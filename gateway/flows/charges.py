"""The monthly run: every household's property fee, and the month of each pass that is billed monthly.

Idempotent for a site and month: what is charged already stands, and a household that was registered since is added. A preview runs
the same code and is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, select

from billing.charges import Charged, ChargeLine, pass_fee, property_fee
from billing.passes import month_end
from billing.policy import Policy
from gateway.flows.charges_books import Asked, By, Desk, asked_as, hold
from gateway.flows.charges_posting import ToCharge, first_of, month_of, put
from gateway.flows.charges_refusals import PassOverlaps
from gateway.flows.passes import put_period
from gateway.flows.passes_held import bring, held_of, refuse_overlaps
from gateway.flows.passes_records import Rules, SoldPass, SoldPeriod, homes, load, low_income_at
from gateway.flows.posting import day_bounds
from gateway.flows.refusals import Invalid, NotFound
from gateway.runtime.ids import derive_in_site
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts


class ChargedNow(msgspec.Struct, frozen=True, kw_only=True):
    """A charge of a run, with its lines. Names a household: for those who administer registers."""

    id: str
    household: str
    kind: str
    passed: str | None = msgspec.field(name="pass")
    gross_fen: int
    waived_fen: int
    payable_fen: int
    lines: list[ChargeLine]


class SiteRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did at one site. `standing`: charged before; `without_area`: households whose home has no size.

    `overlapping`: passes that were not extended, since a vehicle of theirs has the same pass in that month already.
    """

    site: str
    month: str
    charged: list[ChargedNow]
    standing: int
    without_area: list[str]
    overlapping: list[str]
    gross_fen: int
    waived_fen: int
    payable_fen: int


def run(parts: Parts, month: str, by: By, site: str | None = None, *, preview: bool = False) -> list[SiteRun]:
    """Charge a month at a site, or at every site in service; one transaction a site. Raises `Invalid`, `NotFound`."""
    first = first_of(month)
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    if first > month_end(today):
        raise Invalid(
            f"month: {month} is too far ahead; the newest that can be charged is {month_of(month_end(today))}"
        )
    with parts.store.reading() as connection:
        known = books.enabled_sites(connection)
    if site is not None and site not in known:
        raise NotFound(f"there is no site {site:.60} in service")
    return [_run_site(parts, one, first, by, preview=preview) for one in ([site] if site is not None else known)]


def _run_site(parts: Parts, site: str, first: date, by: By, *, preview: bool) -> SiteRun:
    month = month_of(first)
    with parts.store.writing() as connection:
        desk = hold(parts, connection, site, by)
        begins = day_bounds(first, desk.zone)[0]
        policy = Rules(parts, connection, site).at(begins)
        sizes, exempt = homes(connection, site, begins), low_income_at(connection, site, begins)
        standing = _standing(connection, site, month)
        wanted = [
            ToCharge(household=household, charged=fee)
            for household, fee in _fees(policy, sizes, exempt)
            if (household, "property_fee", "") not in standing
        ]
        overlapping: list[str] = []
        wanted += _passes(desk, first, policy, exempt, overlapping)
        ids = put(desk, month, wanted, policy)
        report = _report(site, month, ids, wanted, len(standing), _without_area(policy, sizes), overlapping)
        if wanted and not preview:
            desk.audit("charges.run", month, charges=len(wanted))
            connection.commit()
    return report


def _fees(policy: Policy, sizes: dict[str, Decimal | None], exempt: set[str]) -> Iterator[tuple[str, Charged]]:
    for household, area in sizes.items():
        fee = property_fee(policy, area or Decimal(0), low_income=household in exempt)
        if fee is not None and fee.gross_fen:
            yield household, fee


def _without_area(policy: Policy, sizes: dict[str, Decimal | None]) -> list[str]:
    return [household for household, area in sizes.items() if not area] if policy.property_fee is not None else []


def _passes(desk: Desk, first: date, policy: Policy, exempt: set[str], overlapping: list[str]) -> Iterator[ToCharge]:
    """The passes that are billed monthly and do not reach into the month yet: each gets its period.

    One that cannot goes to `overlapping`: it stops nobody else's month.
    """
    sold_pass = t.ParkingPass
    ids = desk.connection.execute(
        select(sold_pass.id)
        .where(
            sold_pass.site_id == desk.site,
            sold_pass.billed == "monthly",
            sold_pass.state == "active",
            sold_pass.household_id.is_not(None),
        )
        .order_by(sold_pass.id)
    )
    for pass_id in ids.scalars().all():
        sold = load(desk.connection, desk.site, pass_id)
        offer = policy.pass_offer(sold.offer_id)
        if offer is None or sold.end > first or sold.periods[0].first_day > first:
            continue
        assert sold.household is not None
        charged = pass_fee(policy, offer, 1, low_income=sold.household in exempt)
        try:
            period = _extend(desk, sold, first, charged, policy)
        except PassOverlaps:
            overlapping.append(sold.id)
            continue
        yield ToCharge(household=sold.household, charged=charged, pass_id=sold.id, period_id=period.id)


def _extend(desk: Desk, sold: SoldPass, first: date, charged: Charged, policy: Policy) -> SoldPeriod:
    month = month_of(first)
    attempt = sum(1 for period in sold.periods if period.first_day == first)
    asked = asked_as(None, "run", sold.id, month)
    asked = Asked(f"run:{sold.id}:{month}:{attempt}", asked.content)
    period = SoldPeriod(
        derive_in_site(sold.site, "period", asked.key),
        first,
        month_end(first),
        None,
        charged.gross_fen,
        charged.waived_fen,
        first,
    )
    before = held_of(sold, desk.zone)
    refuse_overlaps(desk, replace(sold, periods=[*sold.periods, period]), before)
    put_period(desk, sold, period, policy, asked)
    bring(desk, sold, before, what="renew", reason=f"monthly charges {month}")
    return period


def _standing(connection: Connection, site: str, month: str) -> set[tuple[str, str, str]]:
    charge = t.Charge
    found = connection.execute(
        select(charge.household_id, charge.kind, charge.pass_id).where(
            charge.site_id == site, charge.month == month, charge.reversed_at.is_(None)
        )
    )
    return {(row.household_id, row.kind, row.pass_id) for row in found}


def _report(
    site: str,
    month: str,
    ids: list[str],
    wanted: list[ToCharge],
    standing: int,
    without_area: list[str],
    overlapping: list[str],
) -> SiteRun:
    return SiteRun(
        site=site,
        month=month,
        charged=[
            ChargedNow(
                id=charge_id,
                household=one.household,
                kind=one.charged.kind,
                passed=one.pass_id or None,
                gross_fen=one.charged.gross_fen,
                waived_fen=one.charged.waived_fen,
                payable_fen=one.charged.payable_fen,
                lines=one.charged.lines(),
            )
            for charge_id, one in zip(ids, wanted, strict=True)
        ],
        standing=standing,
        without_area=without_area,
        overlapping=overlapping,
        gross_fen=sum(one.charged.gross_fen for one in wanted),
        waived_fen=sum(one.charged.waived_fen for one in wanted),
        payable_fen=sum(one.charged.payable_fen for one in wanted),
    )
