"""收费: what a stay owes at this moment, taken at the counter or by a code that a phone scans; a voucher presented for it, or taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api import shapes, voucher_shapes
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.orders_shapes import OrderAsked
from gateway.api.passes import plain
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.console.qr import qr_code
from gateway.flows import quote, reading
from gateway.flows.charges_books import By
from gateway.flows.orders import looking, placing, records
from gateway.flows.orders.refusals import NoSuchOrder
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import Invalid, Refused
from gateway.flows.vouchers import reading as vouchers
from gateway.flows.vouchers import redeem

router = APIRouter(include_in_schema=False)

_CALLS: Final = {
    "payment": ("POST", "/stays/{stay_id}/payments"),
    "voucher": ("POST", "/stays/{stay_id}/vouchers"),
    "withdrawal": ("POST", "/stays/{stay_id}/vouchers/withdrawal"),
    "order": ("POST", "/stays/{stay_id}/orders"),
    "query": ("POST", "/orders/{order_id}/query"),
}
What = Literal["payment", "voucher", "withdrawal", "order", "query"]
_FIELDS: Final = ("channel", "reference", "code", "serial", "reason")
_VOUCHERS_MAX: Final = 20
_ORDERS_MAX: Final = 10
StayId = Annotated[str, Path(max_length=64)]


@router.get("/stays/{stay_id}/till")
def till(request: Request, context: With, stay_id: StayId) -> Response:
    """What is due, and what may be done about it."""
    staff = door.staff_at(request, context, _CALLS["payment"])
    return _page(request, context, staff, stay_id)


@router.post("/stays/{stay_id}/till/{what}")
def do(request: Request, context: With, stay_id: StayId, what: What, said: Said) -> Response:
    """Where nothing is due any more, the barrier opens by itself."""
    staff = door.staff_at(request, context, _CALLS["payment"], _CALLS[what])

    def work(by: By) -> None:
        staff.own(site_of(stay_id))
        _STEPS[what](context, stay_id, said, by)

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, stay_id, said, why, what)

    return forms.step(staff, said, work, shown, f"/stays/{stay_id}/till", f"till_{what}")


def _take(context: Context, stay_id: str, said: Entered, by: By) -> None:
    """Exactly what was shown: by now it may be another amount, and then it is refused."""
    asked = forms.shaped(
        shapes.PaymentToTake,
        channel=said["channel"],
        amount_fen=forms.number("seen_fen", said["seen_fen"]),
        reference=said["reference"],
    )
    context.flows.take(
        context.parts,
        stay_id=stay_id,
        channel=asked.channel,
        amount_fen=asked.amount_fen,
        reference=asked.reference,
        operator=by.operator,
        role=by.role,
        idempotency_key=said.once,
        origin=by.origin,
    )


def _present(context: Context, stay_id: str, said: Entered, by: By) -> None:
    asked = forms.shaped(voucher_shapes.Code, code=said["code"])
    redeem.present(context.parts, stay_id=stay_id, code=asked.code, operator=by.operator, origin=by.origin)


def _withdraw(context: Context, stay_id: str, said: Entered, by: By) -> None:
    asked = forms.shaped(
        voucher_shapes.Withdrawal, serial=forms.number("serial", said["serial"]), reason=said["reason"]
    )
    redeem.withdraw(
        context.parts,
        stay_id=stay_id,
        serial=asked.serial,
        reason=asked.reason,
        operator=by.operator,
        origin=by.origin,
    )


def _order(context: Context, stay_id: str, said: Entered, by: By) -> None:
    """A code for exactly what is due; sent twice it is the same one."""
    asked = forms.shaped(OrderAsked, channel=said["channel"])
    placing.place(context.parts, stay_id, asked.channel, by)


def _query(context: Context, stay_id: str, said: Entered, _: By) -> None:
    """The channel is asked how an order of this stay stands."""
    if records.order(context.parts, said["order"]).stay != stay_id:
        raise NoSuchOrder
    looking.look(context.parts, said["order"])


_STEPS: Final[dict[str, Callable[[Context, str, Entered, By], None]]] = {
    "payment": _take,
    "voucher": _present,
    "withdrawal": _withdraw,
    "order": _order,
    "query": _query,
}


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    stay_id: str,
    said: Entered | None = None,
    why: Refused | None = None,
    what: str = "",
) -> Response:
    """`what` was refused, and why. A stay that cannot be priced says so and takes nothing."""
    parts, due = context.parts, None
    try:
        with parts.store.reading() as connection:
            stay = reading.stay(connection, staff.sites, stay_id)
            wanted, site = vouchers.VoucherFilter(stay=stay_id), frozenset({stay["site"]})
            held = vouchers.vouchers(connection, site, wanted, Slice(None, _VOUCHERS_MAX))
            orders = [one for _, one in records.orders(connection, site, Slice(None, _ORDERS_MAX), stay=stay_id)]
        due = quote.due_now(parts, stay_id)
    except Invalid as unpriced:
        why = why or unpriced
    shown: dict[str, Any] = in_zone(stay, parts.settings.zone)
    scan = looking.payable(parts, stay_id, due.due_fen) if due is not None and due.due_fen > 0 else None
    return forms.form(
        request,
        staff,
        "till.html",
        here="stays",
        said=said,
        why=why,
        fields=_FIELDS,
        stay=shown,
        due=due,
        held=[one for _, one in held],
        tried=what,
        channels=forms.channels(request),
        offered=placing.offered(parts, stay["site"]),
        orders=[in_zone(plain(one), parts.settings.zone) for one in orders],
        scan=in_zone(plain(scan), parts.settings.zone) if scan is not None else None,
        qr=qr_code(scan.code) if scan is not None and scan.code else None,
    )
