"""催缴: whom to remind of what they owe, put on record as a batch for whoever sends the messages, and what was sent before."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.console.desk import door, forms, money_arrears
from gateway.console.desk.forms import Said
from gateway.flows import arrears_reminders
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)

WHERE: Final = "/money/reminders"
_SEE, _SEND = ("GET", "/arrears/reminders"), ("POST", "/arrears/reminders")
_DUE: Final = ("GET", "/arrears/reminders/due")
_FILE: Final = ("GET", "/arrears/reminders/{batch}/file")
# So many of those to remind are told one by one; the file has all.
_SHOWN: Final = 50
Text = Annotated[str, Query(max_length=64)]


@router.get(WHERE)
def reminders(request: Request, context: With, part: ByTime, *, site: Text = "", batch: Text = "") -> Response:
    """Whom to remind now, and what was sent, newest first. `batch`: the one that was made just now."""
    staff = door.staff_at(request, context, _SEE, _DUE)
    return _page(request, context, staff, part, site, batch)


@router.post(WHERE)
def remind(request: Request, context: With, said: Said) -> Response:
    """Put on record all that is due for it; its file is then fetched."""
    staff = door.staff_at(request, context, _SEE, _DUE, _SEND)

    def work(by: By) -> str:
        allowed = staff.only(said.or_none("site"))
        sender = arrears_reminders.sender_named("csv")
        made = arrears_reminders.remind(context.parts, sender, allowed, by)
        return f"{WHERE}?batch={made.id}" if made.messages else WHERE

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, Slice(None, _SHOWN), "", "", why)

    return forms.step(staff, said, work, shown, WHERE, "arrears_reminded")


def _page(
    request: Request, context: Context, staff: Staff, part: Slice, site: str, batch: str, why: Refused | None = None
) -> Response:
    parts = context.parts
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        due = arrears_reminders.to_remind(parts, connection, allowed)
        sent = arrears_reminders.sent(connection, allowed, part)
        known = forms.sites(connection, staff)
    zone = parts.settings.zone
    return forms.form(
        request,
        staff,
        "money_reminders.html",
        here=money_arrears.HERE,
        why=why,
        tabs=money_arrears.tabs(staff),
        due=in_zone([plain(one) for one in due[:_SHOWN]], zone),
        many=len(due),
        owed_fen=sum(one.amount_fen for one in due),
        found=in_zone(sliced(sent, part.limit), zone),
        sites=known,
        asked={"site": site},
        batch=batch,
        sends=door.may(staff, *_SEND),
        files=door.may(staff, *_FILE),
    )
