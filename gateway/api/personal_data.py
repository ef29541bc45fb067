"""A person's data on request: exported, or erased by two members of staff; and what the daily deletion did."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from gateway.api.access import SEES_LOW_INCOME
from gateway.api.answers import json
from gateway.api.context import Asking, Staff, With
from gateway.api.files import handed_out, making
from gateway.api.lists import ByTime, ListOf, page
from gateway.flows import personal_data, personal_data_requests, retention_report
from gateway.flows.personal_data_subject import subject_of

router = APIRouter(tags=["personal data"])

RequestId = Annotated[str, Path(max_length=64)]
State = Literal["exported", "proposed", "erased", "rejected", "expired"]
Words = Annotated[str, Field(min_length=1, max_length=300)]


class Wanted(BaseModel):
    """Of whom: a plate, or a household as `SITE/ID`. `identity`: where it is on record that the identity of who asks was checked."""

    plate: Annotated[str | None, Field(max_length=40)] = None
    household: Annotated[str | None, Field(max_length=105)] = None
    identity: Words
    reason: Words


class Why(BaseModel):
    reason: Words


class PersonalDataRequest(BaseModel):
    """`subject` is shown only as long as the request waits for a decision; `done` counts rows by table.

    `unreadable`: it waits, but the secret key has changed since it was made: reject it, and propose it again.
    """

    id: str
    about: Literal["plate", "household"]
    subject: str | None
    unreadable: bool
    sites: list[str] = Field(description="where it was limited to by the account that asked; empty: everywhere")
    identity: str
    reason: str
    state: State
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    done: dict[str, int]


class RetentionRun(BaseModel):
    """What a day's deletion did to one kind of data. `unfinished`: more was due than a run does; the next goes on."""

    day: date
    kind: str
    deleted: int
    older_than: datetime | None
    unfinished: bool
    started_at: datetime
    finished_at: datetime


def asking(staff: Staff, wanted: Wanted) -> personal_data.Asking:
    """Who asks, as the flows take it."""
    return personal_data.Asking(
        operator=staff.name,
        origin=staff.origin,
        sites=staff.sites,
        identity=wanted.identity,
        reason=wanted.reason,
        sees_low_income=staff.role in SEES_LOW_INCOME,
    )


@router.post(
    "/personal-data/exports", response_class=FileResponse, responses={200: {"content": {"application/zip": {}}}}
)
def export(staff: Asking, context: With, wanted: Wanted) -> FileResponse:
    """Everything held of a plate or a household, as one ZIP. To a registrar with low-income certificates, to a manager without."""
    subject = subject_of(wanted.plate, wanted.household)
    with making("personal-data") as folder:
        file = folder / "personal-data.zip"
        with context.reports.place():
            made = personal_data.export(context.parts, subject, asking(staff, wanted), file)
        name = f"personal-data-{made.id}.zip"
        own = {"Cache-Control": "no-store", "X-Request-Id": made.id}
        return handed_out(folder, file, name, "application/zip", **own)


@router.post("/personal-data/erasures", status_code=201, responses={201: {"model": PersonalDataRequest}})
def propose(staff: Asking, context: With, wanted: Wanted) -> Response:
    """Propose an erasure. 409 `still-needed` while the vehicle is inside, owes, or a dispute is open, saying so."""
    subject = subject_of(wanted.plate, wanted.household)
    return json(context.parts, seen(staff, personal_data.propose(context.parts, subject, asking(staff, wanted))), 201)


@router.post("/personal-data/erasures/{request_id}/approval", responses={200: {"model": PersonalDataRequest}})
def approve(staff: Asking, context: With, request_id: RequestId) -> Response:
    """Erase, as a second member of staff. 409 `second-person-needed` for whoever proposed it."""
    done = personal_data.approve(context.parts, request_id, operator=staff.name, origin=staff.origin, sites=staff.sites)
    return json(context.parts, seen(staff, done))


@router.post("/personal-data/erasures/{request_id}/rejection", responses={200: {"model": PersonalDataRequest}})
def reject(staff: Asking, context: With, request_id: RequestId, why: Why) -> Response:
    """Do not erase. Whoever proposed it may take it back so."""
    done = personal_data.reject(
        context.parts, request_id, operator=staff.name, origin=staff.origin, reason=why.reason, sites=staff.sites
    )
    return json(context.parts, seen(staff, done))


@router.get("/personal-data/requests", responses={200: {"model": ListOf[PersonalDataRequest]}})
def requests(staff: Asking, context: With, part: ByTime, *, state: Annotated[State | None, Query()] = None) -> Response:
    """The register of requests, the newest first."""
    after = None if part.after is None else (part.after[0], str(part.after[1]))
    found = personal_data_requests.listed(context.parts, staff.sites, state, after, part.limit)
    shown = [(key, seen(staff, document)) for key, document in found]
    return json(context.parts, page(shown, part.limit))


def seen(staff: Staff, document: dict[str, Any]) -> dict[str, Any]:
    """What was erased or handed over, by table, tells a certificate from a pass: not to a manager."""
    return document if staff.role in SEES_LOW_INCOME else {**document, "done": {}}


@router.get("/personal-data/retention", responses={200: {"model": ListOf[RetentionRun]}})
def retention(
    staff: Asking,
    context: With,
    *,
    since: Annotated[date | None, Query(alias="from", description="days from this one on")] = None,
    until: Annotated[date | None, Query(alias="to", description="days up to this one")] = None,
    limit: Annotated[int, Query(ge=1, le=retention_report.ROWS_SHOWN_MAX)] = retention_report.ROWS_SHOWN_MAX,
) -> Response:
    """What the daily deletion did, the newest day first: a row a day and kind of data, counts only."""
    del staff
    with context.parts.store.reading() as connection:
        found = retention_report.runs(connection, since, until, limit)
    return json(context.parts, {"items": list(found), "next": None})
