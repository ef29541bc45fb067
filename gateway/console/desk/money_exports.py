"""Exports: closed days as files, chosen by day, range or month, by site, in every form."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Final, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from billing.exports import NotAPeriod, period_of
from gateway.api import exports as api
from gateway.api.context import Context, Staff, With
from gateway.api.days import Form
from gateway.api.prepared import UnderWay
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered
from gateway.flows.refusals import Invalid, Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "exports"
WHERE: Final = "/money/exports"
_SEE: Final = ("GET", "/exports")
FORMS: Final[tuple[str, ...]] = get_args(Form)
_SPANS: Final = ("day", "range", "month")
_FIELDS: Final = ("span", "day", "from", "to", "month", "site", "form")
Text = Annotated[str, Query(max_length=40)]


class _Asked(BaseModel):
    """What the form chose, with the dates and the form as the API takes them."""

    model_config = ConfigDict(extra="forbid")

    form: Form
    day: date | None = None
    first: date | None = None
    last: date | None = None


@router.get(WHERE)
def exports(
    request: Request,
    context: With,
    *,
    span: Text = "",
    day: Text = "",
    first: Annotated[str, Query(alias="from", max_length=40)] = "",
    last: Annotated[str, Query(alias="to", max_length=40)] = "",
    month: Text = "",
    site: Text = "",
    form: Text = "",
) -> Response:
    """The form; sent, it is the file, how far it is, or the form again with what is wrong."""
    staff = door.staff_at(request, context, _SEE)
    chosen = {"span": span, "day": day, "from": first, "to": last, "month": month, "site": site, "form": form}
    said = Entered({name: [value] for name, value in chosen.items()})
    if not form:
        yesterday = context.parts.clock.now().astimezone(context.parts.settings.zone).date() - timedelta(days=1)
        return _page(request, context, staff, Entered({"day": [yesterday.isoformat()]}))
    try:
        made = _file(context, staff, said)
    except Refused as why:
        return _page(request, context, staff, said, why)
    if not isinstance(made, UnderWay):
        return made
    # It asks for itself again until the file comes.
    return door.page(request, staff, "money_exports_wait.html", 202, here=HERE, how_far=made)


def _file(context: Context, staff: Staff, said: Entered) -> Response | UnderWay:
    """Raises what the API's answer would be."""
    span = said["span"] or "day"
    if span not in _SPANS:
        raise Invalid("span: a day, a range or a month")
    needed = {"day": ("day",), "range": ("from", "to"), "month": ("month",)}[span]
    for name in needed:
        if not said[name]:
            raise Invalid(f"{name}: choose one")
    asked = forms.shaped(
        _Asked,
        form=said["form"],
        day=said["day"] if span == "day" else None,
        first=said["from"] if span == "range" else None,
        last=said["to"] if span == "range" else None,
    )
    try:
        period = period_of(asked.day, asked.first, asked.last, said["month"] if span == "month" else None)
    except NotAPeriod as why:
        raise Invalid(str(why)) from None
    return api.exported(staff, context, period, asked.form, site=said.or_none("site"))


def _page(request: Request, context: Context, staff: Staff, said: Entered, why: Refused | None = None) -> Response:
    return forms.form(
        request,
        staff,
        "money_exports.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        site_choices=forms.site_choices(context, staff),
        street=staff.sites is None,
        forms=FORMS,
        spans=_SPANS,
    )
