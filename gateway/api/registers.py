"""The registers: households, vehicles, relatives, certificates, passes, free vehicles, the blocklist; their history; imports.

Every register has the same routes, so they are made from a table. Selling passes is a trade of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from gateway.api import registers_view as view
from gateway.api import shapes_registers as shapes
from gateway.api.answers import Key, SiteName, instant, json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.lists import ByName, ListOf, page
from gateway.api.problems import problem
from gateway.api.stays import plate_part
from gateway.flows import registers, registers_edit, registers_entries, registers_history
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid
from gateway.flows.registers_classes import free_classes
from gateway.flows.registers_kinds import REGISTERS

router = APIRouter(tags=["registers"])

EntryId = Annotated[str, Path(max_length=400, description="an `id` of the list")]
PROBLEMS_SHOWN_MAX = 200
_UNPACKED_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class _Kind:
    kind: str
    what: str
    one: type[BaseModel]
    to_add: type[BaseModel] | None = None
    to_change: type[BaseModel] | None = None


_KINDS = (
    _Kind("households", "households", shapes.Home, shapes.HouseholdToAdd, shapes.HouseholdToChange),
    _Kind(
        "vehicles",
        "households' own vehicles",
        shapes.Vehicle,
        shapes.VehicleToAdd,
        shapes.VehicleToChange,
    ),
    _Kind(
        "relatives",
        "vehicles of lineal relatives within three generations",
        shapes.Relative,
        shapes.RelativeToAdd,
        shapes.RelativeToChange,
    ),
    _Kind(
        "certificates",
        "certificates, for registrar and finance alone",
        shapes.Certificate,
        shapes.CertificateToAdd,
        shapes.CertificateToChange,
    ),
    _Kind("passes", "passes as registered, for registrar and finance alone", shapes.Pass),
    _Kind(
        "free-vehicles",
        "vehicles of free classes, discounts and tariff groups that their plates do not show",
        shapes.FreeVehicle,
        shapes.FreeVehicleToAdd,
        shapes.FreeVehicleToChange,
    ),
    _Kind(
        "blocklist",
        "vehicles that may not enter",
        shapes.Block,
        shapes.BlockToAdd,
        shapes.BlockToChange,
    ),
)


def _cells(kind: str, body: BaseModel) -> dict[str, str]:
    """A request as a row of a file would say it: what is not given is left alone, null empties."""
    given = body.model_dump(exclude_unset=True, by_alias=True)
    if kind != "blocklist":
        given.pop("reason", None)
    return {name: "" if value is None else str(value) for name, value in given.items()}


def request_of(staff: Staff, reason: str, key: str | None = None) -> registers_edit.Request:
    """Who asks for a change, and why, for the flows."""
    return registers_edit.Request(
        operator=staff.name,
        source="console" if staff.csrf is not None else "api",
        origin=staff.origin,
        reason=reason,
        sites=staff.sites,
        idempotency_key=key,
    )


def _list(staff: Staff, context: With, kind: str, wanted: registers_entries.Filter, part: Slice) -> Response:
    allowed = staff.only(wanted.site)
    with context.reports.reading() as connection:
        how = registers_entries.shown(connection, context.parts, kind)
        found = registers_entries.listed(connection, kind, allowed, wanted, part, how)
    seen = [(key, view.entry(kind, staff.role, document)) for key, document in found]
    return json(context.parts, page(seen, part.limit))


def _reads(spec: _Kind) -> None:
    """`GET /{kind}`, `GET /{kind}/{entry}` and its history."""
    kind = spec.kind
    path = f"/{kind}"

    def listed(
        staff: Asking,
        context: With,
        part: ByName,
        *,
        site: SiteName = None,
        plate: Annotated[str | None, Query(max_length=40, description="any part of the plate")] = None,
        household: Annotated[str | None, Query(max_length=64)] = None,
        class_: Annotated[str | None, Query(alias="class", max_length=64)] = None,
        valid_at: Annotated[
            str | None, Query(max_length=40, description="only what holds at this instant, or as this day begins")
        ] = None,
        ends_by: Annotated[
            str | None, Query(max_length=40, description="only what ends at this instant, with this day, or before")
        ] = None,
        due: Annotated[
            date | None,
            # Far from the calendar's own ends: months are reckoned back from it.
            Query(
                ge=date(1970, 1, 1),
                le=date(2200, 1, 1),
                description="certificates only: to be reviewed on this local day or before it",
            ),
        ] = None,
    ) -> Response:
        if household is not None and kind not in view.HOUSEHOLDS_SEEN.get(staff.role, REGISTERS):
            raise Invalid("household: not for your role")
        wanted = registers_entries.Filter(
            site=site,
            plate=plate_part(plate) if plate is not None else None,
            household=household,
            class_=class_,
            valid_at=instant("valid_at", valid_at, context.parts.settings.zone),
            ends_by=instant("ends_by", ends_by, context.parts.settings.zone, end=True),
            due=due if kind == "certificates" else None,
        )
        return _list(staff, context, kind, wanted, part)

    def one(staff: Asking, context: With, entry: EntryId) -> Response:
        with context.parts.store.reading() as connection:
            row = registers_entries.find(connection, kind, entry, staff.sites)
            how = registers_entries.shown(connection, context.parts, kind)
            found = registers_entries.document(REGISTERS[kind], row, how)
        return json(context.parts, view.entry(kind, staff.role, found))

    def history(staff: Asking, context: With, part: ByName, entry: EntryId) -> Response:
        with context.parts.store.reading() as connection:
            row = registers_entries.find(connection, kind, entry, staff.sites)
            found = registers_history.of_entry(connection, kind, row, part)
        seen = [(key, view.change(kind, staff.role, document)) for key, document in found]
        return json(context.parts, page(seen, part.limit))

    many = ListOf[spec.one]  # type: ignore[name-defined]
    _route("GET", path, listed, many, f"{spec.what}, by site and key")
    _route("GET", f"{path}/{{entry}}", one, spec.one, f"one of the {spec.what}")
    _route(
        "GET", f"{path}/{{entry}}/history", history, ListOf[shapes.Change], "who changed it, when, from where and why"
    )


def _changes(spec: _Kind) -> None:
    """`POST /{kind}`, `PATCH /{kind}/{entry}`, and an end: `/end`, or `/lift` for who is blocked."""
    kind = spec.kind

    def add(staff: Asking, context: With, body: Any, idempotency_key: Key = None) -> Response:
        request = request_of(staff, body.reason, idempotency_key)
        found = registers_edit.add(context.parts, kind, _cells(kind, body), request)
        return json(context.parts, view.entry(kind, staff.role, found), 201)

    def alter(staff: Asking, context: With, entry: EntryId, body: Any, idempotency_key: Key = None) -> Response:
        request = request_of(staff, body.reason, idempotency_key)
        found = registers_edit.alter(context.parts, kind, entry, _cells(kind, body), request)
        return json(context.parts, view.entry(kind, staff.role, found))

    def end(staff: Asking, context: With, entry: EntryId, body: shapes.ToEnd, idempotency_key: Key = None) -> Response:
        request = request_of(staff, body.reason, idempotency_key)
        found = registers_edit.end(context.parts, kind, entry, body.at, request)
        return json(context.parts, view.entry(kind, staff.role, found))

    add.__annotations__["body"], alter.__annotations__["body"] = spec.to_add, spec.to_change
    _route("POST", f"/{kind}", add, spec.one, f"add to the {spec.what}; what had ended begins anew", 201)
    _route("PATCH", f"/{kind}/{{entry}}", alter, spec.one, "other content; what is not given stays")
    if kind in registers_edit.ENDABLE:
        words = "it holds until then, and no longer; nothing is deleted"
        _route("POST", f"/{kind}/{{entry}}/end", end, spec.one, words)


def _imports(spec: _Kind) -> None:
    kind = spec.kind

    async def upload(
        staff: Asking,
        context: With,
        request: Request,
        *,
        preview: Annotated[bool, Query(description="say what would change, and change nothing")] = False,
        name: Annotated[str, Query(max_length=200, description="the file's name")] = "",
        reason: Annotated[str, Query(max_length=300, description="why; needed unless it is a preview")] = "",
    ) -> Response:
        if not preview and not reason.strip():
            raise Invalid("reason: say why, with ?reason= in the address")
        data = await request.body()
        return await run_in_threadpool(_import, staff, context, kind, data, preview, name, reason)

    _route("POST", f"/{kind}/import", upload, shapes.Imported, "import a CSV or XLSX, sent as the body: all or nothing")


def read_file(
    staff: Staff, context: Context, kind: str, data: bytes, *, preview: bool, name: str, reason: str
) -> registers.ImportReport:
    """Import a file, or say what it would change. Raises `Invalid` for one that cannot be read, and `TooMany`."""
    with context.reports.place():
        try:
            return registers.import_file(
                context.parts,
                kind,
                data,
                operator=staff.name,
                origin=staff.origin,
                source=name,
                reason=reason.strip(),
                preview=preview,
                only=staff.sites,
                unpacked_max=_UNPACKED_MAX,
            )
        except registers.UnreadableFile as error:
            raise Invalid(f"file: {error}") from None


def _import(staff: Staff, context: With, kind: str, data: bytes, preview: bool, name: str, reason: str) -> Response:
    report = read_file(staff, context, kind, data, preview=preview, name=name, reason=reason)
    count = len(report.problems)
    if count and not preview:
        errors = [{"where": f"line {one.line}", "what": one.reason} for one in report.problems[:PROBLEMS_SHOWN_MAX]]
        words = f"{count} bad row{'s' if count > 1 else ''}, nothing was imported; correct them and import again"
        return problem(422, "bad-rows", words, more={"errors": errors, "count": count})
    document = {
        "kind": report.kind,
        "preview": report.preview,
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "problems": [{"line": one.line, "reason": one.reason} for one in report.problems[:PROBLEMS_SHOWN_MAX]],
        "more_problems": max(0, count - PROBLEMS_SHOWN_MAX),
        "changes": [
            {"line": one.line, "action": one.action, "before": one.before, "after": one.after} for one in report.changes
        ],
    }
    return json(context.parts, document)


def _route(
    method: str, path: str, endpoint: Callable[..., Any], shape: type[BaseModel], words: str, status: int = 200
) -> None:
    router.add_api_route(
        path,
        endpoint,
        methods=[method],
        status_code=status,
        summary=words[0].upper() + words[1:],
        responses={status: {"model": shape}},
        name=f"{method.lower()} {path}",
    )


for _spec in _KINDS:
    _reads(_spec)
    _imports(_spec)
    if _spec.to_add is not None:
        _changes(_spec)


@router.post("/blocklist/{entry}/lift", responses={200: {"model": shapes.Block}})
def lift(staff: Asking, context: With, entry: EntryId, body: shapes.Reasoned, idempotency_key: Key = None) -> Response:
    """The vehicle may enter again; the entry stays."""
    found = registers_edit.lift(context.parts, entry, request_of(staff, body.reason, idempotency_key))
    return json(context.parts, view.entry("blocklist", staff.role, found))


@router.post("/certificates/{entry}/review", responses={200: {"model": shapes.Certificate}})
def review(staff: Asking, context: With, entry: EntryId, body: shapes.Review, idempotency_key: Key = None) -> Response:
    """Somebody has looked at it and it still holds; the next review is due after the policy's months."""
    request = request_of(staff, body.reason, idempotency_key)
    found = registers_edit.review(context.parts, entry, body.valid_to, request)
    return json(context.parts, view.entry("certificates", staff.role, found))


@router.get("/free-classes", responses={200: {"model": ListOf[shapes.FreeClass]}})
def classes(staff: Asking, context: With, site: SiteName = None) -> Response:
    """免费车种: the free classes of each site's policy in force, with the rule of each in words."""
    with context.parts.store.reading() as connection:
        found = free_classes(connection, staff.only(site), context.parts.clock.now())
    return json(context.parts, {"items": found, "next": None})
