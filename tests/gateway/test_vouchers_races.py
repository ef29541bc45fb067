"""One voucher, two gates, the same moment: it is used once, on PostgreSQL and on SQLite."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gateway.flows import payment
from gateway.flows.event_path import EventPath
from gateway.flows.refusals import Refused
from gateway.flows.vouchers import books, offline, redeem
from gateway.flows.vouchers.refusals import QuotaReached, VoucherState, VoucherUsed
from gateway.store import tables as t
from tests.gateway.trade import Street, local
from tests.gateway.voucher_desk import Desk

AT_ONCE = 8


def all_at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each returned, or the refusal that it raised; all begin together."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return work()
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def waiting(street: Street, count: int) -> list[str]:
    """So many vehicles with 1200 fen due each, at their exits one after the other. Their stays."""
    for number in range(count):
        street.passes("in-1", f"浙A{number:05d}", "09:00")
    street.clock.set(local("12:00"))
    for number in range(count):
        street.deliver(street.read("out-1", f"浙A{number:05d}", local("12:00")))
    return [stay.id for stay in street.stays()]


def free_of_charge(street: Street) -> int:
    """How many of them have nothing to pay."""
    return sum((stay.gross_fen, stay.payable_fen) == (1200, 0) for stay in street.stays())


def test_two_gates_and_one_voucher(desk: Desk) -> None:
    """Each of eight vehicles presents a copy of the same three vouchers."""
    codes = desk.issued("whole_stay", 0, count=3)
    stays = waiting(desk.street, AT_ONCE)
    for place, code in enumerate(codes):
        answers = all_at_once(
            *(lambda stay=stay, code=code: redeem.present(desk.parts, stay_id=stay, code=code) for stay in stays)  # type: ignore[misc]
        )
        won = [one for one in answers if isinstance(one, redeem.Presented)]
        assert len(won) == 1, answers
        assert all(
            isinstance(one, VoucherUsed) or one.slug == "voucher-not-now" for one in answers if one is not won[0]
        )
        assert free_of_charge(desk.street) == place + 1
    assert desk.states() == {"used": 3}
    desk.holds()


def test_one_gate_and_the_same_voucher_many_times(desk: Desk) -> None:
    (code,) = desk.issued("hour", 120)
    (stay,) = waiting(desk.street, 1)
    answers = all_at_once(*[lambda: redeem.present(desk.parts, stay_id=stay, code=code)] * AT_ONCE)
    assert {(one.state, one.due_fen) for one in answers} == {("used", 400)}
    assert desk.walked(1) == ["make", "issue", "present", "use"]
    desk.holds()


def test_a_voucher_and_a_payment_at_once(desk: Desk) -> None:
    """Whoever is first: nothing is paid twice, nothing is used for nothing."""
    (code,) = desk.issued("whole_stay", 0)
    (stay,) = waiting(desk.street, 1)
    all_at_once(
        lambda: redeem.present(desk.parts, stay_id=stay, code=code),
        lambda: payment.take(desk.parts, stay_id=stay, channel="wechat", amount_fen=1200),
    )
    accounts = desk.street.accounts()
    assert accounts["income:parking"] == -1200
    assert accounts.get("assets:channel:wechat", 0) + accounts.get("waived:whole_stay_voucher", 0) == 1200
    desk.holds()


def test_a_voucher_and_the_exit_at_once(desk: Desk) -> None:
    """The vehicle is read at its exit while its driver presents: the bill has it, or the next look does."""
    codes = desk.issued("hour", 120, count=6)
    for number, code in enumerate(codes):
        plate = f"浙C{number:05d}"
        desk.street.passes("in-1", plate, "09:00")
        stay = desk.street.stay(plate).id
        desk.street.clock.set(local("12:00"))
        read = desk.street.read("out-1", plate, local("12:00"))
        all_at_once(
            lambda: redeem.present(desk.parts, stay_id=stay, code=code),  # noqa: B023 - done within this round
            lambda: EventPath(desk.parts, planner="other").run([read]),  # noqa: B023
        )
        assert desk.street.stay(plate).payable_fen == 400
        assert desk.state(number + 1) == "used"
    desk.holds()


def test_online_and_offline_at_once(desk: Desk) -> None:
    (code,) = desk.issued("whole_stay", 0)
    stays = waiting(desk.street, 3)
    collected = offline.Collected(code=code, lane="xinyi.out-1", at=local("12:00"))
    answers = all_at_once(
        *(lambda stay=stay: redeem.present(desk.parts, stay_id=stay, code=code) for stay in stays),  # type: ignore[misc]
        lambda: offline.bring(desk.parts, [collected], operator="cashier")[0],
    )
    won = [
        one for one in answers if isinstance(one, redeem.Presented) or getattr(one, "state", "") in {"done", "queued"}
    ]
    # Brought in for the stay that has it by now, the collected code has its way as well.
    assert len({one.stay for one in won}) == 1, answers
    assert free_of_charge(desk.street) == 1
    assert len(desk.rows(t.VoucherRedemption)) <= 1
    desk.holds()


def test_the_same_collected_code_brought_many_times_at_once(desk: Desk) -> None:
    (code,) = desk.issued("whole_stay", 0)
    waiting(desk.street, 1)
    collected = offline.Collected(code=code, lane="xinyi.out-1", at=local("12:00"))
    answers = all_at_once(*[lambda: offline.bring(desk.parts, [collected], operator="cashier")[0]] * AT_ONCE)
    assert {one.id for one in answers} == {answers[0].id}
    assert len(desk.rows(t.VoucherRedemption)) == 1
    assert desk.walked(1) == ["make", "issue", "collect", "match", "use"]
    desk.holds()


def test_books_made_at_once_share_no_serial(desk: Desk) -> None:
    made = all_at_once(*[lambda: desk.book(count=5)] * AT_ONCE)
    ranges = sorted((one.first_serial, one.last_serial) for one in made if isinstance(one, books.Book))
    assert ranges == [(place * 5 + 1, place * 5 + 5) for place in range(AT_ONCE)]
    desk.holds()


def test_one_serial_is_handed_out_once(desk: Desk) -> None:
    desk.book()
    answers = all_at_once(*(lambda who=who: desk.issue(1, 5, taker=f"guest {who}") for who in range(AT_ONCE)))  # type: ignore[misc]
    assert sum(isinstance(one, VoucherState) for one in answers) == AT_ONCE - 1
    desk.holds()


def test_a_quota_is_not_overdrawn_by_two_windows(desk: Desk) -> None:
    desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
    desk.book(count=64)
    answers = all_at_once(
        *(lambda first=8 * who + 1: desk.issue(first, first + 7, household="101") for who in range(AT_ONCE))  # type: ignore[misc]
    )
    assert sum(isinstance(one, QuotaReached) for one in answers) == AT_ONCE - 2
    assert desk.states() == {"stock": 48, "issued": 16}
    desk.holds()
