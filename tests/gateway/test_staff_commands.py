"""Barriers raised by hand: for whom, by whom, why, and what the stay owes then; emergencies; one person at an item of the queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from controllers.adapters import native
from controllers.commands import Action, Reason
from controllers.events import BarrierState, DeviceStatus, Outcome
from controllers.events import Outcome as Became
from gateway.bridge.bridge import Bridge
from gateway.flows import attending, emergencies, staff_commands
from gateway.flows.charges_books import By
from gateway.flows.inbound import StatusIn
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.staff_commands import Asked, Given
from gateway.flows.staff_refusals import (
    AlreadyDeclared,
    AlreadyResolved,
    Claimed,
    DeviceAway,
    NotWhileOpen,
    OpeningUnderWay,
)
from gateway.flows.verify import verify
from gateway.runtime.settings import Broker
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.meddling import named_after
from tests.gateway.trade import Street, local

LI, WANG = By(operator="li", role="guard", origin="10.0.0.7"), By(operator="wang", role="console")
OPEN = Asked(action=Action.OPEN, reason="车主手机没电", note="现金另付")


class Booth(Street):
    def orders(self, asked: Asked = OPEN, lane: str = "out-1", *, by: By = LI, key: str | None = None) -> Given:
        given = staff_commands.command(self.parts, f"xinyi.{lane}", asked, by, key)
        rows = self._all(select(t.CommandRow.payload).where(t.CommandRow.id == given.id))
        if not any(one.id == given.id for one in self.commands):
            self.commands.append(native.decode_command(rows[0].payload))
        return given

    def owes_at_exit(self, plate: str = "浙A12345") -> str:
        """In at nine, at the exit at eleven, money due; its read."""
        self.passes("in-1", plate, "09:00")
        command = self.arrives("out-1", plate, "11:00")
        assert command is not None
        assert command.reason is Reason.PAYMENT_DUE
        return str(command.event)

    def hears(self, device: str = "d1", *, online: bool = True, **barrier: str) -> None:
        states = {lane: BarrierState(state) for lane, state in barrier.items()}
        status = DeviceStatus(online=online, at=self.clock.now(), barrier=states)
        said = StatusIn(site="xinyi", device=device, status=status, received_at=self.clock.now(), offset_ms=0)
        self.deliver(said)
        emergencies.renew(self.parts, [said])

    def audit(self) -> list[tuple[str, str, str]]:
        rows = self._all(select(t.AuditEntry.__table__).order_by(t.AuditEntry.id))
        return [(row.operator, row.action, row.reason) for row in rows if "." in row.action]

    def all_commands(self) -> list[Any]:
        return list(self._all(select(t.CommandRow.__table__).order_by(t.CommandRow.planned_at, t.CommandRow.lane_id)))

    def holds(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure


@pytest.fixture
def booth(parts: Parts) -> Booth:
    return Booth(parts)


class TestOpening:
    def test_who_is_let_out_owing_owes_it_by_the_name_of_whoever_opened(self, booth: Booth) -> None:
        event = booth.owes_at_exit()
        given = booth.orders()
        sent = booth.commands[-1]
        assert (given.event, given.operator, given.reason, given.state) == (event, "li", "车主手机没电", "planned")
        assert (sent.action, sent.reason, sent.event) == (Action.OPEN, Reason.STAFF, event)
        assert sent.ttl_ms == 8000
        booth.goes("out-1", "11:01", after=event)
        stay = booth.stay("浙A12345")
        assert (stay.state, stay.exit_reason, stay.payable_fen, stay.paid_fen) == ("left", "staff", given_due(booth), 0)
        assert booth.accounts()["assets:receivable:staff"] == stay.payable_fen > 0
        assert "unpaid_exit" not in booth.situations(), "it has a name and a reason"
        assert ("li", "lane.open", "车主手机没电: 现金另付") in booth.audit()
        booth.holds()

    def test_who_is_let_in_by_hand_has_a_stay_and_leaves_the_queue(self, booth: Booth) -> None:
        booth.register("blocklist", {"plate": "浙A66666", "reason": "占用消防通道", "valid_to": ""})
        refused = booth.arrives("in-1", "浙A66666", "09:00")
        assert refused is not None
        assert refused.reason is Reason.BLOCKED
        assert booth.situations() == {"blocked": 1}
        given = booth.orders(lane="in-1")
        assert given.event == refused.event
        assert booth.situations() == {}
        booth.goes("in-1", "09:01", after=str(given.event))
        assert booth.stay("浙A66666").state == "inside"
        booth.holds()

    def test_a_plate_that_could_not_be_read_is_opened_for_once(self, booth: Booth) -> None:
        booth.arrives("in-1", None, "09:00", id="nobody")
        given = booth.orders(lane="in-1")
        assert given.event == "nobody"
        assert booth.situations() == {}
        with pytest.raises(OpeningUnderWay):
            booth.orders(lane="in-1", by=WANG)
        booth.deliver(booth.result(booth.commands[-1], Became.FAULT))
        assert booth.situations() == {"barrier_fault": 1}
        again = booth.orders(lane="in-1", by=WANG)
        assert (again.event, again.id != given.id) == ("nobody", True)

    def test_with_nobody_at_the_lane_it_opens_for_nobody_known(self, booth: Booth) -> None:
        booth.passes("in-1", "浙A12345", "09:00")
        booth.clock.set(local("09:10"))
        given = booth.orders(lane="in-1")
        assert (given.event, given.stay, booth.commands[-1].event) == (None, None, None)
        assert [stay.plate for stay in booth.stays()] == ["浙A12345"]

    def test_a_read_of_long_ago_is_nobody_who_stands_there(self, booth: Booth) -> None:
        booth.owes_at_exit()
        booth.clock.advance(minutes=5)
        assert booth.orders().event is None
        assert booth.stay("浙A12345").state == "inside"

    def test_what_it_says_does_not_change_with_who_is_poor(self, booth: Booth) -> None:
        event = booth.owes_at_exit()
        booth.orders()
        row = next(one for one in booth.all_commands() if one.event_id == event and one.action == "open")
        assert (row.reason, row.true_reason, row.operator) == ("staff", "staff", "li")


def given_due(booth: Booth) -> int:
    fen = booth.stay("浙A12345").gross_fen
    assert isinstance(fen, int)
    return fen


class TestAsking:
    def test_the_same_key_is_one_opening_whatever_becomes_of_the_answer(self, booth: Booth) -> None:
        booth.owes_at_exit()
        first = booth.orders(key="tap-1")
        assert booth.orders(key="tap-1").id == first.id
        booth.deliver(booth.result(booth.commands[-1]))
        assert booth.orders(key="tap-1") == staff_commands.given(booth.parts, "xinyi.out-1", first.id)
        assert booth.orders(key="tap-1").state == "done"
        with pytest.raises(KeyReused):
            booth.orders(Asked(action=Action.CLOSE, reason="车主手机没电"), key="tap-1")
        assert booth.orders(Asked(action=Action.CLOSE, reason="x"), key="tap-1", by=WANG).action == "close", (
            "another's key"
        )

    @pytest.mark.parametrize(
        "asked",
        [
            Asked(action=Action.OPEN, reason="  "),
            Asked(action=Action.OPEN, reason="x" * 121),
            Asked(action=Action.OPEN, reason="x", show=("a",)),
            Asked(action=Action.SHOW, reason="x"),
            Asked(action=Action.SHOW, reason="x", show=("x" * 41,)),
            Asked(action=Action.SHOW, reason="x", say="x" * 81),
            Asked(action=Action.CLOSE, reason="x", say="x"),
            Asked(action=Action.OPEN, reason="x", note="\x07"),
        ],
    )
    def test_what_cannot_be_used_says_so_and_moves_nothing(self, booth: Booth, asked: Asked) -> None:
        with pytest.raises(Invalid):
            booth.orders(asked)
        assert booth.all_commands() == []

    def test_a_lane_of_nobody(self, booth: Booth) -> None:
        with pytest.raises(NotFound):
            booth.orders(lane="out-9")

    def test_a_device_that_is_away_is_said_and_nothing_waits_for_it(self, booth: Booth) -> None:
        booth.hears(online=False)
        with pytest.raises(DeviceAway):
            booth.orders()
        assert booth.all_commands() == []

    def test_the_display_says_what_staff_want(self, booth: Booth) -> None:
        booth.orders(Asked(action=Action.SHOW, reason="施工", show=("请走西门",)))
        assert (booth.commands[-1].action, booth.commands[-1].show) == (Action.SHOW, ("请走西门",))
        booth.orders(Asked(action=Action.SHOW, reason="施工", say="请走西门"))
        assert (booth.commands[-1].show, booth.commands[-1].say) == ((), "请走西门")

    def test_what_became_of_it_is_told(self, booth: Booth) -> None:
        booth.orders(Asked(action=Action.HOLD_OPEN, reason="搬家"))
        assert booth.commands[-1].expires_at == booth.clock.now() + timedelta(seconds=8)
        booth.deliver(booth.result(booth.commands[-1], Outcome.REFUSED))
        (found,) = staff_commands.newest(booth.parts, "xinyi.out-1", 10)
        assert (found.action, found.state, found.outcome_at) == ("hold_open", "refused", booth.clock.now())


class TestEmergency:
    def declared(self, booth: Booth) -> None:
        booth.clock.set(local("08:00"))
        for device in ("d1", "d2"):
            booth.hears(device)
        emergencies.declare(booth.parts, ["xinyi"], "3 幢起火", WANG)

    def test_every_lane_is_held_open_by_name(self, booth: Booth) -> None:
        self.declared(booth)
        rows = booth.all_commands()
        assert [(row.lane_id, row.action, row.reason, row.operator) for row in rows] == [
            (lane, "hold_open", "emergency", "wang") for lane in ("in-1", "in-2", "out-1", "out-2")
        ]
        with pytest.raises(AlreadyDeclared):
            emergencies.declare(booth.parts, ["xinyi"], "again", LI)
        with pytest.raises(NotFound):
            emergencies.declare(booth.parts, ["nowhere"], "x", LI)
        assert ("wang", "emergency.declare", "3 幢起火") in booth.audit()

    def test_whoever_leaves_passes_and_owes(self, booth: Booth) -> None:
        booth.passes("in-1", "浙A12345", "09:00")
        emergencies.declare(booth.parts, ["xinyi"], "起火", WANG)
        command = booth.arrives("out-1", "浙A12345", "11:00")
        assert command is not None
        assert (command.action, command.reason) == (Action.OPEN, Reason.EMERGENCY)
        booth.goes("out-1", "11:00", after=str(command.event))
        assert booth.accounts()["assets:receivable:emergency"] == booth.stay("浙A12345").payable_fen > 0
        assert booth.arrives("out-2", None, "11:01").reason is Reason.EMERGENCY  # type: ignore[union-attr]
        booth.holds()

    def test_a_device_that_comes_back_is_told_again_until_it_is_open(self, booth: Booth) -> None:
        self.declared(booth)
        booth.hears("d1")
        assert len(booth.all_commands()) == 4, "it was told a moment ago"
        booth.clock.advance(seconds=20)
        booth.hears("d1", **{"in-1": "closed", "out-1": "open"})
        told = booth.all_commands()[4:]
        assert [(row.lane_id, row.action, row.reason) for row in told] == [("in-1", "hold_open", "emergency")]
        booth.clock.advance(seconds=20)
        booth.hears("d1", **{"in-1": "open", "out-1": "open"})
        booth.hears("d1", online=False)
        assert len(booth.all_commands()) == 5

    def test_a_renewal_that_fails_holds_up_nothing_else(self, booth: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
        self.declared(booth)

        def refused(*_: object) -> int:
            raise OperationalError("INSERT", {}, Exception("database is locked"))

        monkeypatch.setattr("gateway.bridge.bridge.emergencies.renew", refused)
        bridge = Bridge(booth.parts, Broker("mqtt://127.0.0.1:1"))
        with capture_logs() as logs:
            bridge._heard([booth.status("d1")])
        bridge.link.stop()
        assert [one["log_level"] for one in logs] == ["warning"]

    def test_nobody_lowers_a_barrier_meanwhile(self, booth: Booth) -> None:
        self.declared(booth)
        for action in (Action.CLOSE, Action.RELEASE):
            with pytest.raises(NotWhileOpen):
                booth.orders(Asked(action=action, reason="x"))

    def test_when_it_is_over_only_barriers_with_a_loop_come_down_by_themselves(self, parts: Parts) -> None:
        booth = Booth(parts)
        self.declared(booth)
        booth.clock.advance(minutes=30)
        (over,) = emergencies.end(booth.parts, ["xinyi"], "已扑灭", LI)
        assert (over.declared_by, over.ended_by, over.end_reason) == ("wang", "li", "已扑灭")
        released = [row for row in booth.all_commands() if row.action == "release"]
        assert {row.lane_id for row in released} == {"in-1", "out-1", "in-2", "out-2"}
        assert {row.reason for row in released} == {"emergency"}
        with pytest.raises(NotFound):
            emergencies.end(booth.parts, ["xinyi"], "again", LI)
        booth.clock.advance(seconds=20)
        booth.hears("d1", **{"in-1": "closed"})
        assert len([row for row in booth.all_commands() if row.action == "hold_open"]) == 4
        assert booth.arrives("in-2", "浙A99999", "09:00").reason is Reason.NOT_REGISTERED  # type: ignore[union-attr]

    def test_a_lane_without_a_loop_waits_for_a_person(self, booth: Booth) -> None:
        with booth.parts.store.writing() as connection:
            connection.execute(t.Lane.__table__.update().where(t.Lane.id == "in-2").values(loop=False))
            connection.commit()
        booth.parts.estates.forget()
        self.declared(booth)
        emergencies.end(booth.parts, ["xinyi"], "over", LI)
        assert booth.situations() == {"held_open": 1}
        assert "in-2" not in {row.lane_id for row in booth.all_commands() if row.action == "release"}


class TestQueue:
    def item(self, booth: Booth) -> str:
        booth.arrives("in-1", None, "09:00")
        (row,) = booth._all(select(t.ExceptionItem.__table__))
        return str(row.id)

    def test_one_person_works_on_an_item_and_says_what_came_of_it(self, booth: Booth) -> None:
        item = self.item(booth)
        assert attending.claim(booth.parts, {"xinyi"}, item, LI)["claimed_by"] == "li"
        attending.claim(booth.parts, None, item, LI)
        for tried in (attending.claim, attending.release):
            with pytest.raises(Claimed):
                tried(booth.parts, None, item, WANG)
        with pytest.raises(Claimed):
            attending.resolve(booth.parts, None, item, "看过", "", WANG)
        done = attending.resolve(booth.parts, None, item, "已人工登记", "浙A 车牌脏污", LI)
        assert (done["state"], done["resolved_by"], done["resolution"]) == (
            "resolved",
            "li",
            "已人工登记: 浙A 车牌脏污",
        )
        assert attending.resolve(booth.parts, None, item, "已人工登记", "浙A 车牌脏污", LI) == done
        with pytest.raises(AlreadyResolved):
            attending.resolve(booth.parts, None, item, "别的", "", LI)
        assert [action for _, action, _ in booth.audit() if action.startswith("exception.")] == [
            "exception.claim",
            "exception.claim",
            "exception.resolve",
        ]

    def test_a_claim_ends_by_itself_and_what_happens_again_is_nobodys(self, booth: Booth) -> None:
        item = self.item(booth)
        attending.claim(booth.parts, None, item, LI)
        booth.clock.advance(minutes=15)
        assert attending.claim(booth.parts, None, item, WANG)["claimed_by"] == "wang"
        attending.resolve(booth.parts, None, item, "done", "", WANG)
        booth.clock.set(local("09:00") + timedelta(seconds=30))
        booth.deliver(booth.read("in-1", None, booth.clock.now()))
        (row,) = booth._all(select(t.ExceptionItem.__table__).where(t.ExceptionItem.id == item))
        assert (row.state, row.claimed_by, row.count) == ("open", None, 2)

    def test_what_is_at_another_site_is_not_there(self, booth: Booth) -> None:
        item = self.item(booth)
        for allowed in ({"elsewhere"}, set()):
            with pytest.raises(NotFound):
                attending.resolve(booth.parts, allowed, item, "x", "", LI)


def test_two_who_open_at_once_give_one_command(booth: Booth) -> None:
    """The second of them finds what the first has given."""
    booth.owes_at_exit()
    first = booth.orders()
    with pytest.raises(OpeningUnderWay):
        booth.orders(by=WANG)
    booth.goes("out-1", "11:01", after=str(first.event))
    assert booth.orders(by=WANG).event is None, "it has gone"


def test_verify_knows_who_raised_which_barrier_and_when(booth: Booth) -> None:
    booth.owes_at_exit()
    booth.orders()
    booth.holds()
    for statement in (
        "UPDATE staff_command SET operator = 'zhou'",
        "UPDATE staff_command SET at = (SELECT min(started_at) FROM stay)",
        "UPDATE staff_command SET action = 'close'",
        "UPDATE staff_command SET lane_id = 'out-2'",
        "UPDATE staff_command SET command_id = 'c-other'",
        "DELETE FROM staff_command",
    ):
        assert named_after(booth.parts, statement) == "staff_command", statement


def test_verify_knows_who_declared_an_emergency_and_who_ended_it(booth: Booth) -> None:
    emergencies.declare(booth.parts, ["xinyi"], "起火", WANG)
    booth.clock.advance(minutes=30)
    emergencies.end(booth.parts, ["xinyi"], "已扑灭", LI)
    booth.holds()
    for statement in (
        "UPDATE emergency SET declared_by = 'zhou'",
        "UPDATE emergency SET declared_at = ended_at",
        "UPDATE emergency SET ended_by = 'zhou'",
        "UPDATE emergency SET ended_at = declared_at",
        "UPDATE emergency SET ended_by = NULL",
        "UPDATE emergency SET ended_at = NULL, ended_by = NULL, end_reason = NULL",
        "UPDATE emergency SET id = 'em-other'",
        "DELETE FROM emergency",
    ):
        assert named_after(booth.parts, statement) == "emergency", statement
