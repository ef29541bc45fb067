"""Closed days as files, of a day, a range or a month: whole or not at all, and never in memory as a whole."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response

from billing.exports import NotAPeriod, Period, period_of
from gateway.api.answers import SiteName
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.days import MEDIA, Form, site_meant
from gateway.api.files import handed_out
from gateway.api.prepared import Begins, UnderWay, come_again
from gateway.api.problems import NotAllowed
from gateway.flows.export import export_to
from gateway.flows.export_scope import sites_of
from gateway.flows.refusals import Invalid
from gateway.wiring import Parts

router = APIRouter(tags=["days"])

Day = Annotated[date | None, Query(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
From = Annotated[date | None, Query(alias="from", ge=date(2000, 1, 1), le=date(2199, 12, 31), description="with `to`")]
Until = Annotated[date | None, Query(alias="to", ge=date(2000, 1, 1), le=date(2199, 12, 31))]
Month = Annotated[str | None, Query(max_length=7, description="YYYY-MM")]
MerchantName = Annotated[str | None, Query(max_length=40, description="only the sites for which it is paid")]


@router.get("/exports", response_class=FileResponse, responses={202: {"model": UnderWay}})
def exports(
    staff: Asking,
    context: With,
    *,
    form: Annotated[Form, Query(alias="format")],
    day: Day = None,
    first: From = None,
    last: Until = None,
    month: Month = None,
    site: SiteName = None,
    merchant: MerchantName = None,
) -> Response:
    """The files of closed days as `parkgate export` makes them; several come as one ZIP. The answer begins when all are whole.

    202 where that takes longer than 20 s: how far it is. Ask the same again, after `Retry-After`.
    """
    try:
        period = period_of(day, first, last, month)
    except NotAPeriod as why:
        raise Invalid(str(why)) from None
    found = exported(staff, context, period, form, site=site, merchant=merchant)
    return come_again(found) if isinstance(found, UnderWay) else found


def exported(
    staff: Staff, context: Context, period: Period, form: Form, *, site: str | None = None, merchant: str | None = None
) -> FileResponse | UnderWay:
    """The file, or how far it is. Raises `NotAllowed`, `TooMany`, and what `export_to` raises."""
    where = None if merchant is not None and site is None else site_meant(staff, site)
    if merchant is not None:
        _all_of(staff, context.parts, merchant)

    def make(folder: Path, begins: Begins) -> Path:
        with context.reports.place():
            made = export_to(
                context.parts, period, form, folder, site=where, merchant=merchant, audience=staff.role, begins=begins
            )
            if len(made) == 1:
                return made[0]
            file = folder / f"{merchant or where or 'street'}-{period.label}.zip"
            _pack(file, made)
            return file

    asked = (staff.name, staff.role, staff.sites, period, form, where, merchant)
    found = context.prepared.ask("export", asked, make)
    if isinstance(found, UnderWay):
        return found
    media = "application/zip" if found.suffix == ".zip" else MEDIA[form]
    return handed_out(found.parent, found, found.name, media)


def _all_of(staff: Staff, parts: Parts, merchant: str) -> None:
    """Raises `NotAllowed` where one of the merchant's sites is another's, `NotFound` for no merchant."""
    with parts.store.reading() as connection:
        sites = sites_of(connection, merchant)
    if not all(staff.sees(one) for one in sites):
        raise NotAllowed(f"merchant {merchant:.60} is paid for sites that are not yours; name one with ?site=")


def _pack(file: Path, made: Sequence[Path]) -> None:
    """One ZIP of them, in their place."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in made:
            # A fixed date: the same days are the same bytes.
            member = zipfile.ZipInfo(one.name, (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            with one.open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
                while piece := source.read(1 << 20):
                    target.write(piece)
            one.unlink()
