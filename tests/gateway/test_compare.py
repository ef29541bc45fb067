"""Comparing policies: recorded stays priced again, held against the books, without telling on anybody."""

from __future__ import annotations

import io
import json
from datetime import date

import pytest
from openpyxl import load_workbook

from gateway.flows import compare as comparing
from gateway.flows import payment, policies
from gateway.flows.compare_sheets import workbook
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.recorded import DEARER, OLD, a_day, a_relative, compared, reading, visit
from tests.gateway.trade import Street, local

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts, capacity=1000)


def test_the_same_policy_gives_what_the_books_hold(street: Street) -> None:
    a_day(street)
    found = compared(street.parts, OLD)
    # Two hours by day: 4.00 and two half hours; 24 of visitors are dearer than nothing.
    gross = 12 * 800 + 10 * 800 + 10 * 800 + 800
    assert found["books"] == {
        "gross_fen": gross,
        "waived_fen": gross - 12 * 800,
        "payable_fen": 12 * 800,
        "billed_fen": 12 * 800,
        "priced_again_fen": 12 * 800,
        "stays": 45,
        "stays_as_booked": 45,
        "reproduced": True,
    }
    assert found["total"]["change_fen"] == 0
    assert found["total"]["pay_the_same"] == {"stays": 45}
    assert found["examples"] == []
    assert verify(street.parts).ok


def test_who_pays_more_and_what_income_becomes(street: Street) -> None:
    a_day(street)
    found = compared(street.parts, DEARER)
    total = found["total"]
    assert (total["old_payable_fen"], total["new_payable_fen"], total["change_fen"]) == (9600, 10800, 1200)
    assert total["pay_more"] == {"stays": 12, "fen": 1200}
    assert total["pay_the_same"] == {"stays": 33}
    assert total["new_gross_fen"] == 33 * 900
    groups = {row["name"]: row for row in found["by_group"]}
    # A certificate and passes are one row, and nothing says how many of which.
    assert {name: row["stays"] for name, row in groups.items()} == {"visitor": 24, "relative": 10, "resident": 11}
    assert groups["resident"]["old_waived_fen"] == 11 * 800
    assert {row["name"]: row["stays"] for row in found["by_length"]} == {"≤30m": 12, "≤2h": 33}
    assert sum(row["stays"] for row in found["by_hour"]) == 45
    assert {row["name"] for row in found["waived"]} == {"relative_allowance", "resident"}
    example = found["examples"][0]
    assert (example["group"], example["stays_like_it"], example["change_fen"]) == ("visitor", 12, 100)
    assert "应付 8.00 元" in example["old"]["zh"][-1]
    assert "to pay 9.00 yuan" in example["new"]["en"][-1]


def test_no_plate_no_household_and_no_certificate_is_in_it(street: Street) -> None:
    a_day(street)
    cheaper = OLD.replace('exempts = ["parking", "pass", "property_fee"]', 'exempts = ["pass"]')
    found = compared(street.parts, cheaper.replace("version = 1", "version = 2"))
    said = json.dumps(found, ensure_ascii=False)
    for secret in ("浙", "h99", "DB-7", "low_income", "low-income", "低保", "pass.", '"h1"'):
        assert secret not in said, secret
    # The one household with a certificate would pay: it is no example, no row of its own, and nothing says that it is one.
    assert found["total"]["change_fen"] == 800
    for row in (found["total"], *found["by_group"], *found["by_hour"], *found["by_length"]):
        assert row["pay_more"] is row["pay_less"] is row["pay_the_same"] is None
    assert found["examples"] == []
    names = {row["name"] for rows in (found["by_group"], found["by_length"], found["by_hour"]) for row in rows}
    assert "free_class" not in names
    book = load_workbook(io.BytesIO(workbook(found)))
    cells = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if "浙" in cell or "h99" in cell]


@on_one_database
def test_fewer_than_ten_households_are_merged(street: Street) -> None:
    a_day(street)
    for number in range(3):
        visit(street, f"浙E1{number:04d}", f"2026-03-02 21:{number:02d}", f"2026-03-02 23:{number:02d}")
    found = compared(street.parts, DEARER)
    hours = {row["name"]: row["stays"] for row in found["by_hour"]}
    assert "21" not in hours
    assert "17" not in hours
    assert hours["other"] >= 10
    assert sum(hours.values()) == 48


@on_one_database
def test_nine_vehicles_alone_have_no_figures(street: Street) -> None:
    for number in range(9):
        visit(street, f"浙A1{number:04d}", f"2026-03-02 09:{number:02d}", f"2026-03-02 11:{number:02d}")
    found = compared(street.parts, DEARER)
    assert found["total"] is found["books"] is None
    assert load_workbook(io.BytesIO(workbook(found)))["概要"]["A7"].value == "说明"
    assert found["by_site"] == found["examples"] == found["waived"] == []
    assert found["stays"] == 9


def test_an_allowance_runs_out_elsewhere_under_another_limit(street: Street) -> None:
    """Each relative stays two hours five times: 600 minutes. Under a limit of 300 the last two and a half visits are paid."""
    for number in range(10):
        plate = a_relative(street, number)
        for day in range(2, 7):
            visit(street, plate, f"2026-03-{day:02d} 09:{number:02d}", f"2026-03-{day:02d} 11:{number:02d}")
    tight = OLD.replace("minutes_per_month = 3600", "minutes_per_month = 300")
    whole = {"from_day": date(2026, 3, 1), "to_day": date(2026, 3, 31)}
    found = compared(street.parts, tight, **whole)
    # Third visit: 60 of 120 minutes covered, the first hour (4.00); then two visits of 8.00 with nothing.
    assert found["books"]["reproduced"]
    assert found["total"]["new_payable_fen"] == 10 * (400 + 800 + 800)
    # What was drawn before the days in question counts as well.
    last = compared(street.parts, tight, from_day=date(2026, 3, 6), to_day=date(2026, 3, 6))
    assert last["total"]["new_payable_fen"] == 10 * 800
    # For each vehicle instead of each household it is the same here: one relative a household.
    per_vehicle = tight.replace('per = "household"', 'per = "vehicle"')
    assert compared(street.parts, per_vehicle, **whole)["total"]["new_payable_fen"] == 20_000
    # Without the rule, or for other relatives only, everything is paid.
    grandparents = OLD.replace('["parent", "child", "grandparent", "grandchild", "child_in_law"]', '["grandparent"]')
    assert compared(street.parts, grandparents, **whole)["total"]["new_payable_fen"] == 10 * 5 * 800


def test_the_other_policys_own_keys_count(street: Street) -> None:
    for number in range(10):
        plate = f"浙A1{number:04d}"
        visit(street, plate, f"2026-03-02 09:{number:02d}", f"2026-03-02 09:{number + 20:02d}")
        visit(street, plate, f"2026-03-02 09:{number + 25:02d}", f"2026-03-02 09:{number + 45:02d}")
        visit(street, plate, f"2026-03-02 14:{number:02d}", f"2026-03-02 16:{number:02d}")
    # Five minutes later it came back: one stay of 45 minutes.
    again = OLD.replace("free_minutes = 30", "free_minutes = 30\nreentry_minutes = 5")
    assert compared(street.parts, again)["total"]["new_payable_fen"] == 10 * (400 + 800)
    once = OLD.replace("free_minutes = 30", "free_minutes = 30\nfree_stays_per_day = 1")
    assert compared(street.parts, once)["total"]["new_payable_fen"] == 10 * (400 + 800)
    both = again.replace("reentry_minutes = 5", "reentry_minutes = 5\nfree_stays_per_day = 1")
    assert compared(street.parts, both)["total"]["new_payable_fen"] == 10 * (400 + 800)
    capped = once.replace('per = "24h", fen = 2000', 'per = "calendar_day", fen = 700, across_stays = true')
    assert compared(street.parts, capped)["total"]["new_payable_fen"] == 10 * 700
    month = once.replace("free_minutes = 30", "free_minutes = 30\nmonth_cap_fen = 500", 1)
    assert compared(street.parts, month)["total"]["new_payable_fen"] == 10 * 500


@on_one_database
def test_who_paid_early_pays_then_under_either_policy(street: Street) -> None:
    for number in range(10):
        plate = f"浙A1{number:04d}"
        street.passes("in-1", plate, f"2026-03-02 09:{number:02d}")
        street.clock.set(local(f"2026-03-02 10:{number:02d}"))
        stay = street.stay(plate)
        payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=400, operator="li", role="cashier")
        street.passes("out-1", plate, f"2026-03-02 10:{number + 10:02d}")
    assert compared(street.parts, OLD)["books"]["reproduced"]
    hasty = OLD.replace("leave_within_minutes = 15", "leave_within_minutes = 5")
    assert compared(street.parts, hasty)["total"]["new_payable_fen"] == 10 * 600


@on_one_database
def test_passes_of_other_days_of_grace_and_hours(street: Street) -> None:
    for number in range(10):
        plate = f"浙C1{number:04d}"
        street.register("households", {"household": f"h{number}", "name": "", "area_m2": "80"})
        street.register("vehicles", {"household": f"h{number}", "plate": plate, "vehicle": "small"})
        street.register(
            "passes", {"plate": plate, "pass": "resident-monthly", "valid_from": "2026-02-01", "valid_to": "2026-03-01"}
        )
        visit(street, plate, f"2026-03-02 16:{number:02d}", f"2026-03-02 18:{number:02d}")
    assert compared(street.parts, OLD)["total"]["new_payable_fen"] == 0  # within three days of grace
    none = OLD.replace("grace_days = 3", "grace_days = 0")
    assert compared(street.parts, none)["total"]["new_payable_fen"] == 10 * 800
    nights = OLD.replace("grace_days = 3", 'grace_days = 3\nhours = { from = "17:00", to = "08:00" }')
    found = compared(street.parts, nights)["total"]
    assert 0 < found["new_payable_fen"] < 10 * 800


@on_one_database
def test_what_cannot_be_compared_is_refused(street: Street) -> None:
    with pytest.raises(Invalid, match="exchange them"):
        compared(street.parts, OLD, from_day=date(2026, 3, 3))
    with pytest.raises(Invalid, match="366"):
        compared(street.parts, OLD, from_day=date(2020, 3, 3))
    with pytest.raises(NotFound, match="no site"):
        compared(street.parts, OLD, site="nowhere")
    with pytest.raises(policies.PolicyRefused) as caught:
        compared(street.parts, OLD.replace("fen = 400", "fen = -4"))
    assert caught.value.errors[0]["where"].startswith("new, line ")
    with reading(street.parts) as connection:
        for name in ("nobody", "hushu-residential:9"):
            with pytest.raises(NotFound):
                comparing.of_name(connection, name)
        with pytest.raises(Invalid):
            comparing.of_name(connection, "hushu-residential:x")
        assert comparing.of_name(connection, "hushu-residential:1").newest.version == 1


@on_one_database
def test_each_stay_by_the_version_of_its_entry(street: Street) -> None:
    """Two versions in force around midnight; who entered before it pays by the older one."""
    policies.apply(street.parts, DEARER.replace("2026-04-01T", "2026-03-03T"))
    for number in range(10):
        visit(street, f"浙A1{number:04d}", f"2026-03-02 19:{number:02d}", f"2026-03-03 00:{number:02d}")
        visit(street, f"浙A2{number:04d}", f"2026-03-03 09:{number:02d}", f"2026-03-03 10:{number:02d}")
    found = compared(street.parts, OLD, to_day=date(2026, 3, 3))
    assert found["old"]["versions"] == [1, 2]
    assert found["books"]["reproduced"]
    assert (found["total"]["old_payable_fen"], found["total"]["new_payable_fen"]) == (
        10 * (800 + 500),
        10 * (800 + 400),
    )
    # The first version alone does not reproduce the books, and says so.
    alone = compared(street.parts, OLD, OLD, to_day=date(2026, 3, 3))
    assert not alone["books"]["reproduced"]
    assert alone["books"]["stays_as_booked"] == 10
