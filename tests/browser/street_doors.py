"""A small gate of the street with a member, its hours, and what was shown at it. Without a lane: the board has those that it had."""

from __future__ import annotations

from datetime import timedelta

from gateway.flows import doors
from gateway.flows.charges_books import By
from gateway.flows.doors import NewMember
from gateway.store import tables as t
from tests.gateway.people import put
from tests.gateway.trade import Street

HOURS = {day: [["06:00", "12:00"], ["14:00", "23:00"]] for day in ("1", "2", "3", "4", "5")}
CHEN = By(operator="committee", role="committee")


def a_small_gate(street: Street) -> str:
    """The page of its member."""
    hours = {**HOURS, "6": [], "7": [], "holiday": [["08:00", "20:00"]]}
    put(
        street,
        t.Gate,
        site_id="xinyi",
        id="garden",
        tier="small",
        residents_only=False,
        staffed=False,
        hours=hours,
        enabled=True,
    )
    now = street.clock.now()
    asked = NewMember(site="xinyi", name="王阿姨", valid_to=now + timedelta(days=300), card="04A23F9C", code=True)
    member: str = doors.add(street.parts, asked, CHEN).member["id"]
    for number, (reason, whose) in enumerate((("member", member), ("not_a_member", None), ("outside_hours", member))):
        put(
            street,
            t.DoorPassage,
            site_id="xinyi",
            device_id="d2",
            event_id=f"door-{number}",
            lane_id="garden-in",
            at=now - timedelta(minutes=number),
            member_id=whose,
            by="" if whose is None else "card",
            opened=reason == "member",
            reason=reason,
            unknown=whose is None,
        )
    return f"/doors/members/{member}"
