"""The scheduled work: what each job last did, and when it runs again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel

from gateway.api.administration import all_sites
from gateway.api.answers import json
from gateway.api.context import Asking, With
from gateway.api.lists import ListOf
from gateway.api.passes import by
from gateway.flows import job_runs

router = APIRouter(tags=["jobs"])


class JobRun(BaseModel):
    """`outcome`: what it did, in words; with `failed` why it could not. `next_at` is null while nobody schedules.

    `asked_by`, `asked_at`: who waits for it to be done now, until it begins.
    """

    name: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    failed: bool
    next_at: datetime | None
    asked_by: str | None
    asked_at: datetime | None


class JobAsked(BaseModel):
    name: str
    asked_by: str
    asked_at: datetime


@router.get("/jobs", responses={200: {"model": ListOf[JobRun]}})
def jobs(staff: Asking, context: With) -> Response:
    """What the scheduled jobs last did, by name: closing, fetching statements, reconciling, exporting, deleting. For who has all sites."""
    all_sites(staff)
    with context.parts.store.reading() as connection:
        found = job_runs.runs(connection, context.parts.clock.now())
    return json(context.parts, {"items": found, "next": None})


@router.post("/jobs/{name}/run", status_code=202, responses={202: {"model": JobAsked}})
def run(staff: Asking, context: With, name: Annotated[str, Path(max_length=40)]) -> Response:
    """Have a job done now, beside its own times: by the process that schedules, within ten seconds. `GET /jobs` tells what came of it."""
    all_sites(staff)
    found = job_runs.ask(context.parts, name, by(staff))
    return json(context.parts, {"name": name, "asked_by": found.operator, "asked_at": found.at}, 202)
