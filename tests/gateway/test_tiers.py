"""What each tier of gate does with an exception, at entry and exit: what the driver is shown, and how the driver gets out of it.

Main: somebody is there. Middle: nobody is; the driver calls, and the console answers. At no exit is anybody trapped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from controllers.commands import Action
from controllers.events import Kind, Opening
from gateway.flows import help_calls, staff_commands
from gateway.flows.charges_books import By
from gateway.flows.staff_commands import Asked
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import Street, local

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PLATE = "浙A12345"
TIERS = {"main": "1", "middle": "2"}
GUARD, CONSOLE = By(operator="zhou", role="guard"), By(operator="wang", role="console")


def nothing(_: Street) -> None:
    """A stranger."""


def blocked(street: Street) -> None:
    street.register("blocklist", {"plate": PLATE, "reason": "多次尾随"})


def resident(street: Street) -> None:
    street.register("households", {"household": "101"})
    street.register("vehicles", {"household": "101", "plate": PLATE})


def resident_who_is_blocked(street: Street) -> None:
    resident(street)
    blocked(street)


def inside_and_owing(street: Street) -> None:
    street.passes("in-1", PLATE, "09:00")


def inside_and_blocked(street: Street) -> None:
    street.passes("in-1", PLATE, "09:00")
    blocked(street)


def with_old_arrears(street: Street) -> None:
    """Left owing before; of this stay nothing is due."""
    street.passes("in-1", PLATE, "07:00")
    street.arrives("out-1", PLATE, "08:30", id="old", buffered=True, opening=Opening.OFFLINE_EXIT)
    street.goes("out-1", "08:31", after="old", buffered=True)
    street.passes("in-1", PLATE, "11:50")


# Who stands there, what was before, and what the display says: at the main gate, and at the middle one, which is for residents.
ENTRIES: dict[str, tuple[str | None, Callable[[Street], None], dict[str, str]]] = {
    "a visitor": (PLATE, nothing, {"main": "temporary", "middle": "not_registered"}),
    "a resident": (PLATE, resident, {"main": "temporary", "middle": "temporary"}),
    "no plate": (None, nothing, {"main": "unreadable", "middle": "unreadable"}),
    "blocked": (PLATE, blocked, {"main": "blocked", "middle": "blocked"}),
    "a resident, blocked": (PLATE, resident_who_is_blocked, {"main": "blocked", "middle": "blocked"}),
}
EXITS: dict[str, tuple[str | None, Callable[[Street], None], str]] = {
    "owing": (PLATE, inside_and_owing, "payment_due"),
    "owing, and blocked since": (PLATE, inside_and_blocked, "payment_due"),
    "with arrears of before": (PLATE, with_old_arrears, "free_minutes"),
    "without an entry": (PLATE, nothing, "no_entry"),
    "blocked, without an entry": (PLATE, blocked, "no_entry"),
    "no plate": (None, nothing, "unreadable"),
}
OPEN = {"temporary", "free_minutes"}


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


def items(street: Street) -> list[Any]:
    return street._all(select(t.ExceptionItem.__table__).order_by(t.ExceptionItem.opened_at))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("case", ENTRIES)
def test_at_an_entry(street: Street, tier: str, case: str) -> None:
    """Whoever is not let in is told why and heard: somebody answers the call, and may open."""
    plate, before, shown = ENTRIES[case]
    before(street)
    _told_and_heard(street, f"in-{TIERS[tier]}", plate, shown[tier])


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("case", EXITS)
def test_at_an_exit_nobody_is_trapped(street: Street, tier: str, case: str) -> None:
    """Whoever cannot leave by paying is let out by a person with a name and a reason, and owes what it owes."""
    plate, before, shown = EXITS[case]
    before(street)
    _told_and_heard(street, f"out-{TIERS[tier]}", plate, shown, owes=shown == "payment_due")


def _told_and_heard(street: Street, lane: str, plate: str | None, reason: str, *, owes: bool = False) -> None:
    """It is told why, aloud as well; and who is not let through calls, and is let through."""
    said = street.arrives(lane, plate, "12:00", id="here")
    assert said is not None
    assert (said.reason.value, said.action is Action.OPEN) == (reason, reason in OPEN)
    assert said.say
    if said.action is not Action.OPEN:
        _called_and_opened(street, lane, owes=owes)


def _called_and_opened(street: Street, lane: str, *, owes: bool = False) -> None:
    """The button calls; the call knows who waits. Whoever answers opens for exactly that one."""
    help_calls.call_from_lane(street.parts, "xinyi", lane)
    call = next(one for one in items(street) if one.kind == "help_call")
    assert (call.state, call.lane_id, call.event_id, call.stay_id is not None) == ("open", lane, "here", owes)
    street.clock.set(local("12:00") + timedelta(seconds=40))
    if owes:
        done = help_calls.pay_later(street.parts, call.id, "手机没电", CONSOLE)
        assert (done.opened, done.owed_fen > 0) == (True, True)
    else:
        by = GUARD if lane.endswith("1") else CONSOLE
        given = staff_commands.command(
            street.parts, f"xinyi.{lane}", Asked(action=Action.OPEN, reason="核实后放行", event="here"), by
        )
        assert (given.state, given.operator) == ("planned", by.operator)
    opened = street._all(select(t.CommandRow.__table__).where(t.CommandRow.action == "open"))[-1]
    assert (opened.lane_id, opened.event_id, opened.expires_at) == (
        lane,
        "here",
        street.clock.now() + timedelta(seconds=8),
    )
    assert opened.operator
    assert {one.state for one in items(street) if one.event_id == "here"} == {"resolved"}


@pytest.mark.parametrize(("tier", "leaves"), [("main", False), ("middle", True)])
def test_without_a_network_the_unattended_exit_lets_out_and_the_staffed_one_has_its_guard(
    street: Street, tier: str, leaves: bool
) -> None:
    lanes = {one.id: one.offline_exit for one in street._all(select(t.Lane.__table__))}
    assert lanes[f"out-{TIERS[tier]}"] is leaves
    street.passes("in-1", PLATE, "09:00")
    how = Opening.OFFLINE_EXIT if leaves else Opening.HAND
    lane = f"out-{TIERS[tier]}"
    street.clock.set(local("12:30"))
    street.deliver(street.read(lane, PLATE, local("11:00"), id="away", buffered=True, opening=how))
    if not leaves:
        street.deliver(street.mark(lane, Kind.PASSED, local("11:01"), "away", buffered=True))
    stay = street.stay(PLATE)
    assert (stay.state, stay.payable_fen) == ("left", 800)
    owed = {name: fen for name, fen in street.accounts().items() if name.startswith("assets:receivable")}
    assert sum(owed.values()) == 800
