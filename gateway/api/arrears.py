"""What is owed for stays that have ended: the list, collection anywhere on the street, reminders, write-offs; pay-later agreements."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api import arrears_shapes as shapes
from gateway.api.access import CASHIER, CONSOLE
from gateway.api.answers import Key, SiteName, instant, json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by, plain
from gateway.api.passes_shapes import Reason
from gateway.flows import arrears as flow
from gateway.flows import arrears_agreements, arrears_reminders, arrears_write_off
from gateway.flows.arrears_agreements import STREET
from gateway.flows.charges_books import Money
from gateway.flows.passes_terms import plate_of
from gateway.flows.reading import Sites, site_of
from gateway.flows.refusals import NotFound

router = APIRouter(tags=["arrears"])

StayId = Annotated[str, Path(max_length=64)]
Id = Annotated[str, Path(max_length=64)]
BatchId = Annotated[str, Path(max_length=64)]
PlateQuery = Annotated[str | None, Query(max_length=40, description="the whole plate")]
_TILL = frozenset({CASHIER, CONSOLE})


@router.get("/arrears", responses={200: {"model": ListOf[shapes.Owed]}})
def arrears(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    plate: PlateQuery = None,
) -> Response:
    """Stays that have ended and still owe something, newest first.

    A till that asks for a whole plate sees what that vehicle owes anywhere on the street: it may take it there and then.
    """
    wanted = plate_of(plate) if plate is not None else None
    with context.reports.reading() as connection:
        found = flow.owed(connection, reach(staff, site, wanted), part, plate=wanted)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.post("/arrears/{stay_id}/payments", status_code=201, responses={201: {"model": shapes.Collected}})
def collect(staff: Asking, context: With, stay_id: StayId, asked: shapes.ToCollect, key: Key = None) -> Response:
    """Take what a stay owes, at its own site or at another of the street. 409 if the amount is not what is due."""
    staff.own(asked.site or site_of(stay_id))
    money = Money(channel=asked.channel, amount_fen=asked.amount_fen, reference=asked.reference)
    found = flow.collect(context.parts, stay_id, money, by(staff), at_site=asked.site, idempotency_key=key)
    return json(context.parts, plain(found), 201)


@router.get("/arrears/reminders", responses={200: {"model": ListOf[shapes.ReminderSent]}})
def reminders_sent(staff: Asking, context: With, part: ByTime, site: SiteName = None) -> Response:
    """What was sent when, newest first."""
    with context.reports.reading() as connection:
        found = arrears_reminders.sent(connection, staff.only(site), part)
    return json(context.parts, page(found, part.limit))


@router.get("/arrears/reminders/due", responses={200: {"model": shapes.ToRemind}})
def reminders_due(staff: Asking, context: With, site: SiteName = None) -> Response:
    """Whom to remind now: stays that have owed for a day, not reminded of within a week; at most two thousand."""
    with context.reports.reading() as connection:
        found = arrears_reminders.to_remind(context.parts, connection, staff.only(site))
    return json(context.parts, {"items": [plain(one) for one in found], "next": None})


@router.post("/arrears/reminders", status_code=201, responses={201: {"model": shapes.ReminderBatch}})
def remind(staff: Asking, context: With, asked: shapes.SendAsked) -> Response:
    """Remind of all that is due for it. `csv`: fetch the file of the batch; `simulated` only in test mode."""
    sender = arrears_reminders.sender_named(asked.sender)
    batch = arrears_reminders.remind(context.parts, sender, staff.only(asked.site), by(staff))
    return json(context.parts, plain(batch), 201)


@router.get("/arrears/reminders/{batch}/file")
def reminder_file(staff: Asking, context: With, batch: BatchId) -> Response:
    """A batch as CSV, for whoever sends messages."""
    with context.reports.reading() as connection:
        messages = arrears_reminders.batch_of_reminders(context.parts, connection, staff.sites, batch)
    return Response(
        arrears_reminders.csv_file(messages),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{batch}.csv"'},
    )


@router.get("/arrears/write-offs", responses={200: {"model": ListOf[shapes.WriteOff]}})
def write_offs(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    state: Annotated[Literal["proposed", "approved", "refused"] | None, Query()] = None,
) -> Response:
    """What was proposed to be given up, and what became of it, newest first."""
    with context.reports.reading() as connection:
        found = arrears_write_off.write_offs(connection, staff.only(site), part, state=state)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.post("/arrears/{stay_id}/write-offs", status_code=201, responses={201: {"model": shapes.WriteOff}})
def propose_write_off(staff: Asking, context: With, stay_id: StayId, asked: shapes.WriteOffAsked) -> Response:
    """Ask for what a stay owes, or what was paid beyond its bill, to be given up. A second person decides."""
    staff.own(site_of(stay_id))
    found = arrears_write_off.propose(context.parts, stay_id, asked.reason, by(staff), asked.amount_fen)
    return json(context.parts, plain(found), 201)


@router.post("/arrears/write-offs/{write_off_id}/approval", responses={200: {"model": shapes.WriteOff}})
def approve_write_off(staff: Asking, context: With, write_off_id: Id) -> Response:
    """Post it. 409 for who proposed it."""
    staff.own(site_of(write_off_id))
    return json(context.parts, plain(arrears_write_off.approve(context.parts, write_off_id, by(staff))))


@router.post("/arrears/write-offs/{write_off_id}/refusal", responses={200: {"model": shapes.WriteOff}})
def refuse_write_off(staff: Asking, context: With, write_off_id: Id, asked: Reason) -> Response:
    """It stays owed. 409 for who proposed it."""
    staff.own(site_of(write_off_id))
    return json(context.parts, plain(arrears_write_off.refuse(context.parts, write_off_id, asked.reason, by(staff))))


@router.get("/pay-later-agreements", responses={200: {"model": ListOf[shapes.Agreement]}})
def agreements(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    plate: PlateQuery = None,
    state: Annotated[Literal["proposed", "approved", "refused", "ended"] | None, Query()] = None,
) -> Response:
    """Who may leave first and pay later, newest first."""
    wanted = plate_of(plate) if plate is not None else None
    with context.reports.reading() as connection:
        found = arrears_agreements.agreements(connection, staff.only(site), part, plate=wanted, state=state)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.post("/pay-later-agreements", status_code=201, responses={201: {"model": shapes.Agreement}})
def propose_agreement(staff: Asking, context: With, asked: shapes.AgreementAsked) -> Response:
    """Put an agreement on record, with its evidence. It holds once a second person has approved it."""
    return json(context.parts, plain(agreement_proposed(staff, context, asked)), 201)


def agreement_proposed(staff: Staff, context: Context, asked: shapes.AgreementAsked) -> arrears_agreements.Agreement:
    """The record that was made. Raises `Refused`."""
    own(staff, asked.site)
    zone = context.parts.settings.zone
    wanted = arrears_agreements.Wanted(
        site=asked.site,
        plate=asked.plate,
        limit_fen=asked.limit_fen,
        evidence=asked.evidence,
        valid_from=instant("valid_from", asked.valid_from, zone),
        valid_to=instant("valid_to", asked.valid_to, zone, end=True),
    )
    return arrears_agreements.propose(context.parts, wanted, by(staff))


@router.post("/pay-later-agreements/{agreement_id}/approval", responses={200: {"model": shapes.Agreement}})
def approve_agreement(staff: Asking, context: With, agreement_id: Id) -> Response:
    """From now on gates know of it. 409 for who proposed it."""
    own(staff, site_of(agreement_id))
    return json(context.parts, plain(arrears_agreements.approve(context.parts, agreement_id, by(staff))))


@router.post("/pay-later-agreements/{agreement_id}/refusal", responses={200: {"model": shapes.Agreement}})
def refuse_agreement(staff: Asking, context: With, agreement_id: Id, asked: Reason) -> Response:
    """409 for who proposed it."""
    own(staff, site_of(agreement_id))
    return json(context.parts, plain(arrears_agreements.refuse(context.parts, agreement_id, asked.reason, by(staff))))


@router.post("/pay-later-agreements/{agreement_id}/end", responses={200: {"model": shapes.Agreement}})
def end_agreement(staff: Asking, context: With, agreement_id: Id, asked: Reason) -> Response:
    """It holds no more from now on."""
    own(staff, site_of(agreement_id))
    return json(context.parts, plain(arrears_agreements.end(context.parts, agreement_id, asked.reason, by(staff))))


def reach(staff: Staff, site: str | None, plate: str | None) -> Sites:
    """Where somebody sees what is owed: a till that knows the whole plate, anywhere on the street. Raises `NotAllowed`."""
    return None if plate is not None and site is None and staff.role in _TILL else staff.only(site)


def own(staff: Staff, site: str) -> None:
    """The street's agreements are for those who have the street. Raises `NotFound`."""
    if site == STREET and staff.sites is not None:
        raise NotFound("there is no such thing, or not for you")
    if site != STREET:
        staff.own(site)
