"""Policies: the versions that were loaded, loading another, and what a changed rule would cost."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from billing.policy import Policy, PolicyError
from gateway.api.access import SEES_LOW_INCOME
from gateway.api.answers import json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.lists import ListOf
from gateway.api.problems import NotAllowed
from gateway.api.shapes_policies import Comparison, PolicyApplied, PolicyVersionText
from gateway.api.shapes_policies import Policy as PolicyShape
from gateway.flows import compare as comparing
from gateway.flows import policies
from gateway.flows.reading import Slice, sites
from gateway.flows.refusals import Invalid

router = APIRouter(tags=["policies"])

PolicyId = Annotated[str, Path(max_length=64)]
_TEXT_MAX = 60_000
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class PolicyToApply(BaseModel):
    """`text` is the rules file as it stands."""

    text: Annotated[str, Field(min_length=1, max_length=_TEXT_MAX)]
    source: Annotated[str, Field(max_length=200, description="for the audit trail: where the text came from")] = ""


class ToCompare(BaseModel):
    """Each policy by its name (`ID`: every stay by the version of its entry; `ID:VERSION`: that one for all) or as a text."""

    old: Annotated[str, Field(max_length=80)] | None = None
    old_text: Annotated[str, Field(max_length=_TEXT_MAX)] | None = None
    new: Annotated[str, Field(max_length=80)] | None = None
    new_text: Annotated[str, Field(max_length=_TEXT_MAX)] | None = None
    from_: Annotated[date, Field(alias="from", description="the first day on which stays left")]
    to: Annotated[date, Field(description="the last one")]
    site: Annotated[str, Field(max_length=40)] | None = None


@router.get("/policies", responses={200: {"model": ListOf[PolicyShape]}})
def every(staff: Asking, context: With) -> Response:
    """Every policy with its versions; rules are public. `sites`: those of yours that it prices."""
    with context.parts.store.reading() as connection:
        found = policies.listing(connection, context.parts.clock.now())
    for one in found:
        one["sites"] = [site for site in one["sites"] if staff.sees(site)]
    return json(context.parts, {"items": found, "next": None})


@router.get("/policies/{policy_id}/versions/{version}", responses={200: {"model": PolicyVersionText}})
def version(
    staff: Asking, context: With, policy_id: PolicyId, version: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> Response:
    """One version with its text, exactly as it was loaded."""
    del staff
    with context.parts.store.reading() as connection:
        found = policies.version_text(connection, policy_id, version)
    return json(context.parts, found)


@router.post("/policies", status_code=201, responses={201: {"model": PolicyApplied}, 200: {"model": PolicyApplied}})
def apply(staff: Asking, context: With, policy: PolicyToApply) -> Response:
    """Load a new version. The same text again changes nothing (200). 422 with every problem and its line; the old one stays."""
    if staff.sites is not None:
        raise NotAllowed("a policy holds for the street; your account is limited to some of its sites")
    try:
        loaded = policies.apply(
            context.parts, policy.text, operator=staff.name, origin=staff.origin, source=policy.source
        )
    except PolicyError as error:
        raise policies.PolicyRefused(error) from None
    document = {
        "policy": loaded.policy_id,
        "version": loaded.version,
        "effective_from": loaded.effective_from,
        "digest": loaded.digest,
        "new": loaded.new,
        "started": loaded.started,
    }
    return json(context.parts, document, 201 if loaded.new else 200)


@router.post("/policies/compare", responses={200: {"model": Comparison}})
def compare(
    staff: Asking,
    context: With,
    wanted: ToCompare,
    form: Annotated[Literal["json", "xlsx"], Query(alias="format")] = "json",
) -> Response:
    """Re-price the stays that left on these days: who would pay more, who less, what income becomes. Changes nothing.

    Rows of fewer than ten households are merged; there is no plate in it, and a pass and a low-income exemption are one word.
    """
    found = compared(staff, context, wanted)
    if form == "json":
        return json(context.parts, found)
    with context.reports.reading() as connection:
        names = {one["id"]: one["name"] for one in sites(connection, staff.sites, Slice(None, 10_000), disabled=True)}
    from gateway.flows.compare_sheets import workbook  # noqa: PLC0415 - what writes workbooks is large

    name = f"{found['old']['policy']}-{found['from']}-{found['to']}.xlsx"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(workbook(found, names), media_type=_XLSX, headers=headers)


def compared(staff: Staff, context: Context, wanted: ToCompare) -> dict[str, Any]:
    """The comparison as a document. Raises `NotFound`, `Invalid`, `PolicyRefused`, `TooManyStays`, `TooMany`."""
    if wanted.site is not None:
        staff.own(wanted.site)
    with context.reports.reading() as connection:
        old = _side(connection, "old", wanted.old, wanted.old_text)
        new = _side(connection, "new", wanted.new, wanted.new_text)
        if (
            staff.role not in SEES_LOW_INCOME
            and len({_exempts_parking(one) for one in (*old.versions, *new.versions)}) > 1
        ):
            raise Invalid("low_income: what certificates exempt from is compared by finance")
        return comparing.compare(
            context.parts,
            connection,
            old,
            new,
            from_day=wanted.from_,
            to_day=wanted.to,
            site=wanted.site,
            allowed=staff.sites,
        )


def _exempts_parking(policy: Policy) -> bool:
    return policy.low_income is not None and "parking" in policy.low_income.exempts


def _side(connection: Connection, which: str, name: str | None, text: str | None) -> comparing.Side:
    if (name is None) == (text is None):
        raise Invalid(f"{which}: give either {which} (the name of a policy) or {which}_text (a rules file)")
    if text is not None:
        return comparing.of_text(f"{which}_text", text)
    assert name is not None
    return comparing.of_name(connection, name)
