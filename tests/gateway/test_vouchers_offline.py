"""Codes collected without a network: bound at once, matched to the stay that left with them, never counted twice."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.events import Kind, Opening
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.vouchers import offline, register
from gateway.flows.vouchers.refusals import VoucherNotNow, VoucherUsed
from gateway.store import tables as t
from tests.gateway.trade import Street, local
from tests.gateway.voucher_desk import Desk

LANE = "xinyi.out-1"


def bring(desk: Desk, code: str, at: str = "12:01", lane: str = LANE) -> offline.Redemption:
    collected = offline.Collected(code=code, lane=lane, at=local(at))
    return offline.bring(desk.parts, [collected], operator="cashier")[0]


def leaves_offline(street: Street, plate: str = "浙A12345", at: str = "12:00", told_at: str = "14:00") -> None:
    """The cashier opens by hand while the network is away; the gate tells of it later."""
    street.clock.set(local(told_at))
    read = street.read("out-1", plate, local(at), opening=Opening.HAND, buffered=True, id=f"off-{plate}")
    street.deliver(read, street.mark("out-1", Kind.PASSED, local(at), f"off-{plate}", buffered=True))


def exceptions(desk: Desk) -> dict[str, str]:
    return {row.kind: row.state for row in desk.rows(t.ExceptionItem) if row.kind.startswith(("voucher", "unpaid"))}


def test_the_gate_told_first(desk: Desk) -> None:
    (code,) = desk.issued("whole_stay", 0)
    desk.street.passes("in-1", "浙A12345", "09:00")
    leaves_offline(desk.street)
    assert desk.street.accounts() == {"income:parking": -1200, "assets:receivable:hand": 1200}
    assert exceptions(desk) == {"unpaid_exit": "open"}
    said = bring(desk, code)
    assert (said.state, said.stay) == ("done", desk.street.stay("浙A12345").id)
    assert desk.street.accounts() == {"income:parking": -1200, "waived:whole_stay_voucher": 1200}
    assert desk.walked(1) == ["make", "issue", "collect", "match", "use"]
    assert exceptions(desk) == {"unpaid_exit": "resolved"}
    desk.holds()


def test_the_code_came_first_and_waits(desk: Desk) -> None:
    (code,) = desk.issued("hour", 120)
    desk.street.passes("in-1", "浙A12345", "09:00")
    desk.street.clock.set(local("13:00"))
    said = bring(desk, code)
    assert said.state == "queued"
    assert offline.match_queued(desk.parts) == 0
    leaves_offline(desk.street)
    assert offline.match_queued(desk.parts) == 1
    assert offline.match_queued(desk.parts) == 0
    assert desk.street.accounts() == {
        "income:parking": -1200,
        "assets:receivable:hand": 400,
        "waived:hour_voucher": 800,
    }
    desk.holds()


def test_brought_again_it_is_the_same(desk: Desk) -> None:
    (code,) = desk.issued("whole_stay", 0)
    desk.street.passes("in-1", "浙A12345", "09:00")
    leaves_offline(desk.street)
    first = bring(desk, code)
    assert bring(desk, code.lower()) == first
    assert len(desk.rows(t.VoucherRedemption)) == 1
    assert len([one for one in desk.walked(1) if one == "use"]) == 1


def test_the_second_use_is_for_a_person(desk: Desk) -> None:
    (code,) = desk.issued("whole_stay", 0)
    for plate, at in (("浙A12345", "12:00"), ("浙B11111", "12:30")):
        desk.street.passes("in-1", plate, "09:00")
        leaves_offline(desk.street, plate, at)
    assert bring(desk, code, "12:01").state == "done"
    second = bring(desk, code, "12:31")
    assert (second.state, second.stay) == ("refused", None)
    assert exceptions(desk)["voucher_reused"] == "open"
    assert desk.street.accounts()["assets:receivable:hand"] > 0
    decided = offline.resolve(
        desk.parts, site="xinyi", redemption=second.id, action="dismiss", reason="copied", operator="console"
    )
    assert decided.state == "resolved"
    assert exceptions(desk)["voucher_reused"] == "resolved"
    desk.holds()


def test_one_that_waits_cannot_be_presented_elsewhere(desk: Desk) -> None:
    (code,) = desk.issued("whole_stay", 0)
    desk.street.passes("in-1", "浙A12345", "09:00")
    desk.street.arrives("out-1", "浙A12345", "12:00")
    desk.street.clock.set(local("18:00"))
    assert bring(desk, code, "17:00").state == "queued"
    with pytest.raises(VoucherUsed):
        desk.present("浙A12345", code)


def test_after_two_days_a_person_looks_for_its_stay(desk: Desk) -> None:
    codes = desk.issued("whole_stay", 0, count=3)
    desk.street.clock.set(local("13:00"))
    waiting = [bring(desk, code, f"12:0{place}") for place, code in enumerate(codes)]
    desk.street.clock.set(local("2026-03-04 13:00"))
    assert offline.match_queued(desk.parts) == 3
    assert exceptions(desk) == {"voucher_unmatched": "open"}
    assert desk.states() == {"presented": 3}
    desk.street.passes("in-1", "浙A12345", "2026-03-04 13:10")
    leaves_offline(desk.street, at="2026-03-04 16:00", told_at="2026-03-04 17:00")
    stay = desk.street.stay("浙A12345").id
    with pytest.raises(VoucherNotNow, match="held"):
        decide(desk, waiting[0], "dismiss")
    assert decide(desk, waiting[0], "match", stay=stay).stay == stay
    decide(desk, waiting[1], "release")
    decide(desk, waiting[2], "void")
    assert [desk.state(serial) for serial in (1, 2, 3)] == ["used", "issued", "void"]
    assert exceptions(desk)["voucher_unmatched"] == "resolved"
    for again in waiting:
        with pytest.raises(VoucherNotNow):
            decide(desk, again, "release")
    desk.holds()


def decide(desk: Desk, which: offline.Redemption, action: Any, **more: Any) -> offline.Redemption:
    return offline.resolve(
        desk.parts, site="xinyi", redemption=which.id, action=action, reason="looked at", operator="console", **more
    )


@pytest.mark.parametrize("what", ["nonsense", "00000001-00000-00000", "drawer", "expired"])
def test_what_is_no_good_is_for_a_person(desk: Desk, what: str) -> None:
    desk.book()
    (old,) = desk.issued(valid_to=local("11:00"))
    desk.street.clock.set(local("13:00"))
    code = {"drawer": desk.code(1), "expired": old}.get(what, what)
    said = bring(desk, code)
    assert said.state == "refused"
    assert exceptions(desk) == {"voucher_refused": "open"}
    assert bring(desk, code) == said
    assert code not in str([tuple(row) for row in desk.rows(t.VoucherRedemption) + desk.rows(t.ExceptionItem)])
    desk.holds()


def test_it_was_valid_when_it_was_handed_over(desk: Desk) -> None:
    (code,) = desk.issued("whole_stay", 0, valid_to=local("12:30"))
    desk.street.passes("in-1", "浙A12345", "09:00")
    leaves_offline(desk.street)
    assert register.expire(desk.parts) == 0  # the hourly job came before the cashier's list did
    assert bring(desk, code, "12:01").state == "done"


@pytest.mark.parametrize(
    ("lane", "at", "word"),
    [
        ("xinyi.in-1", "12:00", "lane"),
        ("out-1", "12:00", "lane"),
        ("atlantis.out-1", "12:00", "lane"),
        (LANE, "23:00", "at"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_taken_in(desk: Desk, lane: str, at: str, word: str) -> None:
    good, bad = desk.issued(count=2)
    desk.street.clock.set(local("13:00"))
    items = [
        offline.Collected(code=good, lane=LANE, at=local("12:00")),
        offline.Collected(code=bad, lane=lane, at=local(at)),
    ]
    with pytest.raises(Invalid, match=rf"^items.1.{word}:"):
        offline.bring(desk.parts, items, operator="cashier")
    assert desk.states() == {"issued": 2}


def test_nearest_before_then_after(desk: Desk) -> None:
    codes = desk.issued("whole_stay", 0, count=2)
    for plate, at in (("浙A00001", "12:00"), ("浙A00002", "12:04")):
        desk.street.passes("in-1", plate, "09:00")
        leaves_offline(desk.street, plate, at)
    assert bring(desk, codes[0], "12:03").stay == desk.street.stay("浙A00001").id
    assert bring(desk, codes[1], "12:03").stay == desk.street.stay("浙A00002").id
    desk.holds()


def test_an_unknown_one_cannot_be_decided(desk: Desk) -> None:
    with pytest.raises(NotFound):
        offline.resolve(desk.parts, site="xinyi", redemption="x", action="dismiss", reason="x", operator="console")
