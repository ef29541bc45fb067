"""The demo's small gate (小门): a door in the street's wall, its members as a residents' committee would enter them, and who comes there in a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from controllers.doors import DAYS
from gateway.flows import doors
from gateway.flows.charges_books import By
from gateway.flows.doors import Change, NewMember
from gateway.wiring import Parts
from simulators.door_people import OPENS, SHUTS, Door, Person, people, visits
from simulators.doors import Visit

GATE = "garden"
DOOR = Door("xinyifang", f"{GATE}-in", f"{GATE}-out")
Holder = tuple[Person, str]
"""A member, and the card or code."""
_MEMBERS = 18
_BY = By(operator="committee", role="committee", origin="simulation")
_VALID_FOR, _SINCE = timedelta(days=365), timedelta(days=1)
_GATE = f"""
  [[site.gate]]
  id = "{GATE}"
  tier = "small"

    [[site.gate.lane]]
    id = "{DOOR.lane_in}"
    direction = "in"
    device = "door-1"

    [[site.gate.lane]]
    id = "{DOOR.lane_out}"
    direction = "out"
    device = "door-1"
"""
_DEVICE = """
  [[site.device]]
  id = "door-1"
  vendor = "native"
"""
_FIRST_DEVICE = "\n  [[site.device]]\n"


def site_file(street: str) -> str:
    """The street's site file with the door. Raises `ValueError` where the street has not the site that it belongs to."""
    head, found, rest = street.partition(f'[[site]]\nid = "{DOOR.site}"\n')
    before, device, after = rest.partition(_FIRST_DEVICE)
    if not found or not device or "[[site]]" in before:
        raise ValueError(f"not the street whose {DOOR.site} has a small gate")
    return f"{head}{found}{before}{_GATE}{_DEVICE}{device}{after}"


def furnish(parts: Parts, seed: int) -> list[Holder]:
    """The door's hours, and its members with what opens it for them."""
    door = f"{DOOR.site}.{GATE}"
    doors.set_hours(parts, {DOOR.site}, door, {one: [[OPENS, SHUTS]] for one in DAYS}, "自管会规定", _BY)
    now, found = parts.clock.now(), []
    for one in people(seed, _MEMBERS):
        until = now - _SINCE if one.state == "expired" else now + _VALID_FOR
        asked = NewMember(
            site=DOOR.site, door=door, name=one.name, valid_to=until, card=one.card, code=one.card is None
        )
        kept = doors.add(parts, asked, _BY, f"demo-{one.number}")
        if one.state == "blocked":
            doors.change(parts, {DOOR.site}, kept.member["id"], Change(blocked=True), "卡遗失", _BY)
        found.append((one, kept.code or one.card or ""))
    return found


def a_day(holders: Sequence[Holder], seed: int, day: date, zone: ZoneInfo) -> list[Visit]:
    """Who comes to the door in a day."""
    return visits(DOOR, holders, seed, day, zone)
