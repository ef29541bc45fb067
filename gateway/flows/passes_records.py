"""A sold pass as the store has it: its periods and vehicles; and what the registers say of a vehicle's household."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from billing.passes import Period
from billing.policy import Policy, in_force
from gateway.flows.refusals import Invalid, NotFound
from gateway.store import tables as t
from gateway.wiring import Parts


@dataclass(slots=True)
class SoldPeriod:
    id: str
    first_day: date
    end_day: date
    ended_day: date | None
    gross_fen: int
    waived_fen: int
    next_day: date

    @property
    def until(self) -> date:
        return self.end_day if self.ended_day is None else self.ended_day

    def gross(self) -> Period:
        """The whole price, by day."""
        return Period(self.first_day, self.end_day, self.gross_fen, self.ended_day)

    def waived(self) -> Period:
        """What of it is waived, by day."""
        return Period(self.first_day, self.end_day, self.waived_fen, self.ended_day)


@dataclass(slots=True)
class SoldVehicle:
    sequence: int
    plate: str
    since: datetime | None
    until: datetime | None


@dataclass(slots=True)
class SoldPass:
    site: str
    id: str
    offer_id: str
    household: str | None
    anchor_day: int
    billed: str
    state: str
    periods: list[SoldPeriod]
    vehicles: list[SoldVehicle]

    @property
    def end(self) -> date:
        """The first day on which no period of it holds any more."""
        return max(period.until for period in self.periods)

    def holds_on(self, day: date) -> bool:
        return any(period.first_day <= day < period.until for period in self.periods)

    def plates(self) -> list[str]:
        """The vehicles it is for now."""
        return [vehicle.plate for vehicle in self.vehicles if vehicle.until is None]


def load(connection: Connection, site: str, pass_id: str) -> SoldPass:
    """Raises `NotFound`."""
    sold, period, vehicle = t.ParkingPass.__table__.c, t.PassPeriod.__table__.c, t.PassVehicle.__table__.c
    row = connection.execute(select(*sold).where(sold.site_id == site, sold.id == pass_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such pass, or not for you")
    periods = connection.execute(
        select(*period).where(period.site_id == site, period.pass_id == pass_id).order_by(period.first_day, period.id)
    )
    vehicles = connection.execute(
        select(*vehicle).where(vehicle.site_id == site, vehicle.pass_id == pass_id).order_by(vehicle.sequence)
    )
    return SoldPass(
        site=row.site_id,
        id=row.id,
        offer_id=row.offer_id,
        household=row.household_id,
        anchor_day=row.anchor_day,
        billed=row.billed,
        state=row.state,
        periods=[sold_period(one) for one in periods],
        vehicles=[SoldVehicle(one.sequence, one.plate, one.since, one.until) for one in vehicles],
    )


def sold_period(row: Any) -> SoldPeriod:
    """A row of `pass_period`."""
    return SoldPeriod(row.id, row.first_day, row.end_day, row.ended_day, row.gross_fen, row.waived_fen, row.next_day)


class Rules:
    """A site's policy versions."""

    def __init__(self, parts: Parts, connection: Connection, site: str) -> None:
        estate = parts.estates.known(connection)
        if site not in estate.sites:
            raise NotFound(f"there is no site {site:.60} in service")
        self._versions = estate.policies.get(estate.sites[site].policy_id)
        self._site = site

    def at(self, moment: datetime) -> Policy:
        """The version in force. Raises `Invalid` where the site has none."""
        if not self._versions:
            raise Invalid(f"the policy of {self._site} has not been applied; run `parkgate policy apply`")
        return in_force(self._versions, moment)


def household_of(connection: Connection, site: str, plate: str, at: datetime) -> tuple[str | None, str | None]:
    """The household that a vehicle belongs to at an instant, and its type as registered."""
    vehicle = t.ResidentVehicle
    row = connection.execute(
        select(vehicle.household_id, vehicle.vehicle).where(
            vehicle.site_id == site, vehicle.plate == plate, *_holds_at(vehicle, at)
        )
    ).one_or_none()
    return (row.household_id, row.vehicle) if row is not None else (None, None)


def low_income_at(connection: Connection, site: str, at: datetime) -> set[str]:
    """The households of a site with a certificate that is valid at an instant. For finance and registrar only."""
    certificate = t.Certificate
    found = connection.execute(
        select(certificate.household_id).where(certificate.site_id == site, *_holds_at(certificate, at)).distinct()
    )
    return set(found.scalars())


def is_low_income(connection: Connection, site: str, household: str | None, at: datetime) -> bool:
    certificate = t.Certificate
    return (
        household is not None
        and connection.execute(
            select(certificate.id)
            .where(certificate.site_id == site, certificate.household_id == household, *_holds_at(certificate, at))
            .limit(1)
        ).first()
        is not None
    )


def homes(connection: Connection, site: str, at: datetime) -> dict[str, Decimal | None]:
    """The households of a site at an instant, with the size of their homes in square metres."""
    household = t.Household
    found = connection.execute(
        select(household.id, household.area_m2)
        .where(household.site_id == site, *_holds_at(household, at))
        .order_by(household.id)
    )
    # Through its text, so that 59.9 is 59.9 and not the double next to it.
    return {row.id: None if row.area_m2 is None else Decimal(str(row.area_m2)) for row in found}


def passes_of(
    connection: Connection, site: str, household: str, offer_id: str, days: tuple[date, date], but: str = ""
) -> int:
    """How many passes of an offer a household has in any of the days [first, end)."""
    first, end = days
    sold, period = t.ParkingPass, t.PassPeriod
    found: int = connection.execute(
        select(func.count(sold.id.distinct()))
        .join(period, and_(period.site_id == sold.site_id, period.pass_id == sold.id))
        .where(
            sold.site_id == site,
            sold.household_id == household,
            sold.offer_id == offer_id,
            sold.id != but,
            period.first_day < end,
            func.coalesce(period.ended_day, period.end_day) > first,
        )
    ).scalar_one()
    return found


def _holds_at(table: Any, at: datetime) -> list[ColumnElement[bool]]:
    """The row's half-open period holds at an instant; a table without a period always does."""
    conditions: list[ColumnElement[bool]] = []
    since, until = getattr(table, "valid_from", None), getattr(table, "valid_to", None)
    if since is not None:
        conditions.append(or_(since.is_(None), since <= at))
    if until is not None:
        conditions.append(or_(until.is_(None), until > at))
    return conditions
