"""Any order of opening, taking, paying back, bringing away, counting, handing over, forcing and closing: every drawer holds its float
and what was taken less what was brought away, as a model of its own has it, and the books balance.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gateway.flows.refusals import Refused
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import schema
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.conftest import RunningClock
from tests.gateway.pass_office import MONTH_FEN
from tests.gateway.till import BOSS, CASHIERS, Till

NAMES = tuple(CASHIERS)
DRAWERS = ("east", "west")
DOINGS = ("open", "take", "take", "back", "bring", "count", "count", "offer", "take_over", "force", "hand_on", "close")
steps = st.lists(
    st.tuples(st.sampled_from(DOINGS), st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(-3, 6)), max_size=25
)


@dataclass
class Drawer:
    """What a shift's drawer should hold, in fen. `counted` is the last count with what should have been there, and for whom it is."""

    cashier: str
    at: str | None
    put_in: int = 0
    taken: int = 0
    brought: int = 0
    counted: tuple[int, int, str, str | None] | None = None
    open: bool = True

    @property
    def holds(self) -> int:
        return self.put_in + self.taken - self.brought


class Model:
    """The same in plain arithmetic. What it does not allow must be refused, and nothing else."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.drawers: dict[str, Drawer] = {}
        self.safe = till.lies("safe")
        self.suspense = 0
        self.passes: list[str] = []

    def does(self, doing: str, who: str, other: str, size: int) -> None:
        self.till.clock.advance(seconds=7)
        getattr(self, f"_{doing}")(who, other, size)
        assert self.till.lies("safe") == self.safe
        for shift, drawer in self.drawers.items():
            assert self.till.lies(shift) == (drawer.holds if drawer.open else 0), (shift, drawer)
        assert self.till.in_suspense() == self.suspense
        assert sum(self.till.accounts().values()) == 0

    def _mine(self, who: str) -> str | None:
        return next((shift for shift, one in self.drawers.items() if one.open and one.cashier == who), None)

    @staticmethod
    def _refused(asked: Callable[[], Any]) -> None:
        with pytest.raises(Refused):
            asked()

    def _open(self, who: str, _other: str, size: int) -> None:
        at, fen = DRAWERS[size % 2], 1000 * abs(size)
        free = not any(one.open and one.at == at for one in self.drawers.values())

        def asked() -> str:
            return self.till.opens(CASHIERS[who], fen, at)

        if not free or self._mine(who) or self.safe < fen:
            self._refused(asked)
            return
        self.drawers[asked()] = Drawer(who, at, put_in=fen)
        self.safe -= fen

    def _take(self, who: str, _other: str, _size: int) -> None:
        self.passes.append(self.till.takes(CASHIERS[who]))
        shift = self._mine(who) or self._opened_by_itself(who)
        self.drawers[shift].taken += MONTH_FEN

    def _opened_by_itself(self, who: str) -> str:
        rows = self.till._all(select(t.Shift.__table__).where(t.Shift.cashier == who, t.Shift.closed_at.is_(None)))
        (row,) = rows
        assert (row.drawer, row.float_fen) == (None, 0)
        self.drawers[row.id] = Drawer(who, None)
        return str(row.id)

    def _back(self, who: str, _other: str, _size: int) -> None:
        if self.passes:
            fen = self.till.pays_back(self.passes.pop(), CASHIERS[who])
            self.drawers[self._mine(who) or self._opened_by_itself(who)].taken -= fen

    def _bring(self, who: str, _other: str, size: int) -> None:
        shift = self._mine(who)
        if shift is not None:
            fen = 5000 * (abs(size) + 1)
            self.till.brings(shift, fen, by=CASHIERS[who])
            self.drawers[shift].brought += fen
            self.safe += fen

    def _count(self, who: str, _other: str, size: int) -> None:
        shift = self._mine(who)
        if shift is not None:
            drawer = self.drawers[shift]
            # Mostly right; a drawer that should hold less than nothing holds nothing.
            found = max(0, drawer.holds + (size * 100 if size > 3 or size < -1 else 0)) // 10 * 10
            step = self.till.counts(shift, found, CASHIERS[who])
            assert step.expected_fen == drawer.holds
            drawer.counted = (found, drawer.holds, who, None)

    def _offer(self, who: str, other: str, _size: int) -> None:
        shift = self._mine(who)
        if shift is None:
            return

        def asked() -> Any:
            return self.till.offers(shift, CASHIERS[other], CASHIERS[who])

        drawer = self.drawers[shift]
        if who == other or not self._stands(drawer) or drawer.counted is None or drawer.counted[2] != who:
            self._refused(asked)
            return
        asked()
        drawer.counted = (*drawer.counted[:3], other)

    @staticmethod
    def _stands(drawer: Drawer) -> bool:
        return drawer.counted is not None and drawer.counted[1] == drawer.holds

    def _take_over(self, who: str, other: str, _size: int) -> None:
        shift = self._mine(other)
        if shift is None:
            return
        drawer = self.drawers[shift]
        fen = drawer.counted[0] if drawer.counted else 0

        def asked() -> Any:
            return self.till.takes_over(shift, fen, CASHIERS[who])

        if drawer.counted is None or drawer.counted[3] != who or not self._stands(drawer) or self._mine(who):
            self._refused(asked)
            return
        done = asked()
        self._ended(drawer, fen)
        self.drawers[done.next_shift] = Drawer(who, drawer.at, put_in=fen)

    def _ended(self, drawer: Drawer, counted: int) -> None:
        self.suspense += drawer.holds - counted
        drawer.open = False

    def _force(self, _who: str, other: str, size: int) -> None:
        shift = self._mine(other)
        if shift is not None:
            drawer = self.drawers[shift]
            found = max(0, drawer.holds + size * 100) // 10 * 10
            self.till.forces(shift, found, into="safe")
            self._ended(drawer, found)
            self.safe += found

    def _hand_on(self, who: str, other: str, _size: int) -> None:
        shift = self._mine(other)
        if shift is None:
            return
        drawer = self.drawers[shift]
        found = max(0, drawer.holds) // 10 * 10
        if who == other:
            self._refused(lambda: self.till.forces(shift, found, to=who))
            return
        self.till.forces(shift, found, to=who)
        drawer.counted = (found, drawer.holds, BOSS.operator, who)

    def _close(self, who: str, _other: str, _size: int) -> None:
        shift = self._mine(who)
        if shift is None:
            return
        drawer = self.drawers[shift]

        def asked() -> Any:
            return self.till.closes(shift, by=CASHIERS[who])

        if drawer.counted is None or not self._stands(drawer) or drawer.counted[2] != who:
            self._refused(asked)
            return
        asked()
        fen = drawer.counted[0]
        self._ended(drawer, fen)
        self.safe += fen


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street with its cashiers: furnishing it takes longer than a day at its drawers."""
    path = tmp_path_factory.mktemp("shifts") / "street.db"
    parts = parts_of(path)
    schema.upgrade(parts.store.engine)
    Till(parts)
    with parts.store.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    parts.store.close()
    return path


def parts_of(path: Path) -> Parts:
    given = Settings(database_url=f"sqlite:///{path}", secret_key="a secret of the tests only", test=True, http_port=0)
    began = datetime.fromisoformat("2026-03-02T06:00:00+08:00")
    return Parts(settings=given, clock=RunningClock(began), store=open_store(f"sqlite:///{path}"), metrics=Metrics())


@given(done=steps)
@settings(max_examples=40)
def test_a_drawer_holds_its_float_and_what_was_taken_less_what_was_brought_away(
    furnished: Path, done: list[tuple[str, str, str, int]]
) -> None:
    path = furnished.with_name("run.db")
    path.write_bytes(furnished.read_bytes())
    till = Till.__new__(Till)
    till.parts, till.sold = parts_of(path), 0
    till.clock = till.parts.clock
    with closing(till.parts.store):
        model = Model(till)
        for doing, who, other, size in done:
            model.does(doing, who, other, size)
        till.books_hold()


@pytest.mark.parametrize("seed", range(2))
def test_the_same_on_either_database(parts: Parts, seed: int) -> None:
    chance = random.Random(seed)
    till = Till(parts)
    model = Model(till)
    for _ in range(60):
        model.does(chance.choice(DOINGS), chance.choice(NAMES), chance.choice(NAMES), chance.randint(-3, 6))
    till.books_hold()
