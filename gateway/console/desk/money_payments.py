"""Payments and refunds: what came in for a stay, and what goes back, by two persons: proposed, decided by another, sent or paid out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import orders_shapes as shapes
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.api.passes_shapes import Reason
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import cash_refunds, reading
from gateway.flows.charges_books import By
from gateway.flows.orders import looking, records, refunds, sending
from gateway.flows.reading import Slice
from gateway.flows.refusals import NotFound, Refused
from gateway.wiring import Parts

router = APIRouter(include_in_schema=False)

HERE: Final = "payments"
WHERE: Final = "/money/payments"
_SEE: Final = ("GET", "/orders")
Way = Literal["channel", "cash"]
Decision = Literal["approval", "refusal", "again", "payout"]
_PROPOSE: Final = {
    "channel": ("POST", "/orders/{order_id}/refunds"),
    "cash": ("POST", "/payments/{payment_id}/refunds"),
}
_QUERY: Final = ("POST", "/orders/{order_id}/query")
# What may become of a refund, by its way and how it stands.
_NEXT: Final[dict[tuple[str, str], tuple[Decision, ...]]] = {
    ("channel", "proposed"): ("approval", "refusal"),
    ("channel", "failed"): ("again",),
    ("cash", "proposed"): ("approval", "refusal"),
    ("cash", "approved"): ("payout",),
}
_FIELDS: Final = ("amount_fen", "reason")
_OF_STAY: Final = 100
Id = Annotated[str, Path(max_length=64)]


@router.get(WHERE)
def payments(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=40)] = "",
    stay: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Refunds that wait for somebody first; then what came in through channels, the newest first; of a stay also its cash."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    if stay:
        staff.own(reading.site_of(stay))
    only = stay or None
    with context.reports.reading() as connection:
        orders = records.orders(connection, allowed, part, stay=only)
        back = _refunds(connection, staff, allowed, only)
        paid = cash_refunds.payments(connection, stay, Slice(None, _OF_STAY)) if stay else []
        known = forms.sites(connection, staff)
    zone = context.parts.settings.zone
    return door.page(
        request,
        staff,
        "money_payments.html",
        here=HERE,
        found=in_zone(sliced([(key, plain(one)) for key, one in orders], part.limit), zone),
        refunds=in_zone(back, zone),
        cash=in_zone([plain(one) for _, one in paid if one.channel == "cash"], zone),
        sites=known,
        asked={"site": site, "stay": stay},
        proposes={way: door.may(staff, *call) for way, call in _PROPOSE.items()},
        queries=door.may(staff, *_QUERY),
    )


@router.get(WHERE + "/{way}/{paid_id}/refund")
def propose_form(request: Request, context: With, way: Way, paid_id: Id) -> Response:
    """The form of a proposal."""
    staff = door.staff_at(request, context, _PROPOSE[way])
    return _propose_form(request, context, staff, way, paid_id)


@router.post(WHERE + "/{way}/{paid_id}/refund")
def propose(request: Request, context: With, way: Way, paid_id: Id, said: Said) -> Response:
    """Propose to pay back; a second person decides."""
    staff = door.staff_at(request, context, _PROPOSE[way])

    def work(by: By) -> str:
        stay = _paid(context.parts, staff, way, paid_id)["stay"]
        amount = forms.fen_or_none("amount_fen", said["amount_fen"])
        asked = forms.shaped(shapes.RefundAsked, amount_fen=amount, reason=said["reason"])
        flow = refunds.propose if way == "channel" else cash_refunds.propose
        flow(context.parts, paid_id, asked.reason, by, asked.amount_fen, said.once)
        return f"{WHERE}?stay={stay}"

    def shown(why: Refused) -> Response:
        return _propose_form(request, context, staff, way, paid_id, said, why)

    return forms.step(staff, said, work, shown, WHERE, "refund_proposed")


@router.get("/money/refunds/{way}/{refund_id}/{what}")
def decide_form(request: Request, context: With, way: Way, refund_id: Id, what: Decision) -> Response:
    """What is decided, with everything that was said for it."""
    staff = door.staff_at(request, context, _call(way, what))
    return _decide_form(request, context, staff, (way, refund_id), what)


@router.post("/money/refunds/{way}/{refund_id}/{what}")
def decide(request: Request, context: With, way: Way, refund_id: Id, what: Decision, said: Said) -> Response:
    """Decide it, or do what was decided."""
    staff = door.staff_at(request, context, _call(way, what))

    def work(by: By) -> str:
        stay = _refund(context.parts, staff, way, refund_id)["stay"]
        _DEEDS[way, what](context.parts, refund_id, said, by)
        return f"{WHERE}?stay={stay}"

    def shown(why: Refused) -> Response:
        return _decide_form(request, context, staff, (way, refund_id), what, said, why)

    return forms.step(staff, said, work, shown, WHERE, f"refund_{what}")


@router.post(WHERE + "/channel/{order_id}/query")
def query(request: Request, context: With, order_id: Id, said: Said) -> Response:
    """Ask the channel how an order stands, now."""
    staff = door.staff_at(request, context, _QUERY)

    def work(_by: By) -> str:
        stay = _paid(context.parts, staff, "channel", order_id)["stay"]
        looking.look(context.parts, order_id)
        return f"{WHERE}?stay={stay}"

    return forms.step(staff, said, work, None, WHERE, "order_asked")


def _call(way: str, what: str) -> tuple[str, str]:
    return "POST", f"/{'order' if way == 'channel' else 'cash'}-refunds/{{refund_id}}/{what}"


def _refunds(connection: Any, staff: Staff, allowed: Any, stay: str | None) -> list[dict[str, Any]]:
    """Of a stay all, else those for which somebody has something to do; each with what the reader may do with it."""
    found: list[dict[str, Any]] = []
    for way, listed in (("channel", records.refunds), ("cash", cash_refunds.refunds)):
        states = [None] if stay else [state for at, state in _NEXT if at == way]
        for state in states:
            rows = listed(connection, allowed, Slice(None, _OF_STAY), stay=stay, state=state)
            found += [_shown(staff, way, plain(one)) for _, one in rows[:_OF_STAY]]
    return sorted(found, key=lambda one: (one["proposed_at"], one["id"]), reverse=True)


def _shown(staff: Staff, way: str, refund: dict[str, Any]) -> dict[str, Any]:
    """`acts`: what the reader may do. Who proposed it decides nothing: no way is shown to them that leads to a refusal."""
    acts = [what for what in _NEXT.get((way, refund["state"]), ()) if door.may(staff, *_call(way, what))]
    mine = refund["state"] == "proposed" and refund["proposed_by"] == staff.name
    return {**refund, "way": way, "acts": [] if mine else acts, "mine": mine}


def _paid(parts: Parts, staff: Staff, way: str, paid_id: str) -> dict[str, Any]:
    """An order, or a payment in cash. Raises `NotFound`."""
    if way == "channel":
        order = records.order(parts, paid_id)
        staff.own(order.site)
        return {**plain(order), "left_fen": order.paid_fen - order.refunded_fen}
    staff.own(cash_refunds.site_of(parts, paid_id))
    payment = cash_refunds.one_payment(parts, paid_id)
    return {
        **plain(payment),
        "site": reading.site_of(payment.stay),
        "left_fen": payment.amount_fen - payment.refunds_fen,
    }


def _refund(parts: Parts, staff: Staff, way: str, refund_id: str) -> dict[str, Any]:
    """Raises `NotFound`."""
    if way == "channel":
        found = records.refund(parts, refund_id)
        staff.own(found.site)
        return _shown(staff, way, plain(found))
    site = reading.site_of(refund_id)
    staff.own(site)
    return _shown(staff, way, plain(cash_refunds.one_refund(parts, refund_id)))


def _approve_order(parts: Parts, refund_id: str, said: Entered, by: By) -> None:
    refunds.approve(parts, refund_id, forms.number("amount_fen", said["seen_fen"]), by)
    sending.send(parts, refund_id)


def _refuse_order(parts: Parts, refund_id: str, said: Entered, by: By) -> None:
    refunds.refuse(parts, refund_id, forms.shaped(Reason, reason=said["reason"]).reason, by)


def _again(parts: Parts, refund_id: str, _said: Entered, by: By) -> None:
    refunds.again(parts, refund_id, by)
    sending.send(parts, refund_id)


def _approve_cash(parts: Parts, refund_id: str, said: Entered, by: By) -> None:
    cash_refunds.approve(parts, refund_id, forms.number("amount_fen", said["seen_fen"]), by)


def _refuse_cash(parts: Parts, refund_id: str, said: Entered, by: By) -> None:
    cash_refunds.refuse(parts, refund_id, forms.shaped(Reason, reason=said["reason"]).reason, by)


def _pay_out(parts: Parts, refund_id: str, _said: Entered, by: By) -> None:
    cash_refunds.pay_out(parts, refund_id, by)


def _not_so(_parts: Parts, _refund_id: str, _said: Entered, _by: By) -> None:
    raise NotFound


_DEEDS: Final[dict[tuple[str, str], Callable[[Parts, str, Entered, By], None]]] = {
    ("channel", "approval"): _approve_order,
    ("channel", "refusal"): _refuse_order,
    ("channel", "again"): _again,
    ("channel", "payout"): _not_so,
    ("cash", "approval"): _approve_cash,
    ("cash", "refusal"): _refuse_cash,
    ("cash", "again"): _not_so,
    ("cash", "payout"): _pay_out,
}


def _propose_form(
    request: Request,
    context: Context,
    staff: Staff,
    way: str,
    paid_id: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    found = _paid(context.parts, staff, way, paid_id)
    shown = in_zone(found, context.parts.settings.zone)
    return forms.form(
        request,
        staff,
        "money_refund.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        what="propose",
        paid=shown,
        refund=None,
    )


def _decide_form(
    request: Request,
    context: Context,
    staff: Staff,
    refund: tuple[str, str],
    what: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    """`refund`: its way and its id."""
    found = _refund(context.parts, staff, *refund)
    shown = in_zone(found, context.parts.settings.zone)
    return forms.form(
        request,
        staff,
        "money_refund.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        what=what,
        paid=None,
        refund=shown,
    )
