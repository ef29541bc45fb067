"""How devices are built in: `GET /fittings`, for who maintains them, and for `parkgate simulate gates --api`."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, With
from gateway.api.lists import AllByName, ListOf, page
from gateway.flows import fittings_shown

router = APIRouter(tags=["estate"])


class FittedLane(BaseModel):
    """`channel`: the device's number of it; `relay`, `close_relay`: the outputs that raise and lower it."""

    id: str
    gate: str
    tier: Literal["main", "middle", "small"]
    direction: Literal["in", "out"]
    loop: bool
    passage_sensor: bool
    offline_exit: bool
    channel: int | None
    relay: int
    close_relay: int | None


class Fitting(BaseModel):
    id: str = Field(description="{site}.{device}, also its user name")
    site: str
    device: str
    vendor: str
    serial: str = Field(description="what it calls itself; empty where nobody said")
    features: list[str]
    address: str = Field(description="where it is asked by HTTP; empty where it is not")
    login: str = Field(description="the account with which it is asked; never its password")
    lanes: list[FittedLane]


@router.get("/fittings", responses={200: {"model": ListOf[Fitting]}})
def fittings(staff: Asking, context: With, part: AllByName, site: SiteName = None) -> Response:
    """Devices in service by site and id, as the site file fitted them, with their lanes."""
    with context.parts.store.reading() as connection:
        found = fittings_shown.fittings(connection, staff.only(site), part)
    keyed = [((one["site"], one["device"]), one) for one in found]
    return json(context.parts, page(keyed, part.limit))
