"""Closed days as files, of a day, a range or a month: whole or not at all, and never in memory as a whole."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from billing.exports import NotAPeriod, period_of
from gateway.api.answers import SiteName
from gateway.api.context import Asking, Staff, With
from gateway.api.days import MEDIA, Form, site_meant
from gateway.api.files import handed_out, making
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


@router.get("/exports", response_class=FileResponse)
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
) -> FileResponse:
    """The files of closed days as `parkgate export` makes them; several come as one ZIP. The answer begins when all are whole."""
    try:
        period = period_of(day, first, last, month)
    except NotAPeriod as why:
        raise Invalid(str(why)) from None
    where = None if merchant is not None and site is None else site_meant(staff, site)
    if merchant is not None:
        _all_of(staff, context.parts, merchant)
    with making("export") as folder, context.reports.place():
        made = export_to(context.parts, period, form, folder, site=where, merchant=merchant, audience=staff.role)
        if len(made) == 1:
            return handed_out(folder, made[0], made[0].name, MEDIA[form])
        file = folder / f"{merchant or where or 'street'}-{period.label}.zip"
        _pack(file, made)
        return handed_out(folder, file, file.name, "application/zip")


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
