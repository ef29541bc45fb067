"""收费规则: the versions that were loaded, each as it was loaded, and what another rule would cost, drawn so that a residents' meeting sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import policies as api
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import policies as flow
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "policies"
WHERE: Final = "/money/policies"
_SEE: Final = ("GET", "/policies")
_COMPARE: Final = ("POST", "/policies/compare")
_APPLY: Final = ("POST", "/policies")
_FIELDS: Final = ("old", "new", "new_text", "from", "to", "site", "text", "low_income")
_LAST_DAYS: Final = 30
Text = Annotated[str, Query(max_length=80)]
PolicyId = Annotated[str, Path(max_length=64)]


@router.get(WHERE)
def policies(request: Request, context: With) -> Response:
    """Every policy with its versions."""
    staff = door.staff_at(request, context, _SEE)
    return door.page(
        request,
        staff,
        "money_policies.html",
        here=HERE,
        found=in_zone(_listing(context, staff), context.parts.settings.zone),
        compares=door.may(staff, *_COMPARE),
        applies=_applies(staff),
    )


@router.get(WHERE + "/compare")
def compare(
    request: Request,
    context: With,
    *,
    old: Text = "",
    new: Text = "",
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
    site: Annotated[str, Query(max_length=40)] = "",
    form: Annotated[str, Query(max_length=8)] = "",
) -> Response:
    """Two policies by their names: the address is the comparison, to be sent to others who may see it. `form=xlsx`: as a workbook."""
    staff = door.staff_at(request, context, _COMPARE)
    chosen = {"old": old, "new": new, "from": first, "to": last, "site": site}
    said = Entered({name: [value] for name, value in chosen.items()})
    if form == "xlsx":
        try:
            return api.compare(staff, context, _wanted(said), "xlsx")
        except Refused as why:
            return _compare_page(request, context, staff, said, why=why)
    return _compared(request, context, staff, said) if first or last else _compare_page(request, context, staff, said)


@router.post(WHERE + "/compare")
def compare_text(request: Request, context: With, said: Said) -> Response:
    """The same with a text that is not loaded yet: a proposal to vote on."""
    staff = door.staff_at(request, context, _COMPARE)
    door.own_form(staff, said["csrf"], WHERE + "/compare")
    return _compared(request, context, staff, said)


@router.get(WHERE + "/apply")
def apply_form(request: Request, context: With) -> Response:
    """Load another version."""
    staff = door.staff_at(request, context, _APPLY)
    return _apply_form(request, staff)


@router.post(WHERE + "/apply")
def apply(request: Request, context: With, said: Said) -> Response:
    """Load it. Every problem of a text is told with its line; the old one stays."""
    staff = door.staff_at(request, context, _APPLY)

    def work(_by: object) -> None:
        api.apply(staff, context, forms.shaped(api.PolicyToApply, text=said["text"], source="console"))

    def shown(why: Refused) -> Response:
        return _apply_form(request, staff, said, why)

    return forms.step(staff, said, work, shown, WHERE, "policy_applied")


@router.get(WHERE + "/{policy_id}/{version}")
def version(
    request: Request, context: With, policy_id: PolicyId, version: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> Response:
    """One version, exactly as it was loaded."""
    staff = door.staff_at(request, context, ("GET", "/policies/{policy_id}/versions/{version}"))
    with context.parts.store.reading() as connection:
        found = flow.version_text(connection, policy_id, version)
    return door.page(request, staff, "money_policy.html", here=HERE, policy=in_zone(found, context.parts.settings.zone))


def _listing(context: Context, staff: Staff) -> list[dict[str, Any]]:
    """Rules are public; of the sites that they price, the reader's."""
    with context.parts.store.reading() as connection:
        found = flow.listing(connection, context.parts.clock.now())
    return [{**one, "sites": [site for site in one["sites"] if staff.sees(site)]} for one in found]


def _applies(staff: Staff) -> bool:
    """A policy holds for the street: who is limited to some of its sites loads none."""
    return door.may(staff, *_APPLY) and staff.sites is None


def _wanted(said: Entered) -> api.ToCompare:
    text = said.or_none("new_text")
    return forms.shaped(
        api.ToCompare,
        **{
            "old": said.or_none("old"),
            "new": None if text else said.or_none("new"),
            "new_text": text,
            "from": said.or_none("from"),
            "to": said.or_none("to"),
            "site": said.or_none("site"),
        },
    )


def _compared(request: Request, context: Context, staff: Staff, said: Entered) -> Response:
    try:
        found = api.compared(staff, context, _wanted(said))
    except Refused as why:
        return _compare_page(request, context, staff, said, why=why)
    return _compare_page(request, context, staff, said, found=found)


def _compare_page(
    request: Request,
    context: Context,
    staff: Staff,
    said: Entered,
    *,
    found: dict[str, Any] | None = None,
    why: Refused | None = None,
) -> Response:
    today = context.parts.clock.now().astimezone(context.parts.settings.zone).date()
    listed = _listing(context, staff)
    return forms.form(
        request,
        staff,
        "money_compare.html",
        here=HERE,
        said=said if said["from"] else _begun(said, listed, today),
        why=why,
        fields=_FIELDS,
        names=_names(listed),
        site_choices=forms.site_choices(context, staff),
        found=found,
        most=0 if found is None else _most(found["by_group"]),
        errors_of=getattr(why, "errors", []),
    )


def _begun(said: Entered, listed: Sequence[dict[str, Any]], today: date) -> Entered:
    """A comparison of the last month with the version in force, before anybody has chosen."""
    first = listed[0]["id"] if listed else ""
    return Entered(
        {
            "old": [said["old"] or first],
            "new": [said["new"]],
            "from": [(today - timedelta(days=_LAST_DAYS)).isoformat()],
            "to": [(today - timedelta(days=1)).isoformat()],
            "site": [said["site"]],
        }
    )


def _names(listed: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What can be compared: a policy with each stay by the version of its entry, or one version for all."""
    found: list[tuple[str, str]] = []
    for one in listed:
        found.append((one["id"], one["id"]))
        found += [(f"{one['id']}:{at['version']}", f"{one['id']}:{at['version']}") for at in one["versions"]]
    return found


def _most(rows: Sequence[dict[str, Any]]) -> int:
    """What the longest bar stands for, in fen."""
    return max((max(one["old_payable_fen"], one["new_payable_fen"]) for one in rows), default=0)


def _apply_form(request: Request, staff: Staff, said: Entered | None = None, why: Refused | None = None) -> Response:
    return forms.form(
        request,
        staff,
        "money_policy_apply.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        errors_of=getattr(why, "errors", []),
    )
