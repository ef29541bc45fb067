"""Vehicles without a plate and phones at an entry and an exit, in whatever order: nothing opens but for a phone whose vehicle stands there."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from controllers.events import Kind, Outcome
from controllers.unlicensed import is_unlicensed
from gateway.flows import payment
from gateway.flows.lane_pass import claiming, codes
from gateway.flows.refusals import Refused
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.conftest import RunningClock
from tests.gateway.trade import Street, local

PHONES = ("one", "two")
phones, lanes = st.sampled_from(PHONES), st.sampled_from(["in-1", "out-1"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("stands"), lanes),
        st.tuples(st.just("stands"), lanes),
        st.tuples(st.just("has_a_plate"), lanes),
        st.tuples(st.just("passes"), lanes),
        st.tuples(st.just("backs_away"), lanes),
        st.tuples(st.just("scans"), phones),
        st.tuples(st.just("enters"), phones),
        st.tuples(st.just("leaves"), phones),
        st.tuples(st.just("pays"), phones),
        st.tuples(st.just("does_not_open"), lanes),
        st.tuples(st.just("waits"), st.sampled_from([1, 8, 15, 70, 1900])),
    ),
    min_size=5,
    max_size=30,
)


class Gate:
    """The steps by name. What is refused changes nothing."""

    def __init__(self, street: Street) -> None:
        self.street, self.clock = street, street.clock
        self.clock.set(local("08:00"))
        self.newest: dict[str, str] = {}
        self.scans_of: dict[str, str] = {}
        self.came: dict[str, str] = {}

    def do(self, what: str, *args: Any) -> None:
        with suppress(Refused):
            getattr(self, what)(*args)

    def stands(self, lane: str, plate: str | None = None) -> None:
        read = self.street.read(lane, plate, self.clock.now())
        self.street.deliver(read)
        self.newest[lane] = read.event.id
        self.clock.advance(seconds=1)

    def has_a_plate(self, lane: str) -> None:
        self.stands(lane, "浙A12345")

    def passes(self, lane: str, how: Kind = Kind.PASSED) -> None:
        if lane in self.newest:
            self.street.deliver(self.street.mark(lane, how, self.clock.now(), self.newest.pop(lane)))
            self.clock.advance(seconds=1)

    def backs_away(self, lane: str) -> None:
        self.passes(lane, Kind.REVERSED)

    def scans(self, phone: str) -> None:
        parts = self.street.parts
        found = codes.scanned(parts, "xinyi", "in-1", codes.new_scan(parts, "xinyi", "in-1"))
        assert found is not None
        self.scans_of[phone] = found

    def enters(self, phone: str) -> None:
        if phone in self.scans_of:
            claimed = claiming.enter(self.street.parts, "xinyi", "in-1", self.scans_of[phone])
            assert claimed.plate == self.scans_of[phone]
            self.came[phone] = claimed.plate

    def leaves(self, phone: str) -> None:
        if phone in self.came:
            claiming.leave(self.street.parts, "xinyi", "out-1", self.came[phone])

    def pays(self, phone: str) -> None:
        for stay in self.street.stays():
            if stay.plate == self.came.get(phone) and stay.state == "inside":
                due = (stay.payable_fen or 0) - stay.paid_fen
                payment.take(self.street.parts, stay_id=stay.id, channel="wechat", amount_fen=due)

    def does_not_open(self, lane: str) -> None:
        """The barrier tells that the newest opening of the lane came too late."""
        rows = [row for row in self.openings() if row.lane_id == lane]
        if rows and rows[-1].state in {"planned", "sent"}:
            from controllers.adapters import native

            command = native.decode_command(rows[-1].payload)
            self.street.deliver(self.street.result(command, Outcome.EXPIRED))

    def waits(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    def openings(self) -> list[Any]:
        command = t.CommandRow.__table__.c
        wanted = select(*command).where(command.action == "open").order_by(command.planned_at, command.id)
        return list(self.street._all(wanted))

    def holds(self) -> None:
        """Each opening was for a vehicle of one name, whose phone had asked for it, in time, and not twice."""
        events = {row.event_id: row for row in self.street._all(select(t.PlateEventRow.__table__))}
        failed: set[str] = set()
        entered: set[str] = set()
        for row in self.openings():
            read = events[row.event_id]
            assert read.plate is not None, "nothing opens for a vehicle that nobody has named"
            if not is_unlicensed(read.plate):
                continue
            assert read.plate in {*self.came.values(), *self.scans_of.values()} | self.known
            late = (
                timedelta(seconds=8)
                if row.reason == "paid" and row.expires_at > read.at + timedelta(seconds=12)
                else None
            )
            assert row.expires_at <= (row.planned_at + late if late else read.at + timedelta(seconds=12))
            if row.lane_id == "in-1" and read.plate not in failed:
                assert read.plate not in entered, "one scan, one entry"
                entered.add(read.plate)
            if row.state == "expired":
                failed.add(read.plate)
        self.known |= {*self.came.values(), *self.scans_of.values()}

    known: set[str] = set()  # noqa: RUF012 - names of phones that have scanned anew since


def street_of(path: Path) -> Street:
    given_ = Settings(database_url=f"sqlite:///{path}", secret_key="a secret of the tests only", test=True, http_port=0)
    began = datetime.fromisoformat("2026-03-02T06:00:00+08:00")
    store = open_store(f"sqlite:///{path}")
    return Street(Parts(settings=given_, clock=RunningClock(began), store=store, metrics=Metrics()))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps)
@example(
    [("stands", "in-1"), ("scans", "one"), ("enters", "one"), ("stands", "in-1"), ("passes", "in-1"), ("enters", "one")]
)
@example(
    [
        ("stands", "in-1"),
        ("scans", "one"),
        ("scans", "two"),
        ("enters", "one"),
        ("enters", "two"),
        ("backs_away", "in-1"),
        ("enters", "one"),
        ("stands", "in-1"),
        ("enters", "one"),
        ("enters", "two"),
    ]
)
@example(
    [
        ("stands", "in-1"),
        ("scans", "one"),
        ("waits", 15),
        ("enters", "one"),
        ("stands", "in-1"),
        ("does_not_open", "in-1"),
        ("stands", "in-1"),
        ("passes", "in-1"),
        ("waits", 1900),
        ("stands", "out-1"),
        ("leaves", "one"),
        ("pays", "one"),
        ("passes", "out-1"),
        ("stands", "out-1"),
        ("leaves", "one"),
    ]
)
def test_nothing_opens_but_for_a_phone_whose_vehicle_stands_there(
    sqlite_template: Path, tmp_path: Path, happens: list[tuple[Any, ...]]
) -> None:
    path = tmp_path / "run.db"
    path.write_bytes(sqlite_template.read_bytes())
    street = street_of(path)
    with closing(street.parts.store):
        gate = Gate(street)
        gate.known = set()
        for step in happens:
            gate.do(*step)
            gate.holds()
        inside = [stay.plate for stay in street.stays() if stay.state == "inside"]
        assert len(inside) == len(set(inside))
        report = verify(street.parts)
        assert report.ok, report.first_failure
