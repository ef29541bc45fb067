"""Any order of selling, renewing, moving, giving back, charging, earning and closing: the books balance and verify holds.

A model keeps what it should come to: what was paid in, what days have earned, what was given back, in plain arithmetic of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.flows import charges_money
from gateway.flows.charges_refusals import (
    NotAtThisDesk,
    NotReversible,
    OtherHousehold,
    PassNotValid,
    PassOverlaps,
    SpacesTaken,
)
from gateway.flows.close import close_missed
from gateway.flows.pricing import standing
from gateway.flows.refusals import AmountNotDue
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import schema
from gateway.store import tables as t
from gateway.store.facts import FactLoader
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.conftest import RunningClock
from tests.gateway.pass_office import FINANCE, MONTH_FEN, REGISTRAR, TILL, Office

PLATES = ("浙A10101", "浙A10102", "浙A10201", "浙B77777")
REFUSED = (NotAtThisDesk, SpacesTaken, PassOverlaps, PassNotValid, OtherHousehold, AmountNotDue, NotReversible)


BEGINNING = datetime.fromisoformat("2026-03-02T06:00:00+08:00")


def parts_of(path: Path) -> Parts:
    given = Settings(database_url=f"sqlite:///{path}", secret_key="a secret of the tests only", test=True, http_port=0)
    store = open_store(f"sqlite:///{path}")
    return Parts(settings=given, clock=RunningClock(BEGINNING), store=store, metrics=Metrics())


@contextmanager
def an_office(template: Path, folder: Path) -> Iterator[Office]:
    """A copy of an office that is furnished: furnishing takes longer than everything that a run does in it."""
    path = folder / "parkgate.db"
    path.write_bytes(template.read_bytes())
    office = Office.__new__(Office)
    office.parts = parts_of(path)
    office.clock = office.parts.clock
    try:
        yield office
    finally:
        office.parts.store.close()


@dataclass
class SoldOne:
    """A period in the model: its days, what was paid for it, and the day it ended on, if it did."""

    pass_id: str
    first: date
    end: date
    fen: int
    ended: date | None = None

    def used(self, before: date) -> int:
        until = self.ended or self.end
        return self.fen * max(0, (min(before, until) - self.first).days) // (self.end - self.first).days


@dataclass
class Model:
    periods: list[SoldOne] = field(default_factory=list)
    passes: list[str] = field(default_factory=list)
    drawer: int = 0
    given_back: int = 0


class PassDesk(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.open = an_office(self.template, Path(self.folder.name))
        self.office = self.open.__enter__()
        self.model = Model()

    def teardown(self) -> None:
        self.open.__exit__(None, None, None)
        self.folder.cleanup()

    @property
    def today(self) -> date:
        return self.office.clock.now().astimezone(self.office.parts.settings.zone).date()

    @initialize(hour=st.integers(0, 23))
    def begin(self, hour: int) -> None:
        self.office.clock.advance(hours=hour)

    # ------------------------------------------------------------------ what people do

    @rule(
        plate=st.sampled_from((PLATES[0], PLATES[1], *PLATES)),
        months=st.integers(1, 3),
        ahead=st.sampled_from([0, 0, 0, 0, 3]),
        by=st.sampled_from([TILL, REGISTRAR]),
    )
    def sells(self, plate: str, months: int, ahead: int, by: Any) -> None:
        waived = plate == "浙A10201"
        fen = None if waived else months * MONTH_FEN
        try:
            sold = self.office.sells(
                plate,
                fen=fen,
                months=1 if waived else months,
                first_day=self.today + timedelta(days=ahead),
                by=by,
            )
        except REFUSED:
            return
        self.model.passes.append(sold.id)
        self._sold(sold, fen or 0)

    @precondition(lambda self: self.model.passes)
    @rule(pick=st.integers(0, 9), months=st.integers(1, 2))
    def renews(self, pick: int, months: int) -> None:
        pass_id = self.model.passes[pick % len(self.model.passes)]
        try:
            self._sold(self.office.renews(pass_id, months, months * MONTH_FEN), months * MONTH_FEN)
        except REFUSED:
            return

    @precondition(lambda self: self.model.passes)
    @rule(pick=st.integers(0, 9), plate=st.sampled_from(PLATES))
    def moves(self, pick: int, plate: str) -> None:
        self._move(pick, plate)

    @precondition(lambda self: self.model.passes)
    @rule(pick=st.integers(0, 9), plate=st.sampled_from(PLATES[:2]), hours=st.integers(0, 30))
    def moves_and_stays(self, pick: int, plate: str, hours: int) -> None:
        self._move(pick, plate)
        self.office.clock.advance(hours=hours)

    def _move(self, pick: int, plate: str) -> None:
        try:
            self.office.transfers(self.model.passes[pick % len(self.model.passes)], plate)
        except REFUSED:
            return

    @precondition(lambda self: self.model.passes)
    @rule(pick=st.integers(0, 9), later=st.integers(0, 40))
    def gives_back(self, pick: int, later: int) -> None:
        pass_id = self.model.passes[pick % len(self.model.passes)]
        mine = [one for one in self.model.periods if one.pass_id == pass_id]
        holds = any(one.first <= self.today < (one.ended or one.end) for one in mine)
        from_day = max(self.today + timedelta(days=later), self.today + timedelta(days=int(holds)))
        try:
            refund = self.office.gives_back(pass_id, self.today + timedelta(days=later))
        except REFUSED:
            return
        expected = 0
        for one in mine:
            if one.ended is None and one.end > from_day:
                one.ended = max(one.first, from_day)
                expected += one.fen - one.used(from_day)
        assert refund.amount_fen == expected
        self.model.given_back += expected

    @rule(month=st.sampled_from(["2026-03", "2026-04"]), undo=st.booleans())
    def charges(self, month: str, undo: bool) -> None:
        first = date.fromisoformat(f"{month}-01")
        if first > self.today + timedelta(days=25):
            return
        run = self.office.charges(month)
        if undo and run.charged:
            try:
                charges_money.reverse(self.office.parts, run.charged[0].id, "a mistake", FINANCE)
            except REFUSED:
                return

    @rule(days=st.integers(0, 20), hours=st.integers(0, 23))
    def time_passes(self, days: int, hours: int) -> None:
        self.office.clock.advance(days=days, hours=hours)

    @rule()
    def earns(self) -> None:
        self.office.earns()

    @rule()
    def closes(self) -> None:
        list(close_missed(self.office.parts, self.today - timedelta(days=1)))

    # ------------------------------------------------------------------ what always holds

    def _sold(self, sold: Any, fen: int) -> None:
        self.model.periods.append(SoldOne(sold.id, sold.first_day, sold.last_day + timedelta(days=1), fen))
        self.model.drawer += fen

    @invariant()
    def the_money_is_all_there(self) -> None:
        accounts = self.office.accounts()
        assert sum(accounts.values()) == 0
        assert self.office.drawer() == self.model.drawer
        assert -accounts.get("liability:refund", 0) == self.model.given_back
        earned = -accounts.get("income:pass", 0) - self._waived_of_passes()
        assert -accounts.get("liability:prepaid", 0) == self.model.drawer - self.model.given_back - earned

    @invariant()
    def both_plates_of_a_pass_are_never_valid_at_once(self) -> None:
        with self.office.parts.store.reading() as connection:
            keys = {("xinyi", plate) for plate in PLATES[:2]}
            found = FactLoader(connection, locking=False).registrations(keys)()
        estate_at = self.office.clock.now()
        with self.office.parts.store.reading() as connection:
            policy = self.office.parts.estates.known(connection).policies["hushu-residential"][-1]
        for hours in (0, 1, 24, 47, 200):
            at = estate_at + timedelta(hours=hours)
            has = [standing(policy, key[1], None, found[key], at).has_pass for key in sorted(keys)]
            assert sum(has) <= 1, (at, has)

    def _waived_of_passes(self) -> int:
        rows = self.office._all(t.PassIncome.__table__.select())
        return sum(row.waived_fen for row in rows)

    @rule()
    def settles(self) -> None:
        """Caught up, what is income is what the model's days say; and everything can be derived again."""
        self.office.earns()
        income = sum(one.used(self.today) for one in self.model.periods)
        assert -self.office.accounts().get("income:pass", 0) - self._waived_of_passes() == income
        report = verify(self.office.parts)
        assert report.ok, report.first_failure


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    parts = parts_of(path)
    schema.upgrade(parts.store.engine)
    Office(parts)
    with parts.store.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    parts.store.close()
    return path


def test_any_order_of_sales_and_days_balances(template: Path) -> None:
    PassDesk.template = template
    case = PassDesk.TestCase
    case.settings = settings(
        max_examples=30,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    case("runTest").runTest()
