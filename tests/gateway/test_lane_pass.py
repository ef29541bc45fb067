"""无牌车 at the lane: a scan opens only for a vehicle without a plate that stands there, once, for one phone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from controllers.adapters import native
from controllers.commands import Action, Command, Reason
from controllers.events import Kind, Outcome
from controllers.plate import normalise
from controllers.unlicensed import is_unlicensed
from gateway.flows.charges_books import By
from gateway.flows.lane_pass import claiming, codes
from gateway.flows.lane_pass.refusals import ClaimedBefore, NobodyWaits, NoStay, ScanOver
from gateway.flows.payment import take
from gateway.flows.refusals import NotFound
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import Street, local


class Scanners(Street):
    """Drivers without a plate, and their phones."""

    def waits(self, lane: str, at: str, **more: object) -> str:
        """A vehicle without a plate is read; its event."""
        self.arrives(lane, None, at, **more)
        return str(more.get("id", f"e{self._events}"))

    def scans(self, lane: str = "in-1") -> str:
        """The name that this scan may give to one vehicle."""
        plate = codes.scanned(self.parts, "xinyi", lane, codes.new_scan(self.parts, "xinyi", lane))
        assert plate is not None
        return plate

    def enters(self, plate: str, lane: str = "in-1") -> claiming.Claimed:
        return claiming.enter(self.parts, "xinyi", lane, plate)

    def leaves(self, plate: str, lane: str = "out-1") -> claiming.Claimed:
        return claiming.leave(self.parts, "xinyi", lane, plate)

    def parks(self, at: str = "09:00") -> str:
        """In by a scan and gone from the lane."""
        event = self.waits("in-1", at)
        self.clock.advance(seconds=5)
        plate = self.scans()
        assert self.enters(plate).opened
        self.clock.advance(seconds=5)
        self.deliver(self.mark("in-1", Kind.PASSED, self.clock.now(), event))
        return plate

    def given(self) -> list[tuple[str, str, str | None]]:
        """Commands in the outbox: action, reason, event."""
        rows = self._all(select(t.CommandRow.__table__).order_by(t.CommandRow.planned_at, t.CommandRow.id))
        return [(row.action, row.reason, row.event_id) for row in rows]

    def opening(self) -> Command:
        """The newest command that opens."""
        rows = self._all(
            select(t.CommandRow.payload).where(t.CommandRow.action == "open").order_by(t.CommandRow.planned_at)
        )
        return native.decode_command(rows[-1].payload)

    def openings(self) -> list[tuple[str, str | None]]:
        return [(reason, event) for action, reason, event in self.given() if action == "open"]

    def holds(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure


@pytest.fixture
def street(parts: Parts) -> Scanners:
    return Scanners(parts)


def test_in_and_out_with_a_phone_and_everything_in_the_books(street: Scanners) -> None:
    plate = street.parks("09:00")
    assert is_unlicensed(plate)
    assert normalise(plate) is None, "no camera may say it"
    assert street.stay(plate).state == "inside"
    assert street.situations() == {}
    event = street.waits("out-1", "11:10")
    street.clock.advance(seconds=4)
    out = street.leaves(plate)
    assert (out.opened, out.reason, out.due_fen) == (False, "payment_due", 1000)
    assert street.given()[-1] == ("show", "payment_due", event)
    again = street.waits("out-1", "11:10:15")
    assert street.given()[-1] == ("show", "payment_due", again), "read again, and known"
    street.clock.set(local("11:10:40"))
    paid = take(street.parts, stay_id=out.stay or "", channel="wechat", amount_fen=1000)
    assert paid.opens
    assert street.openings()[-1] == ("paid", again)
    street.goes("out-1", "11:10:50", after=again)
    stay = street.stay(plate)
    assert (stay.state, stay.paid_fen, stay.confirmed) == ("left", 1000, True)
    street.holds()


def test_what_is_too_late_for_this_read_opens_with_the_next_one(street: Scanners) -> None:
    """An opening never goes out more than 12 s after its read: the device reads the vehicle again every 15 s."""
    street.waits("in-1", "09:00")
    street.clock.set(local("09:00:14"))
    plate = street.scans()
    assert not street.enters(plate).opened
    assert street.openings() == []
    assert street.stays() == []
    command = street.arrives("in-1", None, "09:00:15", id="again")
    assert command is not None
    assert (command.action, command.reason, command.event) == (Action.OPEN, Reason.TEMPORARY, "again")
    assert command.expires_at == local("09:00:23")
    assert street.stay(plate).entry_at == local("09:00")


def test_nothing_opens_for_whoever_scans_without_standing_there(street: Scanners) -> None:
    with pytest.raises(NobodyWaits):
        street.enters(street.scans())
    street.arrives("in-1", "浙A12345", "09:00")  # one with a plate
    with pytest.raises(NobodyWaits):
        street.enters(street.scans())
    event = street.waits("in-1", "09:10")
    street.deliver(street.mark("in-1", Kind.REVERSED, local("09:10:03"), event))
    with pytest.raises(NobodyWaits):
        street.enters(street.scans())
    street.waits("in-1", "09:20")
    street.clock.set(local("09:25"))  # nobody stands there any more
    with pytest.raises(NobodyWaits):
        street.enters(street.scans())
    street.waits("in-1", "09:30", opening=None, buffered=True)
    with pytest.raises(NobodyWaits):
        street.enters(street.scans())
    assert len(street.openings()) == 1


def test_one_scan_opens_once_and_for_one_phone(street: Scanners) -> None:
    event = street.waits("in-1", "09:00")
    mine, another = street.scans(), street.scans()
    assert street.enters(mine).opened
    assert street.enters(mine).opened, "asked again, answered the same"
    with pytest.raises(ClaimedBefore):
        street.enters(another)
    assert street.openings() == [("temporary", event)]
    street.goes("in-1", "09:00:06", after=event)
    street.waits("in-1", "09:00:20")
    with pytest.raises(ScanOver):  # the next vehicle needs a scan of its own
        street.enters(mine)
    assert street.enters(another).opened


def test_the_one_behind_is_not_taken_for_the_one_before(street: Scanners) -> None:
    """Opened, and not yet told that it passed: who is read now may be the next."""
    street.waits("in-1", "09:00")
    street.enters(street.scans())
    street.waits("in-1", "09:00:10")
    assert street.given()[-1][:2] == ("show", "unreadable")


def test_an_opening_that_the_barrier_did_not_obey_comes_again(street: Scanners) -> None:
    street.waits("in-1", "09:00", id="first")
    plate = street.scans()
    street.enters(plate)
    command = street.opening()
    street.clock.set(local("09:00:13"))
    street.deliver(street.result(command, Outcome.EXPIRED))
    again = street.arrives("in-1", None, "09:00:15", id="second")
    assert again is not None
    assert again.action is Action.OPEN
    assert street.stay(plate).entry_event == "first"


def test_a_phone_gets_out_only_the_vehicle_it_came_with(street: Scanners) -> None:
    plate = street.parks()
    street.waits("out-1", "09:20")
    with pytest.raises(NoStay):
        street.leaves(street.scans("out-1"))
    with pytest.raises(NoStay):
        street.leaves("浙A12345")
    assert street.leaves(plate).opened, "within the free minutes"
    street.goes("out-1", "09:20:05", after=f"e{street._events}")
    street.waits("out-1", "09:30")
    with pytest.raises(NoStay):  # it has left: the phone lets nobody out after it
        street.leaves(plate)


def test_nobody_leaves_first_without_a_plate(parts: Parts) -> None:
    """Where everybody pays later, nobody would know whom to ask."""
    street = Scanners(parts, mode="leave_first")
    plate = street.parks()
    street.waits("out-1", "11:10")
    assert street.leaves(plate).reason == "payment_due"


def test_full_and_residents_only_stay_so(parts: Parts) -> None:
    street = Scanners(parts, capacity=1)
    street.parks()
    street.waits("in-1", "09:10")
    assert street.enters(street.scans()).reason == "full"
    street.waits("in-2", "09:20")
    assert street.enters(street.scans("in-2"), "in-2").reason == "not_registered"
    assert len(street.openings()) == 1


def test_staff_bring_a_stay_to_the_lane_whose_phone_is_lost(street: Scanners) -> None:
    plate = street.parks()
    street.waits("out-1", "09:20")
    done = claiming.leave(
        street.parts, "xinyi", "out-1", plate, By(operator="li", role="console", origin="::1"), "手机没电"
    )
    assert done.opened


def test_a_lane_without_a_sensor_goes_by_its_barrier(parts: Parts) -> None:
    street = Scanners(parts)
    plate = street.parks()
    street.waits("out-2", "09:20", id="w")
    assert street.leaves(plate, "out-2").opened
    street.deliver(street.result(street.opening()))
    assert (street.stay(plate).state, street.stay(plate).confirmed) == ("left", True)
    street.waits("out-2", "09:20:10")
    assert street.given()[-1][:2] == ("show", "unreadable")
    street.holds()


def test_codes_are_signed_for_their_lane_and_end(street: Scanners) -> None:
    parts = street.parts
    code = codes.code_of(parts, "xinyi.in-1")
    token = code.url.rsplit("/", 1)[1]
    assert codes.lane_of(parts, token) == ("xinyi", "in-1")
    assert codes.lane_of(parts, token.replace("in-1", "out-1")) is None
    assert codes.lane_of(parts, token[:-1]) is None
    assert codes.lane_of(parts, "") is None
    rotated = codes.rotate(parts, "xinyi.in-1", "撕毁", By(operator="chen", role="manager"))
    assert rotated.generation == 2
    assert codes.lane_of(parts, token) is None
    assert codes.lane_of(parts, rotated.url.rsplit("/", 1)[1]) == ("xinyi", "in-1")
    with pytest.raises(NotFound):
        codes.code_of(parts, "xinyi.nowhere")
    scan = codes.new_scan(parts, "xinyi", "in-1")
    assert codes.scanned(parts, "xinyi", "out-1", scan) is None
    assert codes.scanned(parts, "xinyi", "in-1", scan[:-2]) is None
    assert codes.scanned(parts, "xinyi", "in-1", scan) != codes.scanned(
        parts, "xinyi", "in-1", codes.new_scan(parts, "xinyi", "in-1")
    )
    phone = codes.phone_token(parts, codes.Phone("xinyi", "无牌ABC"))
    assert codes.phone_of(parts, phone) == codes.Phone("xinyi", "无牌ABC")
    assert codes.phone_of(parts, phone.replace("xinyi", "other")) is None
    street.clock.advance(minutes=5)
    assert codes.scanned(parts, "xinyi", "in-1", scan) is None
    street.clock.set(street.clock.now() + timedelta(days=31))
    assert codes.phone_of(parts, phone) is None
