"""Jobs, the audit trail, the settings. Sites and devices: `admin_devices`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api.administration import all_sites, trail_page
from gateway.api.answers import instant
from gateway.api.context import With
from gateway.api.lists import ByTime
from gateway.api.live import in_zone
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Said
from gateway.console.rendering import language_of
from gateway.console.words_settings import SETTINGS
from gateway.flows import job_runs, reading, settings_shown
from gateway.flows.audit_trail import TrailFilter
from gateway.flows.charges_books import By

router = APIRouter(include_in_schema=False)

_SITES = reading.Slice(None, 200)
_JOBS = "/admin/jobs"
Text = Annotated[str, Query(max_length=64)]
JobName = Annotated[str, Path(max_length=40)]


@router.get("/admin/jobs")
def jobs(request: Request, context: With) -> Response:
    """What each job last did, and when it runs again."""
    staff = door.staff_at(request, context, ("GET", "/jobs"))
    all_sites(staff)
    with context.parts.store.reading() as connection:
        found = job_runs.runs(connection, context.parts.clock.now())
    zone = context.parts.settings.zone
    return door.page(request, staff, "admin_jobs.html", here="admin.jobs", found=in_zone(found, zone))


@router.post("/admin/jobs/{name}/run")
def run(request: Request, context: With, name: JobName, said: Said) -> Response:
    """Have a job done now."""
    staff = door.staff_at(request, context, ("POST", "/jobs/{name}/run"))

    def work(who: By) -> None:
        all_sites(staff)
        job_runs.ask(context.parts, name, who)

    return forms.step(staff, said, work, None, _JOBS, "job-asked")


@router.get("/admin/audit")
def trail(
    request: Request,
    context: With,
    part: ByTime,
    *,
    operator: Text = "",
    action: Text = "",
    subject: Annotated[str, Query(max_length=200)] = "",
    site: Text = "",
    since: Annotated[str, Query(alias="from", max_length=40)] = "",
    until: Annotated[str, Query(alias="to", max_length=40)] = "",
) -> Response:
    """Who did what, the newest first."""
    staff = door.staff_at(request, context, ("GET", "/audit"))
    zone = context.parts.settings.zone
    wanted = TrailFilter(
        site=site or None,
        operator=operator.strip() or None,
        action=action.strip() or None,
        subject=subject.strip() or None,
        since=instant("from", since, zone),
        until=instant("to", until, zone, end=True),
    )
    found = trail_page(staff, context, wanted, part)
    with context.parts.store.reading() as connection:
        sites = reading.sites(connection, staff.sites, _SITES, disabled=True)
    asked = {"operator": operator, "action": action, "subject": subject, "site": site, "from": since, "to": until}
    return door.page(
        request,
        staff,
        "admin_audit.html",
        here="admin.audit",
        wide=True,
        found=in_zone(found, zone),
        sites=sites,
        names={one["id"]: one["name"] for one in sites},
        asked=asked,
    )


@router.get("/admin/settings")
def settings(request: Request, context: With) -> Response:
    """How this process is set up, without a secret."""
    staff = door.staff_at(request, context, ("GET", "/settings"))
    all_sites(staff)
    found = settings_shown.shown(context.parts.settings)
    if language_of(request) == "zh":
        found = [{**one, "about": SETTINGS[one["name"]]} for one in found]
    return door.page(request, staff, "admin_settings.html", here="admin.settings", found=found)
