"""僵尸车 over HTTP: vehicles that have not moved for long, and what is done about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by
from gateway.api.passes_shapes import Asked
from gateway.api.problems import NotAllowed
from gateway.flows import zombies
from gateway.flows.reading import site_of

router = APIRouter(tags=["zombie vehicles"])

CaseId = Annotated[str, Path(max_length=64)]
State = Literal["open", "any", "found", "notified", "contacted", "towed", "cleared", "moved"]


class StepMade(BaseModel):
    """`step`: found, notice, contact, towed, cleared, moved. The first and the last are the program's (`parkgate`)."""

    at: datetime
    step: str
    operator: str
    note: str


class ZombieShape(BaseModel):
    """`since`: when it was last read; `days`: for how long it stood, until it moved or until now. `steps` with one case alone."""

    id: str
    site: str
    stay: str
    plate: str | None
    entry_at: datetime | None
    entry_lane: str | None
    since: datetime
    days: int
    found_at: datetime
    state: str
    ended_at: datetime | None
    steps: list[StepMade] | None = None


class StepAsked(Asked):
    step: zombies.Step
    note: Annotated[str, Field(min_length=1, max_length=500, description="how, where, with whom: in a few words")]


@router.get("/zombie-vehicles", responses={200: {"model": ListOf[ZombieShape]}})
def listed(
    staff: Asking, context: With, part: ByTime, site: SiteName = None, state: Annotated[State, Query()] = "open"
) -> Response:
    """Vehicles that have not moved for the `zombie_days` of their site, the newest found first."""
    wanted = None if state == "any" else state
    with context.reports.reading() as connection:
        found = zombies.listed(connection, staff.only(site), part, state=wanted, now=context.parts.clock.now())
    return json(context.parts, page(found, part.limit))


@router.get("/zombie-vehicles/{case_id}", responses={200: {"model": ZombieShape}})
def one(staff: Asking, context: With, case_id: CaseId) -> Response:
    """One of them, with everything that was done."""
    staff.own(site_of(case_id))
    with context.parts.store.reading() as connection:
        found = zombies.one(connection, staff.sites, case_id, context.parts.clock.now())
    return json(context.parts, found)


@router.post("/zombie-vehicles/{case_id}/steps", responses={200: {"model": ZombieShape}})
def step(staff: Asking, context: With, case_id: CaseId, asked: StepAsked) -> Response:
    """Say what was done: notice, contact, towed, cleared. A tow is a manager's word, and only after a notice."""
    staff.own(site_of(case_id))
    may_step(staff.role, asked.step)
    return json(context.parts, zombies.step(context.parts, staff.sites, case_id, asked.step, asked.note, by(staff)))


def may_step(role: str, step: str) -> None:
    """Raises `NotAllowed` for a tow by anybody but a manager."""
    if step == "towed" and role != "manager":
        raise NotAllowed("towed: to have a vehicle towed away is for a manager to decide")
