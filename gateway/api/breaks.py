"""对账差异: the queue of what does not agree, each with its evidence, and what is made of it. Finance works it, a manager approves."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from billing.breaks import UNSETTLED
from gateway.api import breaks_shapes as shapes
from gateway.api.answers import Key, SiteName, json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.images import as_jpeg
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by, plain
from gateway.flows import breaks as flow
from gateway.flows import breaks_evidence, breaks_reading, breaks_repeats
from gateway.flows.breaks_books import Record, break_row
from gateway.flows.breaks_reading import Wanted
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import Invalid

router = APIRouter(tags=["breaks"])

BreakId = Annotated[str, Path(max_length=64)]
Day = Annotated[date, Path(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
Name = Annotated[str, Path(max_length=64)]
KindQuery = Annotated[shapes.Kind | None, Query()]
OwnerQuery = Annotated[str | None, Query(max_length=64, description="whose; `-`: nobody's")]
ChannelQuery = Annotated[str | None, Query(max_length=20, pattern="^[a-z_]+$")]
StateQuery = Annotated[
    Literal["unsettled", "any"] | shapes.State,
    Query(description="`unsettled`: open, carried over or awaiting approval"),
]


@router.get("/breaks", responses={200: {"model": ListOf[shapes.Break]}})
def breaks(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    state: StateQuery = "unsettled",
    kind: KindQuery = None,
    owner: OwnerQuery = None,
    channel: ChannelQuery = None,
) -> Response:
    """The queue, the newest first; by default what nobody has settled."""
    states = {"unsettled": UNSETTLED, "any": None}.get(state, (state,))
    return _list(staff, context, part, site, Wanted(states=states, kind=kind, owner=owner, channel=channel))


@router.get("/days/{day}/breaks", responses={200: {"model": ListOf[shapes.Break]}})
def breaks_of_a_day(
    staff: Asking, context: With, part: ByTime, day: Day, *, site: SiteName = None, kind: KindQuery = None
) -> Response:
    """All breaks of a business day, also those that were settled since; the newest first."""
    return _list(staff, context, part, site, Wanted(states=None, kind=kind, day=day))


@router.get("/breaks/{break_id}", responses={200: {"model": shapes.WholeBreak}})
def whole_break(staff: Asking, context: With, break_id: BreakId) -> Response:
    """One break with its evidence and everything that became of it."""
    with context.reports.reading() as connection:
        found = breaks_reading.whole_break(connection, staff.sites, break_id, _now(context))
    return json(context.parts, plain(found))


@router.get(
    "/breaks/{break_id}/pictures/{device}/{event}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def picture(staff: Asking, context: With, break_id: BreakId, device: Name, event: Name) -> Response:
    """A picture of its stay, as `evidence.pictures` names it, while it is kept."""
    staff.own(site_of(break_id))
    with context.reports.reading() as connection:
        row = break_row(connection, site_of(break_id), break_id)
        jpeg = breaks_evidence.picture(connection, row, device, event)
    return as_jpeg(jpeg)


@router.post("/breaks/{break_id}/claim", responses={200: {"model": shapes.Step}})
def claim(staff: Asking, context: With, break_id: BreakId, asked: shapes.Seen, key: Key = None) -> Response:
    """Take it on. 409 if somebody else has."""
    staff.own(site_of(break_id))
    return json(context.parts, plain(flow.claim(context.parts, break_id, by(staff), version=asked.version, key=key)))


@router.post("/breaks/{break_id}/release", responses={200: {"model": shapes.Step}})
def release(staff: Asking, context: With, break_id: BreakId, asked: shapes.Seen, key: Key = None) -> Response:
    """Give it back to the queue; a manager also what another has taken on."""
    staff.own(site_of(break_id))
    return json(context.parts, plain(flow.release(context.parts, break_id, by(staff), version=asked.version, key=key)))


@router.post("/breaks/{break_id}/note", responses={200: {"model": shapes.Step}})
def note(staff: Asking, context: With, break_id: BreakId, asked: shapes.Note, key: Key = None) -> Response:
    """Say something to it, whatever became of it."""
    staff.own(site_of(break_id))
    return json(context.parts, plain(flow.note(context.parts, break_id, asked.text, by(staff), key=key)))


@router.post("/breaks/{break_id}/resolution", responses={200: {"model": shapes.Step}})
def resolve(staff: Asking, context: With, break_id: BreakId, asked: shapes.Resolution, key: Key = None) -> Response:
    """Settle it or carry it over. Where it takes two, the step is `propose`, and a manager decides."""
    staff.own(site_of(break_id))
    made = flow.resolve(context.parts, break_id, wanted_of(asked), by(staff), version=asked.version, key=key)
    return json(context.parts, plain(made))


@router.post("/breaks/{break_id}/withdrawal", responses={200: {"model": shapes.Step}})
def withdraw(staff: Asking, context: With, break_id: BreakId, asked: shapes.Seen, key: Key = None) -> Response:
    """Take back what one has proposed."""
    staff.own(site_of(break_id))
    return json(context.parts, plain(flow.withdraw(context.parts, break_id, by(staff), version=asked.version, key=key)))


@router.post("/breaks/{break_id}/approval", responses={200: {"model": shapes.Step}})
def approve(staff: Asking, context: With, break_id: BreakId, asked: shapes.Decision, key: Key = None) -> Response:
    """Post what another has proposed, as it was seen. 409 for who proposed it."""
    staff.own(site_of(break_id))
    return json(context.parts, plain(flow.approve(context.parts, break_id, by(staff), version=asked.version, key=key)))


@router.post("/breaks/{break_id}/refusal", responses={200: {"model": shapes.Step}})
def reject(staff: Asking, context: With, break_id: BreakId, asked: shapes.Refusal, key: Key = None) -> Response:
    """Do not agree: it is open again. 409 for who proposed it."""
    staff.own(site_of(break_id))
    made = flow.reject(context.parts, break_id, asked.reason, by(staff), version=asked.version, key=key)
    return json(context.parts, plain(made))


@router.get("/reports/breaks", responses={200: {"model": shapes.Month}})
def repeats(
    staff: Asking,
    context: With,
    month: Annotated[str, Query(pattern=r"^\d{4}-\d{2}$", description="such as 2026-03")],
    site: SiteName = None,
) -> Response:
    """What repeats: a month's breaks by kind, and what came at least twice by channel, lane, shift or who took the money."""
    with context.reports.reading() as connection:
        found = breaks_repeats.month_of(connection, staff.only(site), month, context.parts.settings.zone)
    return json(context.parts, plain(found))


def wanted_of(asked: shapes.Resolution) -> flow.Resolution:
    """What is asked for, for the flow. Raises `Invalid`."""
    to: dict[str, int | None] = {part.account: part.amount_fen for part in asked.to}
    if len(to) != len(asked.to):
        raise Invalid("to: each account once")
    return flow.Resolution(
        how=asked.resolution,
        reason=asked.reason,
        to=to,
        with_=[Record(one.kind, one.id) for one in asked.with_],
        until=asked.until,
    )


def _list(staff: Staff, context: Context, part: Slice, site: str | None, wanted: Wanted) -> Response:
    with context.reports.reading() as connection:
        found = breaks_reading.breaks(connection, staff.only(site), wanted, part, _now(context))
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


def _now(context: Context) -> datetime:
    return context.parts.clock.now().astimezone(context.parts.settings.zone)
