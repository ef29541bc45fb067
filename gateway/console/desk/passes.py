"""Passes over the counter: what one would cost, sold and renewed; a pass's days and vehicles, and giving it back by two persons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.console.rendering import language_of
from gateway.console.words import word
from gateway.flows import passes, passes_changes, passes_reading, passes_refund, reading
from gateway.flows.charges_books import By, Money
from gateway.flows.passes_reading import SoldFilter
from gateway.flows.passes_terms import Wanted, plate_of
from gateway.flows.refusals import AmountNotDue, Invalid, NotFound, Refused
from gateway.flows.registers_known import policies_in_force
from gateway.flows.registers_rows import VEHICLE_WORDS
from gateway.wiring import Parts

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=64)]
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
_OF_REFUND: Final = frozenset({"approve", "refuse", "pay_out"})
_NO_CALL: Final = ("POST", "")


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
    wanted = SoldFilter(plate=plate_of(plate) if plate else None, household=household or None, state=state or None)
    with context.reports.reading() as connection:
        allowed = staff.only(site or None)
        found = passes_reading.sold_passes(context.parts, connection, allowed, wanted, part)
        sites = forms.sites(connection, staff)
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
    begun = {"site": [site], "plate": [plate], "offer": [offer], "months": ["1"]}
    return _form(request, context, staff, Entered(begun))


@router.post("/passes/new")
def sell(request: Request, context: With, said: Said) -> Response:
    """What it costs; then, at that price, sold."""
    staff = door.staff_at(request, context, _QUOTE, _SELL)
    quoted: passes.Offered | None = None

    def work(by: By) -> str:
        nonlocal quoted
        staff.only(said["site"])
        wanted = _wanted(said)
        quoted = passes.quote(context.parts, wanted, by)
        if said["amount_fen"] != str(quoted.amount_fen):
            raise AmountNotDue("the price is another by now: look at it again")
        money = Money(channel=said["channel"], amount_fen=quoted.amount_fen) if quoted.amount_fen else None
        if quoted.renews is not None:
            done = passes.renew(context.parts, quoted.renews, wanted.months, money, by, said.once)
        else:
            done = passes.sell(context.parts, wanted, money, by, said.once)
        return f"/passes/{done.id}" if door.may(staff, *_SEE) else "/passes/new"

    def shown(why: Refused | None) -> Response:
        return _form(request, context, staff, said, quoted=quoted, why=why)

    if said["what"] == "sell":
        return forms.step(staff, said, work, shown, "/passes/new", "pass-sold")
    door.own_form(staff, said["csrf"], "/passes/new")
    try:
        staff.only(said["site"])
        quoted = passes.quote(context.parts, _wanted(said), by(staff))
    except Refused as why:
        return shown(why)
    return shown(None)


@router.get("/passes/{pass_id}")
def one(request: Request, context: With, pass_id: PassId) -> Response:
    """A pass with its periods and what of them is earned, its vehicles, what was asked back."""
    staff = door.staff_at(request, context, ("GET", "/sold-passes/{pass_id}"))
    return _one(request, context, staff, pass_id)


@router.post("/passes/{pass_id}")
def act(request: Request, context: With, pass_id: PassId, said: Said) -> Response:
    """One step with it."""
    what = said["what"]
    staff = door.staff_at(request, context, ("GET", "/sold-passes/{pass_id}"), _ACTS.get(what, _NO_CALL))

    def work(by: By) -> None:
        staff.own(reading.site_of(pass_id))
        if what in _OF_REFUND:
            with context.parts.store.reading() as connection:
                known = passes_reading.sold_pass(context.parts, connection, staff.sites, pass_id)["refunds"]
            if said["refund"] not in {one["id"] for one in known}:
                raise NotFound
        _STEPS[what](context.parts, pass_id, said, by)

    def shown(why: Refused) -> Response:
        return _one(request, context, staff, pass_id, why)

    return forms.step(staff, said, work, shown, f"/passes/{pass_id}", "done")


def _transfer(parts: Parts, pass_id: str, said: Entered, by: By) -> None:
    passes_changes.transfer(parts, pass_id, said["plate"], said["reason"], by, said.or_none("from_plate"))


def _share(parts: Parts, pass_id: str, said: Entered, by: By) -> None:
    passes_changes.share(parts, pass_id, said["plate"], said["reason"], by)


def _propose(parts: Parts, pass_id: str, said: Entered, by: By) -> None:
    passes_refund.propose(parts, pass_id, said["reason"], by, _day("day", said["day"]))


def _approve(parts: Parts, _pass_id: str, said: Entered, by: By) -> None:
    passes_refund.approve(parts, said["refund"], forms.number("amount_fen", said["amount_fen"]), by)


def _refuse(parts: Parts, _pass_id: str, said: Entered, by: By) -> None:
    passes_refund.refuse(parts, said["refund"], said["reason"], by)


def _pay_out(parts: Parts, _pass_id: str, said: Entered, by: By) -> None:
    passes_refund.pay_out(parts, said["refund"], said["channel"], by)


_STEPS: Final[dict[str, Callable[[Parts, str, Entered, By], None]]] = {
    "transfer": _transfer,
    "share": _share,
    "propose": _propose,
    "approve": _approve,
    "refuse": _refuse,
    "pay_out": _pay_out,
}


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    said: Entered,
    *,
    quoted: passes.Offered | None = None,
    why: Refused | None = None,
) -> Response:
    lang = language_of(request)
    with context.parts.store.reading() as connection:
        sites = forms.sites(connection, staff)
        rules = policies_in_force(connection, context.parts.clock.now())
    mine = {one["id"] for one in sites}
    offers = sorted({offer.id for site, policy in rules.items() if site in mine for offer in policy.passes})
    return forms.form(
        request,
        staff,
        "passes_form.html",
        here="pass_counter",
        said=said,
        why=why,
        fields=_FIELDS,
        quoted=quoted,
        sites=[(one["id"], one["name"]) for one in sites],
        offers=[(one, one) for one in offers],
        vehicles=[(one, word(lang, "vehicle", one)) for one in VEHICLE_WORDS],
        channels=forms.channels(request),
    )


def _one(request: Request, context: Context, staff: Staff, pass_id: str, why: Refused | None = None) -> Response:
    with context.parts.store.reading() as connection:
        found = passes_reading.sold_pass(context.parts, connection, staff.sites, pass_id)
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


def _wanted(said: Entered) -> Wanted:
    """Raises `Invalid`."""
    vehicle = said.or_none("vehicle")
    if vehicle is not None and vehicle not in VEHICLE_WORDS:
        raise Invalid("vehicle: not one of the list")
    months = forms.number("months", said["months"])
    if not 1 <= months <= 24:
        raise Invalid("months: from 1 to 24")
    return Wanted(
        site=said["site"],
        plate=said["plate"],
        offer=said["offer"],
        months=months,
        first_day=_day("first_day", said["first_day"]),
        vehicle=vehicle,
    )


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(f"{name}: not a day such as 2026-03-02") from None
