"""Reading a policy: what it says, and that whatever is wrong with it is said with its line."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.calendar import parse_instant
from billing.policy import POLICY_CHARACTERS_MAX, PolicyError, check_succession, in_force, parse
from billing.policy_lines import lines_of


def problems(text):
    with pytest.raises(PolicyError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    return [(problem.line, problem.what) for problem in caught.value.problems]


def line_number(text, part):
    return text[: text.index(part)].count("\n") + 1


def test_the_reference_policy(hushu):
    assert (hushu.id, hushu.version, hushu.timezone) == ("hushu-residential", 3, "Asia/Shanghai")
    assert hushu.effective_from == datetime.fromisoformat("2026-01-01T00:00:00+08:00")
    assert (hushu.plausible_days_max, hushu.payable_step_fen, hushu.exit_mode) == (7, 1, "pay_first")
    assert [one.id for one in hushu.free_classes] == ["emergency", "ambulance", "delivery"]
    assert hushu.free_class("delivery").minutes == 30
    assert hushu.relative_allowance.minutes_per_month == 3600
    assert hushu.pass_offer("resident-monthly").fen == 20000
    assert hushu.pay_later.arrears_limit_fen == 5000
    assert not hushu.needs_calendar


WRONG = [
    # what is in the file, what it becomes, where the problem is shown, what is said of it
    ('to = "20:00"', 'to = "19:00"', 'to = "19:00"', "a gap: no band covers 19:00 to 20:00 on any day"),
    ('to = "08:00"', 'to = "09:30"', '[[tariff.band]]\n  from = "20:00"', "overlaps the band of line"),
    ('days = "all"', 'days = "workday"', 'to = "08:00"', "08:00 to 20:00 on a weekend or a holiday"),
    ("fen = 2000 }", "fen = -1 }", "cap = {", "-1 is negative"),
    ("fen = 400", "fen = 400.5", "first = {", "400.5 is not a whole number"),
    ("fen = 400", "fen = true", "first = {", "true is not a whole number"),
    ("fen = 400", 'fen = "400"', "first = {", '"400" is not a whole number'),
    ("minutes = 30, fen = 200", "minutes = 0, fen = 200", "unit = { minutes = 0", "0 is not between 1"),
    ("fen = 400", "fen = 400, tolerance_minutes = 1", "first = {", 'unknown key "tolerance_minutes"'),
    ("free_minutes =", "free_minuts =", "free_minuts", 'unknown key "free_minuts"'),
    ("minutes_per_month = 3600", "minutes = 3600", "[relative_allowance]", "minutes_per_month: missing"),
    ("[pay_later]", "[paylater]", "[paylater]", 'unknown key "paylater"'),
    ('per = "24h"', 'per = "day"', "cap = {", '"day" is not one of 24h, calendar_day'),
    ('per = "24h"', 'per = "24h", across_stays = true', "cap = {", "only a cap per"),
    ('from = "08:00"', 'from = "8"', 'from = "8"', '"8" is not a time of day'),
    ('from = "08:00"', "from = 08:00:00", "from = 08:00:00", "not a time of day"),
    ('vehicles = ["small"]', 'vehicles = ["bus"]', 'vehicles = ["bus"]', '"bus" is not one of small'),
    ('vehicles = ["small"]', "vehicles = []", "vehicles = []", "is not a list of 1 to 50 words"),
    ('id = "ambulance"', 'id = "emergency"', 'id = "emergency"\nregister', '"emergency" stands twice'),
    ('mode = "pay_first"', 'mode = "free"', 'mode = "free"', '"free" is not one of'),
    ("version = 3", "version = 0", "version = 0", "0 is not between 1"),
    ("effective_from = 2026-01-01T00:00:00+08:00", 'effective_from = "2026"', "effective_from", "is not a date and time"),
    ('"Asia/Shanghai"', '"Asia/Atlantis"', "timezone = ", '"Asia/Atlantis" is not a time zone'),
    ('"Asia/Shanghai"', '"../../etc/passwd"', "timezone = ", "is not a time zone"),
    ("free_minutes = 30", "visit_fen = 500", "[[tariff.band]]", "a tariff with visit_fen has no bands"),
    ("free_minutes = 30", 'who = "tenant"', 'who = "tenant"', "the first tariff serves everybody else"),
    ("free_minutes = 30", 'free_day = ["my_birthday"]', "free_day", '"my_birthday" is not one of'),
    ("free_minutes = 30", "free_minutes = 9999999999999", "free_minutes", "is not between 0"),
    ("free_minutes = 30", "free_minutes = ", "free_minutes", "not TOML: Invalid value"),
    ("free_minutes = 30", "free_minutes = 1\nfree_minutes = 2", "free_minutes = 2", "not TOML: Cannot overwrite a value"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "what"), WRONG, ids=[new for _, new, _, _ in WRONG])
def test_what_is_wrong_is_said_with_its_line(hushu_text, old, new, where, what):
    text = hushu_text.replace(old, new, 1)
    found = problems(text)
    assert any(said_line == line_number(text, where) and what in said for said_line, said in found), found


def test_all_problems_are_said_at_once(hushu_text):
    found = problems(hushu_text.replace("fen = 400", "fen = -4").replace("grace_days = 3", "grace_day = 3"))
    assert [what for _, what in found] == [
        "tariff.band.first.fen: -4 is negative; it is at least 0",
        'unknown key "grace_day" in pass',
    ]


@pytest.mark.parametrize(
    "text", ["", "policy = 1", "[policy]", "[[policy]]", "x" * (POLICY_CHARACTERS_MAX + 1), "[" * 5000]
)
def test_files_that_are_no_policy(text):
    assert problems(text)


def test_integers_of_thousands_of_digits(hushu_text):
    assert problems(hushu_text.replace("fen = 400", "fen = " + "9" * 5000))
    assert problems(hushu_text.replace("fen = 400", "fen = 0x" + "f" * 5000))


def test_a_policy_that_needs_an_unpublished_calendar(hushu_text):
    text = hushu_text.replace("2026-01-01T", "2031-01-01T")
    parse(text)
    found = problems(text.replace('vehicles = ["small"]', 'vehicles = ["small"]\nfree_day = ["spring_festival"]', 1))
    assert found == [(line_number(text, "effective_from"), found[0][1])]
    assert "2031" in found[0][1]


NASTY = [
    "-1",
    "0",
    "1.5",
    "nan",
    "true",
    '""',
    '"x"',
    "[]",
    "[[]]",
    "[1]",
    "{}",
    "[{}]",
    "{ x = 1 }",
    "1979-05-27",
    "07:32:00",
]
NASTY += [
    "9223372036854775808",
    "0x" + "f" * 5000,
    "1979-05-27T07:32:00",
    '"' + "x" * 5000 + '"',
    "[{ minutes = 1, fen = 1 }]",
]


@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
def test_no_value_of_any_key_makes_the_reading_fail(hushu_text, value):
    text = "free_day = []\n[matching]\nlead = 1\nfen_max = 1\n" + hushu_text
    for key in re.findall(r"[a-z_]+ = ", text):
        wrong = re.sub(rf"\b{key}(\{{.*?\}}|\[.*?\]|[^\s,}}]+)", lambda _, key=key: key + value, text)
        assert all(line for line, _ in problems_or_none(wrong))


def problems_or_none(text):
    try:
        parse(text)
    except PolicyError:
        return problems(text)
    return []


def test_too_many_tariffs(hushu_text):
    tariff = hushu_text[hushu_text.index("[[tariff]]") : hushu_text.index("[[free_class]]")]
    assert "are more than 50" in str(problems(hushu_text + (tariff + "\n") * 50))


def test_a_start_without_offset_is_local(hushu_text):
    assert parse(hushu_text.replace("00:00:00+08:00", "00:00:00")).effective_from == parse(hushu_text).effective_from


def test_editors_of_other_systems(hushu_text, hushu):
    assert parse("\ufeff" + hushu_text.replace("\n", "\r\n")) == hushu


def test_further_keys_are_carried(hushu_text):
    policy = parse(
        hushu_text.replace("free_minutes = 30", "free_minutes = 30\nreentry_minutes = 10").replace(
            "[property_fee]", "[matching]\nlead = 2\nfen_max = 3000\n[property_fee]"
        )
    )
    assert policy.tariffs[0].reentry_minutes == 10
    assert (policy.matching.lead, policy.matching.fen_max) == (2.0, 3000)
    assert policy.low_income.review_months == 12


def test_the_version_in_force_at_the_entry(hushu):
    later = replace(hushu, version=4, effective_from=hushu.effective_from + timedelta(days=31))
    versions = [later, hushu]
    assert in_force(versions, parse_instant("2025-06-01T00:00", "Asia/Shanghai")) is hushu
    assert in_force(versions, parse_instant("2026-01-31T23:59", "Asia/Shanghai")) is hushu
    assert in_force(versions, parse_instant("2026-02-01T00:00", "Asia/Shanghai")) is later


def test_a_version_comes_after_the_one_before_it(hushu_text, hushu):
    check_succession(
        hushu, parse(hushu_text.replace("version = 3", "version = 4").replace("2026-01-01T", "2026-02-01T"))
    )
    with pytest.raises(PolicyError) as caught:
        check_succession(hushu, hushu)
    lines = [problem.line for problem in caught.value.problems]
    assert lines == [line_number(hushu_text, "version = 3"), line_number(hushu_text, "effective_from")]
    assert "not greater than 3" in str(caught.value)


def test_where_things_stand_in_a_file():
    text = '''# a comment = with an equals sign
"quoted key" = """
not = a key
"""
list = [ # [not.a.table]
  { a = 1 },
]
[one.two]
three.four = '=' # five = 5
[[many]]
[[many.more]]
x = 1
[[many]]
[many.inner]
y = 2
'''
    lines = lines_of(text)
    assert lines[("quoted key",)] == 2
    assert lines[("list",)] == 5
    assert lines[("one", "two", "three", "four")] == 9
    assert lines[("many", 0, "more", 0, "x")] == 12
    assert lines[("many", 1, "inner", "y")] == 15
    assert ("not",) not in lines


@given(st.text(alphabet=st.sampled_from("[]{}=.\"'#\\ \nab1,-T:"), max_size=60))
def test_no_text_makes_the_reading_fail(text):
    with pytest.raises(PolicyError):
        parse(text)
    lines_of(text)
