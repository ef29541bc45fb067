"""Breaks as they are worked on: taken on, settled with postings, decided by a second person, carried over; every step is kept."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.flows import breaks
from gateway.flows.breaks_books import Record
from gateway.flows.breaks_refusals import BreakChanged, BreakNotOpen, BreakTaken, NotSettledSo
from gateway.flows.charges_refusals import SecondPersonNeeded
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.shifts_refusals import NotInTheSafe
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.books import past_the_program
from tests.gateway.breaks_desk import QIAN, WHY, Breaks
from tests.gateway.till import BOSS, MONEY

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def desk(parts: Parts) -> Breaks:  # type: ignore[override]
    return Breaks(parts)


def test_a_drawer_that_was_short_and_the_money_is_found(desk: Breaks) -> None:
    name = desk.short(100)
    breaks.claim(desk.parts, name, MONEY)
    breaks.note(desk.parts, name, "问过李师傅", QIAN)
    step = desk.settles(name, "adjusted", to={"safe": None})
    assert (step.state, step.resolution, step.to, step.moved_fen) == (
        "resolved",
        "adjusted",
        {"assets:cash:safe": 100},
        100,
    )
    stands = desk.stands(name)
    assert (stands.state, stands.owner, stands.suspense_fen, stands.version) == ("resolved", "zhao", 0, 4)
    assert [one.action for one in stands.steps] == ["found", "claim", "note", "resolve"]
    assert {one.kind for one in stands.evidence.posted} == {"cash_short", "break_adjusted"}
    assert stands.evidence.shift is not None
    assert desk.lies("safe") == 100_000
    assert desk.in_suspense() == 0
    desk.books_hold()


def test_what_is_written_off_waits_for_a_manager(desk: Breaks) -> None:
    name = desk.found(fen=-2000)
    asked = desk.settles(name)
    assert (asked.action, asked.state, asked.transaction) == ("propose", "awaiting_approval", None)
    assert desk.lies_in_suspense(name) == 2000
    with pytest.raises(SecondPersonNeeded):
        desk.approves(name, MONEY)
    with pytest.raises(BreakNotOpen):
        desk.settles(name, "adjusted", to={"bank": None})
    done = desk.approves(name)
    assert (done.state, done.resolution, done.reason, done.by) == ("resolved", "written_off", WHY, "zhou")
    assert desk.accounts()["waived:written_off"] == 2000
    assert desk.lies_in_suspense(name) == 0
    (line,) = desk.audited("break.approve")
    assert (line.operator, line.subject, line.reason) == ("zhou", name, WHY)
    desk.books_hold()


def test_over_the_limit_it_takes_two_and_may_be_sent_back(desk: Breaks) -> None:
    name = desk.found("channel_only", 10_001)
    asked = desk.settles(name, "adjusted", to={"refund": 10_000, "income": 1})
    assert asked.state == "awaiting_approval"
    sent_back = breaks.reject(desk.parts, name, "没有依据", BOSS, version=asked.version)
    assert (sent_back.state, sent_back.reason) == ("open", "没有依据")
    desk.settles(name, "adjusted", to={"refund": None})
    breaks.withdraw(desk.parts, name, MONEY)
    desk.settles(name, "adjusted", to={"refund": None})
    desk.approves(name)
    assert desk.accounts()["liability:refund"] == -10_001
    assert [one.action for one in desk.stands(name).steps] == [
        *("found", "propose", "reject", "propose", "withdraw", "propose", "approve")
    ]
    desk.books_hold()


def test_one_payment_that_two_records_had_wrong(desk: Breaks) -> None:
    """Paid by phone, rung up as cash: the drawer is short, the channel has it."""
    short, there = desk.short(100), desk.found("channel_only", 100)
    step = desk.settles(short, "matched", with_=[there])
    for name, other in ((short, there), (there, short)):
        stands = desk.stands(name)
        assert (stands.state, stands.resolution, stands.suspense_fen) == ("resolved", "matched", 0)
        assert stands.steps[-1].with_ == [Record("break", other)]
        assert stands.steps[-1].transaction == step.transaction
        assert step.transaction in {one.id for one in stands.evidence.posted}
    assert desk.in_suspense() == 0
    desk.books_hold()


def test_a_match_over_the_limit_waits_and_the_other_stays_open(desk: Breaks) -> None:
    here, there = desk.found(fen=-20_000), desk.found("channel_only", 20_000)
    desk.settles(here, "matched", with_=[there])
    assert (desk.stands(here).state, desk.stands(there).state) == ("awaiting_approval", "open")
    breaks.claim(desk.parts, there, QIAN)
    with pytest.raises(BreakTaken):
        desk.approves(here)
    breaks.release(desk.parts, there, QIAN)
    desk.approves(here)
    assert desk.stands(there).state == "resolved"
    assert desk.in_suspense() == 0
    desk.books_hold()


def test_a_record_explains_what_is_without_money(desk: Breaks) -> None:
    name = desk.found("missing_exit", 0, channel="")
    with pytest.raises(NotFound):
        desk.settles(name, "matched", with_=[Record("stay", "xinyi.nothing")])
    with pytest.raises(Invalid):
        desk.settles(name, "matched", with_=[Record("plate", "浙A00001")])
    with pytest.raises(Invalid):
        desk.settles(name, "matched")
    desk.passes("in-1", "浙A00001", "2026-03-02 12:00")
    stay = desk.stay("浙A00001").id
    step = desk.settles(name, "matched", with_=[Record("stay", stay)])
    assert (step.state, step.transaction, step.with_) == ("resolved", None, [Record("stay", stay)])
    money = desk.found(fen=-1)
    with pytest.raises(NotSettledSo, match="by itself"):
        desk.settles(money, "matched", with_=[Record("stay", stay)])
    desk.books_hold()


def test_an_owner_works_alone_and_a_manager_may_free_it(desk: Breaks) -> None:
    name = desk.found()
    breaks.claim(desk.parts, name, MONEY)
    for doing in (
        lambda: breaks.claim(desk.parts, name, QIAN),
        lambda: breaks.release(desk.parts, name, QIAN),
        lambda: desk.settles(name, by=QIAN),
        lambda: desk.settles(name, "carried_over", QIAN, until=date(2026, 4, 1)),
    ):
        with pytest.raises(BreakTaken, match="zhao"):
            doing()
    breaks.release(desk.parts, name, BOSS)
    assert breaks.claim(desk.parts, name, QIAN).state == "open"
    assert [one.id for one in desk.queue(owner="qian")] == [name]
    assert desk.queue(owner="-") == []


def test_carried_over_it_grows_older_until_its_day_comes(desk: Breaks) -> None:
    name = desk.found()
    with pytest.raises(NotSettledSo):
        desk.settles(name, "carried_over", until=date(2026, 3, 2))
    with pytest.raises(Invalid):
        desk.settles(name, "carried_over")
    desk.settles(name, "carried_over", until=date(2026, 3, 9))
    desk.goes_on(6)
    (shown,) = desk.queue(states=["carried_over"])
    assert (shown.carried_to, shown.due, shown.age_days) == (date(2026, 3, 9), False, 6)
    desk.goes_on(1)
    assert desk.stands(name).due
    desk.settles(name, "adjusted", to={"bank": None})
    desk.goes_on(3)
    stands = desk.stands(name)
    assert (stands.state, stands.carried_to, stands.due, stands.age_days) == ("resolved", None, False, 7)


def test_a_closed_day_does_not_change(desk: Breaks) -> None:
    name = desk.found()
    desk.at("2026-03-04 09:00")
    desk.closes_through(date(2026, 3, 3))
    desk.settles(name, "adjusted", to={"bank": None})
    assert desk.transactions(name)[-1].business_day == date(2026, 3, 4)
    desk.books_hold()


def test_the_same_request_is_one_step(desk: Breaks) -> None:
    name = desk.found()
    first = desk.settles(name, "adjusted", to={"bank": None}, key="k1")
    assert desk.settles(name, "adjusted", to={"bank": None}, key="k1") == first
    with pytest.raises(KeyReused):
        desk.settles(name, "adjusted", to={"fee": None}, key="k1")
    with pytest.raises(BreakNotOpen):
        desk.settles(name, "adjusted", to={"bank": None}, key="k2")
    assert len(desk.transactions(name)) == 2


def test_who_decides_says_what_they_saw(desk: Breaks) -> None:
    name = desk.found()
    asked = desk.settles(name, version=1)
    breaks.note(desk.parts, name, "等银行回单", QIAN)
    with pytest.raises(BreakChanged):
        desk.approves(name, version=asked.version)
    with pytest.raises(BreakChanged):
        breaks.reject(desk.parts, name, "no", BOSS, version=asked.version)
    desk.approves(name)


@on_one_database
@pytest.mark.parametrize(
    "wanted",
    [
        {"how": "adjusted", "to": {}},
        {"how": "adjusted", "to": {"bank": 1}},
        {"how": "adjusted", "to": {"refund": None}},
        {"how": "adjusted", "to": {"assets:bank": 2000}},
        {"how": "matched", "with_": ["xinyi.nothing"]},
        {"how": "matched", "with_": [], "to": {"bank": None}},
        {"how": "written_off", "to": {"bank": None}},
        {"how": "written_off", "reason": "  "},
    ],
)
def test_what_cannot_be_posted_changes_nothing(desk: Breaks, wanted: dict[str, Any]) -> None:
    name = desk.found(fen=-2000)
    with pytest.raises((NotSettledSo, NotFound, Invalid)):
        desk.settles(name, **wanted)
    assert (desk.stands(name).version, desk.lies_in_suspense(name)) == (1, 2000)


@on_one_database
def test_what_is_paid_back_in_cash_is_in_the_safe(desk: Breaks) -> None:
    name = desk.found("channel_only", 100_001)
    desk.settles(name, "adjusted", to={"safe": None})
    with pytest.raises(NotInTheSafe):
        desk.approves(name)
    assert desk.stands(name).state == "awaiting_approval"


@on_one_database
def test_a_break_of_another_site_is_not_there(desk: Breaks) -> None:
    here, there = desk.found(fen=-100), desk.found("channel_only", 100, site="moganshan")
    with pytest.raises(NotFound):
        desk.settles(here, "matched", with_=[there])
    for name in ("xinyi.nothing", "nowhere.x", "nothing"):
        with pytest.raises(NotFound):
            breaks.claim(desk.parts, name, MONEY)
    assert [one.id for one in desk.queue(["moganshan"])] == [there]


# --- what was changed past the program --------------------------------------------------------------------------


def settled_by_two(desk: Breaks) -> str:
    name = desk.found(fen=-2000)
    desk.settles(name, "adjusted", to={"bank": 1500, "written_off": 500})
    breaks.note(desk.parts, name, "已报经理", MONEY)
    desk.approves(name)
    desk.books_hold()
    return name


TAMPERED = {
    "a state": "UPDATE reconciliation_break SET state = 'open', ended_at = NULL WHERE id = :name",
    "a resolution": "UPDATE reconciliation_break SET resolution = 'matched' WHERE id = :name",
    "an end": "UPDATE reconciliation_break SET ended_at = NULL WHERE id = :name",
    "what runs put there": "UPDATE reconciliation_break SET suspense_fen = 1000 WHERE id = :name",
    "what was moved": "UPDATE reconciliation_step SET moved_fen = 1000 WHERE break_id = :name AND action = 'approve'",
    "moved by a note": "UPDATE reconciliation_step SET moved_fen = 7 WHERE break_id = :name AND action = 'note'",
    "where it went": 'UPDATE reconciliation_step SET offer = \'{"to": {"assets:bank": 2000}}\' WHERE break_id = :name'
    " AND action IN ('propose', 'approve')",
    "what was proposed": "UPDATE reconciliation_step SET offer = '{}' WHERE break_id = :name AND action = 'propose'",
    "who approved": "UPDATE reconciliation_step SET operator = 'Zhao' WHERE break_id = :name AND action = 'approve'",
    "that two did it": "UPDATE reconciliation_step SET action = 'resolve' WHERE break_id = :name AND action = 'approve'",
    "the transaction's kind": "UPDATE reconciliation_step SET resolution = 'matched' WHERE break_id = :name"
    " AND action IN ('propose', 'approve')",
    "who spoke": "UPDATE reconciliation_step SET operator = 'qian' WHERE break_id = :name AND action = 'note'",
    "when somebody spoke": "UPDATE reconciliation_step SET at = at - 1000000 WHERE break_id = :name AND action = 'note'",
    "an owner": "UPDATE reconciliation_break SET owner = 'qian' WHERE id = :name",
    "how much it was": "UPDATE reconciliation_break SET amount_fen = 1 WHERE id = :name",
    "a day": "UPDATE reconciliation_break SET day = '2026-03-01' WHERE id = :name",
    "a kind": "UPDATE reconciliation_break SET kind = 'duplicate' WHERE id = :name",
    "when it was found": "UPDATE reconciliation_break SET found_at = found_at - 1000000 WHERE id = :name",
    "a day to which it goes": "UPDATE reconciliation_break SET carried_to = '2026-04-01' WHERE id = :name",
    "when it ended": "UPDATE reconciliation_break SET ended_at = ended_at - 1000000 WHERE id = :name",
    "what somebody decided": "UPDATE reconciliation_step SET resolution = 'matched' WHERE break_id = :name AND action = 'note'",
    "what it was matched with": "UPDATE reconciliation_step SET other_id = 'x' WHERE break_id = :name AND action = 'approve'",
    "that a match did it": "UPDATE reconciliation_step SET run = 7 WHERE break_id = :name AND action = 'note'",
    "that people found it": "UPDATE reconciliation_step SET resolution = 'adjusted' WHERE break_id = :name AND action = 'found'",
    "no transaction": "UPDATE reconciliation_step SET transaction_id = NULL WHERE break_id = :name AND action = 'approve'",
    "a step is gone": "DELETE FROM reconciliation_step WHERE break_id = :name AND action = 'note'",
    "the last step is gone": "DELETE FROM reconciliation_step WHERE break_id = :name AND action = 'approve'",
    "the break is gone": "DELETE FROM reconciliation_break WHERE id = :name",
}


@pytest.mark.parametrize("what", TAMPERED)
@on_one_database
def test_verify_finds_a_break_that_was_tampered_with(desk: Breaks, what: str) -> None:
    name = settled_by_two(desk)
    past_the_program(desk.parts, TAMPERED[what], name=name)
    report = verify(desk.parts)
    assert report.first_failure is not None, what
    assert report.first_failure.id.startswith(name) or "break" in report.first_failure.why
