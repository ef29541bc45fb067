"""The payments of a stay, and cash that goes back: by two persons, out of a drawer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.answers import Key, json
from gateway.api.context import Asking, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.orders import Of
from gateway.api.orders_shapes import RefundApproved, RefundAsked
from gateway.api.passes import by, plain
from gateway.api.passes_shapes import Reason
from gateway.flows import cash_refunds
from gateway.flows.reading import site_of

router = APIRouter(tags=["cash refunds"])

StayId = Annotated[str, Path(max_length=64)]
PaymentId = Annotated[str, Path(max_length=64)]
RefundId = Annotated[str, Path(max_length=64)]


class StayPayment(BaseModel):
    id: str
    stay: str
    channel: str
    amount_fen: int
    refunds_fen: int = Field(description="what of it went back in cash, or is proposed to")
    at: datetime
    operator: str | None


class CashRefund(BaseModel):
    id: str
    site: str
    stay: str
    payment: str
    amount_fen: int
    given_up_fen: int = Field(description="what of it was due, and is owed by nobody any more")
    reason: str
    state: str
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str
    paid_at: datetime | None
    paid_by: str | None
    shift: str | None = Field(description="out of whose drawer it went")


@router.get("/stays/{stay_id}/payments", responses={200: {"model": ListOf[StayPayment]}})
def payments(staff: Asking, context: With, part: ByTime, stay_id: StayId) -> Response:
    """What was paid for a stay, newest first."""
    staff.own(site_of(stay_id))
    with context.parts.store.reading() as connection:
        found = cash_refunds.payments(connection, stay_id, part)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.post("/payments/{payment_id}/refunds", status_code=201, responses={201: {"model": CashRefund}})
def propose(
    staff: Asking, context: With, payment_id: PaymentId, asked: RefundAsked, idempotency_key: Key = None
) -> Response:
    """Propose to give cash back, whole or in part; a second person approves. 409 for more than is left of the payment."""
    staff.own(cash_refunds.site_of(context.parts, payment_id))
    made = cash_refunds.propose(context.parts, payment_id, asked.reason, by(staff), asked.amount_fen, idempotency_key)
    return json(context.parts, plain(made), 201)


@router.get("/cash-refunds", responses={200: {"model": ListOf[CashRefund]}})
def listed(
    context: With,
    part: ByTime,
    of: Of,
    state: Annotated[Literal["proposed", "approved", "refused", "paid"] | None, Query()] = None,
) -> Response:
    """Newest first; those that wait for a second person are `proposed`, those that may be handed over `approved`."""
    with context.reports.reading() as connection:
        found = cash_refunds.refunds(connection, of.sites, part, stay=of.stay, state=state)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.post("/cash-refunds/{refund_id}/approval", responses={200: {"model": CashRefund}})
def approve(staff: Asking, context: With, refund_id: RefundId, asked: RefundApproved) -> Response:
    """409 for who proposed it, and for another amount."""
    staff.own(site_of(refund_id))
    return json(context.parts, plain(cash_refunds.approve(context.parts, refund_id, asked.amount_fen, by(staff))))


@router.post("/cash-refunds/{refund_id}/refusal", responses={200: {"model": CashRefund}})
def refuse(staff: Asking, context: With, refund_id: RefundId, asked: Reason) -> Response:
    """409 for who proposed it."""
    staff.own(site_of(refund_id))
    return json(context.parts, plain(cash_refunds.refuse(context.parts, refund_id, asked.reason, by(staff))))


@router.post("/cash-refunds/{refund_id}/payout", responses={200: {"model": CashRefund}})
def pay_out(staff: Asking, context: With, refund_id: RefundId) -> Response:
    """Hand it over, out of your own open shift. 409 without one, or where there is not so much in it."""
    staff.own(site_of(refund_id))
    return json(context.parts, plain(cash_refunds.pay_out(context.parts, refund_id, by(staff))))
