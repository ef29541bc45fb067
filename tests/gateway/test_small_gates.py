"""A small gate (小门): who may pass, what is on record, what a copy of the database is worth, and who looks after it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import MetaData, select

from controllers.adapters import native
from controllers.commands import Action, Command, Reason
from controllers.events import Kind, Outcome, PlateEvent
from gateway.bridge.intake import decode
from gateway.bridge.link import Raw
from gateway.flows import doors, doors_reading, emergencies, estate, retention, verify_doors
from gateway.flows.charges_books import By
from gateway.flows.doors import CardTaken, Change, Kept, NewMember
from gateway.flows.inbound import EventIn
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.reports import hands
from gateway.flows.reports.asking import Period
from gateway.flows.verify import verify
from gateway.flows.verify_scope import Look, Scope
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.barrier import Cause
from simulators.gate import Gate, Message
from simulators.street import LaneSpec
from tests.gateway.trade import SITE, Street, local

CHEN = By(operator="chen", role="committee", origin="192.0.2.9")
CARD = "04:A2:3F:9C"
DOORS = """
  [[site.gate]]
  id = "garden"
  tier = "small"
    [[site.gate.lane]]
    id = "garden-in-2"
    direction = "in"
    device = "d2"
    [[site.gate.lane]]
    id = "garden-out-2"
    direction = "out"
    device = "d2"
  [[site.gate]]
  id = "school"
  tier = "small"
    [[site.gate.lane]]
    id = "school-in-2"
    direction = "in"
    device = "d2"
"""
EVERY_DAY = {day: [["06:00", "23:00"]] for day in ("1", "2", "3", "4", "5", "6", "7", "holiday")}
CLOSED: dict[str, Any] = {day: [] for day in EVERY_DAY}
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Doors(Street):
    """A street whose site has two small gates."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        estate.apply(parts, SITE.format(capacity=100).replace("  [[site.device]]", DOORS + "  [[site.device]]", 1))
        parts.estates.forget()

    def event(self, credential: str | None, at: datetime, lane: str = "garden-in-2", **more: Any) -> EventIn:
        self._events += 1
        more.setdefault("id", f"e{self._events}")
        return self._event(lane, PlateEvent(at=at, lane=lane, kind=Kind.DOOR, credential=credential, **more))

    def shows(
        self, credential: str | None, at: str = "09:00", lane: str = "garden-in-2", **more: Any
    ) -> Command | None:
        self.clock.set(local(at))
        before = len(self.commands)
        self.deliver(self.event(credential, local(at), lane, **more))
        return self.commands[-1] if len(self.commands) > before else None

    def joins(self, name: str = "王阿姨", **more: Any) -> Kept:
        asked = {"site": "xinyi", "name": name, "valid_to": local("2026-12-31 00:00"), **more}
        if not more.get("code"):
            asked.setdefault("card", CARD)
        return doors.add(self.parts, NewMember(**asked), CHEN)

    def reasons(self) -> list[str]:
        return [one.reason for one in self._all(select(t.DoorPassage.__table__).order_by(t.DoorPassage.at))]

    def holds(self) -> list[str]:
        with self.parts.store.reading() as connection:
            look = Look(connection, Scope(None, None, self.parts.settings.zone), Counter(), lambda _: None)
            return [failure.why for failure in verify_doors.failures(look)]


@pytest.fixture
def street(parts: Parts) -> Doors:
    return Doors(parts)


def test_a_member_passes_and_it_is_on_record_from_planned_to_moved(street: Doors) -> None:
    member = street.joins().member
    opened = street.shows("04a23f9c")
    assert opened is not None
    assert (opened.action, opened.reason, opened.event, opened.show) == (Action.OPEN, Reason.RESIDENT, None, ("请进",))
    assert opened.ttl_ms == 8000
    assert street.reasons() == ["member"]
    street.deliver(street.result(opened))
    (row,) = street._all(select(t.CommandRow.__table__))
    assert (row.state, row.true_reason, row.event_id) == ("done", "door_member", "e1")
    with street.parts.store.reading() as connection:
        ((_, passed),) = doors_reading.passages(connection, {"xinyi"}, Slice(None, 10))
    assert (passed["member"], passed["by"], passed["opened"], passed["command"]) == (member["id"], "card", True, "done")
    assert street.holds() == []


def test_a_repeat_opens_nothing_again(street: Doors) -> None:
    street.joins()
    again = street.event(CARD, local("09:00"))
    street.clock.set(local("09:00"))
    street.deliver(again, again)
    assert street.deliver(again).repeats == 1
    assert len(street.commands) == 1
    assert street.reasons() == ["member"]


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({}, "member"),
        ({"door": "xinyi.garden"}, "member"),
        ({"door": "xinyi.school"}, "not_a_member"),
        ({"valid_to": local("08:59")}, "expired"),
        ({"blocked": True}, "blocked"),
        ({"hours": {**EVERY_DAY, "1": [["10:00", "12:00"]]}}, "outside_hours"),
        ({"hours": {**EVERY_DAY, "1": []}}, "outside_hours"),
        ({"hours": EVERY_DAY}, "member"),
        ({"shown": "04A23F9D"}, "not_a_member"),
        ({"shown": None}, "not_a_member"),
    ],
)
@on_one_database
def test_who_gets_in(street: Doors, case: dict[str, Any], reason: str) -> None:
    member = street.joins(**{name: case[name] for name in ("door", "valid_to") if name in case}).member
    if case.get("blocked"):
        doors.change(street.parts, None, member["id"], Change(blocked=True), "卡丢了", CHEN)
    if "hours" in case:
        doors.set_hours(street.parts, None, "xinyi.garden", case["hours"], "夜里关门", CHEN)
    said = street.shows(case.get("shown", CARD))
    assert said is not None
    assert street.reasons() == [reason]
    assert (said.action is Action.OPEN) is (reason == "member")
    assert street.holds() == []


@on_one_database
def test_a_holiday_has_its_own_hours_and_a_make_up_day_is_a_monday(street: Doors) -> None:
    street.joins()
    hours = {**CLOSED, "1": [["06:00", "23:00"]]}
    doors.set_hours(street.parts, None, "xinyi.garden", hours, "试行", CHEN)
    for at in ("2026-03-02 09:00", "2026-04-06 09:00", "2026-05-09 09:00"):
        street.shows(CARD, at)
    # An ordinary Monday; a Monday off for Qingming; a Saturday of work that makes up for Labour Day.
    assert street.reasons() == ["member", "outside_hours", "member"]


@on_one_database
@pytest.mark.parametrize("shown", [CARD, "99999999", None])
def test_nobody_is_trapped(street: Doors, shown: str | None) -> None:
    """Blocked, over, outside hours, unknown, after guessing: whoever is inside gets out."""
    member = street.joins().member
    change = Change(blocked=True, valid_to=local("06:00"))
    doors.change(street.parts, None, member["id"], change, "搬走", CHEN)
    doors.set_hours(street.parts, None, "xinyi.garden", CLOSED, "装修", CHEN)
    for _ in range(6):
        street.shows("11111111", "08:59")
    out = street.shows(shown, lane="garden-out-2")
    assert out is not None
    assert out.action is Action.OPEN


@on_one_database
def test_an_emergency_opens_to_everybody(street: Doors) -> None:
    emergencies.declare(street.parts, ["xinyi"], "火警", CHEN)
    street.parts.estates.forget()
    said = street.shows("11111111")
    assert said is not None
    assert (said.action, said.reason) == (Action.OPEN, Reason.EMERGENCY)


def test_guessing_stops_codes_at_this_door_and_no_cards(street: Doors) -> None:
    code = street.joins(code=True).code
    street.joins("老李")
    assert code is not None
    assert len(code) == 8
    for minute in range(5):
        street.shows(f"0000000{minute}", f"09:0{minute}")
    assert [one.kind for one in street._all(select(t.ExceptionItem.__table__))] == ["door_guessing"]
    assert street.shows(code, "09:05").action is Action.SHOW  # type: ignore[union-attr]
    assert street.shows(CARD, "09:06").action is Action.OPEN  # type: ignore[union-attr]
    assert street.shows(code, "09:07", "school-in-2").action is Action.OPEN  # type: ignore[union-attr]
    assert street.shows(code, "09:25").action is Action.OPEN  # type: ignore[union-attr]
    assert street.holds() == []


def test_tries_of_one_batch_count_together(street: Doors) -> None:
    street.clock.set(local("09:00"))
    street.deliver(*[street.event(f"0000000{one}", local("09:00"), id=f"g{one}") for one in range(7)])
    assert sorted(street.reasons()) == ["not_a_member"] * 5 + ["tried_too_often"] * 2


def test_what_comes_late_opens_nothing_and_is_on_record(street: Doors) -> None:
    street.joins()
    assert street.shows(CARD, buffered=True) is None
    street.clock.set(local("09:00"))
    street.deliver(street.event(CARD, local("08:59")))
    assert street.reasons() == ["too_late", "too_late"]
    assert street.commands == []


def test_a_door_that_does_not_obey_comes_into_the_queue(street: Doors) -> None:
    street.joins()
    opened = street.shows(CARD)
    assert opened is not None
    street.deliver(street.result(opened, Outcome.FAULT))
    assert [one.kind for one in street._all(select(t.ExceptionItem.__table__))] == ["barrier_fault"]


@on_one_database
def test_a_virtual_door_opens_for_its_member_and_for_nobody_while_it_is_alone(street: Doors) -> None:
    """The simulator's controller on the same bytes: shown, decided, opened, told; and what it buffered opens nothing later."""
    street.joins()
    gate = Gate("xinyi", "d2", [LaneSpec(id="garden-in-2", direction="in", device="d2")], boot="b")
    gate.connected(local("09:00"))

    def exchange(at: datetime) -> list[str]:
        street.clock.set(at)
        said = [decode(raw(one, at)) for one in gate.take(at) if one.channel in {"event", "result"}]
        planned = street.deliver(*said).commands if said else []
        for one in planned:
            gate.receive("command", one.payload, at)
        return [one.action for one in planned]

    def raw(one: Message, at: datetime) -> Raw:
        return Raw(native.topic("xinyi", "d2", one.channel), one.payload, one.retain, at, 0.0, 0, None)

    gate.credential_shown("garden-in-2", local("09:00"), CARD)
    assert exchange(local("09:00")) == ["open"]
    assert [one.cause for one in gate.movements] == [Cause.COMMAND]
    exchange(local("09:00") + timedelta(seconds=1))
    assert [one.state for one in street._all(select(t.CommandRow.__table__))] == ["done"]
    gate.disconnected(local("09:10"))
    gate.credential_shown("garden-in-2", local("09:11"), CARD)
    gate.connected(local("09:12"))
    assert exchange(local("09:12")) == []
    assert len(gate.movements) == 1
    assert street.reasons() == ["member", "too_late"]


def test_at_another_gate_a_card_is_nothing(street: Doors) -> None:
    street.joins()
    assert street.shows(CARD, lane="in-2") is None
    assert street.reasons() == []


def test_no_copy_of_the_database_holds_what_opens_a_door(street: Doors) -> None:
    """Neither in members nor in events, commands, audit or quarantine: not the card, not the code, and no hash without the key."""
    code = street.joins(code=True, card=CARD).code
    assert code is not None
    street.shows(CARD)
    street.shows(code)
    # The same id with another card, and one for a lane that there is not: both go to the quarantine.
    street.shows("04A23F9C11", id="e1")
    street.deliver(street.event("04A23F9C22", local("09:00"), "nowhere-2"))
    found = MetaData()
    found.reflect(street.parts.store.engine)
    secrets = [code.encode(), b"04A23F9C", b"04:A2:3F:9C", b"04a23f9c"]
    for table in found.sorted_tables:
        for row in street._all(select(table)):
            kept = b"\x1f".join(one if isinstance(one, bytes) else repr(one).encode() for one in row)
            assert [one for one in secrets if one in kept] == [], table.name
    assert len(street._all(select(t.Quarantine.__table__))) == 2


@pytest.mark.parametrize(
    "payload", [b'{"id":"x","credential":"12345678"}', b'{"credential": "1234\\"5678', b'{"credential":"12345678"']
)
def test_a_wreck_keeps_no_code(payload: bytes) -> None:
    assert b"5678" not in native.without_credential(payload)


@on_one_database
def test_a_card_is_one_members_and_a_code_is_made_anew(street: Doors) -> None:
    first = street.joins(card=CARD, code=True)
    with pytest.raises(CardTaken):
        street.joins("别人", card="04-a2-3f-9c")
    again = doors.change(street.parts, {"xinyi"}, first.member["id"], Change(code=True, card=""), "忘了", CHEN)
    assert (again.member["card"], again.member["code"]) == (False, True)
    assert again.code not in {None, first.code}
    assert street.joins("别人").member["card"] is True
    for shown in (first.code, again.code):
        street.shows(shown)
    assert street.reasons() == ["not_a_member", "member"]
    with pytest.raises(NotFound):
        doors.change(street.parts, {"archive"}, first.member["id"], Change(code=True), "别处", CHEN)


@on_one_database
@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"name": " "}, "name"),
        ({"card": "123"}, "card"),
        ({"card": "一二三四五六"}, "card"),
        ({"card": ""}, "card"),
        ({"valid_to": local("2029-01-01 00:00")}, "valid_to"),
    ],
)
def test_what_is_entered_wrongly_is_said(street: Doors, wrong: dict[str, Any], refused: str) -> None:
    with pytest.raises(Invalid, match=f"^{refused}"):
        street.joins(**wrong)
    with pytest.raises(NotFound):
        street.joins(door="xinyi.east")


@on_one_database
def test_the_same_key_is_one_member(street: Doors) -> None:
    asked = NewMember(site="xinyi", name="王", valid_to=local("2026-12-31 00:00"), code=True)
    first, second = (doors.add(street.parts, asked, CHEN, "k") for _ in range(2))
    assert first.member == second.member
    assert (len(first.code or ""), second.code) == (8, None)


def test_a_member_is_told_everything_and_taken_out_whole(street: Doors) -> None:
    member = street.joins().member["id"]
    street.shows(CARD)
    with street.parts.store.reading() as connection:
        held = doors_reading.held(connection, {"xinyi"}, member)
    assert (held["name"], [one["lane"] for one in held["passages"]]) == ("王阿姨", ["xinyi.garden-in-2"])
    doors.forget(street.parts, {"xinyi"}, member, "本人要求", CHEN)
    assert street._all(select(t.DoorMember.__table__)) == street._all(select(t.DoorCredential.__table__)) == []
    (passed,) = street._all(select(t.DoorPassage.__table__))
    assert (passed.member_id, passed.reason, passed.opened) == (None, "member", True)
    trail = street._all(select(t.AuditEntry.__table__).where(t.AuditEntry.action.like("door_member.%")))
    assert [one.action for one in trail] == ["door_member.added", "door_member.erased"]
    assert "王" not in repr(trail)
    assert street.holds() == []


def test_passages_and_members_end(street: Doors) -> None:
    street.joins()
    street.shows(CARD)
    street.clock.set(local("2026-04-02 09:01"))
    retention.retire(street.parts)
    assert street._all(select(t.DoorPassage.__table__)) == []
    assert len(street._all(select(t.DoorMember.__table__))) == 1
    street.clock.set(local("2026-12-31 00:00") + timedelta(days=91))
    retention.retire(street.parts)
    assert street._all(select(t.DoorMember.__table__)) == street._all(select(t.DoorCredential.__table__)) == []


@on_one_database
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"opened": False}, "it says both that it opened and that it did not"),
        ({"reason": "leaving"}, "nobody is asked who leaves, and somebody came in"),
        ({"reason": "blocked", "opened": False}, "a command opened it, and it is said to have stayed shut"),
        ({"at": local("09:30")}, "its event was at another time or lane"),
        ({"lane_id": "school-in-2"}, "its event was at another time or lane"),
    ],
)
def test_verify_sees_what_was_changed(street: Doors, change: dict[str, Any], why: str) -> None:
    street.joins()
    street.shows(CARD)
    assert street.holds() == []
    with street.parts.store.writing() as connection:
        connection.execute(t.DoorPassage.__table__.update().values(**change))
        connection.commit()
    assert street.holds() == [why]


def test_a_door_is_no_barrier_in_queue_close_and_reports(street: Doors) -> None:
    """Whoever leaves presses the button: nobody has to look at it, and no figure of barriers counts doors."""
    street.joins()
    street.passes("in-1", "浙A12345", "08:00")
    street.passes("out-1", "浙A12345", "08:20")
    opened = street.shows(CARD)
    assert opened is not None
    street.deliver(street.result(opened))
    for number in range(3):
        street.deliver(street.mark("garden-out-2", Kind.OPENED_BY_HAND, local(f"09:0{number}"), None))
    assert street._all(select(t.ExceptionItem.__table__)) == []
    start, end = local("00:00"), local("2026-03-03 00:00")
    with street.parts.store.reading() as connection:
        rose = books.openings(connection, "xinyi", start, end)
        assert "resident" not in rose.commanded
        assert rose.by_device == {}
        assert hands.openings(connection, None, Period(start.date(), start.date(), street.parts.settings.zone)) == []
    report = verify(street.parts)
    assert report.ok, report.first_failure
    assert report.checked["doors"] == 1
