"""One break, several hands, the same moment; and matches that run meanwhile. It is settled once, or not; no fen is lost, on either database."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from billing.breaks import suspense
from gateway.flows import breaks
from gateway.flows.breaks import Resolution
from gateway.flows.breaks_books import Step
from gateway.flows.charges_books import By
from gateway.flows.refusals import Refused
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.breaks_desk import QIAN, WHY, Breaks
from tests.gateway.reconciling import DAY, Morning
from tests.gateway.test_vouchers_races import all_at_once
from tests.gateway.till import BOSS, MONEY

AT_ONCE = 6
HAN = By(operator="han", role="manager")


@pytest.fixture
def desk(parts: Parts) -> Breaks:  # type: ignore[override]
    return Breaks(parts)


@pytest.fixture
def morning(parts: Parts) -> Morning:
    return Morning(parts)


def won(answers: list[Any]) -> list[Step]:
    return [one for one in answers if not isinstance(one, Refused)]


def test_many_settle_one_break_each_in_another_way(desk: Breaks) -> None:
    """Two who work on it, and a third way for each: one transaction."""
    here, there = desk.found(fen=-700), desk.found("channel_only", 700)
    works: list[Callable[[], Any]] = []
    for by in (MONEY, QIAN):
        works += [
            lambda by=by: desk.settles(here, "adjusted", by, to={"bank": None}),  # type: ignore[misc]
            lambda by=by: desk.settles(here, "matched", by, with_=[there]),  # type: ignore[misc]
            lambda by=by: desk.settles(there, "matched", by, with_=[here]),  # type: ignore[misc]
        ]
    (done,) = won(all_at_once(*works))
    assert desk.stands(here).state == "resolved"
    assert desk.lies_in_suspense(here) == 0
    assert desk.lies_in_suspense(there) == (0 if done.resolution == "matched" else -700)
    desk.books_hold()


def test_many_approve_refuse_and_withdraw(desk: Breaks) -> None:
    name = desk.found(fen=-700)
    seen = desk.settles(name).version
    works: list[Callable[[], Any]] = [
        *[lambda by=by: desk.approves(name, by, seen) for by in (BOSS, HAN)] * 2,  # type: ignore[misc]
        lambda: breaks.reject(desk.parts, name, "no", BOSS, version=seen),
        lambda: breaks.withdraw(desk.parts, name, MONEY),
    ]
    (done,) = won(all_at_once(*works))
    assert desk.stands(name).state == done.state
    assert desk.lies_in_suspense(name) == (0 if done.action == "approve" else 700)
    desk.books_hold()


def test_the_same_request_many_times_is_one_step(desk: Breaks) -> None:
    name = desk.found(fen=-700)
    answers = all_at_once(*[lambda: desk.settles(name, "adjusted", to={"bank": None}, key="k")] * AT_ONCE)
    assert all(one == answers[0] for one in answers), answers
    assert len(desk.transactions(name)) == 2


def test_many_take_one_break_on(desk: Breaks) -> None:
    name = desk.found()
    people = [By(operator=f"finance-{number}", role="finance") for number in range(AT_ONCE)]
    answers = all_at_once(*(lambda by=by: breaks.claim(desk.parts, name, by) for by in people))  # type: ignore[misc]
    (done,) = won(answers)
    assert desk.stands(name).owner == done.by


# --- beside matches that run ------------------------------------------------------------------------------------


def unknown_to_the_channel(morning: Morning) -> tuple[Any, str]:
    """A payment that the first statement of the day does not have. The deal, and the break."""
    deal = morning.pays()
    morning.pays("13:10")
    morning.lacks(deal)
    morning.night()
    morning.tells()
    morning.reconciles()
    (row,) = morning.breaks().values()
    assert (row.kind, row.state) == ("book_only", "open")
    return deal, str(row.id)


def in_suspense(morning: Morning, name: str) -> int:
    return morning.accounts().get(suspense(name), 0)


@pytest.mark.parametrize("approving", [False, True])
def test_a_match_clears_a_break_while_somebody_settles_it(morning: Morning, approving: bool) -> None:
    """Whoever is first: either it cleared by itself, or what was posted is left to people, under the same name."""
    deal, name = unknown_to_the_channel(morning)
    lost = in_suspense(morning, name)
    wanted = Resolution(
        how="written_off" if approving else "adjusted", reason=WHY, to={} if approving else {"bank": None}
    )
    seen = 0
    if approving:
        seen = breaks.resolve(morning.parts, name, wanted, MONEY).version
    morning.deals["wechat"].append(deal)
    morning.clock.set(morning.clock.now() + timedelta(hours=9))
    morning.tells()

    def settles() -> Step:
        if approving:
            return breaks.approve(morning.parts, name, BOSS, version=seen)
        return breaks.resolve(morning.parts, name, wanted, MONEY)

    done, _ = all_at_once(settles, morning.reconciles)
    morning.reconciles()
    (row,) = morning.breaks().values()
    if isinstance(done, Refused):
        assert (row.state, in_suspense(morning, name)) == ("cleared", 0)
    else:
        assert (row.state, in_suspense(morning, name)) == ("open", -lost)
        assert morning.steps(name)[-1] == "found_again"
    morning.holds()


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_matches_and_hands(morning: Morning, seed: int) -> None:
    """Statements that come again and say something else, breaks settled, proposed, sent back: the books hold after each step."""
    chance = random.Random(seed)
    deals = [morning.pays(f"{hour}:10") for hour in (10, 12)]
    morning.pays("15:10")
    morning.night()
    staff = (MONEY, QIAN, BOSS)
    for number in range(10):
        morning.clock.set(morning.clock.now() + timedelta(minutes=10))
        if number % 2 == 0:
            morning.deals["wechat"] = [
                one for one in morning.deals["wechat"] if one.order not in {d.order for d in deals}
            ]
            morning.deals["wechat"] += [one for one in deals if chance.random() < 0.5]
            morning.tells()
            morning.reconciles()
        for row in morning.breaks().values():
            works: list[Callable[[], Any]] = [
                lambda row=row: hand(morning, chance, row, chance.choice(staff))  # type: ignore[misc]
            ] * 2
            for work in works:
                try:
                    work()
                except Refused:
                    continue
        morning.holds()
    settled = morning._all(select(t.LedgerTransaction.__table__).where(t.LedgerTransaction.kind.startswith("break_")))
    assert settled, "nothing was settled: this test tries nothing"


def hand(morning: Morning, chance: random.Random, row: Any, by: By) -> Any:
    """Somebody does something to a break."""
    parts, doing = morning.parts, chance.randrange(7)
    until = DAY + timedelta(days=chance.randrange(1, 20))
    others = [one.id for one in morning.breaks().values() if one.id != row.id]
    wanted = {
        0: Resolution(how="adjusted", reason=WHY, to={chance.choice(["bank", "fee", "channel", "safe"]): None}),
        1: Resolution(how="written_off", reason=WHY),
        2: Resolution(how="carried_over", reason=WHY, until=until),
        3: Resolution(how="matched", reason=WHY, with_=[breaks.Record("break", one) for one in others[:1]]),
    }
    if doing in wanted:
        return breaks.resolve(parts, row.id, wanted[doing], by)
    version = next(one.version for one in morning.breaks().values() if one.id == row.id)
    if doing == 4:
        return breaks.reject(parts, row.id, "no", by, version=version)
    return breaks.approve(parts, row.id, by, version=version)
