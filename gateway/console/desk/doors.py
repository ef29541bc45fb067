"""小门: a residents' committee's small gates, their hours, members, and who passed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from controllers.doors import DAYS
from gateway.api.answers import instant
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByName, ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.console.desk import door, forms
from gateway.flows import doors, doors_reading, reading
from gateway.flows.charges_books import By
from gateway.flows.doors import Change, Kept, NewMember
from gateway.flows.refusals import Invalid, Refused

router = APIRouter(include_in_schema=False)

_DOORS, _MEMBERS, _PASSAGES = ("GET", "/doors"), ("GET", "/door-members"), ("GET", "/door-passages")
_ONE, _ADD = ("GET", "/door-members/{member_id}"), ("POST", "/door-members")
_CHANGE, _ERASE = ("PATCH", "/door-members/{member_id}"), ("POST", "/door-members/{member_id}/erasure")
_HOURS = ("PUT", "/doors/{door_id}/hours")
WHERE, MEMBERS = "/doors", "/doors/members"
_FIELDS = ("site", "door", "name", "card", "code", "valid_to", "blocked", "reason")
_SHOWN = reading.Slice(None, 200)
DoorId = Annotated[str, Path(max_length=81)]
MemberId = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Query(max_length=40)]


@router.get("/doors")
def listed(request: Request, context: With, part: ByTime, refused: Text = "") -> Response:
    """The small gates, and what was shown at them, the newest first."""
    staff = door.staff_at(request, context, _DOORS)
    with context.parts.store.reading() as connection:
        here = doors_reading.doors(connection, staff.sites, _SHOWN, context.parts.clock.now())
        sees = door.may(staff, *_PASSAGES)
        passed = doors_reading.passages(connection, staff.sites, part, refused=refused == "yes") if sees else []
    return door.page(
        request,
        staff,
        "doors.html",
        here="doors",
        doors=in_zone([one for _, one in here], context.parts.settings.zone),
        days=DAYS,
        found=in_zone(sliced(passed, part.limit), context.parts.settings.zone) if sees else None,
        asked={"refused": refused},
    )


@router.get("/doors/members")
def members(request: Request, context: With, part: ByName, ended: Text = "") -> Response:
    """Who may pass, by name."""
    staff = door.staff_at(request, context, _MEMBERS)
    now = context.parts.clock.now()
    with context.parts.store.reading() as connection:
        found = doors_reading.members(connection, staff.sites, part, ended=ended == "yes", now=now)
    return door.page(
        request,
        staff,
        "doors_members.html",
        here="door_members",
        found=in_zone(sliced([(key, _to_the_day(one)) for key, one in found], part.limit), context.parts.settings.zone),
        asked={"ended": ended},
        now=in_zone(now, context.parts.settings.zone),
    )


@router.get("/doors/members/new")
def new(request: Request, context: With) -> Response:
    """The form of a new member."""
    staff = door.staff_at(request, context, _ADD)
    return _form(request, context, staff)


@router.post("/doors/members")
def add(request: Request, context: With, said: forms.Said) -> Response:
    """A new member; a code that was made is shown on the answer's page and nowhere else."""
    staff = door.staff_at(request, context, _ADD)

    def work(by: By) -> Kept:
        staff.own(said["site"])
        return doors.add(context.parts, _new(context, said), by, said.once)

    return _kept(request, context, staff, said, work, lambda why: _form(request, context, staff, said, why))


@router.get("/doors/members/{member_id}")
def one(request: Request, context: With, member_id: MemberId) -> Response:
    """Everything that is held of a member, and what may be changed."""
    staff = door.staff_at(request, context, _ONE)
    return _member(request, context, staff, member_id)


@router.post("/doors/members/{member_id}")
def change(request: Request, context: With, member_id: MemberId, said: forms.Said) -> Response:
    """Another name, end, card or code; blocked or not."""
    staff = door.staff_at(request, context, _CHANGE)

    def work(by: By) -> Kept:
        return doors.change(context.parts, staff.sites, member_id, _changed(context, said), said["reason"], by)

    return _kept(
        request, context, staff, said, work, lambda why: _member(request, context, staff, member_id, said, why)
    )


@router.post("/doors/members/{member_id}/erasure")
def erase(request: Request, context: With, member_id: MemberId, said: forms.Said) -> Response:
    """Take a member out whole."""
    staff = door.staff_at(request, context, _ERASE)

    def work(by: By) -> None:
        doors.forget(context.parts, staff.sites, member_id, said["reason"], by)

    return forms.step(
        staff, said, work, lambda why: _member(request, context, staff, member_id, said, why), MEMBERS, "erased"
    )


@router.get("/doors/{door_id}/hours")
def hours(request: Request, context: With, door_id: DoorId) -> Response:
    """When a small gate opens to its members."""
    staff = door.staff_at(request, context, _HOURS)
    return _hours_form(request, context, staff, door_id)


@router.post("/doors/{door_id}/hours")
def set_hours(request: Request, context: With, door_id: DoorId, said: forms.Said) -> Response:
    """Keep other hours."""
    staff = door.staff_at(request, context, _HOURS)

    def work(by: By) -> None:
        doors.set_hours(context.parts, staff.sites, door_id, _hours(said), said["reason"], by)

    return forms.step(
        staff, said, work, lambda why: _hours_form(request, context, staff, door_id, said, why), WHERE, "saved"
    )


# --------------------------------------------------------------------- what forms say


def _new(context: Context, said: forms.Entered) -> NewMember:
    """Raises `Invalid`."""
    valid_to = instant("valid_to", said["valid_to"], context.parts.settings.zone, end=True)
    if valid_to is None:
        raise Invalid("valid_to: until when; it can be set on later")
    return NewMember(
        site=said["site"],
        name=said["name"],
        valid_to=valid_to,
        door=said.or_none("door"),
        card=said.or_none("card"),
        code=said["code"] == "yes",
    )


def _changed(context: Context, said: forms.Entered) -> Change:
    """What is left empty stays as it is. Raises `Invalid`."""
    return Change(
        name=said.or_none("name"),
        valid_to=instant("valid_to", said["valid_to"], context.parts.settings.zone, end=True),
        blocked={"yes": True, "no": False}.get(said["blocked"]),
        card="" if said["drop_card"] else said.or_none("card"),
        code={"new": True, "none": False}.get(said["code"]),
    )


def _hours(said: forms.Entered) -> dict[str, list[list[str]]] | None:
    if said["mode"] == "always":
        return None
    parts = {day: said[f"day_{day}"].replace("，", ",").replace("–", "-") for day in DAYS}
    return {
        day: [[end.strip() for end in one.split("-")] for one in text.split(",") if one.strip()]
        for day, text in parts.items()
    }


# --------------------------------------------------------------------- pages


def _to_the_day(member: dict[str, Any]) -> dict[str, Any]:
    """With the last day on which a door opens, as the form asks for it: an end at midnight is of the day before."""
    return {**member, "last_day": member["valid_to"] - timedelta(microseconds=1)}


def _kept(request: Request, context: Context, staff: Staff, said: forms.Entered, work: Any, shown: Any) -> Response:
    """As `forms.step`, but that a code which was made is on the page that answers: it cannot be asked for again."""
    door.own_form(staff, said["csrf"], MEMBERS)
    made: list[Kept] = []

    def work_once(by: By) -> str:
        made.append(work(by))
        return f"{MEMBERS}/{made[0].member['id']}"

    answer = forms.step(staff, said, work_once, shown, MEMBERS, "saved")
    if made and made[0].code is not None:
        return _member(request, context, staff, made[0].member["id"], code=made[0].code)
    return answer


def _form(
    request: Request, context: Context, staff: Staff, said: forms.Entered | None = None, why: Refused | None = None
) -> Response:
    with context.parts.store.reading() as connection:
        here = doors_reading.doors(connection, staff.sites, _SHOWN, context.parts.clock.now())
        sites = forms.sites(connection, staff)
    own = {one["site"] for _, one in here}
    return forms.form(
        request,
        staff,
        "doors_form.html",
        here="door_members",
        said=said,
        why=why,
        fields=_FIELDS,
        sites=[(one["id"], one["name"]) for one in sites if one["id"] in own],
        doors=[(one["id"], one["id"]) for _, one in here],
    )


def _member(
    request: Request,
    context: Context,
    staff: Staff,
    member_id: str,
    said: forms.Entered | None = None,
    why: Refused | None = None,
    *,
    code: str | None = None,
) -> Response:
    with context.parts.store.reading() as connection:
        found = doors_reading.held(connection, staff.sites, member_id)
    answer = forms.form(
        request,
        staff,
        "doors_member.html",
        here="door_members",
        said=said,
        why=why,
        fields=_FIELDS,
        member=in_zone(_to_the_day(found), context.parts.settings.zone),
        new_code=code,
    )
    if code is not None:
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _hours_form(
    request: Request,
    context: Context,
    staff: Staff,
    door_id: str,
    said: forms.Entered | None = None,
    why: Refused | None = None,
) -> Response:
    with context.parts.store.reading() as connection:
        found = doors_reading.door(connection, staff.sites, door_id, context.parts.clock.now())
    kept = found["hours"]
    stands = {day: ", ".join("-".join(span) for span in (kept or {}).get(day, ())) for day in DAYS}
    return forms.form(
        request,
        staff,
        "doors_hours.html",
        here="doors",
        said=said,
        why=None if why is None else type(why)(f"day_{why.detail}") if why.detail.split(":")[0] in DAYS else why,
        fields=("reason", *(f"day_{day}" for day in DAYS)),
        door=found,
        days=DAYS,
        stands=stands if said is None else {day: said[f"day_{day}"] for day in DAYS},
        mode="always" if (said["mode"] == "always" if said else kept is None) else "hours",
    )
