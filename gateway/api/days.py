"""Business days: how far they are closed, closing one, and its exports."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api import shapes
from gateway.api.answers import SiteName, json
from gateway.api.context import Asking, Staff, With
from gateway.api.problems import NotAllowed
from gateway.flows import closes
from gateway.flows.refusals import NotFound

router = APIRouter(tags=["days"])

Day = Annotated[date, Path(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
Form = Literal["json", "csv", "xlsx", "beancount", "accounting", "pdf"]
MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "beancount": "text/plain; charset=utf-8",
    "accounting": "application/zip",
    "pdf": "application/pdf",
}


def site_meant(staff: Staff, site: str | None) -> str | None:
    """The site that is meant; None is the street. Who has one site means that one. Raises `NotAllowed`."""
    if site is not None:
        staff.only(site)
        return site
    if staff.sites is None:
        return None
    if len(staff.sites) > 1:
        raise NotAllowed("you have several sites and not the street; say which with ?site=")
    return next(iter(staff.sites))


@router.get("/days/{day}", responses={200: {"model": shapes.Day}})
def day_of(staff: Asking, context: With, day: Day, site: SiteName = None) -> Response:
    """Which sites have closed the day, and their hashes; how far it is reconciled."""
    with context.reports.reading() as connection:
        found = closes.day(connection, staff.only(site), day)
    return json(context.parts, found)


@router.post("/days/{day}/close", responses={200: {"model": shapes.ClosedDay}})
def close(staff: Asking, context: With, day: Day, site: SiteName = None) -> Response:
    """Seal the day; closing it again answers the same. 409 if the books do not balance or the day before is open."""
    document = context.flows.close(context.parts, day, site_meant(staff, site), staff.name, staff.origin)
    return json(context.parts, document)


@router.post("/days/{day}/reconcile", responses={200: {"model": shapes.ReconciledDay}})
def reconcile(staff: Asking, context: With, day: Day, site: SiteName = None) -> Response:
    """Hold the day's records against each other; once every statement of it has come, the result is sealed. Again changes nothing.

    A statement is an account's, which may serve several sites: who has some of them matches one at a time.
    """
    with context.reports.place():
        document = context.flows.reconcile(context.parts, day, site_meant(staff, site), staff.name, staff.origin)
    return json(context.parts, document)


@router.get("/days/{day}/export")
def export(
    staff: Asking,
    context: With,
    day: Day,
    form: Annotated[Form, Query(alias="format")] = "json",
    site: SiteName = None,
) -> Response:
    """The day's files; several come as one ZIP. Made for finance or registrar they name every benefit, else `resident`."""
    with context.reports.place():
        files = context.flows.export(context.parts, day, form, site_meant(staff, site), staff.role)
        if not files:
            raise NotFound("there is nothing to export for this day")
        if len(files) == 1:
            name, content = files[0]
            media = MEDIA[form]
        else:
            name, content, media = f"{_common(files)}.zip", _zipped(files), "application/zip"
    return Response(
        content, media_type=media, headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    )


def _common(files: list[tuple[str, bytes]]) -> str:
    """`{site|street}-{day}`, with which every file's name begins."""
    found = re.match(r".*?\d{4}-\d{2}-\d{2}", files[0][0])
    return found[0] if found else "export"


def _zipped(files: list[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            # A fixed date: the same day's export is the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return packed.getvalue()
