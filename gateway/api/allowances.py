"""Relative allowances: what is left of a month, and every draw from it. A household is for those who administer it, not for gates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, With
from gateway.api.lists import ByName, ByTime, ListOf, page
from gateway.flows import allowance

router = APIRouter(tags=["allowances"])

Household = Annotated[str | None, Query(max_length=64, description="of this household")]
PlateOf = Annotated[
    str | None, Query(max_length=16, description="of this vehicle, where the policy gives it per vehicle")
]
Month = Annotated[str | None, Query(max_length=7, description="YYYY-MM, by default this one")]


class Allowance(BaseModel):
    site: str
    household: str | None
    plate: str | None
    month: str
    limit_minutes: int
    drawn_minutes: int
    left_minutes: int


class Draw(BaseModel):
    site: str
    household: str | None
    plate: str | None
    month: str
    stay: str
    bill: int = Field(description="which of the stay's bills, from 1")
    minutes: int = Field(description="drawn; negative: given back")
    at: datetime


@router.get("/allowances", responses={200: {"model": ListOf[Allowance]}})
def allowances(
    staff: Asking,
    context: With,
    part: ByName,
    *,
    site: SiteName = None,
    household: Household = None,
    plate: PlateOf = None,
    month: Month = None,
) -> Response:
    """Who has drawn from a month and what is left, by site and holder."""
    sites = staff.only(site)
    holder = allowance.holder_of(household, plate)
    asked = allowance.month_of(month, context.parts)
    with context.reports.reading() as connection:
        found = allowance.balances(context.parts, connection, sites, holder, asked, part)
    return json(context.parts, page(found, part.limit))


@router.get("/allowances/months", responses={200: {"model": ListOf[Allowance]}})
def months(
    staff: Asking,
    context: With,
    part: ByName,
    *,
    site: Annotated[str, Query(max_length=40)],
    household: Household = None,
    plate: PlateOf = None,
) -> Response:
    """One holder's months, the newest first: those of which something was drawn, and this one."""
    staff.only(site)
    holder = allowance.one_holder(household, plate)
    with context.reports.reading() as connection:
        found = allowance.months(context.parts, connection, site, holder, part)
    return json(context.parts, page(found, part.limit))


@router.get("/allowances/draws", responses={200: {"model": ListOf[Draw]}})
def draws(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=40)],
    household: Household = None,
    plate: PlateOf = None,
    month: Month = None,
) -> Response:
    """Every bill that drew from one holder's month or gave back to it, the newest first."""
    staff.only(site)
    holder = allowance.one_holder(household, plate)
    asked = allowance.month_of(month, context.parts)
    with context.reports.reading() as connection:
        found = allowance.movements(connection, site, holder, asked, part)
    return json(context.parts, page(found, part.limit))
