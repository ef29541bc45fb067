"""The registers' pages: lists, one entry with its history, and its forms. What they do is what the API does."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from gateway.api import registers_view as view
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByName
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.registers import request_of
from gateway.api.stays import plate_part
from gateway.console.desk import door, households
from gateway.console.desk import registers_forms as forms
from gateway.console.rendering import language_of
from gateway.console.words import word
from gateway.flows import reading, registers_edit, registers_entries, registers_history
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.flows.registers_classes import free_classes
from gateway.flows.registers_kinds import REGISTERS
from gateway.runtime.ids import random_token

router = APIRouter(include_in_schema=False)

Kind = Literal["households", "vehicles", "relatives", "certificates", "passes", "free-vehicles", "blocklist"]
EntryId = Annotated[str, Path(max_length=400)]
Text = Annotated[str, Query(max_length=64)]
# What ends within so many days is shown as ending soon.
SOON: Final = timedelta(days=30)
_HISTORY_SHOWN = 50


@router.get("/registers/{kind}")
def listed(
    request: Request,
    context: With,
    part: ByName,
    kind: Kind,
    *,
    site: Text = "",
    plate: Text = "",
    household: Text = "",
    valid: Literal["", "now", "soon"] = "",
) -> Response:
    """A register, by site and key."""
    staff = door.staff_at(request, context, ("GET", f"/{kind}"))
    allowed = staff.only(site or None)
    wanted = filter_of(staff, context, kind, site=site, plate=plate, household=household, valid=valid)
    with context.reports.reading() as connection:
        how = registers_entries.shown(connection, context.parts, kind)
        found = registers_entries.listed(connection, kind, allowed, wanted, part, how)
        sites = reading.sites(connection, staff.sites, Slice(None, 200), disabled=False)
    seen = [(key, forms.entry_as_seen(context, staff, kind, document)) for key, document in found]
    return door.page(
        request,
        staff,
        "registers.html",
        here=kind,
        kind=kind,
        found=sliced(seen, part.limit),
        columns=forms.columns(kind, staff.role),
        by_plate="plate" in forms.COLUMNS[kind],
        by_household=_by_household(staff, kind),
        sites=sites,
        names=defaultdict(str, {one["id"]: one["name"] for one in sites}),
        asked={"site": site, "plate": plate, "household": household, "valid": valid},
        adds=kind in forms.FIELDS and door.may(staff, "POST", f"/{kind}"),
        imports=door.may(staff, "POST", f"/{kind}/import"),
    )


@router.get("/registers/{kind}/new")
def new(request: Request, context: With, kind: Kind, site: Text = "", household: Text = "") -> Response:
    """The form of a new entry; a household's page fills in whose."""
    staff = _who_changes(request, context, kind, "POST", f"/{kind}")
    return _form(request, context, staff, kind, {"site": site, "household": household})


@router.post("/registers/{kind}/new")
async def add(request: Request, context: With, kind: Kind) -> Response:
    """Register it."""
    typed = await request.form(max_files=0, max_fields=40)
    return await run_in_threadpool(_add, request, context, kind, {name: str(value) for name, value in typed.items()})


def _add(request: Request, context: Context, kind: str, typed: dict[str, str]) -> Response:
    staff = _who_changes(request, context, kind, "POST", f"/{kind}")
    door.own_form(staff, typed.get("csrf", ""), f"/registers/{kind}")
    names = forms.FIELDS[kind]
    cells = {name: typed[name].strip() for name in names if typed.get(name, "").strip()}
    if kind == "blocklist":
        cells["reason"] = typed.get("reason", "").strip()
    asked = request_of(staff, typed.get("reason", ""), typed.get("once") or None)
    try:
        made = registers_edit.add(context.parts, kind, cells, asked)
    except Refused as why:
        return _form(request, context, staff, kind, typed, why)
    return door.back_to(f"/registers/{kind}/{made['id']}", said="registered")


@router.get("/registers/{kind}/{entry}")
def entry(request: Request, context: With, kind: Kind, entry: EntryId) -> Response:
    """One entry, what became of it, and what may be done with it."""
    staff = door.staff_at(request, context, ("GET", f"/{kind}/{{entry}}"))
    return _entry(request, context, staff, kind, entry)


@router.post("/registers/{kind}/{entry}")
async def act(request: Request, context: With, kind: Kind, entry: EntryId) -> Response:
    """Change it, end it, lift it or say that it was reviewed."""
    typed = await request.form(max_files=0, max_fields=40)
    said = {name: str(value) for name, value in typed.items()}
    return await run_in_threadpool(_act, request, context, kind, entry, said)


_CALLS: Final = {
    "change": ("PATCH", ""),
    "end": ("POST", "/end"),
    "lift": ("POST", "/lift"),
    "review": ("POST", "/review"),
}
_SAID: Final = {"change": "changed", "end": "ended", "lift": "lifted", "review": "reviewed"}


def _act(request: Request, context: Context, kind: str, entry_id: str, typed: dict[str, str]) -> Response:
    what = typed.get("what", "")
    method, where = _CALLS.get(what, ("", ""))
    staff = _who_changes(request, context, kind, method, f"/{kind}/{{entry}}{where}")
    here = f"/registers/{kind}/{entry_id}"
    door.own_form(staff, typed.get("csrf", ""), here)
    asked = request_of(staff, typed.get("reason", ""), typed.get("once") or None)
    day = typed.get("at", "").strip() or None
    try:
        match what:
            case "change":
                _change(context, staff, kind, entry_id, typed, asked)
            case "end":
                registers_edit.end(context.parts, kind, entry_id, day, asked)
            case "lift":
                registers_edit.lift(context.parts, entry_id, asked)
            case _:
                registers_edit.review(context.parts, entry_id, day, asked)
    except NotFound:
        raise
    except Refused as why:
        return _entry(request, context, staff, kind, entry_id, typed, why)
    return door.back_to(here, said=_SAID[what])


def _change(
    context: Context, staff: Staff, kind: str, entry_id: str, typed: dict[str, str], asked: registers_edit.Request
) -> None:
    with context.parts.store.reading() as connection:
        before = _document(connection, context, staff, kind, entry_id)
    cells = forms.changed(kind, forms.shown(kind, before, context.parts.settings.zone), typed)
    if kind == "blocklist":
        cells["reason"] = asked.reason
    registers_edit.alter(context.parts, kind, entry_id, cells, asked)


def filter_of(
    staff: Staff, context: Context, kind: str, *, site: str, plate: str, household: str, valid: str
) -> registers_entries.Filter:
    """Raises `Invalid`."""
    if household and not _by_household(staff, kind):
        raise Invalid("household: not for your role")
    now = context.parts.clock.now()
    return registers_entries.Filter(
        site=site or None,
        plate=plate_part(plate) if plate else None,
        household=household or None,
        valid_at=now if valid else None,
        ends_by=now + SOON if valid == "soon" else None,
    )


def _by_household(staff: Staff, kind: str) -> bool:
    return "household" in forms.COLUMNS[kind] and kind in view.HOUSEHOLDS_SEEN.get(staff.role, REGISTERS)


def _who_changes(request: Request, context: Context, kind: str, method: str, path: str) -> Staff:
    return door.staff_at(request, context, ("GET", f"/{kind}"), (method, path))


def _document(connection: Any, context: Context, staff: Staff, kind: str, entry_id: str) -> dict[str, Any]:
    row = registers_entries.find(connection, kind, entry_id, staff.sites)
    return registers_entries.document(REGISTERS[kind], row, registers_entries.shown(connection, context.parts, kind))


def _form(
    request: Request, context: Context, staff: Staff, kind: str, typed: dict[str, str], why: Refused | None = None
) -> Response:
    """The form of a new entry, with what was typed and what was wrong with it."""
    with context.parts.store.reading() as connection:
        sites = reading.sites(connection, staff.sites, Slice(None, 200), disabled=False)
        classes = free_classes(connection, staff.sites, context.parts.clock.now()) if kind == "free-vehicles" else []
    names = (*forms.FIELDS[kind], "reason")
    return door.page(
        request,
        staff,
        "registers_form.html",
        200 if why is None else why.status,
        here=kind,
        kind=kind,
        fields=forms.to_add(kind),
        typed={name: typed.get(name, "") for name in names},
        errors=_errors(why, names),
        options=_options(request, sites, classes),
        once=random_token(18),
    )


def _errors(why: Refused | None, names: tuple[str, ...]) -> dict[str, Refused]:
    return door.at_fields(why, names) if why is not None else {}


def _options(request: Request, sites: Any = (), classes: Any = ()) -> dict[str, list[tuple[str, str]]]:
    """What there is to choose from: values, each with its words."""
    lang = language_of(request)
    found = {name: [(one, word(lang, name, one)) for one in values] for name, values in forms.CHOICES.items()}
    found["site"] = [(one["id"], one["name"]) for one in sites]
    found["class"] = [
        (one, word(lang, "report.class", one)) for one in sorted({one["class"] for one in classes if one["register"]})
    ]
    return found


def _entry(
    request: Request,
    context: Context,
    staff: Staff,
    kind: str,
    entry_id: str,
    typed: dict[str, str] | None = None,
    why: Refused | None = None,
) -> Response:
    zone = context.parts.settings.zone
    remembers = door.may(staff, "GET", f"/{kind}/{{entry}}/history")
    with context.parts.store.reading() as connection:
        row = registers_entries.find(connection, kind, entry_id, staff.sites)
        how = registers_entries.shown(connection, context.parts, kind)
        document = registers_entries.document(REGISTERS[kind], row, how)
        part = Slice(None, _HISTORY_SHOWN)
        past = registers_history.of_entry(connection, kind, row, part) if remembers else []
    changes = [view.change(kind, staff.role, change) for _, change in past[:_HISTORY_SHOWN]]
    acts = {what for what, (method, where) in _CALLS.items() if door.may(staff, method, f"/{kind}/{{entry}}{where}")}
    values = forms.shown(kind, document, zone) if kind in forms.FIELDS else {}
    changing = typed is not None and typed.get("what") == "change"
    names = (*values, "reason")
    return door.page(
        request,
        staff,
        "registers_entry.html",
        200 if why is None else why.status,
        here=kind,
        kind=kind,
        entry=forms.entry_as_seen(context, staff, kind, document),
        over=document["valid_to"] is not None and document["valid_to"] <= context.parts.clock.now(),
        columns=forms.columns(kind, staff.role),
        acts=acts,
        fields=forms.to_change(kind) if "change" in acts else [],
        typed={**values, **(typed or {})} if changing else {**values, "reason": ""},
        options=_options(request),
        errors=_errors(why, names) if changing else {"": why} if why is not None else {},
        changing=changing,
        history=[{**in_zone(one, zone), "differences": _differences(one, zone)} for one in changes],
        home=households.home_of(staff, kind, document),
        household=households.seen(context, staff, document) if kind == "households" else None,
        today=context.parts.clock.now().astimezone(zone).date().isoformat(),
        once=random_token(18),
    )


def _differences(change: dict[str, Any], zone: Any) -> list[tuple[str, str, str]]:
    """What a change changed: the field, before, after."""
    before, after = change["before"] or {}, change["after"] or {}
    return [
        (name, _said(name, before.get(name), zone), _said(name, after.get(name), zone))
        for name in {**before, **after}
        if before.get(name) != after.get(name) and name not in {"id", "registered_at"}
    ]


def _said(name: str, value: Any, zone: Any) -> str:
    if isinstance(value, datetime):
        if name in {"valid_from", "valid_to"}:
            return forms.day_of(name, value, zone)
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
    return "" if value is None else str(value)
