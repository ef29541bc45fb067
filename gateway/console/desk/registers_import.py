"""Files into a register: what one would change, and then the change. All rows or none."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from gateway.api import registers_view as view
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.registers import PROBLEMS_SHOWN_MAX, read_file
from gateway.console.desk import door
from gateway.console.desk.registers import Kind
from gateway.flows.refusals import Invalid, Refused
from gateway.flows.registers import ImportReport
from gateway.flows.registers_rows import KINDS

router = APIRouter(include_in_schema=False)


@router.get("/registers/{kind}/import")
def form(request: Request, context: With, kind: Kind) -> Response:
    """Which file, and what it has to look like."""
    staff = door.staff_at(request, context, ("POST", f"/{kind}/import"))
    return _page(request, staff, kind)


@router.post("/registers/{kind}/import")
async def upload(request: Request, context: With, kind: Kind) -> Response:
    """Preview it, or import it. Nothing of the file is read before it is known who sends it."""
    staff = await run_in_threadpool(door.staff_at, request, context, ("POST", f"/{kind}/import"))
    async with request.form(max_files=1, max_fields=6) as typed:
        given = typed.get("file")
        data = await given.read() if isinstance(given, UploadFile) else b""
        name = (given.filename or "")[:200] if isinstance(given, UploadFile) else ""
        said = {field: str(typed.get(field, "")) for field in ("csrf", "what", "reason")}
    return await run_in_threadpool(_read, request, context, staff, kind, data, name, said)


def _read(
    request: Request, context: Context, staff: Staff, kind: str, data: bytes, name: str, said: dict[str, str]
) -> Response:
    door.own_form(staff, said["csrf"], f"/registers/{kind}/import")
    preview, reason = said["what"] != "apply", said["reason"]
    try:
        if not data:
            raise Invalid("file: choose a file")
        if not preview and not reason.strip():
            raise Invalid("reason: say why")
        report = read_file(staff, context, kind, data, preview=preview, name=name, reason=reason)
    except Refused as why:
        return _page(
            request, staff, kind, reason=reason, errors=door.at_fields(why, ("file", "reason")), status=why.status
        )
    if not preview and not report.problems:
        return door.back_to(f"/registers/{kind}", said="imported")
    changes = [_seen(context, staff, kind, one) for one in report.changes]
    return _page(request, staff, kind, reason=reason, report=report, changes=changes, name=name)


def _seen(context: Context, staff: Staff, kind: str, change: Any) -> dict[str, Any]:
    """A change as a preview shows it: only what is other than before, or all that a new entry says."""
    before = view.entry(kind, staff.role, change.before) if change.before is not None else {}
    after = view.entry(kind, staff.role, change.after)
    zone = context.parts.settings.zone
    fields = in_zone(
        {key: value for key, value in after.items() if before.get(key) != value and value is not None}, zone
    )
    named = {key: after[key] for key in ("site", "plate", "household") if key in after}
    shown = {key: value for key, value in fields.items() if key not in {*named, "registered_at", "id"}}
    return {
        "line": change.line,
        "action": change.action,
        "named": named,
        "before": in_zone(before, zone),
        "fields": shown,
    }


def _page(
    request: Request,
    staff: Staff,
    kind: str,
    *,
    reason: str = "",
    errors: dict[str, Refused] | None = None,
    report: ImportReport | None = None,
    changes: list[dict[str, Any]] | None = None,
    name: str = "",
    status: int = 200,
) -> Response:
    needed, optional = KINDS[kind]
    return door.page(
        request,
        staff,
        "registers_import.html",
        422 if report is not None and report.problems else status,
        here=kind,
        kind=kind,
        needed=needed,
        optional=optional,
        reason=reason,
        errors=errors or {},
        report=report,
        problems=report.problems[:PROBLEMS_SHOWN_MAX] if report is not None else (),
        changes=changes or [],
        name=name,
    )
