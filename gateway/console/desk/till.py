"""收费: what a stay owes at this moment, taken at the counter; a voucher presented for it, or taken back."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api import shapes, voucher_shapes
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import quote, reading
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import Invalid, Refused
from gateway.flows.vouchers import reading as vouchers
from gateway.flows.vouchers import redeem

router = APIRouter(include_in_schema=False)

_CALLS: Final = {
    "payment": ("POST", "/stays/{stay_id}/payments"),
    "voucher": ("POST", "/stays/{stay_id}/vouchers"),
    "withdrawal": ("POST", "/stays/{stay_id}/vouchers/withdrawal"),
}
_FIELDS: Final = ("channel", "reference", "code", "serial", "reason")
_VOUCHERS_MAX: Final = 20
StayId = Annotated[str, Path(max_length=64)]


@router.get("/stays/{stay_id}/till")
def till(request: Request, context: With, stay_id: StayId) -> Response:
    """What is due, and what may be done about it."""
    staff = door.staff_at(request, context, _CALLS["payment"])
    return staff if isinstance(staff, Response) else _page(request, context, staff, stay_id)


@router.post("/stays/{stay_id}/till/{what}")
def do(
    request: Request, context: With, stay_id: StayId, what: Literal["payment", "voucher", "withdrawal"], said: Said
) -> Response:
    """Where nothing is due any more, the barrier opens by itself."""
    staff = door.staff_at(request, context, _CALLS["payment"], _CALLS[what])
    if isinstance(staff, Response):
        return staff

    def work(by: By) -> None:
        staff.own(site_of(stay_id))
        if what == "payment":
            _take(context, stay_id, said, by)
        elif what == "voucher":
            asked = forms.shaped(voucher_shapes.Code, code=said["code"])
            redeem.present(context.parts, stay_id=stay_id, code=asked.code, operator=by.operator, origin=by.origin)
        else:
            taken_back = forms.shaped(
                voucher_shapes.Withdrawal, serial=forms.number("serial", said["serial"]), reason=said["reason"]
            )
            redeem.withdraw(
                context.parts,
                stay_id=stay_id,
                serial=taken_back.serial,
                reason=taken_back.reason,
                operator=by.operator,
                origin=by.origin,
            )

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
        due = quote.due_now(parts, stay_id)
    except Invalid as unpriced:
        why = why or unpriced
    except Refused as gone:
        return door.refused(request, staff, gone, "/stays")
    shown: dict[str, Any] = in_zone(stay, parts.settings.zone)
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
    )
