"""购券单位: merchants and visiting firms that bought vouchers, what they owe for their months, and taking it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import voucher_shapes as shapes
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByName
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.console.desk import door, forms, vouchers
from gateway.console.desk.forms import Entered, Said
from gateway.flows.charges_books import By, Money
from gateway.flows.reading import Slice
from gateway.flows.refusals import Refused
from gateway.flows.vouchers import books, payments
from gateway.flows.vouchers import reading as found
from gateway.flows.vouchers import statements as months

router = APIRouter(include_in_schema=False)

HERE: Final = "voucher_buyers"
WHERE: Final = "/vouchers/buyers"
MONTHS: Final = "/vouchers/statements"
_SEE, _KEEP = ("GET", "/vouchers/buyers"), ("POST", "/vouchers/buyers")
_PAY: Final = ("POST", "/vouchers/buyers/{buyer}/payments")
_MONTHS, _MAKE = ("GET", "/vouchers/statements"), ("POST", "/vouchers/statements")
_LINES: Final = ("GET", "/vouchers/{site}/statements/{statement_id}")
_FIELDS: Final = ("site", "id", "kind", "name")
# A month is checked in the file; its page shows what it looks like.
_LINES_SHOWN: Final = 200
_MONTHS_SHOWN: Final = 12
Site = Annotated[str, Path(max_length=40)]
Name = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Query(max_length=64)]
Month = Annotated[str, Query(pattern=r"^(20\d\d-(0[1-9]|1[0-2]))?$")]


@router.get(WHERE)
def buyers(request: Request, context: With, part: ByName, site: Text = "") -> Response:
    """By site and id, with what each still owes."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        rows = found.buyers(connection, allowed, part)
        known = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "vouchers_buyers.html",
        here=HERE,
        tabs=vouchers.tabs(staff),
        found=sliced(rows, part.limit),
        sites=known,
        asked={"site": site},
        keeps=door.may(staff, *_KEEP),
        pays=door.may(staff, *_PAY),
    )


@router.get(WHERE + "/new")
def keep_form(request: Request, context: With, site: Text = "", buyer: Text = "") -> Response:
    """The form of a new one, or of one that is there."""
    staff = door.staff_at(request, context, _KEEP)
    begun: dict[str, list[str]] = {"site": [site], "enabled": ["yes"]}
    if buyer:
        known = _buyer(context, staff, site, buyer)
        begun |= {name: [known[name]] for name in _FIELDS} | {"enabled": ["yes"] if known["enabled"] else []}
    return _keep_form(request, context, staff, Entered(begun))


@router.post(WHERE + "/new")
def keep(request: Request, context: With, said: Said) -> Response:
    """Add it, or change its name; one that is there keeps its id."""
    staff = door.staff_at(request, context, _KEEP)

    def work(by: By) -> None:
        asked = forms.shaped(
            shapes.BuyerToRegister, **{name: said[name] for name in _FIELDS}, enabled=bool(said["enabled"])
        )
        staff.only(asked.site)
        books.register_buyer(
            context.parts,
            site=asked.site,
            buyer=asked.id,
            kind=asked.kind,
            name=asked.name,
            enabled=asked.enabled,
            operator=by.operator,
            origin=by.origin,
        )

    def shown(why: Refused) -> Response:
        return _keep_form(request, context, staff, said, why)

    return forms.step(staff, said, work, shown, WHERE, "saved")


@router.get(WHERE + "/{site}/{buyer}/payment")
def pay_form(request: Request, context: With, site: Site, buyer: Name) -> Response:
    """What it owes, and for which months."""
    staff = door.staff_at(request, context, _PAY)
    return _pay_form(request, context, staff, (site, buyer))


@router.post(WHERE + "/{site}/{buyer}/payment")
def pay(request: Request, context: With, site: Site, buyer: Name, said: Said) -> Response:
    """Take it, or a part of it."""
    staff = door.staff_at(request, context, _PAY)

    def work(by: By) -> None:
        staff.own(site)
        amount = forms.fen("amount_fen", said["amount_fen"])
        asked = forms.shaped(
            shapes.BuyerPays, site=site, channel=said["channel"], amount_fen=amount, reference=said["reference"]
        )
        money = Money(channel=asked.channel, amount_fen=asked.amount_fen, reference=asked.reference)
        payments.pay(context.parts, site, buyer, money, by, said.once)

    def shown(why: Refused) -> Response:
        return _pay_form(request, context, staff, (site, buyer), said, why)

    return forms.step(staff, said, work, shown, WHERE, "charge_payment")


@router.get(MONTHS)
def statements(
    request: Request, context: With, part: ByName, *, site: Text = "", month: Month = "", buyer: Text = ""
) -> Response:
    """Buyers' months, the newest first, with what is still due of each."""
    staff = door.staff_at(request, context, _MONTHS)
    return _months(request, context, staff, part, {"site": site, "month": month, "buyer": buyer})


@router.post(MONTHS)
def make(request: Request, context: With, said: Said) -> Response:
    """Bill a site's buyers for a month that is closed; made again it is the same."""
    staff = door.staff_at(request, context, _MAKE)

    def work(by: By) -> str:
        asked = forms.shaped(shapes.StatementsToMake, site=said["site"], month=said["month"])
        staff.only(asked.site)
        months.make_statements(
            context.parts, site=asked.site, month=asked.month, operator=by.operator, origin=by.origin
        )
        return f"{MONTHS}?site={asked.site}&month={asked.month}"

    def shown(why: Refused) -> Response:
        asked = {"site": "", "month": "", "buyer": ""}
        return _months(request, context, staff, Slice(None, _MONTHS_SHOWN), asked, said, why)

    return forms.step(staff, said, work, shown, MONTHS, "vouchers_billed")


@router.get(MONTHS + "/{site}/{statement_id}")
def statement(request: Request, context: With, site: Site, statement_id: Name) -> Response:
    """A month, voucher by voucher, for the buyer to check: no plates, no stays."""
    staff = door.staff_at(request, context, _LINES)
    staff.own(site)
    with context.reports.reading() as connection:
        month = found.statement(connection, site, statement_id)
        rows = months.lines(connection, statement_id, site, _LINES_SHOWN + 1)
        buyer = found.buyer(connection, site, month["buyer"])
    zone = context.parts.settings.zone
    return door.page(
        request,
        staff,
        "vouchers_statement.html",
        here=HERE,
        month=in_zone(month, zone),
        buyer=buyer,
        rows=in_zone(rows[:_LINES_SHOWN], zone),
        more_rows=len(rows) > _LINES_SHOWN,
    )


def _buyer(context: Context, staff: Staff, site: str, buyer: str) -> dict[str, Any]:
    """Raises `NotFound`."""
    staff.own(site)
    with context.parts.store.reading() as connection:
        return found.buyer(connection, site, buyer)


def _months(
    request: Request,
    context: Context,
    staff: Staff,
    part: Slice,
    asked: dict[str, str],
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    allowed = staff.only(asked["site"] or None)
    with context.reports.reading() as connection:
        rows = found.statements(connection, allowed, part, month=asked["month"] or None, buyer=asked["buyer"] or None)
        known = forms.sites(connection, staff)
    return forms.form(
        request,
        staff,
        "vouchers_statements.html",
        here=HERE,
        said=said,
        why=why,
        fields=("site", "month"),
        tabs=vouchers.tabs(staff),
        found=in_zone(sliced(rows, part.limit), context.parts.settings.zone),
        sites=known,
        asked=asked,
        makes=door.may(staff, *_MAKE),
    )


def _keep_form(request: Request, context: Context, staff: Staff, said: Entered, why: Refused | None = None) -> Response:
    return forms.form(
        request,
        staff,
        "vouchers_buyer_form.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        site_choices=forms.site_choices(context, staff),
    )


def _pay_form(
    request: Request,
    context: Context,
    staff: Staff,
    at: tuple[str, str],
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    """`at`: its site and its id."""
    site, name = at
    buyer = _buyer(context, staff, site, name)
    with context.parts.store.reading() as connection:
        owed = found.statements(connection, [site], Slice(None, _MONTHS_SHOWN), buyer=name)
    return forms.form(
        request,
        staff,
        "vouchers_buyer_pays.html",
        here=HERE,
        said=said,
        why=why,
        fields=("amount_fen", "channel", "reference"),
        buyer=buyer,
        owed=[one for _, one in owed if one["due_fen"]] if door.may(staff, *_MONTHS) else [],
        channels=forms.channels(request),
    )
