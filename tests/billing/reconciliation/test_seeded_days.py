"""Breaks of every kind are put into seeded days, and exactly those are found: none is missed, none invented."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from billing.reconciliation import Found, Given, adds_up, reconcile
from simulators.discrepancies import Street
from tests.billing.reconciliation.house import given as records
from tests.billing.reconciliation.house import told

DAY = date(2026, 3, 2)
KINDS = {
    *("channel_only", "book_only", "amount_mismatch", "status_mismatch", "duplicate", "cut_off", "refund_mismatch"),
    *(
        "fee_mismatch",
        "cash_over",
        "cash_short",
        "unpaid_exit",
        "opened_without_event",
        "missing_exit",
        "voucher_count",
    ),
}
FRAMES = (
    "books",
    "channel",
    "fund_flow",
    "arrived",
    "rates",
    "shifts",
    "counts",
    "exits",
    "openings",
    "inside",
    "vouchers",
)


def same(one: Found, other: Found) -> None:
    assert_frame_equal(one.breaks, other.breaks)
    assert_frame_equal(one.totals, other.totals)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 25))
def test_exactly_what_was_put_there_is_found_on_200_days(first: int) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(first, first + 25):
        street = Street(seed, DAY, payments=24)
        for neighbour in (False, True):
            found = reconcile(records(street, neighbour=neighbour))
            assert told(found) == (street.after if neighbour else street.before), f"seed {seed}"
            assert adds_up(found) == [], f"seed {seed}"
        kinds.update(kind for kind, *_ in street.before)
    assert set(kinds) == KINDS, "each has been there"


def test_when_the_neighbour_arrives_what_was_cut_off_clears_and_nothing_else() -> None:
    street = Street(7, DAY)
    before, after = (set(reconcile(records(street, neighbour=came)).breaks["key"]) for came in (False, True))
    cut = {key for key in before if key.startswith("cut_off:")}
    assert cut
    assert before - after == cut
    # What was nowhere in the end is what it is then.
    assert {key.split(":")[0] for key in after - before} <= {"book_only", "channel_only"}
    assert len(after - before) == sum(street.late.values())


def test_what_waits_says_for_which_day() -> None:
    found = reconcile(records(Street(7, DAY), neighbour=False)).breaks
    waits = found.filter(pl.col("kind") == "cut_off")["waits_for"]
    assert set(waits) == {date(2026, 3, 3)}
    assert found.filter(pl.col("kind") != "cut_off")["waits_for"].null_count() == found.height - len(waits)


def test_running_again_changes_nothing() -> None:
    given_ = records(Street(3, DAY), neighbour=True)
    first = reconcile(given_)
    same(first, reconcile(given_))
    assert first.breaks["key"].is_unique().all()
    assert first.breaks["key"].is_sorted()


@given(seed=st.integers(0, 10_000), shuffle=st.integers(0, 1 << 30), neighbour=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_rows_changes_nothing(seed: int, shuffle: int, neighbour: bool) -> None:
    given_ = records(Street(seed, DAY, payments=12), neighbour=neighbour)
    same(reconcile(given_), reconcile(shuffled(given_, shuffle)))


def shuffled(given_: Given, seed: int) -> Given:
    frames = {name: getattr(given_, name).sample(fraction=1, shuffle=True, seed=seed) for name in FRAMES}
    return replace(given_, **frames)


def test_each_break_has_its_evidence() -> None:
    """Both sides by id and by line, with amounts, as far as there are two sides."""
    found = reconcile(records(Street(11, DAY), neighbour=True)).breaks
    sides = {
        "channel_only": (0, 1), "book_only": (1, 0), "amount_mismatch": (1, 1), "cash_short": (5, 1), "cash_over": (5, 1),
        "unpaid_exit": (1, 0), "opened_without_event": (1, 0), "missing_exit": (1, 0), "voucher_count": (1, 0),
    }  # fmt: skip
    seen = set()
    for row in found.iter_rows(named=True):
        assert row["books"] or row["lines"]
        assert row["day"] == DAY
        if row["kind"] in sides:
            seen.add(row["kind"])
            assert (len(row["books"]), len(row["lines"])) == sides[row["kind"]], row
            assert (row["book_fen"] is not None or not row["books"]) or row["kind"] in {
                "opened_without_event",
                "missing_exit",
            }
    assert len(seen) > 4
