"""The settlement of a stay: from what is posted to what the stay is now."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import Posted, Posting, balances, settle

WECHAT = "assets:channel:wechat"
CASH = "assets:cash:shift-1"


def test_a_paid_exit() -> None:
    postings, posted = settle(Posted(), gross_fen=1000, waived={}, paid={WECHAT: 1000}, owed_party=None)
    assert postings == (Posting("income:parking", -1000), Posting(WECHAT, 1000))
    assert posted == Posted(income_fen=1000, received={WECHAT: 1000})


def test_a_waived_exit_posts_gross_income_and_its_waiver() -> None:
    postings, _ = settle(Posted(), gross_fen=1000, waived={"low_income": 1000, "pass": 0}, paid={}, owed_party=None)
    assert postings == (Posting("income:parking", -1000), Posting("waived:low_income", 1000))


def test_a_free_exit_posts_nothing() -> None:
    assert settle(Posted(), gross_fen=0, waived={}, paid={}, owed_party="pay_later") == ((), Posted())


def test_arrears_shrink_as_they_are_paid_and_stay_with_who_owes_them() -> None:
    _, owing = settle(Posted(), gross_fen=1000, waived={}, paid={}, owed_party="offline")
    part, after = settle(owing, gross_fen=1000, waived={}, paid={CASH: 400}, owed_party=None)
    assert part == (Posting(CASH, 400), Posting("assets:receivable:offline", -400))
    assert after.owed == {"offline": 600}
    rest, settled = settle(after, gross_fen=1000, waived={}, paid={CASH: 400, WECHAT: 600}, owed_party=None)
    assert rest == (Posting(WECHAT, 600), Posting("assets:receivable:offline", -600))
    assert settled == Posted(income_fen=1000, received={CASH: 400, WECHAT: 600})


def test_a_receivable_moves_whole_to_the_party_named_last() -> None:
    _, owing = settle(Posted(), gross_fen=1000, waived={}, paid={}, owed_party="unpaid")
    postings, after = settle(owing, gross_fen=1000, waived={}, paid={}, owed_party="hand")
    assert postings == (Posting("assets:receivable:hand", 1000), Posting("assets:receivable:unpaid", -1000))
    assert after.owed == {"hand": 1000}


def test_a_lower_bill_after_payment_gives_nothing_back_by_itself() -> None:
    _, paid = settle(Posted(), gross_fen=1000, waived={}, paid={WECHAT: 1000}, owed_party=None)
    postings, after = settle(paid, gross_fen=600, waived={}, paid={WECHAT: 1000}, owed_party=None)
    assert postings == (Posting("income:parking", 400), Posting("liability:prepaid", -400))
    assert after.prepaid_fen == 400
    again, last = settle(after, gross_fen=1200, waived={}, paid={WECHAT: 1000}, owed_party="late_event")
    expected = (
        Posting("income:parking", -600),
        Posting("assets:receivable:late_event", 200),
        Posting("liability:prepaid", 400),
    )
    assert again == expected
    assert last.prepaid_fen == 0


def test_a_later_repricing_posts_the_difference_only() -> None:
    _, early = settle(Posted(), gross_fen=600, waived={"relative_allowance": 200}, paid={WECHAT: 400}, owed_party=None)
    postings, _ = settle(early, gross_fen=800, waived={"relative_allowance": 300}, paid={WECHAT: 500}, owed_party=None)
    assert postings == (
        Posting("income:parking", -200),
        Posting("waived:relative_allowance", 100),
        Posting(WECHAT, 100),
    )


def test_what_remains_must_be_owed_by_someone() -> None:
    with pytest.raises(ValueError, match="600 fen remain"):
        settle(Posted(), gross_fen=1000, waived={}, paid={CASH: 400}, owed_party=None)


@pytest.mark.parametrize(
    ("gross", "waived", "paid"),
    [(-1, {}, {}), (100, {"pass": 101}, {}), (100, {"pass": -1}, {}), (100, {}, {CASH: -1})],
)
def test_what_cannot_be_is_refused(gross: int, waived: dict[str, int], paid: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        settle(Posted(), gross_fen=gross, waived=waived, paid=paid, owed_party="unpaid")


def test_posted_comes_back_from_json_as_it_went() -> None:
    _, posted = settle(Posted(), gross_fen=1000, waived={"pass": 100}, paid={CASH: 400}, owed_party="hand")
    assert msgspec.convert(msgspec.to_builtins(posted), Posted) == posted
    assert msgspec.to_builtins(Posted()) == {}


amounts = st.integers(0, 5000)
benefits = st.dictionaries(st.sampled_from(["pass", "low_income", "voucher", "rounding"]), amounts, max_size=3)
payments = st.lists(
    st.tuples(st.sampled_from([WECHAT, CASH, "assets:channel:alipay"]), st.integers(1, 3000)), max_size=5
)
parties = st.sampled_from(["pay_later", "offline", "hand", "late_event", "unpaid"])


@st.composite
def states(draw: st.DrawFn) -> tuple[int, dict[str, int], dict[str, int], str]:
    waived = draw(benefits)
    gross = sum(waived.values()) + draw(amounts)
    return gross, waived, together(draw(payments)), draw(parties)


def together(found: list[tuple[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for account, fen in found:
        totals[account] = totals.get(account, 0) + fen
    return totals


def add(ledger: dict[str, int], postings: tuple[Posting, ...]) -> None:
    for posting in postings:
        assert posting.amount_fen != 0
        ledger[posting.account] = ledger.get(posting.account, 0) + posting.amount_fen


def without_zeros(ledger: Mapping[str, int]) -> dict[str, int]:
    return {account: fen for account, fen in ledger.items() if fen}


@given(st.lists(states(), min_size=1, max_size=6))
def test_however_a_stay_is_repriced_every_step_balances_and_the_ledger_holds_the_target(
    steps: list[tuple[int, dict[str, int], dict[str, int], str]],
) -> None:
    posted, ledger = Posted(), dict[str, int]()
    for gross, waived, paid, party in steps:
        postings, posted = settle(posted, gross_fen=gross, waived=waived, paid=paid, owed_party=party)
        assert sum(posting.amount_fen for posting in postings) == 0
        assert len({posting.account for posting in postings}) == len(postings)
        add(ledger, postings)
        assert without_zeros(ledger) == balances(posted)
        remaining = gross - sum(waived.values()) - sum(paid.values())
        assert posted.income_fen == gross
        assert posted.waived == without_zeros(waived)
        assert posted.received == paid
        assert posted.owed == ({party: remaining} if remaining > 0 else {})
        assert posted.prepaid_fen == max(0, -remaining)
        assert settle(posted, gross_fen=gross, waived=waived, paid=paid, owed_party=party) == ((), posted)


@given(states(), st.data())
def test_the_order_of_payments_does_not_matter(
    state: tuple[int, dict[str, int], dict[str, int], str], data: st.DataObject
) -> None:
    gross, waived, _, party = state
    taken = data.draw(payments)
    finals = []
    for order in (taken, data.draw(st.permutations(taken))):
        posted, ledger = Posted(), dict[str, int]()
        for count in range(len(order) + 1):
            postings, posted = settle(
                posted,
                gross_fen=gross,
                waived=waived,
                paid=together(order[:count]),
                owed_party=party if count == 0 else None,
            )
            add(ledger, postings)
        finals.append((posted, without_zeros(ledger)))
    assert finals[0] == finals[1]
