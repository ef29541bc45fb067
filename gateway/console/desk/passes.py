"""Passes over the counter: what one would cost, sold and renewed; a pass's days and vehicles, and giving it back by two persons."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door, forms
from gateway.console.rendering import language_of
from gateway.console.words import word
from gateway.flows import passes, passes_changes, passes_reading, passes_refund, reading
from gateway.flows.charges_books import Money
from gateway.flows.passes_reading import SoldFilter
from gateway.flows.passes_terms import Wanted, plate_of
from gateway.flows.reading import Slice
from gateway.flows.refusals import AmountNotDue, Invalid, NotFound, Refused
from gateway.flows.registers_known import policies_in_force
from gateway.flows.registers_rows import VEHICLE_WORDS
from gateway.runtime.ids import random_token

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=64)]
Typed = Annotated[str, Form(max_length=2000)]
PassId = Annotated[str, Path(max_length=64)]
_SEE, _QUOTE, _SELL = ("GET", "/sold-passes"), ("POST", "/passes/quote"), ("POST", "/passes")
_FIELDS: Final = ("site", "plate", "offer", "months", "first_day", "vehicle", "channel")
# What may be done with a pass, and with what was asked back of one: each is a call of the API.
_ACTS: Final[dict[str, tuple[str, str]]] = {
    "transfer": ("POST", "/sold-passes/{pass_id}/transfers"),
    "share": ("POST", "/sold-passes/{pass_id}/vehicles"),
    "propose": ("POST", "/sold-passes/{pass_id}/refunds"),
    "approve": ("POST", "/pass-refunds/{refund_id}/approval"),
    "refuse": ("POST", "/pass-refunds/{refund_id}/refusal"),
    "pay_out": ("POST", "/pass-refunds/{refund_id}/payout"),
}


@router.get("/passes")
def sold(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Text = "",
    plate: Text = "",
    household: Text = "",
    state: Literal["", "active", "ended"] = "",
) -> Response:
    """Passes as sold, the newest first."""
    staff = door.staff_at(request, context, _SEE)
    if isinstance(staff, Response):
        return staff
    try:
        wanted = SoldFilter(plate=plate_of(plate) if plate else None, household=household or None, state=state or None)
        with context.reports.reading() as connection:
            allowed = staff.only(site or None)
            found = passes_reading.sold_passes(context.parts, connection, allowed, wanted, part)
            sites = reading.sites(connection, staff.sites, Slice(None, 200), disabled=False)
    except Refused as why:
        return door.refused(request, staff, why, "/passes")
    return door.page(
        request,
        staff,
        "passes.html",
        here="sold_passes",
        found=sliced(found, part.limit),
        sites=sites,
        asked={"site": site, "plate": plate, "household": household, "state": state},
    )


@router.get("/passes/new")
def form(request: Request, context: With, site: Text = "", plate: Text = "", offer: Text = "") -> Response:
    """The form by which a pass is sold, or renewed where the vehicle has it."""
    staff = door.staff_at(request, context, _QUOTE, _SELL)
    if isinstance(staff, Response):
        return staff
    return _form(request, context, staff, {"site": site, "plate": plate, "offer": offer, "months": "1"})


@router.post("/passes/new")
def sell(
    request: Request,
    context: With,
    *,
    what: Annotated[Literal["quote", "sell"], Form()] = "quote",
    csrf: Typed = "",
    once: Typed = "",
    site: Typed = "",
    plate: Typed = "",
    offer: Typed = "",
    months: Typed = "",
    first_day: Typed = "",
    vehicle: Typed = "",
    channel: Typed = "",
    amount_fen: Typed = "",
) -> Response:
    """What it costs; then, at that price, sold."""
    staff = door.staff_at(request, context, _QUOTE, _SELL)
    if isinstance(staff, Response):
        return staff
    if door.from_elsewhere(staff, csrf):
        return door.back_to("/passes/new")
    said = (site, plate, offer, months, first_day, vehicle, channel)
    typed = dict(zip(_FIELDS, said, strict=True))
    who, quoted = by(staff), None
    try:
        staff.only(site)
        wanted = _wanted(typed)
        quoted = passes.quote(context.parts, wanted, who)
        if what == "quote":
            return _form(request, context, staff, typed, quoted=quoted)
        if amount_fen != str(quoted.amount_fen):
            raise AmountNotDue("the price is another by now: look at it again")
        money = Money(channel=channel, amount_fen=quoted.amount_fen) if quoted.amount_fen else None
        if quoted.renews is not None:
            done = passes.renew(context.parts, quoted.renews, wanted.months, money, who, once or None)
        else:
            done = passes.sell(context.parts, wanted, money, who, once or None)
    except Refused as why:
        return _form(request, context, staff, typed, quoted=quoted, why=why)
    where = f"/passes/{done.id}" if door.may(staff, *_SEE) else "/passes/new"
    return door.back_to(where, said="pass-sold")


@router.get("/passes/{pass_id}")
def one(request: Request, context: With, pass_id: PassId) -> Response:
    """A pass with its periods and what of them is earned, its vehicles, what was asked back."""
    staff = door.staff_at(request, context, ("GET", "/sold-passes/{pass_id}"))
    return staff if isinstance(staff, Response) else _one(request, context, staff, pass_id)


@router.post("/passes/{pass_id}")
def act(
    request: Request,
    context: With,
    pass_id: PassId,
    *,
    what: Annotated[Literal["transfer", "share", "propose", "approve", "refuse", "pay_out"], Form()],
    csrf: Typed = "",
    refund: Typed = "",
    plate: Typed = "",
    from_plate: Typed = "",
    day: Typed = "",
    amount_fen: Typed = "",
    channel: Typed = "",
    reason: Typed = "",
) -> Response:
    """One step with it."""
    staff = door.staff_at(request, context, ("GET", "/sold-passes/{pass_id}"), _ACTS[what])
    if isinstance(staff, Response):
        return staff
    here, who = f"/passes/{pass_id}", by(staff)
    if door.from_elsewhere(staff, csrf):
        return door.back_to(here)
    try:
        staff.own(reading.site_of(pass_id))
        with context.parts.store.reading() as connection:
            known = passes_reading.sold_pass(context.parts, connection, staff.sites, pass_id)["refunds"]
        if what in {"approve", "refuse", "pay_out"} and refund not in {one["id"] for one in known}:
            raise NotFound
        match what:
            case "transfer":
                passes_changes.transfer(context.parts, pass_id, plate, reason, who, from_plate or None)
            case "share":
                passes_changes.share(context.parts, pass_id, plate, reason, who)
            case "propose":
                passes_refund.propose(context.parts, pass_id, reason, who, _day("day", day))
            case "approve":
                passes_refund.approve(context.parts, refund, _whole("amount_fen", amount_fen), who)
            case "refuse":
                passes_refund.refuse(context.parts, refund, reason, who)
            case "pay_out":
                passes_refund.pay_out(context.parts, refund, channel, who)
    except Refused as why:
        return _one(request, context, staff, pass_id, why)
    return door.back_to(here, said="done")


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    typed: dict[str, str],
    *,
    quoted: passes.Offered | None = None,
    why: Refused | None = None,
) -> Response:
    lang = language_of(request)
    with context.parts.store.reading() as connection:
        sites = reading.sites(connection, staff.sites, Slice(None, 200), disabled=False)
        rules = policies_in_force(connection, context.parts.clock.now())
    mine = {one["id"] for one in sites}
    offers = sorted({offer.id for site, policy in rules.items() if site in mine for offer in policy.passes})
    return door.page(
        request,
        staff,
        "passes_form.html",
        200 if why is None else why.status,
        here="pass_counter",
        typed={name: typed.get(name, "") for name in _FIELDS},
        errors={} if why is None else door.at_fields(why, _FIELDS),
        quoted=quoted,
        sites=[(one["id"], one["name"]) for one in sites],
        offers=[(one, one) for one in offers],
        vehicles=[(one, word(lang, "vehicle", one)) for one in VEHICLE_WORDS],
        channels=forms.channels(request),
        once=random_token(18),
    )


def _one(request: Request, context: Context, staff: Staff, pass_id: str, why: Refused | None = None) -> Response:
    try:
        with context.parts.store.reading() as connection:
            found = passes_reading.sold_pass(context.parts, connection, staff.sites, pass_id)
    except Refused as missing:
        return door.refused(request, staff, missing, "/passes")
    return door.page(
        request,
        staff,
        "passes_one.html",
        200 if why is None else why.status,
        here="sold_passes",
        sold=in_zone(found, context.parts.settings.zone),
        acts={what for what, call in _ACTS.items() if door.may(staff, *call)},
        channels=forms.channels(request),
        errors={} if why is None else {"": why},
    )


def _wanted(typed: dict[str, str]) -> Wanted:
    """Raises `Invalid`."""
    vehicle = typed["vehicle"] or None
    if vehicle is not None and vehicle not in VEHICLE_WORDS:
        raise Invalid("vehicle: not one of the list")
    months = _whole("months", typed["months"])
    if not 1 <= months <= 24:
        raise Invalid("months: from 1 to 24")
    return Wanted(
        site=typed["site"],
        plate=typed["plate"],
        offer=typed["offer"],
        months=months,
        first_day=_day("first_day", typed["first_day"]),
        vehicle=vehicle,
    )


def _whole(name: str, text: str) -> int:
    if not text.strip().isdecimal() or len(text.strip()) > 12:
        raise Invalid(f"{name}: a whole number")
    return int(text)


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(f"{name}: not a day such as 2026-03-02") from None
