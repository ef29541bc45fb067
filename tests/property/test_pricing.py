"""Bills against a naive biller, and the properties that the pricing contract promises.

A failing case prints a `@reproduce_failure` line and the smallest policy and stay that hypothesis finds.
"""

import json
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from billing.batch import answer
from billing.policy import parse
from tests.property.naive_biller import later, minutes_between, naive_bill
from tests.property.policies import VOUCHERS, policies, stays

AGREEMENT = settings(
    max_examples=110,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PROPERTY = settings(
    max_examples=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

KINDS = {
    "unit",
    "cap",
    "free_class",
    "low_income",
    "pass",
    "whole_stay_voucher",
    "relative_allowance",
    "hour_voucher",
    "amount_voucher",
    "discount",
    "rounding",
}


def bill(policy: str, stay: dict[str, Any]) -> dict[str, Any]:
    """The product's bill; a refusal is a failure here, since policy and stay are valid."""
    document = answer(parse(policy), json.dumps(stay))
    assert "error" not in document, document
    return document


def by_kind(lines: list[dict[str, Any]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in lines:
        sums[line["kind"]] = sums.get(line["kind"], 0) + line["fen"]
    return {kind: fen for kind, fen in sums.items() if fen}


@AGREEMENT
@given(policies(), stays())
def test_a_bill_is_what_the_contract_says_minute_by_minute(policy: str, stay: dict[str, Any]) -> None:
    got = bill(policy, stay)
    expected = naive_bill(policy, stay)
    lines = by_kind(got["lines"])
    assert {**{key: got[key] for key in expected if key != "by_kind"}, "by_kind": lines} == expected


@PROPERTY
@given(policies(), stays(), st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata"]))
def test_clocks_that_change_and_odd_offsets_are_only_another_local_time(
    policy: str, stay: dict[str, Any], zone: str
) -> None:
    night = "2026-03-28T22:10+00:00"  # Berlin's clocks change
    moved = {"entry": night, "exit": later(night, minutes_between(stay["entry"], stay["exit"]))}
    policy, stay = policy.replace("Asia/Shanghai", zone), stay | moved
    expected = naive_bill(policy, stay)
    assert {key: bill(policy, stay)[key] for key in expected if key != "by_kind"} == {
        key: value for key, value in expected.items() if key != "by_kind"
    }


@AGREEMENT
@given(policies(), stays())
def test_a_bill_explains_itself(policy: str, stay: dict[str, Any]) -> None:
    got = bill(policy, stay)
    assert 0 <= got["payable_fen"] <= got["gross_fen"]
    assert sum(line["fen"] for line in got["lines"]) == got["payable_fen"]
    assert sum(line["fen"] for line in got["lines"] if line["kind"] in ("unit", "cap")) == got["gross_fen"]
    for line in got["lines"]:
        assert set(line) == {"from", "to", "kind", "minutes", "fen", "rule"}
        assert line["kind"] in KINDS
        assert line["rule"]
        assert line["fen"] >= 0 if line["kind"] == "unit" else line["fen"] <= 0
        assert isinstance(line["fen"], int)
    assert len(got["vouchers_used"]) == len(stay["vouchers"])
    for month, minutes in got["drawn"].items():
        assert 0 < minutes <= stay["allowance"][month]


@PROPERTY
@given(policies(), stays(benefits=False), st.integers(1, 600))
def test_without_benefits_a_later_exit_never_costs_less(policy: str, stay: dict[str, Any], minutes: int) -> None:
    longer = stay | {"exit": later(stay["exit"], minutes)}
    assert bill(policy, stay)["payable_fen"] <= bill(policy, longer)["payable_fen"]
    assert bill(policy, stay)["gross_fen"] <= bill(policy, longer)["gross_fen"]


# A band's cap is left out here: one night lies in two windows of the cap, so waiving the evening of a capped day can
# move the night's charge into the next day, where the cap leaves room. The contract's order ("before `cap`") wants that.
@PROPERTY
@given(policies(band_caps=False), stays(), VOUCHERS, st.integers(0, 5))
def test_another_voucher_never_raises_the_bill(policy: str, stay: dict[str, Any], voucher: str, place: int) -> None:
    more = [*stay["vouchers"][:place], voucher, *stay["vouchers"][place:]]
    assert bill(policy, stay | {"vouchers": more})["payable_fen"] <= bill(policy, stay)["payable_fen"]


@PROPERTY
@given(policies(band_caps=False), stays(), st.integers(1, 400), st.data())
def test_more_minutes_never_raise_the_bill(
    policy: str, stay: dict[str, Any], minutes: int, data: st.DataObject
) -> None:
    allowance: dict[str, int] = stay.get("allowance", {})
    hours = [place for place, voucher in enumerate(stay["vouchers"]) if voucher.startswith("minutes:")]
    assume(allowance or hours)
    which = data.draw(st.sampled_from([*allowance, *hours]))
    if isinstance(which, str):
        richer = stay | {"allowance": allowance | {which: allowance[which] + minutes}}
    else:
        longer = f"minutes:{int(stay['vouchers'][which].partition(':')[2]) + minutes}"
        richer = stay | {"vouchers": [*stay["vouchers"][:which], longer, *stay["vouchers"][which + 1 :]]}
    assert bill(policy, richer)["payable_fen"] <= bill(policy, stay)["payable_fen"]


# A discount is itself left alone first where a voucher makes up for it, and would be back without the voucher.
@PROPERTY
@given(policies(discounts=False), stays())
def test_nothing_is_used_up_for_nothing(policy: str, stay: dict[str, Any]) -> None:
    exact = "payable_step_fen = 1\n"
    for step in (10, 50, 100):  # what is used up is judged by unrounded amounts
        policy = policy.replace(f"payable_step_fen = {step}\n", exact)
    got = bill(policy, stay)
    used = [voucher for voucher, is_used in zip(stay["vouchers"], got["vouchers_used"], strict=True) if is_used]
    only_used = {key: value for key, value in stay.items() if key != "allowance"} | {"vouchers": used}
    if got["drawn"]:
        only_used["allowance"] = got["drawn"]
    again = bill(policy, only_used)
    assert again["payable_fen"] == got["payable_fen"], "what was left alone was not needed"
    assert again["drawn"] == got["drawn"]
    assert all(again["vouchers_used"])
    for place in range(len(used)):
        without = bill(policy, only_used | {"vouchers": [*used[:place], *used[place + 1 :]]})
        assert without["payable_fen"] != got["payable_fen"], f"{used[place]} was used for nothing"
    if got["drawn"]:
        without = bill(policy, {key: value for key, value in only_used.items() if key != "allowance"})
        assert without["payable_fen"] != got["payable_fen"], "the allowance was drawn for nothing"


@PROPERTY
@given(policies(), stays(benefits=False))
def test_a_whole_stay_voucher_covers_the_whole_stay(policy: str, stay: dict[str, Any]) -> None:
    plain = bill(policy, stay)
    got = bill(policy, stay | {"vouchers": ["whole_stay"]})
    assert got["payable_fen"] == 0
    assert got["gross_fen"] == plain["gross_fen"]
