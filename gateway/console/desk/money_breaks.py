"""对账差异: the queue of what does not agree, and one of them with both sides' evidence beside each other, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from billing.breaks import KINDS, UNSETTLED, targets_of
from gateway.api import breaks as api
from gateway.api import breaks_shapes as shapes
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import breaks as flow
from gateway.flows import breaks_reading
from gateway.flows.breaks_reading import NOBODY, BreakState, Wanted, WholeBreak
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import Refused
from gateway.wiring import Parts

router = APIRouter(include_in_schema=False)

HERE: Final = "breaks"
WHERE: Final = "/money/breaks"
_SEE: Final = ("GET", "/breaks")
STEPS: Final = ("claim", "release", "note", "resolution", "withdrawal", "approval", "refusal")
_FIELDS: Final = ("reason", "text", "until", "to", "with", "with_")
_OTHERS_MAX: Final = 50
BreakId = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Query(max_length=64)]
What = Literal["claim", "release", "note", "resolution", "withdrawal", "approval", "refusal"]


@router.get(WHERE)
def breaks(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=40)] = "",
    state: Literal[
        "unsettled", "any", "open", "carried_over", "awaiting_approval", "cleared", "resolved"
    ] = "unsettled",
    kind: Annotated[str, Query(max_length=24)] = "",
    owner: Text = "",
) -> Response:
    """The queue, the newest first; by default what nobody has settled."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    states = {"unsettled": UNSETTLED, "any": None}.get(state, (state,))
    wanted = Wanted(states=states, kind=kind or None, owner=owner or None)
    with context.reports.reading() as connection:
        found = breaks_reading.breaks(connection, allowed, wanted, part, _now(context))
        known = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "money_breaks.html",
        here=HERE,
        found=in_zone(sliced([(key, plain(one)) for key, one in found], part.limit), context.parts.settings.zone),
        sites=known,
        kinds=KINDS,
        owners=[staff.name, NOBODY],
        asked={"site": site, "state": state, "kind": kind, "owner": owner},
    )


@router.get(WHERE + "/{break_id}")
def one(request: Request, context: With, break_id: BreakId, *, act: What | None = None) -> Response:
    """One break with its evidence; `act` opens the form of a step."""
    staff = door.staff_at(request, context, _SEE)
    return _page(request, context, staff, break_id, act)


@router.get(WHERE + "/{break_id}/pictures/{device}/{event}")
def picture(request: Request, context: With, break_id: BreakId, device: api.Name, event: api.Name) -> Response:
    """A picture of its stay."""
    staff = door.staff_at(request, context, ("GET", "/breaks/{break_id}/pictures/{device}/{event}"))
    return api.picture(staff, context, break_id, device, event)


@router.post(WHERE + "/{break_id}/{what}")
def do(request: Request, context: With, break_id: BreakId, what: What, said: Said) -> Response:
    """One step at a break. It goes by the version that was seen: who looked at something else looks again."""
    staff = door.staff_at(request, context, _call(what))

    def work(by: By) -> None:
        staff.own(site_of(break_id))
        _STEPS[what](context.parts, break_id, said, by)

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, break_id, what, said, why)

    return forms.step(staff, said, work, shown, f"{WHERE}/{break_id}", f"break_{what}")


def _call(what: str) -> tuple[str, str]:
    return "POST", f"/breaks/{{break_id}}/{what}"


def _version(said: Entered) -> int:
    return forms.number("version", said["version"])


def _claim(parts: Parts, name: str, said: Entered, by: By) -> None:
    flow.claim(parts, name, by, version=_version(said), key=said.once)


def _release(parts: Parts, name: str, said: Entered, by: By) -> None:
    flow.release(parts, name, by, version=_version(said), key=said.once)


def _note(parts: Parts, name: str, said: Entered, by: By) -> None:
    flow.note(parts, name, forms.shaped(shapes.Note, text=said["text"]).text, by, key=said.once)


def _withdraw(parts: Parts, name: str, said: Entered, by: By) -> None:
    flow.withdraw(parts, name, by, version=_version(said), key=said.once)


def _approve(parts: Parts, name: str, said: Entered, by: By) -> None:
    flow.approve(parts, name, by, version=_version(said), key=said.once)


def _refuse(parts: Parts, name: str, said: Entered, by: By) -> None:
    asked = forms.shaped(shapes.Refusal, reason=said["reason"], version=_version(said))
    flow.reject(parts, name, asked.reason, by, version=asked.version, key=said.once)


def _resolve(parts: Parts, name: str, said: Entered, by: By) -> None:
    """Settle it or carry it over. Of what fits another resolution nothing is sent on: a form keeps what was ticked before."""
    how = said["resolution"]
    going = [(word, forms.fen_or_none("to", said[f"to_{word}"])) for word in said.every("to")]
    named = [one.partition(" ") for one in said.every("with")]
    asked = forms.shaped(
        shapes.Resolution,
        **{
            "resolution": how,
            "reason": said["reason"],
            "version": _version(said),
            "to": [{"account": word, "amount_fen": fen} for word, fen in going] if how == "adjusted" else [],
            "with": [{"kind": kind, "id": id_} for kind, _, id_ in named] if how == "matched" else [],
            "until": said.or_none("until") if how == "carried_over" else None,
        },
    )
    flow.resolve(parts, name, api.wanted_of(asked), by, version=asked.version, key=said.once)


_STEPS: Final[dict[str, Callable[[Parts, str, Entered, By], None]]] = {
    "claim": _claim,
    "release": _release,
    "note": _note,
    "resolution": _resolve,
    "withdrawal": _withdraw,
    "approval": _approve,
    "refusal": _refuse,
}


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    break_id: str,
    act: str | None,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    zone = context.parts.settings.zone
    with context.reports.reading() as connection:
        found = breaks_reading.whole_break(connection, staff.sites, break_id, _now(context))
        wanted = Wanted(states=UNSETTLED)
        beside = breaks_reading.breaks(
            connection, frozenset({found.site}), wanted, Slice(None, _OTHERS_MAX), _now(context)
        )
    acts = _acts(staff, found)
    return forms.form(
        request,
        staff,
        "money_break.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        item=in_zone(plain(found), zone),
        records=_records(found, [one for _, one in beside]),
        targets=targets_of(found.channel, found.suspense_fen) if found.suspense_fen else [],
        acts=acts,
        act=act if act in acts else _first(acts),
        today=_now(context).date().isoformat(),
    )


def _acts(staff: Staff, item: WholeBreak) -> list[str]:
    """What the reader may do as it stands. The flow decides; this shows no way that leads nowhere."""
    mine, wanted = item.owner == staff.name, ["note"]
    proposer = next((step.by for step in reversed(item.steps) if step.action == "propose"), None)
    if item.state in {"open", "carried_over"}:
        free = item.owner is None
        wanted += ["claim"] if free else []
        wanted += ["release"] if mine or (not free and staff.role == "manager") else []
        wanted += ["resolution"] if mine or free else []
    elif item.state == "awaiting_approval":
        wanted += ["withdrawal"] if proposer == staff.name else ["approval", "refusal"]
    return [one for one in STEPS if one in wanted and door.may(staff, *_call(one))]


def _first(acts: list[str]) -> str | None:
    """The form that is open when nothing was asked for: what finance, or a manager, has come for."""
    return next((one for one in ("resolution", "approval") if one in acts), None)


def _records(item: WholeBreak, beside: list[BreakState]) -> list[dict[str, Any]]:
    """What it may be matched with: other breaks of its site whose money cancels some of its own; where none is in question, its evidence."""
    if item.suspense_fen:
        return [
            {"kind": "break", "id": one.id, "fen": one.suspense_fen, "about": one.kind, "day": one.day.isoformat()}
            for one in beside
            if one.id != item.id and one.suspense_fen * item.suspense_fen < 0
        ]
    evidence = item.evidence
    named = {
        "stay": item.stay,
        "order": item.order if evidence.order is not None else None,
        "refund": item.refund if evidence.refund is not None else None,
        "shift": item.shift,
        "exception": None if evidence.exception is None else str(evidence.exception["id"]),
    }
    found: list[dict[str, Any]] = [
        {"kind": kind, "id": there, "fen": None, "about": "", "day": ""} for kind, there in named.items() if there
    ]
    found += [
        {"kind": "line", "id": f"{one.statement}:{one.line}", "fen": one.amount_fen, "about": "", "day": f"{one.day}"}
        for one in evidence.lines
    ]
    return found


def _now(context: Context) -> datetime:
    return context.parts.clock.now().astimezone(context.parts.settings.zone)
