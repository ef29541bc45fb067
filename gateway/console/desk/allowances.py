"""亲属免费时长: who has used how much of a month, and of one household (or vehicle) every use, by which vehicle, and the months before."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByName, ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.stays import plate_part
from gateway.console.desk import door, forms
from gateway.flows import allowance, registers_entries
from gateway.flows.reading import Slice
from gateway.flows.refusals import NotFound
from gateway.flows.registers_kinds import REGISTERS

router = APIRouter(include_in_schema=False)

HERE: Final = "allowances"
WHERE: Final = "/allowances"
_SEE, _DRAWS, _MONTHS = ("GET", WHERE), ("GET", "/allowances/draws"), ("GET", "/allowances/months")
_MONTHS_SHOWN: Final = 12
Text = Annotated[str, Query(max_length=64)]
Month = Annotated[str, Query(pattern=r"^(20\d\d-(0[1-9]|1[0-2]))?$")]


@router.get(WHERE)
def allowances(
    request: Request,
    context: With,
    part: ByName,
    *,
    site: Text = "",
    household: Text = "",
    plate: Text = "",
    month: Month = "",
) -> Response:
    """Who has used of a month, by site and holder; one who is asked for, also if it has used nothing."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    holder = allowance.holder_of(household or None, plate_part(plate) or None)
    asked = allowance.month_of(month or None, context.parts)
    with context.reports.reading() as connection:
        found = allowance.balances(context.parts, connection, allowed, holder, asked, part)
        sites = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "allowances.html",
        here=HERE,
        found=sliced(found, part.limit),
        sites=sites,
        month=asked,
        asked={"site": site, "household": household, "plate": plate, "month": month},
    )


@router.get(WHERE + "/of")
def of_one(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Text = "",
    household: Text = "",
    plate: Text = "",
    month: Month = "",
    before: Month = "",
) -> Response:
    """One holder's month and every use of it. `before`: of its months, those before this one."""
    staff = door.staff_at(request, context, _DRAWS, _MONTHS)
    asked = {"site": site, "household": household, "plate": plate}
    staff.own(site)
    holder = allowance.one_holder(household or None, plate_part(plate) or None)
    shown = _shown(context, site, holder, allowance.month_of(month or None, context.parts), part, before)
    home = _home(context, staff, site, household, shown["months"]) if household else ""
    return door.page(request, staff, "allowance.html", here=HERE, asked=asked, home=home, **shown)


def _shown(context: Context, site: str, holder: str, month: str, part: Slice, before: str) -> dict[str, Any]:
    parts = context.parts
    with context.reports.reading() as connection:
        balance = allowance.balance(parts, connection, site, holder, month)
        draws = sliced(allowance.movements(connection, site, holder, month, part), part.limit)
        plates = allowance.plates_of(connection, site, {one["stay"] for one in draws["items"]})
        earlier = Slice((before, "") if before else None, _MONTHS_SHOWN)
        months = [one for _, one in allowance.months(parts, connection, site, holder, earlier)]
        vehicles = allowance.vehicles_of(connection, site, holder, month)
    draws["items"] = [one | {"of": plates.get(one["stay"], "")} for one in draws["items"]]
    return {
        "balance": balance,
        "draws": in_zone(draws, parts.settings.zone),
        "vehicles": vehicles,
        "months": months[:_MONTHS_SHOWN],
        "earlier": months[_MONTHS_SHOWN - 1]["month"] if len(months) > _MONTHS_SHOWN else "",
    }


def _home(context: Context, staff: Staff, site: str, household: str, months: list[dict[str, Any]]) -> str:
    """The household's page; empty if it is registered no more. Raises `NotFound` for one that never was."""
    name = REGISTERS["households"].id_of({"site_id": site, "id": household})
    try:
        with context.parts.store.reading() as connection:
            registers_entries.find(connection, "households", name, staff.sites)
    except NotFound:
        if not any(one["drawn_minutes"] for one in months):
            raise
        return ""
    return f"/registers/households/{name}"
