"""The worked cases of the pricing contract, one line a case, and the policies that it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from billing.batch import answer
from billing.policy import PolicyError, parse

REFERENCE = """
[policy]
id = "hushu-residential"
version = 3
effective_from = 2026-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
plausible_days_max = 7           # a longer stay is never charged without a person: it goes to the exception queue
payable_step_fen = 1             # what is payable is rounded down to a multiple of this

[[tariff]]                       # the first tariff also serves vehicle types that no tariff names
vehicles = ["small"]             # small | large | motorcycle
free_minutes = 30                # a stay up to this long costs nothing
free_minutes_deducted = false    # true: a longer stay is charged from its 31st minute; false: from its start
leave_within_minutes = 15        # time to leave after paying; later, the stay goes on
cap = { per = "24h", fen = 2000 }        # per "24h" (windows counted from the start of charging) or "calendar_day"

  [[tariff.band]]                # bands cover the 24 hours of each kind of day without gap or overlap
  from = "08:00"
  to = "20:00"
  days = "all"                   # all | workday | weekend | holiday
  first = { minutes = 60, fen = 400 }    # optional, or a list: the first units of a stay
  unit = { minutes = 30, fen = 200 }     # every further started unit
  [[tariff.band]]
  from = "20:00"
  to = "08:00"
  unit = { minutes = 60, fen = 100 }

[[free_class]]
id = "emergency"
plates = ["police", "emergency", "armed_police", "military"]   # plate grammar classes
[[free_class]]
id = "ambulance"
register = true                  # vehicles listed by staff, with an end date
[[free_class]]
id = "delivery"
register = true
minutes = 30                     # optional: free up to this long, then an ordinary stay from its start

[relative_allowance]
minutes_per_month = 3600
per = "household"                # or "vehicle"
relations = ["parent", "child", "grandparent", "grandchild", "child_in_law"]

[low_income]
exempts = ["parking", "pass", "property_fee"]

[property_fee]
fen_per_square_metre_month = 55

[pay_later]
arrears_limit_fen = 5000         # beyond it the vehicle is asked to pay before leaving
[exit]
mode = "pay_first"               # or "leave_first" for every vehicle

[[pass]]
id = "resident-monthly"
vehicles = ["small"]
fen = 20000
spaces_per_household = 1         # 一位多车: further vehicles of the household inside at once pay as temporary
grace_days = 3
"""
SHIPPED = Path(__file__).parents[2] / "rules" / "hushu.toml"


@pytest.fixture(params=["contract", "rules/hushu.toml"])
def policy_text(request: pytest.FixtureRequest) -> str:
    return REFERENCE if request.param == "contract" else SHIPPED.read_text(encoding="utf-8")


def bill(policy_text: str, entry: str, leaves: str, **line: Any) -> dict[str, Any]:
    return answer(parse(policy_text), json.dumps({"entry": entry, "exit": leaves, "vehicle": "small"} | line))


@pytest.mark.parametrize(
    ("entry", "leaves", "payable"),
    [
        ("2026-11-20T09:00", "2026-11-20T09:30", 0),
        ("2026-11-20T09:00", "2026-11-20T09:31", 400),
        ("2026-11-20T09:00", "2026-11-20T11:10", 1000),
        ("2026-11-20T07:50", "2026-11-20T09:00", 300),
        ("2026-11-20T19:30", "2026-11-20T21:00", 500),
        ("2026-11-20T21:00", "2026-11-21T08:00", 1100),
        ("2026-11-20T21:00", "2026-11-21T21:00", 2000),
        ("2026-11-20T09:00", "2026-11-21T09:31", 2400),
    ],
)
def test_a_small_vehicle_without_benefits_pays(policy_text: str, entry: str, leaves: str, payable: int) -> None:
    got = bill(policy_text, entry, leaves)
    assert got["payable_fen"] == got["gross_fen"] == payable
    assert got["drawn"] == {}
    assert got["vouchers_used"] == []


def november(minutes: int) -> dict[str, Any]:
    return {"allowance": {"2026-11": minutes}}


@pytest.mark.parametrize(
    ("given", "leaves", "expected"),
    [
        (november(3600), "2026-11-20T12:00", (0, 180, [])),
        (november(90), "2026-11-20T12:00", (600, 90, [])),
        (november(44), "2026-11-20T09:45", (8, 44, [])),
        (november(44) | {"vouchers": ["minutes:30"]}, "2026-11-20T09:45", (0, 44, [True])),
        (november(3600), "2026-11-20T09:20", (0, 0, [])),
        (november(600), "2026-11-21T09:00", (2000, 0, [])),
        (november(1200), "2026-11-21T09:00", (700, 1200, [])),
        ({"vouchers": ["minutes:120"]}, "2026-11-20T12:00", (400, 0, [True])),
        (november(60) | {"vouchers": ["amount:500"]}, "2026-11-20T12:00", (300, 60, [True])),
        (november(60) | {"vouchers": ["amount:500"]}, "2026-11-20T10:00", (0, 60, [False])),
        ({"vouchers": ["amount:500", "minutes:120"]}, "2026-11-20T12:00", (0, 0, [True, True])),
        (november(60) | {"vouchers": ["whole_stay"]}, "2026-11-20T12:00", (0, 0, [True])),
    ],
)
def test_a_stay_from_nine_with_benefits_pays(
    policy_text: str, given: dict[str, Any], leaves: str, expected: tuple[int, int, list[bool]]
) -> None:
    payable, drawn, used = expected
    got = bill(policy_text, "2026-11-20T09:00", leaves, **given)
    assert got["payable_fen"] == payable
    assert got["drawn"] == ({"2026-11": drawn} if drawn else {})
    assert got["vouchers_used"] == used
    assert sum(line["fen"] for line in got["lines"]) == payable


def test_an_allowance_is_judged_for_all_months_together(policy_text: str) -> None:
    left = {"2026-11": 30, "2026-12": 60}
    got = bill(policy_text, "2026-11-30T22:00", "2026-12-01T03:00", allowance=left)
    assert got["payable_fen"] == 350
    assert got["drawn"] == left


def test_instants_with_seconds_and_offsets_are_cut_to_the_minute(policy_text: str) -> None:
    got = bill(policy_text, "2026-11-20T01:00:59Z", "2026-11-20T09:31:00+08:00")
    assert (got["minutes"], got["payable_fen"]) == (31, 400)


def test_a_vehicle_type_that_no_tariff_names_pays_by_the_first() -> None:
    assert bill(REFERENCE, "2026-11-20T09:00", "2026-11-20T11:10", vehicle="motorcycle")["payable_fen"] == 1000


@pytest.mark.parametrize(
    "line",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"entry": "2026-11-20T09:00", "vehicle": "small"}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T08:00", "vehicle": "small"}',
        '{"entry": "2026-11-20T09:00", "exit": "soon", "vehicle": "small"}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00", "vehicle": "tank"}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00", "vehicle": "small", "vouchers": ["minutes:x"]}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00", "vehicle": "small", "vouchers": ["hours:2"]}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00", "vehicle": "small", "vouchers": ["amount:-5"]}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00", "vehicle": "small", "allowance": {"2026-11": -1}}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00", "vehicle": "small", "allowance": {"November": 1}}',
        '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T12:00", "vehicle": "small", "allowance": 60}',
        '{"entry": 5, "exit": null, "vehicle": "small"}',
        '{"entry": "0001-01-01T00:00+14:00", "exit": "9999-12-31T23:59-12:00", "vehicle": "small"}',
    ],
)
def test_a_bad_line_is_answered_by_an_error(line: str) -> None:
    document = answer(parse(REFERENCE), line)
    assert list(document) == ["error"]
    assert document["error"]


def test_an_allowance_without_a_relative_allowance_is_an_error() -> None:
    head, rest = REFERENCE.split("[relative_allowance]")
    without = head + rest[rest.index("[low_income]") :]
    assert "error" in bill(without, "2026-11-20T09:00", "2026-11-20T12:00", allowance={"2026-11": 60})
    assert bill(without, "2026-11-20T09:00", "2026-11-20T12:00")["payable_fen"] == 1200


def test_the_plausible_days_do_not_apply_to_a_batch() -> None:
    assert bill(REFERENCE, "2026-11-01T09:00", "2026-11-11T09:00")["payable_fen"] == 20000


BY_KIND_OF_DAY = REFERENCE.replace(
    """  days = "all"                   # all | workday | weekend | holiday
  first = { minutes = 60, fen = 400 }    # optional, or a list: the first units of a stay
  unit = { minutes = 30, fen = 200 }     # every further started unit
""",
    """  days = "workday"
  unit = { minutes = 60, fen = 300 }
  [[tariff.band]]
  from = "08:00"
  to = "20:00"
  days = "weekend"
  unit = { minutes = 60, fen = 200 }
  [[tariff.band]]
  from = "08:00"
  to = "20:00"
  days = "holiday"
  unit = { minutes = 60, fen = 100 }
""",
)


@pytest.mark.parametrize(
    ("day", "payable"),
    [
        ("2026-11-20", 600),  # a Friday
        ("2026-11-21", 400),  # a Saturday
        ("2026-02-28", 600),  # a Saturday worked for the Spring Festival
        ("2026-02-16", 200),  # a Monday off
        ("2026-02-21", 200),  # a Saturday within the days off
    ],
)
def test_every_date_is_of_one_kind(day: str, payable: int) -> None:
    assert bill(BY_KIND_OF_DAY, f"{day}T09:00", f"{day}T10:30")["payable_fen"] == payable


def test_a_stay_into_a_year_without_a_calendar_has_no_price() -> None:
    assert bill(BY_KIND_OF_DAY, "2035-01-01T09:00", "2035-01-01T10:30").keys() == {"error"}
    assert bill(REFERENCE, "2035-01-01T09:00", "2035-01-01T10:30")["payable_fen"] == 600


def test_days_off_of_a_festival_are_free_and_not_in_the_gross() -> None:
    policy = 'free_day = ["spring_festival"]\n' + REFERENCE
    assert bill(policy, "2026-02-16T09:00", "2026-02-16T12:00")["gross_fen"] == 0
    assert bill(policy, "2026-02-28T09:00", "2026-02-28T12:00")["gross_fen"] == 1200


def test_a_benefit_that_would_raise_the_bill_is_left_alone() -> None:
    """A night's cap spans two calendar days: waiving the evening would leave room for the morning."""
    policy = REFERENCE.replace('cap = { per = "24h", fen = 2000 }', 'cap = { per = "calendar_day", fen = 100 }')
    policy = policy.replace("unit = { minutes = 60, fen = 100 }", "unit = { minutes = 60, fen = 200 }\n  cap_fen = 500")
    plain = bill(policy, "2026-11-20T20:00", "2026-11-21T02:00")
    got = bill(policy, "2026-11-20T20:00", "2026-11-21T02:00", vouchers=["minutes:180"])
    assert (plain["payable_fen"], got["payable_fen"], got["vouchers_used"]) == (100, 100, [False])


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("part", "instead", "at"),
    [
        ('to = "20:00"', 'to = "19:00"', None),  # a gap
        ('to = "20:00"', 'to = "21:00"', None),  # an overlap
        ('days = "all"', 'days = "workday"', None),  # weekends are not covered
        ("fen = 400", "fen = -400", "fen = -400"),
        ("fen = 400", "fen = 4.5", "fen = 4.5"),
        ("minutes = 30, fen = 200", "minutes = 0, fen = 200", "minutes = 0"),
        ("minutes = 60, fen = 400", "minutes = 0, fen = 400", "minutes = 0"),
        ("free_minutes = 30", "free_minute = 30", "free_minute = 30"),
        ("grace_days = 3", "grace_days = 3\ncolour = 1", "colour"),
        ("fen = 20000", "fen = -1", "fen = -1"),
        ("free_minutes = 30", "free_minutes = -1", "free_minutes = -1"),
        ('per = "24h"', 'per = "week"', "week"),
        ('vehicles = ["small"]', 'vehicles = ["tank"]', "tank"),
        ('timezone = "Asia/Shanghai"', 'timezone = "Asia/Hushu"', "Asia/Hushu"),
        ("version = 3", 'version = "three"', "three"),
        ("version = 3", "version =", "version ="),
        ('id = "hushu-residential"\n', "", None),
        ("[low_income]", "[low_incomes]", "[low_incomes]"),
    ],
)
def test_a_wrong_policy_is_refused_with_line_and_reason(part: str, instead: str, at: str | None) -> None:
    assert part in REFERENCE
    wrong = REFERENCE.replace(part, instead, 1)
    with pytest.raises(PolicyError) as refusal:
        parse(wrong)
    words = str(refusal.value)
    assert any(character.isdigit() for character in words), "says the line"
    if at is not None:
        assert str(line_of(wrong, at)) in words


FURTHER = [
    (
        'vehicles = ["small"] ',
        'vehicles = ["small"]\nmonth_cap_fen = 50000\nfree_stays_per_day = 1\nreentry_minutes = 5 ',
    ),
    ("[property_fee]", "review_months = 12\n[property_fee]"),
    ('cap = { per = "24h", fen = 2000 }', 'cap = { per = "calendar_day", fen = 2000, across_stays = true }'),
    ('days = "all"', 'days = "all"\ncap_fen = 1500'),
    ("unit = { minutes = 30, fen = 200 }", "unit = { minutes = 30, fen = 200, tolerance_minutes = 5 }"),
    ("[policy]", 'free_day = ["spring_festival"]\n[policy]'),
    ("[property_fee]", "[matching]\nlead = 0.2\nfen_max = 1000\n[property_fee]"),
    ("grace_days = 3", 'grace_days = 3\nhours = { from = "19:00", to = "07:00", days = "all" }'),
    (
        "grace_days = 3",
        'grace_days = 3\n[[discount]]\nid = "disabled"\npercent = 50\nvehicles = ["small"]\nregister = true',
    ),
]


@pytest.mark.parametrize(("part", "instead"), FURTHER)
def test_the_further_keys_are_known(part: str, instead: str) -> None:
    assert part in REFERENCE
    policy = REFERENCE.replace(part, instead, 1)
    assert bill(policy, "2026-11-20T09:00", "2026-11-20T09:31")["payable_fen"] == 400
