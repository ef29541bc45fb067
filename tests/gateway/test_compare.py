"""Comparing policies: recorded stays priced again, held against the books, without telling on anybody."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook
from sqlalchemy import Connection

from billing.compare_many import Raw, shares
from billing.policy import parse
from gateway.cli.main import cli
from gateway.flows import compare as comparing
from gateway.flows import compare_work, payment, policies
from gateway.flows.compare_sheets import workbook
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.house import a_house
from tests.gateway.trade import POLICY, Street, local

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OLD = POLICY.format(mode="pay_first")
DEARER = (
    OLD.replace("version = 1", "version = 2").replace("2025-01-01T", "2026-04-01T").replace("fen = 400", "fen = 500")
)
DAYS = {"from_day": date(2026, 3, 2), "to_day": date(2026, 3, 2)}


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts, capacity=1000)


def pay(street: Street, plate: str) -> None:
    stay = [stay for stay in street.stays() if stay.plate == plate][-1]
    due = stay.payable_fen - stay.paid_fen
    if due:
        payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=due, operator="li", role="cashier")


def visit(street: Street, plate: str, enters: str, leaves: str) -> None:
    """Through the east gate, paying what is due at the exit."""
    street.passes("in-1", plate, enters)
    street.arrives("out-1", plate, leaves)
    street.clock.set(local(leaves) + timedelta(seconds=3))
    pay(street, plate)
    street.goes(
        "out-1", (local(leaves) + timedelta(seconds=8)).strftime("%Y-%m-%d %H:%M:%S"), after=f"e{street._events}"
    )


def a_day(street: Street, visitors: int = 12) -> None:
    """Twelve visitors of two hours, twelve short ones, ten relatives of ten households, ten residents, one certificate."""
    for number in range(visitors):
        visit(street, f"浙A1{number:04d}", f"2026-03-02 09:{number:02d}", f"2026-03-02 11:{number:02d}")
        visit(street, f"浙A2{number:04d}", f"2026-03-02 12:{number:02d}", f"2026-03-02 12:{number + 20:02d}")
    for number in range(10):
        street.register("households", {"household": f"h{number}", "name": "", "area_m2": "80"})
        street.register(
            "relatives",
            {
                "household": f"h{number}",
                "plate": f"浙B1{number:04d}",
                "relation": "parent",
                "valid_from": "",
                "valid_to": "",
            },
        )
        street.register("vehicles", {"household": f"h{number}", "plate": f"浙C1{number:04d}", "vehicle": "small"})
        street.register(
            "passes",
            {
                "plate": f"浙C1{number:04d}",
                "pass": "resident-monthly",
                "valid_from": "2026-03-01",
                "valid_to": "2026-04-01",
            },
        )
        visit(street, f"浙B1{number:04d}", f"2026-03-02 13:{number:02d}", f"2026-03-02 15:{number:02d}")
        visit(street, f"浙C1{number:04d}", f"2026-03-02 16:{number:02d}", f"2026-03-02 18:{number:02d}")
    street.register("households", {"household": "h99", "name": "", "area_m2": "40"})
    street.register("vehicles", {"household": "h99", "plate": "浙D99999", "vehicle": "small"})
    street.register(
        "certificates",
        {"household": "h99", "number": "DB-7", "issuer": "民政", "valid_from": "2026-01-01", "valid_to": "2027-01-01"},
    )
    visit(street, "浙D99999", "2026-03-02 17:00", "2026-03-02 19:00")


@contextmanager
def reading(parts: Parts) -> Iterator[Connection]:
    with parts.store.reading() as connection:
        yield connection


def compared(parts: Parts, new: str, old: str | None = None, **more: Any) -> dict[str, Any]:
    with reading(parts) as connection:
        before = comparing.of_name(connection, "hushu-residential") if old is None else comparing.of_text("old", old)
        return comparing.compare(parts, connection, before, comparing.of_text("new", new), **{**DAYS, **more})


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
    # The one household with a certificate would pay; it is no example, and no row of its own.
    assert found["total"]["pay_more"] == {"stays": 1, "fen": 800}
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
        street.register("households", {"household": f"h{number}", "name": "", "area_m2": "80"})
        street.register(
            "relatives",
            {
                "household": f"h{number}",
                "plate": f"浙B1{number:04d}",
                "relation": "parent",
                "valid_from": "",
                "valid_to": "",
            },
        )
        for day in range(2, 7):
            visit(
                street, f"浙B1{number:04d}", f"2026-03-{day:02d} 09:{number:02d}", f"2026-03-{day:02d} 11:{number:02d}"
            )
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
        old, new = comparing.of_text("old", OLD), comparing.of_text("new", DEARER)
        assert comparing.follows(old, new) is None
        assert "not greater" in (comparing.follows(old, old) or "")


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


# ---------------------------------------------------------------------------------------------------- command and API


@on_one_database
def test_the_command(street: Street, tmp_path: Any) -> None:
    a_day(street)
    config = tmp_path / "parkgate.toml"
    config.write_text(f'database_url = "{street.parts.settings.database_url}"\nsecret_key = "x"\n')
    new, sheet = tmp_path / "new.toml", tmp_path / "out.xlsx"
    new.write_text(DEARER, encoding="utf-8")
    arguments = ["policy", "compare", "hushu-residential", str(new), "--from", "2026-03-02", "--to", "2026-03-02"]
    run = CliRunner().invoke(cli, [*arguments, "--config", str(config), "--xlsx", str(sheet)])
    assert run.exit_code == 0, run.output
    assert "income 96.00 → 108.00 yuan (12.00); 12 stays pay 12.00 more, 0 pay 0.00 less, 33 the same" in run.output
    as_json = CliRunner().invoke(cli, [*arguments, "--config", str(config), "--json"])
    assert json.loads(as_json.output)["total"]["change_fen"] == 1200
    book = load_workbook(sheet)
    assert book.sheetnames == ["概要", "按人群", "按车型", "按小区", "按入场时刻", "按停车时长", "优免", "举例"]
    groups = book["按人群"]
    assert groups.freeze_panes == "A2"
    assert [cell.value for cell in groups[1]][:3] == ["人群", "停车次数", "原规则应收(元)"]
    visitors = next(row for row in groups.iter_rows(min_row=2, values_only=True) if row[0] == "访客")
    assert (visitors[1], visitors[4], visitors[7], visitors[8]) == (24, 96, 108, 12)
    assert book["按小区"]["A2"].value == "信义坊"
    summary = {row[0]: row[1] for row in book["概要"].iter_rows(min_row=2, values_only=True)}
    assert (summary["收入变化(元)"], summary["原规则与账一致"]) == (12, "是")


@on_one_database
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["nobody", "x.toml", "--from", "2026-03-02", "--to", "2026-03-02"], "no policy 'nobody' has been applied"),
        (["hushu-residential", "x.toml", "--from", "2026-03-02", "--to", "2026-03-02"], "there is no such file"),
        (["hushu-residential", "hushu-residential", "--from", "2026-03-03", "--to", "2026-03-02"], "exchange them"),
        (["hushu-residential", "hushu-residential", "--from", "yesterday", "--to", "2026-03-02"], "is no day"),
    ],
)
def test_bad_input_is_said_in_one_line(street: Street, tmp_path: Any, more: list[str], words: str) -> None:
    config = tmp_path / "parkgate.toml"
    config.write_text(f'database_url = "{street.parts.settings.database_url}"\nsecret_key = "x"\n')
    run = CliRunner().invoke(cli, ["policy", "compare", *more, "--config", str(config)])
    assert run.exit_code == 2
    assert words in run.output


@on_one_database
def test_the_api(street: Street) -> None:
    a_day(street)
    house = a_house(street.parts, "xinyi", "archive")
    staff = house.one_of_each()
    wanted = {"old": "hushu-residential", "new_text": DEARER, "from": "2026-03-02", "to": "2026-03-02"}
    for role in ("manager", "committee", "finance"):
        answer = staff[role].post("/api/v1/policies/compare", wanted)
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"]["change_fen"] == 1200
    assert staff["guard"].post("/api/v1/policies/compare", wanted).status_code == 403
    # What certificates exempt from would count them: finance may ask, a committee may not.
    exempting = {**wanted, "new_text": DEARER.replace('exempts = ["parking", ', "exempts = [")}
    assert exempting != wanted
    assert staff["finance"].post("/api/v1/policies/compare", exempting).status_code == 200
    refused = staff["committee"].post("/api/v1/policies/compare", exempting)
    assert (refused.status_code, "low_income" in refused.json()["detail"]) == (422, True)
    sheet = staff["finance"].post("/api/v1/policies/compare?format=xlsx", wanted)
    assert load_workbook(io.BytesIO(sheet.content))["概要"]["A2"].value == "原规则"
    house.hires("archivist", "committee", "archive")
    none = house.as_("archivist").post("/api/v1/policies/compare", wanted)
    assert none.json()["stays"] == 0
    assert house.as_("archivist").post("/api/v1/policies/compare", {**wanted, "site": "xinyi"}).status_code == 404
    assert staff["manager"].post("/api/v1/policies/compare", {**wanted, "old_text": OLD}).status_code == 422
    assert (
        staff["manager"]
        .post("/api/v1/policies/compare", {**wanted, "new_text": "x"})
        .json()["type"]
        .endswith("policy-refused")
    )

    listed = staff["committee"].get("/api/v1/policies").json()["items"]
    assert [(one["id"], one["in_force"], one["sites"]) for one in listed] == [
        ("hushu-residential", 1, ["archive", "xinyi"])
    ]
    text = staff["guard"].get("/api/v1/policies/hushu-residential/versions/1")
    assert text.json()["text"] == OLD
    assert staff["guard"].get("/api/v1/policies/hushu-residential/versions/2").status_code == 404
    assert staff["finance"].post("/api/v1/policies", {"text": DEARER}).status_code == 403
    loaded = staff["manager"].post("/api/v1/policies", {"text": DEARER, "source": "meeting"})
    assert (loaded.status_code, loaded.json()["version"], loaded.json()["new"]) == (201, 2, True)
    again = staff["manager"].post("/api/v1/policies", {"text": DEARER})
    assert (again.status_code, again.json()["new"]) == (200, False)
    refused = staff["manager"].post("/api/v1/policies", {"text": OLD.replace("fen = 400", "fen = -4")})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/policy-refused")
    assert refused.json()["errors"][0]["where"].startswith("text, line ")
    house.hires("one-site", "manager", "xinyi")
    assert house.as_("one-site").post("/api/v1/policies", {"text": DEARER}).status_code == 403


# ---------------------------------------------------------------------------------------------------- many


def many(number: int, sites: int = 4) -> list[Raw]:
    """Recorded stays as rows have them: visitors of every length, every tenth a relative."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    raws = []
    for place in range(number):
        entry = start + timedelta(minutes=(place * 37) % (30 * 1440))
        leaves = entry + timedelta(minutes=5 + (place * 7919) % 900)
        allowance = {"2026-03": 3600, "2026-04": 3600} if place % 10 == 0 else None
        stay = {"entry": entry.isoformat(), "exit": leaves.isoformat(), "vehicle": "small"}
        facts = json.dumps({"stay": stay, "benefits": {"allowance": allowance}})
        households = (f"h{place % 500}",) if allowance else ()
        raws.append(
            Raw(
                id=f"s{place}", site=f"s{place % sites}", key=f"p{place % 9000}", party=f"p{place % 9000}", entry=entry,
                exit=leaves, facts=facts, shown="ordinary", households=households, relation="parent" if allowance else None,
                grace_days={}, limit_minutes=3600, came_before=0, paid_early_at=None, booked_gross_fen=0, booked_payable_fen=0,
                counted=True,
            )
        )  # fmt: skip
    return sorted(raws, key=lambda raw: (raw.exit, raw.id))


def test_two_processes_say_what_one_says() -> None:
    raws = many(compare_work.ALONE_MAX + 500)
    assert {raw.site for share in shares(raws, 2) for raw in share} == {"s0", "s1", "s2", "s3"}
    two = compare_work.run([OLD], [DEARER], "2026-03", raws)
    from billing.compare_many import count

    one = count([parse(OLD)], [parse(DEARER)], "2026-03", raws)
    assert sorted(two.figures) == sorted(one.figures)
    assert (two.old_waived, two.new_waived, two.left_out) == (one.old_waived, one.new_waived, one.left_out)
    assert {key: example.stays for key, example in two.examples.items()} == {
        key: example.stays for key, example in one.examples.items()
    }
