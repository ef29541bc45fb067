"""求助无车牌: a driver without a plate and without the phone of the entry calls from a lane; whose stay it is is chosen by time and picture."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from controllers.unlicensed import UNLICENSED
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.console.desk import door, events, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import help_calls, images, reading, stays_found
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.flows.stays_found import StayFilter

router = APIRouter(include_in_schema=False)

_SEE: Final = ("GET", "/exceptions")
NAME: Final = ("POST", "/exceptions/{item_id}/stay")
_SHOWN: Final = 30
ItemId = Annotated[str, Path(max_length=64)]


@router.get("/queue/{item_id}/stay")
def whose(request: Request, context: With, item_id: ItemId) -> Response:
    """The vehicles without a plate that are inside, the newest entry first."""
    staff = door.staff_at(request, context, _SEE, NAME)
    return _page(request, context, staff, item_id)


@router.post("/queue/{item_id}/stay")
def name(request: Request, context: With, item_id: ItemId, said: Said) -> Response:
    """It is this one: what it owes is shown at its lane, and it goes out by paying, or owing."""
    staff = door.staff_at(request, context, _SEE, NAME)

    def work(by: By) -> None:
        staff.own(help_calls.site_of(context.parts, item_id))
        if not said["stay"]:
            raise Invalid("stay: choose one")
        help_calls.name_stay(context.parts, item_id, said["stay"], said["reason"], by)

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, item_id, said, why)

    return forms.step(staff, said, work, shown, "/queue", "call-named")


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    item_id: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    with context.parts.store.reading() as connection:
        item = reading.exception(connection, staff.sites, item_id)
        if item["kind"] != help_calls.KIND or item["state"] != "open" or item["lane"] is None:
            raise NotFound("no call waits there")
        wanted = StayFilter(site=item["site"], plate=UNLICENSED, state="inside")
        found = stays_found.stays(connection, frozenset({item["site"]}), wanted, Slice(None, _SHOWN))
        stays = [one for _, one in found[:_SHOWN]]
        reads = {one["id"]: images.reads_of(connection, one["id"]).get("entry") for one in stays}
        looks = door.may(staff, *events.PICTURE)
        kept = images.kept(connection, item["site"], [read for read in reads.values() if read]) if looks else set()
    shown: list[dict[str, Any]] = in_zone(stays, context.parts.settings.zone)
    return forms.form(
        request,
        staff,
        "desk_call.html",
        here="queue",
        said=said,
        why=why,
        fields=("reason",),
        item=in_zone(item, context.parts.settings.zone),
        stays=[one | {"picture": reads[one["id"]] if reads[one["id"]] in kept else None} for one in shown],
    )
