"""The queue of what needs a person: taken on, worked on, resolved with a word."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door, forms, proposals
from gateway.console.desk.lanes import command_at
from gateway.console.rendering import language_of
from gateway.flows import attending, queue_evidence, reading
from gateway.flows.refusals import NotFound
from gateway.runtime.ids import random_token

router = APIRouter(include_in_schema=False)

_SEE, _DO = ("GET", "/exceptions"), ("POST", "/exceptions/{item_id}/resolution")
Text = Annotated[str, Form(max_length=2000)]
# What an item of these kinds is about is its lane and its vehicle: its subject is a key of the store, which tells nobody anything.
_KEYED: Final = frozenset(
    {
        "alarm",
        "barrier_fault",
        "blocked",
        "command_not_confirmed",
        "help_call",
        "not_confirmed",
        "not_registered",
        "opened_by_hand",
        "opened_without_event",
        "tailgating",
    }
)
# Open for so long, an item says so in words, and louder.
_LATE_MINUTES = 5


@router.get("/queue")
def queue(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=40)] = "",
    kind: Annotated[str, Query(max_length=24)] = "",
    state: Literal["open", "resolved", "any"] = "open",
    lane: Annotated[str, Query(max_length=81)] = "",
    command: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """What needs a person, the newest first. `lane`, `command`: what was told to a lane, whose outcome is followed."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        found = reading.exceptions(
            connection, allowed, part, state=None if state == "any" else state, kind=kind or None
        )
        sites = forms.sites(connection, staff)
        items = [item for _, item in found]
        seen = queue_evidence.of_items(context.parts, connection, items)
        whose = queue_evidence.whose(context.parts, connection, items)
    works, lang, now = door.may(staff, *_DO), language_of(request), context.parts.clock.now()
    for item in items:
        item["seen"] = msgspec.to_builtins(seen.get(item["id"]))
        item["subject"] = _subject(item)
        item["whose"] = msgspec.to_builtins(whose.get(item["id"]), builtin_types=(datetime,))
        item["waited"] = max(0, int((now - item["opened_at"]).total_seconds() // 60))
        item["proposal"] = proposals.of(item, staff, lang)._asdict() if works and item["state"] == "open" else None
    return door.page(
        request,
        staff,
        "desk_queue.html",
        here="queue",
        found=in_zone(sliced(found, part.limit), context.parts.settings.zone),
        sites=sites,
        asked={"site": site, "kind": kind, "state": state},
        works=works,
        looks=door.may(staff, "GET", "/exceptions/{item_id}/picture"),
        matches=works and door.may(staff, *proposals.CALLS["match"]),
        late=_LATE_MINUTES,
        command=command_at(lane, command) if command else None,
        once=random_token(18),
    )


def _subject(item: dict[str, Any]) -> str:
    """What it is about besides its lane, vehicle and stay; empty where that is all."""
    subject, lane = str(item["subject"]), (item["lane"] or "").partition(".")[2]
    keyed = item["kind"] in _KEYED or subject == item["stay"] or (lane and subject.startswith(f"{lane}:"))
    return "" if keyed else subject


@router.post("/queue/{item_id}/acceptance")
def accept(
    request: Request,
    context: With,
    item_id: Annotated[str, Path(max_length=64)],
    *,
    does: Annotated[proposals.Does, Form()],
    candidate: Annotated[str, Form(max_length=64)] = "",
    csrf: Text = "",
    reason: Text = "",
    once: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Do what was proposed for an item. The page's own key makes one step of a form that is sent twice."""
    staff = door.staff_at(request, context, _DO, proposals.CALLS[does])
    door.own_form(staff, csrf, "/queue")
    with context.parts.store.reading() as connection:
        item = reading.exception(connection, staff.sites, item_id)
    if does == "open" and not (item["lane"] and item["event"]):
        raise NotFound("no vehicle is known to wait there")
    if does == "match" and not item["stay"]:
        raise NotFound("the item is about no stay")
    key = f"{once}:{item_id}" if once else None
    done = proposals.accept(context.parts, staff, item, does, reason, key, candidate)
    told = {"lane": item["lane"], "command": done.command} if done.command else {}
    return door.back_to("/queue", told, said=done.said)


@router.post("/queue/{item_id}/{what}")
def attend(
    request: Request,
    context: With,
    item_id: Annotated[str, Path(max_length=64)],
    what: Literal["claim", "release", "resolution"],
    csrf: Text = "",
    resolution: Text = "",
    note: Text = "",
) -> Response:
    """One step at an item."""
    staff = door.staff_at(request, context, _DO)
    door.own_form(staff, csrf, "/queue")
    who = by(staff)
    match what:
        case "claim":
            attending.claim(context.parts, staff.sites, item_id, who)
        case "release":
            attending.release(context.parts, staff.sites, item_id, who)
        case "resolution":
            attending.resolve(context.parts, staff.sites, item_id, resolution, note, who)
    return door.back_to("/queue")
