"""One line in, one bill out; and never an exception, whatever a line holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.batch import answer

STAY = {"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00"}


def line(**keys):
    return json.dumps({**STAY, **keys})


def test_a_bill_as_the_contract_has_it(hushu):
    assert answer(hushu, line(exit="2026-11-20T09:45", allowance={"2026-11": 44, "2026-12": 9})) == {
        "minutes": 45,
        "gross_fen": 400,
        "payable_fen": 8,
        "drawn": {"2026-11": 44},
        "vouchers_used": [],
        "lines": [
            {
                "from": "2026-11-20T09:00:00+08:00",
                "to": "2026-11-20T09:45:00+08:00",
                "kind": "unit",
                "minutes": 45,
                "fen": 400,
                "rule": "tariff.1.band.1.first.1",
            },
            {
                "from": "2026-11-20T09:00:00+08:00",
                "to": "2026-11-20T09:44:00+08:00",
                "kind": "relative_allowance",
                "minutes": 44,
                "fen": -392,
                "rule": "relative_allowance",
            },
        ],
    }


def test_vouchers_are_answered_in_the_order_presented(hushu):
    vouchers = ["amount:500", "minutes:120", "amount:1", "minutes:0"]
    assert answer(hushu, line(vouchers=vouchers))["vouchers_used"] == [True, True, False, False]


def test_the_further_keys(policy_of):
    policy = policy_of('cap = { per = "calendar_day", fen = 300, across_stays = true }')
    assert (
        answer(policy, line(charged={"2026-11-20": 250}, free_stays_used=1, energy="new", who=None))["payable_fen"]
        == 50
    )
    assert answer(policy, line(allowance=None, vouchers=None, vehicle=None))["payable_fen"] == 300


def test_a_long_stay_is_priced(hushu):
    assert answer(hushu, line(exit="2026-12-20T09:00"))["payable_fen"] == 30 * 2000


BAD = [
    "",
    "null",
    "[]",
    "{",
    "\ud800",
    "[" * 10_000,
    "x" * 70_000,
    '{"entry": "2026-11-20T09:00"}',
    line(exit="2026-11-20T08:59"),
    line(exit="2026-11-20"),
    line(exit="2026-11-20T25:00"),
    line(exit="2026-02-30T09:00"),
    line(exit="9999-12-31T23:59:59-12:00"),
    line(exit=20261120),
    line(vehicle="bus"),
    line(vehicle=["small"]),
    line(allowance={"2026-13": 1}),
    line(allowance={"2026-11": -1}),
    line(allowance={"2026-11": 1.5}),
    line(allowance={"2026-11": True}),
    line(allowance={"2026-11": 10**30}),
    line(allowance=[60]),
    line(vouchers=["minutes:-1"]),
    line(vouchers=["minutes:1.5"]),
    line(vouchers=["hours:1"]),
    line(vouchers=["whole_stay:1"]),
    line(vouchers="minutes:1"),
    line(vouchers=["minutes:1"] * 101),
    line(charged={"2026-11-31": 1}),
    line(charged={"20261120": 1}),
    line(free_stays_used=-1),
    line(vaucher=["minutes:30"]),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_bad_line_is_answered_by_its_error(hushu, bad):
    document = answer(hushu, bad)
    assert set(document) == {"error"}
    assert document["error"]
    assert len(document["error"]) < 400


def test_an_allowance_that_the_policy_does_not_know(policy_of):
    assert "relative_allowance" in answer(policy_of(), line(allowance={"2026-11": 60}))["error"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["entry", "exit", "vouchers", "2026-11", "allowance"]), inner)
        ),
    )
)
def test_any_json_is_answered(hushu, value):
    assert "error" in answer(hushu, json.dumps(value))
