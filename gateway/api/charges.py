"""Monthly charges: the run and its preview, what was charged, what is paid for it, and a charge that was wrong."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api import passes_shapes as shapes
from gateway.api.access import SEES_LOW_INCOME
from gateway.api.answers import Key, SiteName, json
from gateway.api.context import Asking, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by, plain
from gateway.api.problems import NotAllowed
from gateway.flows import charges as flow
from gateway.flows import charges_money
from gateway.flows.charges_books import Money
from gateway.flows.charges_money import ChargeFilter
from gateway.flows.reading import site_of

router = APIRouter(tags=["charges"])

ChargeId = Annotated[str, Path(max_length=64)]


@router.post("/charges/runs", responses={200: {"model": shapes.Run}})
def run(staff: Asking, context: With, asked: shapes.RunAsked) -> Response:
    """Charge a month: property fees, and passes that are billed monthly. What is charged already stands; `preview` writes nothing."""
    if asked.site is not None:
        staff.own(asked.site)
    elif staff.sites is not None:
        raise NotAllowed("site: you have some sites and not the street; say which one")
    found = flow.run(context.parts, asked.month, by(staff), asked.site, preview=asked.preview)
    document = {"month": asked.month, "preview": asked.preview, "sites": [plain(one) for one in found]}
    return json(context.parts, document)


@router.get("/charges", responses={200: {"model": ListOf[shapes.Charge]}})
def charges(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    month: Annotated[str | None, Query(pattern=r"^2\d{3}-(0[1-9]|1[0-2])$", description="YYYY-MM")] = None,
    household: Annotated[str | None, Query(max_length=64)] = None,
    kind: Annotated[Literal["property_fee", "pass"] | None, Query()] = None,
    due: Annotated[bool, Query(description="only what is still due")] = False,
) -> Response:
    """Charges, newest first. To all but registrar and finance: only those with something to pay or to pay back, and nothing of what was waived.

    So a household that is not in a till's list has paid, was not charged, or pays nothing: nobody can tell which.
    """
    seen = staff.role in SEES_LOW_INCOME
    wanted = ChargeFilter(month=month, household=household, kind=kind, due=due, seen=seen)
    with context.reports.reading() as connection:
        found = charges_money.charges(connection, staff.only(site), wanted, part)
    return json(context.parts, page(found, part.limit))


@router.get("/charges/{charge_id}", responses={200: {"model": shapes.WholeCharge}})
def charge(staff: Asking, context: With, charge_id: ChargeId) -> Response:
    """One charge with what was taken for it. 404 also for one that the list does not show you."""
    staff.own(site_of(charge_id))
    with context.parts.store.reading() as connection:
        found = charges_money.whole(connection, charge_id, seen=staff.role in SEES_LOW_INCOME)
    return json(context.parts, found)


@router.post("/charges/{charge_id}/payments", status_code=201, responses={201: {"model": shapes.ChargePaid}})
def pay(staff: Asking, context: With, charge_id: ChargeId, asked: shapes.ToPay, key: Key = None) -> Response:
    """Take money for a charge, all of it or a part. 409 for more than is due."""
    staff.own(site_of(charge_id))
    money = Money(channel=asked.channel, amount_fen=asked.amount_fen, reference=asked.reference)
    return json(context.parts, plain(charges_money.pay(context.parts, charge_id, money, by(staff), key)), 201)


@router.post("/charges/{charge_id}/reversal", status_code=204)
def reverse(staff: Asking, context: With, charge_id: ChargeId, asked: shapes.Reason) -> Response:
    """Undo a charge that was wrong; what was paid for it is owed back. Asked again it changes nothing."""
    staff.own(site_of(charge_id))
    charges_money.reverse(context.parts, charge_id, asked.reason, by(staff))
    return Response(status_code=204)


@router.post("/charges/{charge_id}/payback", responses={200: {"model": shapes.PaidBack}})
def pay_back(staff: Asking, context: With, charge_id: ChargeId, asked: shapes.Out) -> Response:
    """Hand back what was paid for a reversed charge. Asked again it answers the same and hands out nothing."""
    staff.own(site_of(charge_id))
    fen = charges_money.pay_back(context.parts, charge_id, asked.channel, by(staff))
    return json(context.parts, {"charge": charge_id, "channel": asked.channel, "amount_fen": fen})
