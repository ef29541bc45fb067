"""The scheduled work: what each job last did, and when it runs again."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from gateway.api.answers import json
from gateway.api.context import Asking, With
from gateway.api.lists import ListOf
from gateway.api.problems import NotAllowed
from gateway.flows import job_runs

router = APIRouter(tags=["jobs"])


class JobRun(BaseModel):
    """`outcome`: what it did, in words; with `failed` why it could not. `next_at` is null while nobody schedules."""

    name: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    failed: bool
    next_at: datetime | None


@router.get("/jobs", responses={200: {"model": ListOf[JobRun]}})
def jobs(staff: Asking, context: With) -> Response:
    """What the scheduled jobs last did, by name: closing, fetching statements, reconciling, exporting, deleting. For who has all sites."""
    if staff.sites is not None:
        raise NotAllowed("what the jobs did is of the whole street: ask who has all of its sites")
    with context.parts.store.reading() as connection:
        found = job_runs.runs(connection, context.parts.clock.now())
    return json(context.parts, {"items": found, "next": None})
