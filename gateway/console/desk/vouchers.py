"""Vouchers over the counter: books and their sheets to print, the register of who took what, one voucher's way."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api.answers import instant
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByName, ByTime, NotOurCursor
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid, Refused
from gateway.flows.vouchers import books, register
from gateway.flows.vouchers import reading as found

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=64)]
Serial = Annotated[int, Path(ge=1, le=99_999_999)]
STATES: Final = ("stock", "issued", "presented", "used", "void", "expired", "returned")
_SEE, _BOOKS, _ISSUES = ("GET", "/vouchers"), ("POST", "/vouchers/books"), ("POST", "/vouchers/issues")
_MOVES: Final = {"return": register.give_back, "void": register.declare_void}
_TABS: Final = (
    ("/vouchers", "vouchers.books", ("GET", "/vouchers/books")),
    ("/vouchers/issues", "vouchers.issues", ("GET", "/vouchers/issues")),
    ("/vouchers/find", "vouchers.find", _SEE),
    ("/vouchers/stock", "vouchers.stock", ("GET", "/vouchers/stock")),
    ("/vouchers/buyers", "vouchers.buyers", ("GET", "/vouchers/buyers")),
    ("/vouchers/statements", "vouchers.statements", ("GET", "/vouchers/statements")),
    ("/vouchers/redemptions", "vouchers.redemptions", ("GET", "/vouchers/redemptions")),
)
_SHEET_MAX = 500
# What of a book is left follows from its movements: so many at once are counted quickly.
_BOOKS_SHOWN = 20
_BOOK_FIELDS = ("site", "kind", "value", "count", "valid_from", "valid_to", "buyer", "title")
_ISSUE_FIELDS = ("site", "first_serial", "last_serial", "household", "taker", "purpose", "signature")


@router.get("/vouchers")
def list_books(request: Request, context: With, part: ByName, site: Text = "") -> Response:
    """Books by site, with what of each is left today."""
    staff = door.staff_at(request, context, ("GET", "/vouchers/books"))
    part = Slice(part.after, min(part.limit, _BOOKS_SHOWN))
    today = context.parts.clock.now().astimezone(context.parts.settings.zone).date()
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        rows = found.books(connection, allowed, part)
        shown = {one["id"] for _, one in rows}
        stock = {one["book"]: one["stands"] for one in found.stock(connection, allowed, today, shown)}
        sites = forms.sites(connection, staff)
    for _, one in rows:
        last = one["last_serial"]
        starts = range(one["first_serial"], last + 1, _SHEET_MAX)
        one["sheets"] = [{"from": first, "to": min(first + _SHEET_MAX - 1, last)} for first in starts]
        one["stands"] = stock.get(one["id"])
    return _page(
        request, staff, "vouchers.html", context, found=sliced(rows, part.limit), sites=sites, asked={"site": site}
    )


@router.get("/vouchers/books/new")
def book_form(request: Request, context: With) -> Response:
    """The form of a new book."""
    staff = door.staff_at(request, context, _SEE, _BOOKS)
    return _form(request, context, staff, "book")


@router.post("/vouchers/books/new")
def make_book(request: Request, context: With, said: Said) -> Response:
    """Put it into stock."""
    staff = door.staff_at(request, context, _SEE, _BOOKS)

    def work(by: By) -> None:
        staff.only(said["site"])
        zone = context.parts.settings.zone
        since = instant("valid_from", said["valid_from"], zone)
        until = instant("valid_to", said["valid_to"], zone, end=True)
        if since is None or until is None:
            raise Invalid("valid_to: say from when until when it is valid")
        books.make_book(
            context.parts,
            site=said["site"],
            kind=said["kind"],
            value=_value(said["kind"], said["value"]),
            count=forms.number("count", said["count"]),
            valid_from=since,
            valid_to=until,
            buyer=said.or_none("buyer"),
            title=said["title"],
            operator=by.operator,
            idempotency_key=said.once,
            origin=by.origin,
        )

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, "book", said, why)

    return forms.step(staff, said, work, shown, "/vouchers", "book-made")


@router.get("/vouchers/issues")
def issues(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Text = "",
    household: Text = "",
    month: Annotated[str, Query(pattern=r"^(20\d\d-(0[1-9]|1[0-2]))?$")] = "",
) -> Response:
    """The register of who took what, the newest first."""
    staff = door.staff_at(request, context, ("GET", "/vouchers/issues"))
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        rows = found.register(connection, allowed, part, household=household or None, month=month or None)
        sites = forms.sites(connection, staff)
    seen = [(key, msgspec.structs.asdict(one)) for key, one in rows]
    asked = {"site": site, "household": household, "month": month}
    return _page(
        request, staff, "vouchers_issues.html", context, found=sliced(seen, part.limit), sites=sites, asked=asked
    )


@router.get("/vouchers/issues/new")
def issue_form(request: Request, context: With, site: Text = "", first_serial: Text = "") -> Response:
    """The form by which vouchers are handed out."""
    staff = door.staff_at(request, context, _SEE, _ISSUES)
    return _form(request, context, staff, "issue", Entered({"site": [site], "first_serial": [first_serial]}))


@router.post("/vouchers/issues/new")
def issue(request: Request, context: With, said: Said) -> Response:
    """Hand them out."""
    staff = door.staff_at(request, context, _SEE, _ISSUES)

    def work(by: By) -> None:
        staff.only(said["site"])
        register.issue(
            context.parts,
            site=said["site"],
            first_serial=forms.number("first_serial", said["first_serial"]),
            last_serial=forms.number("last_serial", said["last_serial"] or said["first_serial"]),
            household=said.or_none("household"),
            taker=said["taker"],
            purpose=said["purpose"],
            signature=said["signature"],
            operator=by.operator,
            idempotency_key=said.once,
            origin=by.origin,
        )

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, "issue", said, why)

    return forms.step(staff, said, work, shown, "/vouchers/issues", "issued")


@router.get("/vouchers/find")
def find(
    request: Request,
    context: With,
    part: ByName,
    *,
    site: Text = "",
    serial: Annotated[str, Query(max_length=8, pattern=r"^\d*$")] = "",
    state: Text = "",
    book: Text = "",
) -> Response:
    """Vouchers by site and serial. Never their codes."""
    staff = door.staff_at(request, context, _SEE)
    if part.after is not None and not part.after[1].isdecimal():
        raise NotOurCursor
    if state and state not in STATES:
        raise Invalid(f"state: one of {', '.join(STATES)}")
    wanted = found.VoucherFilter(book=book or None, state=state or None, serial=int(serial) if serial else None)
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        rows = found.vouchers(connection, allowed, wanted, part)
        sites = forms.sites(connection, staff)
    return _page(
        request,
        staff,
        "vouchers_find.html",
        context,
        found=sliced(rows, part.limit),
        sites=sites,
        states=STATES,
        asked={"site": site, "serial": serial, "state": state, "book": book},
    )


@router.get("/vouchers/at/{site}/{serial}")
def one(request: Request, context: With, site: Annotated[str, Path(max_length=40)], serial: Serial) -> Response:
    """Everything that became of one voucher, and what may be done with it, or with those after it."""
    staff = door.staff_at(request, context, ("GET", "/vouchers/{site}/{serial}/steps"))
    return _one(request, context, staff, site, serial)


@router.post("/vouchers/at/{site}/{serial}")
def move(
    request: Request, context: With, site: Annotated[str, Path(max_length=40)], serial: Serial, said: Said
) -> Response:
    """Back into stock, or worth nothing from now on: this one, or all up to `last`."""
    what = said["what"]
    staff = door.staff_at(request, context, _SEE, ("POST", f"/vouchers/{what}s" if what in _MOVES else ""))

    def work(by: By) -> None:
        staff.only(site)
        _MOVES[what](
            context.parts,
            site=site,
            first_serial=serial,
            last_serial=forms.number("last", said["last"] or str(serial)),
            reason=said["reason"],
            operator=by.operator,
            origin=by.origin,
        )

    def shown(why: Refused) -> Response:
        return _one(request, context, staff, site, serial, why)

    return forms.step(staff, said, work, shown, f"/vouchers/at/{site}/{serial}", f"voucher-{what}")


def _one(
    request: Request, context: Context, staff: Staff, site: str, serial: int, why: Refused | None = None
) -> Response:
    staff.own(site)
    with context.parts.store.reading() as connection:
        steps = found.history(connection, staff.sites, site, serial)
        wanted = found.VoucherFilter(serial=serial)
        ((_, voucher),) = found.vouchers(connection, frozenset({site}), wanted, Slice(None, 1))
    return _page(
        request,
        staff,
        "vouchers_one.html",
        context,
        200 if why is None else why.status,
        voucher=voucher,
        steps=[{**step, "business_day": step["business_day"].isoformat()} for step in steps],
        moves=[what for what in _MOVES if door.may(staff, "POST", f"/vouchers/{what}s")],
        errors={} if why is None else {"": why},
    )


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    what: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    with context.parts.store.reading() as connection:
        sites = forms.sites(connection, staff)
        buyers = found.buyers(connection, staff.sites, Slice(None, 200))
    return forms.form(
        request,
        staff,
        f"vouchers_{what}_form.html",
        here="vouchers",
        said=said,
        why=why,
        fields=_BOOK_FIELDS if what == "book" else _ISSUE_FIELDS,
        sites=[(one["id"], one["name"]) for one in sites],
        buyers=[(one["id"], one["name"]) for _, one in buyers if one["enabled"]],
    )


def tabs(staff: Staff) -> list[tuple[str, str]]:
    """The pages of vouchers that the reader sees, with their words."""
    return [(where, words) for where, words, call in _TABS if door.may(staff, *call)]


def _page(
    request: Request, staff: Staff, template: str, context: Context, status: int = 200, **values: Any
) -> Response:
    dressed = in_zone(values, context.parts.settings.zone)
    hands = door.may(staff, *_ISSUES)
    return door.page(request, staff, template, status, here="vouchers", tabs=tabs(staff), issues=hands, **dressed)


def _value(kind: str, text: str) -> int:
    """Minutes of an hour voucher; fen of what is typed in yuan; nothing of a whole stay."""
    if kind == "whole_stay":
        return 0
    return forms.number("value", text) if kind == "hour" else forms.fen("value", text)
