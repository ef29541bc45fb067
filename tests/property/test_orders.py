"""Drivers who pay by phone and in cash, channels that call back late, twice or never, refunds, exits: whatever happens in whatever order,
the books hold after every step, and what the channels have is in the books once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from controllers.events import Kind
from gateway.flows import cash_refunds, help_calls, payment
from gateway.flows.charges_books import By
from gateway.flows.close import close_missed
from gateway.flows.orders import refunds
from gateway.flows.orders.sending import send
from gateway.flows.orders.tending import tend
from gateway.flows.refusals import Refused
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.channels.provider import Provider
from tests.cheap import open_store
from tests.conftest import RunningClock
from tests.gateway.channel_house import Phones, channels
from tests.gateway.trade import local

PLATES = ("浙A00001", "浙A00002")
CHANNELS = ("wechat", "alipay")
_numbers = itertools.count()

plates, which = st.sampled_from(PLATES), st.integers(0, 9)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("enters"), plates),
        st.tuples(st.just("comes_to_the_exit"), plates),
        st.tuples(st.just("backs_away"), plates),
        st.tuples(st.just("passes"), plates),
        st.tuples(st.just("orders"), plates, st.sampled_from(CHANNELS)),
        st.tuples(st.just("orders"), plates, st.sampled_from(CHANNELS)),
        st.tuples(st.just("pays"), which),
        st.tuples(st.just("pays"), which),
        st.tuples(st.just("is_told"), which),
        st.tuples(st.just("is_told"), which),
        st.tuples(st.just("pays_cash"), plates),
        st.tuples(st.just("refund_is_proposed"), which, st.sampled_from([None, 100, 300])),
        st.tuples(st.just("refund_is_approved"), which),
        st.tuples(st.just("refund_is_refused"), which),
        st.tuples(st.just("refund_is_sent"), which),
        st.tuples(st.just("cash_goes_back"), which, st.sampled_from([None, 100, 300])),
        st.tuples(st.just("cash_refund_is_approved"), which),
        st.tuples(st.just("cash_refund_is_handed_out"), which),
        st.tuples(st.just("calls_for_help"), plates),
        st.tuples(st.just("is_let_out_owing"), which),
        st.tuples(st.just("refunds_become"), st.sampled_from(["done", "pending", "failed"])),
        st.tuples(st.just("refunds_settle"), st.sampled_from(["done", "failed"])),
        st.tuples(st.just("channel_stumbles"), st.sampled_from(CHANNELS), st.sampled_from(["broken", "deaf"])),
        st.tuples(st.just("waits"), st.sampled_from([1, 4, 31, 70])),
        st.tuples(st.just("jobs_run")),
        st.tuples(st.just("night")),
    ),
    min_size=5,
    max_size=40,
)


class Days:
    """The steps by name. What is refused changes nothing."""

    def __init__(self, street: Phones) -> None:
        self.street = street
        self.street.clock.set(local("08:00"))
        self.reads: dict[str, str] = {}
        self.placed: list[tuple[str, str]] = []

    def do(self, what: str, *args: Any) -> None:
        work: Callable[..., object] = getattr(self, what)
        with suppress(Refused):
            work(*args)

    def enters(self, plate: str) -> None:
        read = self._read("in-1", plate)
        self._tick()
        self.street.deliver(self.street.mark("in-1", Kind.PASSED, self.street.clock.now(), read))

    def comes_to_the_exit(self, plate: str) -> None:
        self.reads[plate] = self._read("out-1", plate)

    def backs_away(self, plate: str) -> None:
        self._ends(plate, Kind.REVERSED)

    def passes(self, plate: str) -> None:
        """Also where nobody has opened."""
        self._ends(plate, Kind.PASSED)

    def orders(self, plate: str, channel: str) -> None:
        order = self.street.orders(self._stay(plate), channel)
        if (channel, order.id) not in self.placed:
            self.placed.append((channel, order.id))

    def pays(self, number: int) -> None:
        channel, order = self._one(self.placed, number)
        self.street.provider.pays(channel, order, self.street.clock.now())

    def is_told(self, number: int) -> None:
        channel, order = self._one(self.placed, number)
        paid = self.street.till(channel).orders.get(order)
        if paid is not None and paid.paid_at is not None:
            notice = self.street.provider.paid_notice(channel, paid)
            for _ in range(1 + number % 2):
                self.street.hears(channel, notice)

    def pays_cash(self, plate: str) -> None:
        stay = self._one([one for one in self.street.stays() if one.id == self._stay(plate)], 0)
        due = (stay.payable_fen or 0) - stay.paid_fen
        payment.take(self.street.parts, stay_id=stay.id, channel="cash", amount_fen=due, operator="li", role="cashier")

    def refund_is_proposed(self, number: int, fen: int | None) -> None:
        _, order = self._one(self.placed, number)
        refunds.propose(self.street.parts, order, "多收", By(operator="li"), fen)

    def refund_is_approved(self, number: int) -> None:
        refund = self._one(self.street.refunds(), number)
        refunds.approve(self.street.parts, refund.id, refund.amount_fen, By(operator="wang"))

    def refund_is_refused(self, number: int) -> None:
        refunds.refuse(self.street.parts, self._one(self.street.refunds(), number).id, "没有", By(operator="wang"))

    def refund_is_sent(self, number: int) -> None:
        refund = self._one(self.street.refunds(), number)
        if refund.state == "failed":
            refunds.again(self.street.parts, refund.id, By(operator="wang"))
        send(self.street.parts, refund.id)

    def cash_goes_back(self, number: int, fen: int | None) -> None:
        payment = self._one([one for one in self.street.payments() if one.channel == "cash"], number)
        cash_refunds.propose(self.street.parts, payment.id, "多收", By(operator="li"), fen)

    def cash_refund_is_approved(self, number: int) -> None:
        refund = self._one(self._cash_refunds(), number)
        cash_refunds.approve(self.street.parts, refund.id, refund.amount_fen, By(operator="wang"))

    def cash_refund_is_handed_out(self, number: int) -> None:
        cash_refunds.pay_out(self.street.parts, self._one(self._cash_refunds(), number).id, By(operator="li"))

    def calls_for_help(self, plate: str) -> None:
        help_calls.call_from_page(self.street.parts, self._stay(plate))

    def is_let_out_owing(self, number: int) -> None:
        call = self._one(
            self.street._all(select(t.ExceptionItem.id).where(t.ExceptionItem.kind == "help_call")), number
        )
        help_calls.pay_later(self.street.parts, call.id, "没有手机", By(operator="wang", role="console"))

    def refunds_become(self, state: Any) -> None:
        for channel in CHANNELS:
            self.street.till(channel).refunds_become = state

    def refunds_settle(self, state: Any) -> None:
        for channel in CHANNELS:
            till = self.street.till(channel)
            for refund in [one for one in till.refunds.values() if one.state == "pending"]:
                settled = till.settle(refund.number, state)
                if channel == "wechat":
                    self.street.hears("wechat", self.street.provider.wechat.refund_notice(settled))

    def channel_stumbles(self, channel: str, how: str) -> None:
        setattr(self.street.till(channel), how, 1)

    def waits(self, minutes: int) -> None:
        self.street.clock.advance(minutes=minutes)

    def jobs_run(self) -> None:
        tend(self.street.parts)

    def night(self) -> None:
        clock = self.street.clock
        today = clock.now().astimezone(self.street.parts.settings.zone).date()
        clock.set(local(f"{today + timedelta(days=1)} 06:00"))
        list(close_missed(self.street.parts, today))

    def end(self) -> None:
        """Every channel is well again, and time passes until nothing is open."""
        self.refunds_become("done")
        for channel in CHANNELS:
            self.street.till(channel).broken = self.street.till(channel).deaf = 0
        self.refunds_settle("done")
        for _ in range(12):
            self.street.clock.advance(minutes=61)
            tend(self.street.parts)

    def _cash_refunds(self) -> list[Any]:
        return list(self.street._all(select(t.CashRefund.__table__).order_by(t.CashRefund.id)))

    def _stay(self, plate: str) -> str:
        found = [stay for stay in self.street.stays() if stay.plate == plate and stay.state != "void"]
        return str(found[-1].id) if found else "xinyi.nothing"

    @staticmethod
    def _one(found: list[Any], number: int) -> Any:
        if not found:
            raise Refused
        return found[number % len(found)]

    def _ends(self, plate: str, how: Kind) -> None:
        if plate in self.reads:
            self._tick()
            read = self.reads.pop(plate)
            self.street.deliver(self.street.mark("out-1", how, self.street.clock.now(), read))

    def _read(self, lane: str, plate: str) -> str:
        self.street.clock.advance(minutes=1)
        read = self.street.read(lane, plate, self.street.clock.now())
        self.street.deliver(read)
        return read.event.id

    def _tick(self) -> None:
        self.street.clock.advance(seconds=5)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    clock = RunningClock(local("08:00"))
    with channels(clock) as opened:
        yield opened


@pytest.fixture
def a_street(provider: Provider, sqlite_template: Path, tmp_path: Path) -> Iterator[Callable[[], Phones]]:
    opened: list[Any] = []

    def make() -> Phones:
        path = tmp_path / f"{next(_numbers)}.db"
        path.write_bytes(sqlite_template.read_bytes())
        store = open_store(f"sqlite:///{path}")
        opened.append(store)
        clock = RunningClock(local("06:00"))
        for channel in CHANNELS:
            till = provider.till(channel)
            till.orders.clear()
            till.refunds.clear()
            till.now = clock.now
            till.refunds_become, till.broken, till.deaf = "done", 0, 0
        parts = Parts(
            settings=Settings(database_url=str(store.engine.url), secret_key="a secret of the tests only", test=True),
            clock=clock,
            store=store,
            metrics=Metrics(),
        )
        return Phones(parts, provider, tmp_path / "keys")

    yield make
    for store in opened:
        store.close()


def once_in_the_books(street: Phones) -> None:
    """What each channel has, less what it gave back, is what stands in its account; what is on no stay is owed back."""
    books = street.accounts()
    for channel in CHANNELS:
        till = street.till(channel)
        received = sum(order.fen for order in till.orders.values() if order.paid_at is not None)
        returned = sum(refund.fen for refund in till.refunds.values() if refund.state == "done")
        assert books.get(f"assets:channel:{channel}", 0) == received - returned, channel
        for refund in till.refunds.values():
            assert refund.state == "done"
    assert books.get("liability:refund", 0) <= 0
    handed_out = street._all(select(t.CashRefund.amount_fen).where(t.CashRefund.state == "paid"))
    taken = sum(one.amount_fen for one in street.payments() if one.channel == "cash")
    drawer = sum(fen for account, fen in books.items() if account.startswith("assets:cash:"))
    assert drawer == taken - sum(one.amount_fen for one in handed_out) >= 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps)
@example(
    [
        ("enters", PLATES[0]),
        ("waits", 70),
        ("orders", PLATES[0], "wechat"),
        ("pays", 0),
        ("comes_to_the_exit", PLATES[0]),
        ("calls_for_help", PLATES[0]),
        ("is_let_out_owing", 0),
        ("is_told", 0),
        ("passes", PLATES[0]),
        ("enters", PLATES[1]),
        ("waits", 70),
        ("comes_to_the_exit", PLATES[1]),
        ("pays_cash", PLATES[1]),
        ("cash_goes_back", 0, 300),
        ("cash_refund_is_approved", 0),
        ("night",),
        ("cash_refund_is_handed_out", 0),
        ("night",),
    ]
)
@example(
    [
        ("enters", PLATES[0]),
        ("waits", 70),
        ("orders", PLATES[0], "wechat"),
        ("pays", 0),
        ("comes_to_the_exit", PLATES[0]),
        ("pays_cash", PLATES[0]),
        ("is_told", 1),
        ("refund_is_approved", 0),
        ("refund_is_sent", 0),
    ]
)
def test_whatever_happens_the_books_hold_and_each_payment_counts_once(
    a_street: Callable[[], Phones], happens: list[tuple[Any, ...]]
) -> None:
    days = Days(a_street())
    for step in happens:
        days.do(*step)
        report = verify(days.street.parts)
        assert report.ok, (step, report.first_failure)
    days.end()
    once_in_the_books(days.street)
    report = verify(days.street.parts)
    assert report.ok, report.first_failure
    states = {days.street.order(order).state for _, order in days.placed}
    assert states <= {"paid", "closed", "refunded"}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    parked=st.integers(31, 400),
    pays_after=st.integers(0, 4),
    leaves_after=st.integers(1, 40),
    told=st.permutations(["read", "passed", "told", "told"]),
)
def test_when_it_is_told_changes_nothing(
    a_street: Callable[[], Phones], parked: int, pays_after: int, leaves_after: int, told: list[str]
) -> None:
    """The same entry, order, payment and exit: what the stay costs, what is paid and what is owed do not depend on the callback."""
    order_of_things = [one for one in told if one != "passed"]
    order_of_things.insert(order_of_things.index("read") + 1 + told.index("passed") % 2, "passed")
    outcomes = []
    for sequence in (["told", "read", "passed"], order_of_things):
        street = a_street()
        days = Days(street)
        days.enters(PLATES[0])
        street.clock.advance(minutes=parked)
        order = street.orders(days._stay(PLATES[0]))
        street.clock.advance(minutes=pays_after)
        street.pays(order)
        reads = street.clock.now() + timedelta(minutes=leaves_after)
        for thing in sequence:
            if thing == "told":
                street.hears("wechat", street.notice(order))
            elif thing == "read":
                street.clock.set(max(reads - timedelta(minutes=1), street.clock.now()))
                days.comes_to_the_exit(PLATES[0])
            else:
                days.passes(PLATES[0])
        stay = street.stays()[-1]
        outcomes.append((stay.state, stay.gross_fen, stay.payable_fen, stay.paid_fen, street.accounts()))
        street.holds()
    assert outcomes[0][:4] == outcomes[1][:4]
    ours = [{account: fen for account, fen in books.items() if "receivable" not in account} for *_, books in outcomes]
    assert ours[0] == ours[1]
