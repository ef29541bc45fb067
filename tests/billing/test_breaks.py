"""What may become of a break, by whom, and what is posted: by example, and any order of any hands on a heap of breaks."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import breaks
from billing.breaks import (
    TARGETS,
    UNSETTLED,
    Break,
    NotNow,
    NotPosted,
    Rules,
    SecondPerson,
    Settled,
    Taken,
    suspense,
)
from billing.ledger import Posting, is_account

TODAY = date(2026, 3, 5)
RULES = Rules(10_000)
SHORT = Break(id="xinyi.b1", kind="cash_short", channel="cash", amount_fen=2000, suspense_fen=2000)
SURPLUS = Break(id="xinyi.b2", kind="channel_only", channel="wechat", amount_fen=2000, suspense_fen=-2000)
NO_MONEY = Break(id="xinyi.b3", kind="opened_without_event")


def settled(item: Break, by: str = "zhao", others: tuple[Break, ...] = (), **parts: int | None) -> Settled:
    if parts:
        return breaks.settle(item, breaks.adjusted(item, by, parts), (), RULES)
    proposal, found = breaks.matched(item, by, others)
    return breaks.settle(item, proposal, found, RULES)


def test_money_that_was_found_goes_back_into_the_safe() -> None:
    done = settled(SHORT, safe=None)
    assert done.postings == (Posting(suspense(SHORT.id), -2000), Posting("assets:cash:safe", 2000))
    assert (done.item.state, done.item.owner, done.item.suspense_fen) == ("resolved", "zhao", 0)


def test_a_surplus_goes_the_other_way_and_in_parts() -> None:
    done = settled(SURPLUS, refund=1500, fee=500)
    assert done.postings == (
        Posting(suspense(SURPLUS.id), 2000),
        Posting("liability:refund", -1500),
        Posting("expense:channel_fee", -500),
    )


@pytest.mark.parametrize(
    "parts", [{"safe": 1999}, {"safe": 2001}, {"safe": 0}, {"safe": -1}, {"safe": None, "bank": None}, {}]
)
def test_parts_that_are_not_the_whole(parts: dict[str, int | None]) -> None:
    with pytest.raises(NotPosted):
        breaks.adjusted(SHORT, "zhao", parts)


@pytest.mark.parametrize(
    ("item", "word"),
    [(SHORT, "income"), (SHORT, "refund"), (SHORT, "fee"), (SHORT, "channel"), (SURPLUS, "assets:bank")],
)
def test_an_account_that_is_not_open_to_it(item: Break, word: str) -> None:
    with pytest.raises(NotPosted, match="money can go to"):
        breaks.adjusted(item, "zhao", {word: None})


def test_paid_by_phone_and_booked_as_cash_is_one_payment() -> None:
    done = settled(SHORT, others=(SURPLUS,))
    assert done.postings == (Posting(suspense(SHORT.id), -2000), Posting(suspense(SURPLUS.id), 2000))
    assert [one.state for one in (done.item, *done.others)] == ["resolved", "resolved"]


def test_what_does_not_cancel_is_no_match() -> None:
    with pytest.raises(NotPosted, match="500 fen are left"):
        breaks.matched(msgspec.structs.replace(SHORT, suspense_fen=2500), "zhao", [SURPLUS])
    with pytest.raises(NotPosted, match="by itself"):
        breaks.matched(SHORT, "zhao")
    with pytest.raises(NotPosted, match="each once"):
        breaks.matched(NO_MONEY, "zhao", [NO_MONEY])


def test_without_money_a_record_explains_it_and_nothing_is_posted() -> None:
    done = settled(NO_MONEY)
    assert (done.item.state, done.postings) == ("resolved", ())
    with pytest.raises(NotPosted, match="no money"):
        breaks.adjusted(NO_MONEY, "zhao", {"safe": 1})


def test_what_is_written_off_always_takes_two() -> None:
    for item in (SHORT, SURPLUS, NO_MONEY):
        asked = breaks.settle(item, breaks.written_off(item, "zhao"), (), RULES)
        assert (asked.item.state, asked.postings) == ("awaiting_approval", ())
        with pytest.raises(SecondPerson):
            breaks.approve(asked.item, " ZHAO")
        done = breaks.approve(asked.item, "zhou")
        assert sum(line.amount_fen for line in done.postings) == 0
        assert (done.item.state, done.item.owner) == ("resolved", "zhao")


def test_giving_up_a_part_or_calling_it_an_adjustment_takes_two_as_well() -> None:
    for parts in ({"safe": 1999, "written_off": 1}, {"written_off": None}):
        assert settled(SHORT, **parts).item.state == "awaiting_approval"


def test_beyond_the_limit_it_takes_two_whoever_is_matched_with_whom() -> None:
    big = msgspec.structs.replace(SHORT, suspense_fen=10_001, amount_fen=10_001)
    assert settled(big, safe=None).item.state == "awaiting_approval"
    assert settled(msgspec.structs.replace(big, suspense_fen=10_000, amount_fen=10_000), safe=None).postings
    there = msgspec.structs.replace(SURPLUS, suspense_fen=-10_001, amount_fen=10_001)
    small = msgspec.structs.replace(SURPLUS, id="xinyi.b4", suspense_fen=1, amount_fen=1)
    rest = msgspec.structs.replace(SHORT, suspense_fen=10_000, amount_fen=10_000)
    assert settled(small, others=(there, rest)).item.state == "awaiting_approval"


def test_an_approver_decides_what_still_is_so() -> None:
    asked = breaks.settle(SHORT, breaks.written_off(SHORT, "zhao"), (), RULES).item
    changed = msgspec.structs.replace(asked, suspense_fen=1000)
    with pytest.raises(NotPosted, match="propose it again"):
        breaks.approve(changed, "zhou")
    assert breaks.reject(asked, "zhou").state == "open"
    with pytest.raises(SecondPerson):
        breaks.reject(asked, "zhao")
    assert breaks.withdraw(asked, "zhao").proposal is None
    with pytest.raises(Taken):
        breaks.withdraw(asked, "zhou")


def test_a_break_has_one_owner() -> None:
    mine = breaks.claim(SHORT, "zhao")
    assert breaks.claim(mine, "Zhao").owner == "Zhao"
    for doing in (
        lambda: breaks.claim(mine, "qian"),
        lambda: breaks.release(mine, "qian"),
        lambda: breaks.carry_over(mine, "qian", TODAY + timedelta(1), TODAY),
        lambda: breaks.settle(mine, breaks.written_off(mine, "qian"), (), RULES),
    ):
        with pytest.raises(Taken):
            doing()
    assert breaks.release(mine, "zhou", supervises=True).owner is None
    with pytest.raises(NotNow):
        breaks.release(SHORT, "zhao")


@pytest.mark.parametrize("days", [-1, 0, 367])
def test_it_is_carried_over_to_a_day_ahead(days: int) -> None:
    with pytest.raises(NotPosted):
        breaks.carry_over(SHORT, "zhao", TODAY + timedelta(days), TODAY)


def test_what_is_carried_over_is_still_worked_on() -> None:
    carried = breaks.carry_over(SHORT, "zhao", date(2026, 4, 1), TODAY)
    assert (carried.state, carried.carried_to) == ("carried_over", date(2026, 4, 1))
    assert settled(carried, safe=None).item.carried_to is None
    assert breaks.age_days(date(2026, 3, 2), TODAY) == 3


# --- any hands, any order ---------------------------------------------------------------------------------------

HANDS = ("zhao", "qian", "zhou")
DOINGS = ("claim", "release", "carry", "match", "adjust", "write_off", "approve", "reject", "withdraw")
fens = st.sampled_from([0, 1, -1, 700, -700, 9_999, -9_999, 10_001, -10_001])
heaps = st.lists(fens, min_size=2, max_size=5)
steps = st.lists(
    st.tuples(
        st.sampled_from(DOINGS),
        st.sampled_from(HANDS),
        st.integers(0, 4),
        st.lists(st.integers(0, 4), max_size=3),
        st.lists(st.tuples(st.sampled_from(TARGETS), st.integers(1, 10_001)), min_size=1, max_size=3),
    ),
    max_size=25,
)


def step(heap: list[Break], doing: str, who: str, which: int, others: list[int], parts: Any) -> Settled | Break:
    item = heap[which % len(heap)]
    with_them = tuple(heap[place % len(heap)] for place in others)
    if doing == "approve":
        wanted = item.proposal.others if item.proposal else ()
        there = tuple(next(one for one in heap if one.id == name) for name in wanted)
        return breaks.approve(item, who, there)
    if doing == "match":
        proposal, there = breaks.matched(item, who, with_them)
        return breaks.settle(item, proposal, there, RULES)
    if doing == "adjust":
        given_parts = {parts[0][0]: None} if len(parts) == 1 else dict(parts)
        return breaks.settle(item, breaks.adjusted(item, who, given_parts), (), RULES)
    if doing == "write_off":
        return breaks.settle(item, breaks.written_off(item, who), (), RULES)
    if doing == "carry":
        return breaks.carry_over(item, who, TODAY + timedelta(1 + which), TODAY)
    one: Break = {
        "claim": breaks.claim,
        "release": breaks.release,
        "reject": breaks.reject,
        "withdraw": breaks.withdraw,
    }[doing](item, who)
    return one


@given(heap=heaps, done=steps)
def test_what_is_settled_leaves_suspense_once_and_whole(heap: list[int], done: list[Any]) -> None:
    found = [
        Break(id=f"xinyi.b{place}", kind="book_only", channel="wechat", amount_fen=abs(fen), suspense_fen=fen)
        for place, fen in enumerate(heap)
    ]
    ledger: Counter[str] = Counter({suspense(one.id): one.suspense_fen for one in found})
    began = sum(ledger.values())
    proposed: dict[str, str] = {}
    for doing, who, which, others, parts in done:
        before = {one.id: one for one in found}
        try:
            came = step(found, doing, who, which, others, parts)
        except (NotNow, NotPosted, SecondPerson, Taken):
            continue
        changed = (came.item, *came.others) if isinstance(came, Settled) else (came,)
        postings = came.postings if isinstance(came, Settled) else ()
        assert sum(line.amount_fen for line in postings) == 0
        assert all(is_account(line.account) and line.amount_fen for line in postings)
        for line in postings:
            ledger[line.account] += line.amount_fen
        for one in changed:
            was = before[one.id]
            assert was.state in UNSETTLED, "what is settled never moves again"
            if one.state == "resolved":
                two = was.amount_fen > RULES.alone_fen or any(line.account == "waived:written_off" for line in postings)
                assert not two or doing == "approve"
            if one.state == "awaiting_approval":
                proposed[one.id] = who
        if doing == "approve":
            assert proposed[changed[0].id] != who
        after = {one.id: one for one in changed}
        found = [after.get(one.id, one) for one in found]
        for one in found:
            assert ledger[suspense(one.id)] == one.suspense_fen
            assert one.state != "resolved" or one.suspense_fen == 0
            assert (one.state == "awaiting_approval") == (one.proposal is not None)
    assert sum(ledger.values()) == began
