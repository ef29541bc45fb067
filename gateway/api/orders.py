"""Payments through channels: orders for what stays owe, what became of them, and money that goes back. Refunds take two persons."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from gateway.api import orders_shapes as shapes
from gateway.api.answers import Key, SiteName, json
from gateway.api.context import Asking, Staff, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by, plain
from gateway.api.passes_shapes import Reason
from gateway.flows.orders import looking, placing, records, refunds, sending
from gateway.flows.reading import Sites, site_of
from gateway.wiring import Parts

router = APIRouter(tags=["payment orders"])

StayId = Annotated[str, Path(max_length=64)]
OrderId = Annotated[str, Path(max_length=32)]
RefundId = Annotated[str, Path(max_length=32)]


class Narrowed(NamedTuple):
    """Of what a list of money is: sites that the asker sees, perhaps one of them, perhaps of one stay."""

    sites: Sites
    stay: str | None


async def _narrowed(
    staff: Asking,
    site: SiteName = None,
    stay: Annotated[str | None, Query(max_length=64, description="only of this stay")] = None,
) -> Narrowed:
    return Narrowed(staff.only(site), stay)


Of = Annotated[Narrowed, Depends(_narrowed)]
OrderState = Annotated[shapes.OrderState | None, Query()]
RefundState = Annotated[shapes.RefundState | None, Query()]


@router.post("/stays/{stay_id}/orders", status_code=201, responses={201: {"model": shapes.Order}})
def place(staff: Asking, context: With, stay_id: StayId, asked: shapes.OrderAsked) -> Response:
    """An order for what the stay owes at this moment: the one that is open, where it still says so. 409 if nothing is due."""
    staff.own(site_of(stay_id))
    order = placing.place(context.parts, stay_id, asked.channel, by(staff))
    return json(context.parts, plain(order), 201)


@router.get("/orders", responses={200: {"model": ListOf[shapes.Order]}})
def orders(context: With, part: ByTime, of: Of, state: OrderState = None) -> Response:
    """Orders, newest first."""
    with context.reports.reading() as connection:
        found = records.orders(connection, of.sites, part, stay=of.stay, state=state)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.get("/orders/{order_id}", responses={200: {"model": shapes.Order}})
def order(staff: Asking, context: With, order_id: OrderId) -> Response:
    """One order."""
    return json(context.parts, plain(_order(staff, context.parts, order_id)))


@router.post("/orders/{order_id}/query", responses={200: {"model": shapes.Order}})
def query(staff: Asking, context: With, order_id: OrderId) -> Response:
    """Ask the channel how the order stands, now. 503 where it does not answer."""
    _order(staff, context.parts, order_id)
    return json(context.parts, plain(looking.look(context.parts, order_id)))


@router.post("/orders/{order_id}/refunds", status_code=201, responses={201: {"model": shapes.Refund}})
def propose(
    staff: Asking, context: With, order_id: OrderId, asked: shapes.RefundAsked, idempotency_key: Key = None
) -> Response:
    """Propose to pay an order back, whole or in part; a second person approves. 409 for more than is left of it."""
    _order(staff, context.parts, order_id)
    made = refunds.propose(context.parts, order_id, asked.reason, by(staff), asked.amount_fen, idempotency_key)
    return json(context.parts, plain(made), 201)


@router.get("/order-refunds", responses={200: {"model": ListOf[shapes.Refund]}})
def listed(context: With, part: ByTime, of: Of, state: RefundState = None) -> Response:
    """Refunds, newest first; those that wait for a second person are `proposed`."""
    with context.reports.reading() as connection:
        found = records.refunds(connection, of.sites, part, stay=of.stay, state=state)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.post("/order-refunds/{refund_id}/approval", responses={200: {"model": shapes.Refund}})
def approve(staff: Asking, context: With, refund_id: RefundId, asked: shapes.RefundApproved) -> Response:
    """Approve it and send it to the channel; one that is away is asked again by itself. 409 for who proposed it."""
    _refund(staff, context.parts, refund_id)
    refunds.approve(context.parts, refund_id, asked.amount_fen, by(staff))
    return json(context.parts, plain(sending.send(context.parts, refund_id)))


@router.post("/order-refunds/{refund_id}/refusal", responses={200: {"model": shapes.Refund}})
def refuse(staff: Asking, context: With, refund_id: RefundId, asked: Reason) -> Response:
    """409 for who proposed it."""
    _refund(staff, context.parts, refund_id)
    return json(context.parts, plain(refunds.refuse(context.parts, refund_id, asked.reason, by(staff))))


@router.post("/order-refunds/{refund_id}/again", responses={200: {"model": shapes.Refund}})
def again(staff: Asking, context: With, refund_id: RefundId) -> Response:
    """Send one that the channel could not make once more, under the same number."""
    _refund(staff, context.parts, refund_id)
    refunds.again(context.parts, refund_id, by(staff))
    return json(context.parts, plain(sending.send(context.parts, refund_id)))


def _order(staff: Staff, parts: Parts, order_id: str) -> records.Order:
    """Raises `NotFound` also for another's."""
    found = records.order(parts, order_id)
    staff.own(found.site)
    return found


def _refund(staff: Staff, parts: Parts, refund_id: str) -> None:
    staff.own(records.refund(parts, refund_id).site)
