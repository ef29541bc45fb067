"""The ledger's own rules: balance, accounts, hashes, reversal, the five sums."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import NotAnAccount, Posting, Transaction, Unbalanced, check, five_sums, reversal

AT = datetime(2026, 3, 2, 4, 30, 0, 123456, UTC)


def a_transaction(*postings: tuple[str, int], **changes: Any) -> Transaction:
    found = Transaction(
        id="t-1",
        site="xinyi",
        business_day=date(2026, 3, 2),
        belongs_to=None,
        at=AT,
        kind="charge",
        reference_kind="stay",
        reference="xinyi.abc",
        operator=None,
        idempotency_key="charge:xinyi.abc:1",
        reverses=None,
        postings=tuple(Posting(account, fen) for account, fen in postings)
        or (Posting("income:parking", -1000), Posting("assets:channel:wechat", 1000)),
    )
    return msgspec.structs.replace(found, **changes)


def test_a_balanced_transaction_passes() -> None:
    check(a_transaction())


@pytest.mark.parametrize(
    "postings",
    [
        [("income:parking", -1000), ("assets:bank", 999)],
        [("income:parking", -1000)],
        [("income:parking", 0), ("assets:bank", 0)],
        [("income:parking", -(2**53)), ("assets:bank", 2**53)],
    ],
)
def test_what_does_not_sum_to_zero_is_refused(postings: list[tuple[str, int]]) -> None:
    with pytest.raises(Unbalanced, match="t-1"):
        check(a_transaction(*postings))


@pytest.mark.parametrize(
    "account",
    [
        "assets:cash:shift-1",
        "assets:channel:alipay",
        "assets:bank",
        "assets:receivable:pay_later",
        "waived:low_income",
        "income:pass",
        "income:property_fee",
        "expense:channel_fee",
        "liability:refund",
        "suspense:break-9",
        "clearing:mishixiang",
    ],
)
def test_the_chart_of_accounts(account: str) -> None:
    check(a_transaction((account, 5), ("liability:prepaid", -5)))


@pytest.mark.parametrize(
    "account",
    [
        "",
        "income",
        "income:tips",
        "assets:cash",
        "assets:cash:",
        "assets:receivable:浙A12345",
        "waived:低保",
        "equity:opening",
        "assets:channel:we chat",
        "waived:a:b",
        "assets:bank\n",
        "clearing:Xinyi",
    ],
)
def test_what_is_not_in_the_chart_is_refused(account: str) -> None:
    with pytest.raises(NotAnAccount):
        check(a_transaction((account, 5), ("liability:prepaid", -5)))


@pytest.mark.parametrize("field", ["id", "reference", "idempotency_key", "reverses"])
def test_a_plate_has_no_place_in_the_ledger(field: str) -> None:
    with pytest.raises(NotAnAccount):
        check(a_transaction(**{field: "stay-浙A12345"}))


def test_the_content_hash_is_over_the_rfc_8785_form() -> None:
    document: Any = {
        "site": "xinyi",
        "postings": [["income:parking", -1000], ["assets:channel:wechat", 1000]],
        "reverses": None,
        "at": "2026-03-02T04:30:00.123456+00:00",
        "belongs_to": None,
        "business_day": "2026-03-02",
        "id": "t-1",
        "idempotency_key": "charge:xinyi.abc:1",
        "kind": "charge",
        "operator": '张\u2028\x7f\t"\\',
        "reference": "xinyi.abc",
        "reference_kind": "stay",
    }
    transaction = a_transaction(operator='张\u2028\x7f\t"\\')
    assert transaction.content_hash() == hashlib.sha256(rfc8785.dumps(document)).digest()


def test_the_hash_does_not_depend_on_the_offset_an_instant_is_written_in() -> None:
    there = AT.astimezone(timezone(timedelta(hours=8)))
    assert a_transaction(at=there).content_hash() == a_transaction().content_hash()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "t-2"),
        ("site", "other"),
        ("business_day", date(2026, 3, 3)),
        ("belongs_to", date(2026, 3, 1)),
        ("at", AT + timedelta(microseconds=1)),
        ("kind", "payment"),
        ("reference_kind", "charge"),
        ("reference", "xinyi.abd"),
        ("operator", "li"),
        ("idempotency_key", "k"),
        ("reverses", "t-0"),
        ("postings", (Posting("income:parking", -999), Posting("assets:channel:wechat", 999))),
    ],
)
def test_whatever_changes_the_hash_changes(field: str, value: Any) -> None:
    assert a_transaction(**{field: value}).content_hash() != a_transaction().content_hash()


def test_a_repeat_asks_the_same_whenever_it_comes() -> None:
    first = a_transaction()
    later = a_transaction(
        id="t-2", business_day=date(2026, 3, 3), belongs_to=date(2026, 3, 2), at=AT + timedelta(days=1)
    )
    assert first.asks_the_same(later)
    assert not first.asks_the_same(a_transaction(("income:parking", -1), ("assets:bank", 1)))
    assert not first.asks_the_same(a_transaction(operator="li"))


def test_a_reversal_undoes_and_names_what_it_reverses() -> None:
    wrong = a_transaction()
    undone = reversal(
        wrong,
        id="t-9",
        business_day=date(2026, 3, 4),
        belongs_to=date(2026, 3, 2),
        at=AT,
        operator="li",
        idempotency_key="r",
    )
    check(undone)
    assert undone.reverses == "t-1"
    assert undone.reference == wrong.reference
    assert five_sums(wrong.postings + undone.postings).earned_fen == 0


ACCOUNTS = st.sampled_from(
    [
        "income:parking",
        "income:pass",
        "waived:voucher",
        "waived:pass",
        "assets:cash:s1",
        "assets:channel:wechat",
        "assets:bank",
        "assets:receivable:offline",
        "liability:prepaid",
        "liability:refund",
        "suspense:b1",
        "expense:channel_fee",
        "clearing:x",
    ]
)


@given(st.lists(st.tuples(ACCOUNTS, ACCOUNTS, st.integers(1, 10**9)), max_size=30))
def test_the_five_always_add_up(moves: list[tuple[str, str, int]]) -> None:
    postings = [posting for debit, credit, fen in moves for posting in (Posting(debit, fen), Posting(credit, -fen))]
    assert five_sums(postings).add_up()


def test_the_five_of_a_day() -> None:
    postings = [
        *[Posting("income:parking", -2400), Posting("waived:voucher", 500), Posting("assets:channel:wechat", 1000)],
        *[Posting("assets:receivable:pay_later", 900)],
        *[Posting("assets:channel:wechat", -300), Posting("suspense:b1", 300)],
    ]
    sums = five_sums(postings)
    assert (sums.earned_fen, sums.waived_fen, sums.received_fen, sums.owed_fen, sums.disputed_fen) == (
        2400,
        500,
        700,
        900,
        300,
    )
