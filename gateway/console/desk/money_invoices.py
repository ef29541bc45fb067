"""电子发票: what was asked for, issued and reversed; one invoice with what became of it, asked for at the counter, reversed, sent again."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from billing.invoices import Buyer
from gateway.api import invoices_shapes as shapes
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.api.passes_shapes import Reason
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows.charges_books import By
from gateway.flows.invoices import asking, records
from gateway.flows.posting import month_bounds
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import Invalid, Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "invoices"
WHERE: Final = "/money/invoices"
STATES: Final = get_args(shapes.State)
_SEE: Final = ("GET", "/invoices")
_ONE: Final = ("GET", "/invoices/{invoice_id}")
_ASK: Final = ("POST", "/stays/{stay_id}/invoices")
_CALLS: Final = {
    "reversal": ("POST", "/invoices/{invoice_id}/reversal"),
    "again": ("POST", "/invoices/{invoice_id}/again"),
}
# In which states a step is one: the flow decides, this shows no way that leads to a refusal.
_WHEN: Final = {"reversal": {"issued"}, "again": {"refused", "red_refused"}}
_BUYER: Final = ("kind", "title", "tax_number", "email", "phone")
_OF_STAY: Final = asking.INVOICES_MAX
InvoiceId = Annotated[str, Path(max_length=32)]
Text = Annotated[str, Query(max_length=64)]


@router.get(WHERE)
def invoices(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Text = "",
    state: Text = "",
    number: Annotated[str, Query(max_length=20)] = "",
    month: Annotated[str, Query(pattern=r"^(\d{4}-\d\d)?$")] = "",
    stay: Text = "",
) -> Response:
    """The newest request first."""
    staff = door.staff_at(request, context, _SEE)
    zone = context.parts.settings.zone
    if state and state not in STATES:
        raise Invalid(f"state: one of {', '.join(STATES)}")
    allowed = staff.only(site or None)
    within = month_bounds(month, zone) if month else None
    with context.reports.reading() as connection:
        found = records.invoices(
            connection,
            allowed,
            part,
            stay=stay or None,
            state=state or None,
            number=number.strip() or None,
            within=within,
        )
        known = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "money_invoices.html",
        here=HERE,
        found=in_zone(sliced([(key, plain(one)) for key, one in found], part.limit), zone),
        sites=known,
        states=STATES,
        asked={"site": site, "state": state, "number": number, "month": month, "stay": stay},
        asks=door.may(staff, *_ASK),
    )


@router.get(WHERE + "/new")
def ask_form(request: Request, context: With, stay: Text = "") -> Response:
    """Ask for one, or put the buyer right of the one that is under way."""
    staff = door.staff_at(request, context, _ASK)
    waiting = next((one for one in _of_stay(context, staff, stay) if one["state"] == "requested"), None)
    begun = {name: [waiting[name]] for name in _BUYER} if waiting else {}
    return _ask_form(request, staff, Entered({"stay": [stay], **begun}))


@router.post(WHERE + "/new")
def ask(request: Request, context: With, said: Said) -> Response:
    """For a stay that was paid, and of which no invoice covers all."""
    staff = door.staff_at(request, context, _ASK)

    def work(by: By) -> str:
        stay = said["stay"]
        if not stay:
            raise Invalid("stay: say for which stay")
        staff.own(site_of(stay))
        asked = forms.shaped(shapes.InvoiceAsked, **{name: said[name] for name in _BUYER})
        made = asking.ask(context.parts, stay, msgspec.convert(asked.model_dump(), Buyer), by)
        return f"{WHERE}/{made.id}"

    def shown(why: Refused) -> Response:
        return _ask_form(request, staff, said, why)

    return forms.step(staff, said, work, shown, WHERE, "invoice_asked")


@router.get(WHERE + "/{invoice_id}")
def invoice(request: Request, context: With, invoice_id: InvoiceId) -> Response:
    """One, with everything that became of it, and the others of its stay."""
    staff = door.staff_at(request, context, _ONE)
    return _page(request, context, staff, invoice_id)


@router.post(WHERE + "/{invoice_id}/{what}")
def do(
    request: Request, context: With, invoice_id: InvoiceId, what: Literal["reversal", "again"], said: Said
) -> Response:
    """A red one over the whole; or what was refused, once more."""
    staff = door.staff_at(request, context, _CALLS[what])

    def work(by: By) -> str:
        staff.own(records.invoice(context.parts, invoice_id).site)
        if what == "again":
            made = asking.again(context.parts, invoice_id, by)
        else:
            reason = forms.shaped(Reason, reason=said["reason"]).reason
            made = asking.reverse(context.parts, invoice_id, reason, by)
        return f"{WHERE}/{made.id}"

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, invoice_id, said, why)

    return forms.step(staff, said, work, shown, f"{WHERE}/{invoice_id}", f"invoice_{what}")


def _of_stay(context: Context, staff: Staff, stay: str) -> list[dict[str, Any]]:
    """The invoices of a stay, the newest first; none of another's."""
    with context.parts.store.reading() as connection:
        found = records.invoices(connection, staff.sites, Slice(None, _OF_STAY), stay=stay) if stay else []
    return [plain(one) for _, one in found]


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    invoice_id: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    parts = context.parts
    found = records.invoice(parts, invoice_id)
    staff.own(found.site)
    kept = records.files(parts, invoice_id)
    zone = parts.settings.zone
    others = [one for one in _of_stay(context, staff, found.stay) if one["id"] != found.id]
    return forms.form(
        request,
        staff,
        "money_invoice.html",
        here=HERE,
        said=said,
        why=why,
        fields=("reason",),
        invoice=in_zone(plain(found), zone),
        steps=in_zone(_steps(found), zone),
        files=kept,
        others=in_zone(others, zone),
        acts=[what for what, call in _CALLS.items() if found.state in _WHEN[what] and door.may(staff, *call)],
        corrects=found.state == "requested" and door.may(staff, *_ASK),
    )


def _steps(one: records.Invoice) -> list[dict[str, Any]]:
    """What became of it, in the order of time. `by` is None where nobody did it: the driver asked, or the service sent."""
    told = (
        ("requested", one.requested_at, one.requested_by, None),
        ("submitted", one.submitted_at, None, None),
        ("issued", one.issued_at, None, one.number),
        ("red_requested", one.red_requested_at, one.red_requested_by, None),
        ("red_issued", one.red_issued_at, None, one.red_number),
    )
    return [{"step": step, "at": at, "by": by, "number": number} for step, at, by, number in told if at is not None]


def _ask_form(request: Request, staff: Staff, said: Entered, why: Refused | None = None) -> Response:
    return forms.form(
        request, staff, "money_invoice_form.html", here=HERE, said=said, why=why, fields=("stay", *_BUYER)
    )
