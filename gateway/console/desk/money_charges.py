"""月费: property fees and passes that are billed monthly; the run with its preview, one charge with what was taken for it, and its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import passes_shapes as shapes
from gateway.api.access import SEES_LOW_INCOME
from gateway.api.context import Context, Staff, With
from gateway.api.days import site_meant
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import charges, charges_money
from gateway.flows.charges_books import By, Money
from gateway.flows.charges_money import ChargeFilter
from gateway.flows.reading import site_of
from gateway.flows.refusals import Refused
from gateway.wiring import Parts

router = APIRouter(include_in_schema=False)

HERE: Final = "charges"
WHERE: Final = "/money/charges"
RUN: Final = WHERE + "/run"
_SEE, _ONE = ("GET", "/charges"), ("GET", "/charges/{charge_id}")
_RUN: Final = ("POST", "/charges/runs")
_CALLS: Final = {
    "payment": ("POST", "/charges/{charge_id}/payments"),
    "reversal": ("POST", "/charges/{charge_id}/reversal"),
    "payback": ("POST", "/charges/{charge_id}/payback"),
}
_FIELDS: Final = ("amount_fen", "channel", "reference", "reason")
# Of a preview so many are told one by one; the sums are over all.
_SHOWN: Final = 100
ChargeId = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Query(max_length=64)]
Step = Literal["payment", "reversal", "payback"]


@router.get(WHERE)
def listed(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Text = "",
    month: Annotated[str, Query(pattern=r"^(2\d{3}-(0[1-9]|1[0-2]))?$")] = "",
    household: Text = "",
    kind: Literal["", "property_fee", "pass"] = "",
    due: bool = False,
) -> Response:
    """The newest first; to a till only those with something to pay, or to pay back."""
    staff = door.staff_at(request, context, _SEE)
    seen = _seen(staff)
    wanted = ChargeFilter(month=month or None, household=household or None, kind=kind or None, due=due, seen=seen)
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        found = charges_money.charges(connection, allowed, wanted, part)
        known = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "money_charges.html",
        here=HERE,
        found=in_zone(sliced(found, part.limit), context.parts.settings.zone),
        sites=known,
        asked={"site": site, "month": month, "household": household, "kind": kind, "due": "true" if due else ""},
        seen=seen,
        runs=door.may(staff, *_RUN),
    )


@router.get(RUN)
def run_form(request: Request, context: With) -> Response:
    """Which month, and where."""
    staff = door.staff_at(request, context, _RUN)
    today = context.parts.clock.now().astimezone(context.parts.settings.zone).date()
    return _run_form(request, context, staff, Entered({"month": [f"{today:%Y-%m}"]}))


@router.post(RUN)
def run(request: Request, context: With, said: Said) -> Response:
    """What it would charge; then, charged. Each site is charged by itself, and what stands already stays."""
    staff = door.staff_at(request, context, _RUN)
    door.own_form(staff, said["csrf"], RUN)
    preview = said["what"] != "run"
    try:
        asked = forms.shaped(shapes.RunAsked, month=said["month"], site=said.or_none("site"), preview=preview)
        site = site_meant(staff, asked.site)
        found = charges.run(context.parts, asked.month, by(staff), site, preview=preview)
    except Refused as why:
        return _run_form(request, context, staff, said, why=why)
    if preview:
        return _run_form(request, context, staff, said, found=found)
    return door.back_to(WHERE, month=asked.month, site=site, said="charges_run")


@router.get(WHERE + "/{charge_id}")
def one(request: Request, context: With, charge_id: ChargeId) -> Response:
    """A charge: how it came about, what was taken for it, and what may be done next."""
    staff = door.staff_at(request, context, _ONE)
    return _page(request, context, staff, charge_id)


@router.post(WHERE + "/{charge_id}/{what}")
def do(request: Request, context: With, charge_id: ChargeId, what: Step, said: Said) -> Response:
    """Take money for it, undo it, or hand back what was paid for one that was undone."""
    staff = door.staff_at(request, context, _CALLS[what])

    def work(by: By) -> str:
        staff.own(site_of(charge_id))
        settled = _STEPS[what](context.parts, charge_id, said, by)
        # What is settled a till does not see any more.
        return WHERE if settled and not _seen(staff) else f"{WHERE}/{charge_id}"

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, charge_id, said, why, what)

    return forms.step(staff, said, work, shown, WHERE, f"charge_{what}")


def _pay(parts: Parts, charge_id: str, said: Entered, by: By) -> bool:
    amount = forms.fen("amount_fen", said["amount_fen"])
    asked = forms.shaped(shapes.ToPay, channel=said["channel"], amount_fen=amount, reference=said["reference"])
    money = Money(channel=asked.channel, amount_fen=asked.amount_fen, reference=asked.reference)
    return not charges_money.pay(parts, charge_id, money, by, said.once).due_fen


def _reverse(parts: Parts, charge_id: str, said: Entered, by: By) -> bool:
    charges_money.reverse(parts, charge_id, forms.shaped(shapes.Reason, reason=said["reason"]).reason, by)
    return False


def _pay_back(parts: Parts, charge_id: str, said: Entered, by: By) -> bool:
    charges_money.pay_back(parts, charge_id, forms.shaped(shapes.Out, channel=said["channel"]).channel, by)
    return False


_STEPS: Final[dict[str, Callable[[Parts, str, Entered, By], bool]]] = {
    "payment": _pay,
    "reversal": _reverse,
    "payback": _pay_back,
}


def _seen(staff: Staff) -> bool:
    """Whether they may know why nothing is due of a charge."""
    return staff.role in SEES_LOW_INCOME


def _acts(staff: Staff, charge: dict[str, Any]) -> list[str]:
    """What this reader may do with it next. Who took it back does not hand its money out."""
    owed_back = charge["state"] == "reversed" and charge["paid_fen"] and charge["paid_back_at"] is None
    open_ways = {
        "payment": charge["state"] == "due",
        "reversal": charge["state"] != "reversed",
        "payback": owed_back and charge.get("reversed_by") != staff.name,
    }
    return [what for what, call in _CALLS.items() if open_ways[what] and door.may(staff, *call)]


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    charge_id: str,
    said: Entered | None = None,
    why: Refused | None = None,
    what: str = "",
) -> Response:
    """`what` was refused, and why."""
    staff.own(site_of(charge_id))
    with context.parts.store.reading() as connection:
        found = charges_money.whole(connection, charge_id, seen=_seen(staff))
    return forms.form(
        request,
        staff,
        "money_charge.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        charge=in_zone(found, context.parts.settings.zone),
        acts=_acts(staff, found),
        tried=what,
        channels=forms.channels(request),
    )


def _run_form(
    request: Request,
    context: Context,
    staff: Staff,
    said: Entered,
    *,
    found: list[charges.SiteRun] | None = None,
    why: Refused | None = None,
) -> Response:
    return forms.form(
        request,
        staff,
        "money_charges_run.html",
        here=HERE,
        said=said,
        why=why,
        fields=("month", "site"),
        found=found,
        most=_SHOWN,
        street=staff.sites is None,
        site_choices=forms.site_choices(context, staff),
    )
