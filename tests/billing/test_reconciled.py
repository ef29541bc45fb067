"""对账封存: what a break means in money, and a record that says the same of itself and is found out where it is changed."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.chain import FIRST_PREVIOUS, verify_chain
from billing.reconciled import (
    DayMatched,
    Differed,
    InQuestion,
    Said,
    Total,
    counted,
    in_question,
    read_document,
    read_lines,
    seal,
)

DAY = date(2026, 3, 2)


def row(kind: str, about: str = "payment", **said: Any) -> dict[str, Any]:
    nothing = ("book_fen", "channel_fen", "book_status", "channel_status", "expected_millifen", "told_millifen")
    return dict.fromkeys(nothing) | {"kind": kind, "about": about} | said


def both(ours: int | None, theirs: int | None, here: str = "done", there: str = "done") -> dict[str, Any]:
    return {
        "book_fen": ours, "channel_fen": theirs, "book_status": here if ours is not None else None,
        "channel_status": there if theirs is not None else None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given_", "amount", "difference"),
    [
        (row("book_only", **both(800, None)), 800, -800),
        (row("channel_only", **both(None, 800)), 800, 800),
        (row("amount_mismatch", **both(800, 700)), 100, -100),
        (row("duplicate", **both(None, 800)), 800, 800),
        (row("duplicate", **both(800, None)), 800, -800),
        (row("duplicate", **both(800, 800)), 800, 0),
        (row("status_mismatch", **both(800, 800, there="revoked")), 800, -800),
        (row("status_mismatch", **both(None, 800, there="revoked")), 800, 0),
        (row("refund_mismatch", "refund", **both(None, 300)), 300, -300),
        (row("refund_mismatch", "refund", **both(300, None)), 300, 300),
        # On its way: the ledger has not taken it off yet, so nothing is missing there.
        (row("refund_mismatch", "refund", **both(300, None, here="processing")), 300, 0),
        (row("status_mismatch", "refund", **both(300, 300, here="failed", there="processing")), 300, -300),
        (row("status_mismatch", "refund", **both(None, 800, there="revoked")), 800, -800),
        (row("cut_off", **both(800, None)), 800, 0),
        (row("fee_mismatch", channel_fen=800, expected_millifen=5000, told_millifen=5001), 1, 0),
        (row("fee_mismatch", "fund_flow", expected_millifen=795_000, told_millifen=None), 795, 0),
        (row("cash_short", "shift", book_fen=40_000, channel_fen=39_000), 1000, -1000),
        (row("cash_over", "shift", book_fen=40_000, channel_fen=40_100), 100, 100),
        (row("unpaid_exit", "stay", book_fen=600), 600, 0),
        (row("opened_without_event", "opening"), 0, 0),
        (row("voucher_count", "voucher_book", book_fen=10, channel_fen=9), 1, 0),
    ],
)
def test_what_is_in_question(given_: dict[str, Any], amount: int, difference: int) -> None:
    assert in_question(given_) == InQuestion(amount, difference)


WORDS = st.text("abc:-_", min_size=1, max_size=6)
DIFFERED = st.builds(
    Differed, WORDS, WORDS, st.sampled_from(["open", "resolved"]), st.integers(0, 10**9), st.integers(-(10**9), 10**9)
)
TOTALS = st.builds(
    Total,
    st.sampled_from(["books", "channel"]),
    WORDS,
    WORDS,
    WORDS,
    st.integers(0, 10**6),
    st.integers(-(10**9), 10**9),
)


@given(
    breaks=st.lists(DIFFERED, max_size=8, unique_by=lambda one: one.id),
    totals=st.lists(TOTALS, max_size=5),
    statements=st.lists(st.builds(Said, WORDS, WORDS, WORDS, WORDS, WORDS), max_size=4),
    shuffle=st.randoms(),
)
def test_a_record_says_what_was_matched_in_whatever_order_it_comes(
    breaks: list[Differed], totals: list[Total], statements: list[Said], shuffle: Any
) -> None:
    def sealed() -> Any:
        day = DayMatched(
            site="xinyi", day=DAY, close=bytes(32), run=3, statements=statements, totals=totals, breaks=breaks
        )
        return seal(day, sequence=1, previous_hash=FIRST_PREVIOUS)

    first = sealed()
    for one in (breaks, totals, statements):
        shuffle.shuffle(one)
    assert sealed() == first
    assert verify_chain([first.record]) is None
    document, (digest, lines) = read_document(first.record.canonical), read_lines(first.lines)
    assert (document.digest, document.breaks) == (digest, counted(lines))
    assert lines == sorted(breaks)
    changed = msgspec.structs.replace(first.record, canonical=first.record.canonical.replace(b'"run":3', b'"run":4'))
    assert verify_chain([changed]) is not None


@pytest.mark.parametrize("canonical", [b"{}", b"nothing", b'{"format":2}'])
def test_what_is_no_record_is_refused(canonical: bytes) -> None:
    with pytest.raises(ValueError):
        read_document(canonical)
    with pytest.raises(ValueError):
        read_lines(canonical)
