"""A desk, gates, a network that comes and goes, closes: whatever happens in whatever order, each voucher is used once at most,
stock balances, and `verify` holds after every step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.events import Kind, Opening
from gateway.flows import payment
from gateway.flows.close import close_missed
from gateway.flows.refusals import Refused
from gateway.flows.verify import verify
from gateway.flows.vouchers import offline
from gateway.flows.vouchers.daily import tend
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.conftest import RunningClock
from tests.gateway.trade import Street, local
from tests.gateway.voucher_desk import Desk

VOUCHERS = 6
PLATES = ("浙A00001", "浙A00002")
_numbers = itertools.count()

vouchers = st.integers(1, VOUCHERS)
plates = st.sampled_from(PLATES)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("issue"), vouchers),
        st.tuples(st.just("give_back"), vouchers),
        st.tuples(st.just("void"), vouchers),
        st.tuples(st.just("enters"), plates),
        st.tuples(st.just("comes_to_the_exit"), plates),
        st.tuples(st.just("backs_away"), plates),
        st.tuples(st.just("leaves"), plates),
        st.tuples(st.just("leaves_offline"), plates),
        st.tuples(st.just("presents"), plates, vouchers),
        st.tuples(st.just("presents"), plates, vouchers),
        st.tuples(st.just("pays"), plates),
        st.tuples(st.just("brings"), vouchers),
        st.tuples(st.just("enters_late"), plates),
        st.tuples(st.just("waits"), st.sampled_from([20, 70, 200])),
        st.tuples(st.just("night"), st.none()),
    ),
    min_size=5,
    max_size=40,
)


class Days:
    """The steps by name. What is refused changes nothing."""

    def __init__(self, parts: Parts) -> None:
        self.street = Street(parts)
        self.desk = Desk(self.street)
        self.street.clock.set(local("08:00"))
        for kind, value in (("hour", 60), ("amount", 300), ("whole_stay", 0)):
            made = self.desk.book(kind, value, VOUCHERS // 3, valid_to=local("2026-03-05 00:00"))
            self.desk.issue(made.first_serial)
        self.reads: dict[str, str] = {}

    def do(self, what: str, *args: Any) -> None:
        work: Callable[..., object] = getattr(self, what)
        with suppress(Refused):
            work(*(arg for arg in args if arg is not None))

    def issue(self, serial: int) -> None:
        self.desk.issue(serial)

    def give_back(self, serial: int) -> None:
        self.desk.give_back(serial, serial)

    def void(self, serial: int) -> None:
        self.desk.void(serial, serial)

    def enters(self, plate: str) -> None:
        self._passes("in-1", plate)

    def leaves(self, plate: str) -> None:
        self._passes("out-1", plate)

    def comes_to_the_exit(self, plate: str) -> None:
        self.reads[plate] = self._read("out-1", plate)

    def backs_away(self, plate: str) -> None:
        if plate in self.reads:
            self._tick()
            read = self.reads.pop(plate)
            self.street.deliver(self.street.mark("out-1", Kind.REVERSED, self.street.clock.now(), read))

    def leaves_offline(self, plate: str) -> None:
        read = self._read("out-1", plate, opening=Opening.HAND, buffered=True)
        self._tick()
        self.street.deliver(self.street.mark("out-1", Kind.PASSED, self.street.clock.now(), read, buffered=True))

    def enters_late(self, plate: str) -> None:
        """An entry of half an hour ago comes only now."""
        self._tick()
        at = self.street.clock.now() - timedelta(minutes=30)
        read = self.street.read("in-1", plate, at, buffered=True)
        self.street.deliver(read, self.street.mark("in-1", Kind.PASSED, at, read.event.id, buffered=True))

    def presents(self, plate: str, serial: int) -> None:
        if any(stay.plate == plate and stay.state != "void" for stay in self.street.stays()):
            self.desk.present(plate, self.desk.code(serial))

    def pays(self, plate: str) -> None:
        for stay in self.street.stays():
            due = (stay.payable_fen or 0) - stay.paid_fen
            if stay.plate == plate and due > 0 and stay.exit_at is not None:
                payment.take(self.desk.parts, stay_id=stay.id, channel="wechat", amount_fen=due)

    def brings(self, serial: int) -> None:
        item = offline.Collected(code=self.desk.code(serial), lane="xinyi.out-1", at=self.street.clock.now())
        offline.bring(self.desk.parts, [item], operator="cashier")

    def waits(self, minutes: int) -> None:
        self.street.clock.advance(minutes=minutes)
        offline.match_queued(self.desk.parts)

    def night(self) -> None:
        clock = self.street.clock
        today = clock.now().astimezone(self.desk.parts.settings.zone).date()
        clock.set(local(f"{today + timedelta(days=1)} 06:00"))
        list(close_missed(self.desk.parts, today))
        tend(self.desk.parts)

    def _passes(self, lane: str, plate: str) -> None:
        before = len(self.street.commands)
        read = self._read(lane, plate)
        answered = self.street.commands[before:]
        if answered and answered[-1].action.value == "open":
            self._tick()
            self.street.deliver(self.street.mark(lane, Kind.PASSED, self.street.clock.now(), read))

    def _read(self, lane: str, plate: str, **more: Any) -> str:
        self.street.clock.advance(minutes=1)
        read = self.street.read(lane, plate, self.street.clock.now(), **more)
        self.street.deliver(read)
        return read.event.id

    def _tick(self) -> None:
        self.street.clock.advance(seconds=5)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps)
def test_whatever_happens_stock_balances_and_verify_holds(
    sqlite_template: Path, tmp_path: Path, happens: list[tuple[Any, ...]]
) -> None:
    path = tmp_path / f"{next(_numbers)}.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{path}")
    try:
        parts = Parts(
            settings=Settings(database_url=str(store.engine.url), secret_key="a secret of the tests only", test=True),
            clock=RunningClock(local("06:00")),
            store=store,
            metrics=Metrics(),
        )
        days = Days(parts)
        for step in happens:
            days.do(*step)
            report = verify(parts)
            assert report.ok, (step, report.first_failure)
        days.do("night")
        for book in days.desk.rows(t.VoucherBook):
            assert days.desk.stock(book.id).wrong() is None
        used = [row.stay_id for row in days.desk.rows(t.Voucher) if row.state == "used"]
        assert len(used) == sum(
            (row.kind == "use") - (row.kind == "unuse") for row in days.desk.rows(t.VoucherMovement)
        )
        assert verify(parts).ok
    finally:
        store.close()
        path.unlink()
