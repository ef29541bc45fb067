"""Exports: what finance opens in a spreadsheet, and what a system reads."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import breaks, reconciled
from billing.close import FIRST_PREVIOUS, BreakAt, seal
from billing.exports import NotForAudience, SiteDay, csv_bytes, csv_files, json_file, words, yuan
from billing.ledger import Posting
from tests.billing.test_close import DAY, a_day, a_transaction

ZONE = ZoneInfo("Asia/Shanghai")


def a_site(site: str = "xinyi", name: str = "信义坊") -> SiteDay:
    poor = msgspec.structs.replace(
        a_transaction("t-2"),
        site=site,
        postings=(Posting("income:parking", -700), Posting("waived:low_income", 400), Posting("waived:pass", 300)),
    )
    voucher = msgspec.structs.replace(
        a_transaction("t-3"), site=site, postings=(Posting("income:parking", -50), Posting("waived:hour_voucher", 50))
    )
    transactions = [msgspec.structs.replace(a_transaction(), site=site), poor, voucher]
    sealed = seal(a_day(site=site, transactions=transactions), sequence=1, previous_hash=FIRST_PREVIOUS)
    return SiteDay(site, name, (sealed.record,), transactions)


def tables(*days: SiteDay, audience: str = "finance", scope: str = "street") -> dict[str, list[dict[str, str]]]:
    found = {}
    for name, content in csv_files(scope, DAY, days, ZONE, audience=audience):
        assert content.startswith(b"\xef\xbb\xbf")
        prefix, suffix = f"{scope}-2026-03-02-", ".csv"
        assert name.startswith(prefix)
        assert name.endswith(suffix)
        found[name[len(prefix) : -len(suffix)]] = list(
            csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        )
    return found


def test_the_tables_of_a_day() -> None:
    found = tables(a_site(), a_site("b1"))
    assert list(found) == [
        "summary",
        "by-site",
        "by-channel",
        "by-shift",
        "by-lane",
        "benefits",
        "breaks",
        "reconciled",
        "transactions",
        "invoices",
    ]
    assert [row["小区 site"] for row in found["by-site"]] == ["xinyi", "b1"]
    assert found["by-site"][0]["应收总额(分) earned_fen"] == "1750"
    assert found["by-channel"][0]["金额(元) amount_yuan"] == "10.00"
    assert found["by-shift"][0]["班次 shift"] == "shift-1"
    assert found["by-lane"][1]["应付(分) payable_fen"] == "800"
    totals = {row["项目 item"]: row["金额(分) amount_fen"] for row in found["summary"]}
    assert totals["优免 waived"] == "1500"
    assert totals["income:parking"] == "-3500"
    assert sum(int(row["金额(分) amount_fen"]) for row in found["transactions"]) == 0
    assert found["transactions"][0]["时间 at"] == "2026-03-02T12:00:00+08:00"


def test_breaks_that_are_carried_over_stand_with_their_age_and_how_much_is_in_question() -> None:
    left = [BreakAt("book_only", "carried_over", date(2026, 2, 28), fen) for fen in (800, 1250)]
    day = msgspec.structs.replace(a_day(), breaks=left)
    sealed = seal(day, sequence=1, previous_hash=FIRST_PREVIOUS)
    rows = tables(SiteDay("xinyi", "信义坊", (sealed.record,), day.transactions))["breaks"]
    assert [row["金额(分) amount_fen"] for row in rows if row["类型 kind"] == "book_only"] == ["2050"]
    (row,) = [row for row in rows if row["类型 kind"] == "book_only"]
    assert (row["名称 name"], row["状态 state"]) == ("账面有渠道无", "挂账")
    assert (row["账龄(天) age_days"], row["数量 count"], row["封存 record"]) == ("2", "2", "日结")


def test_what_books_and_channels_each_had_is_a_table() -> None:
    sealed = seal(a_day(), sequence=1, previous_hash=FIRST_PREVIOUS)
    matched = reconciled.DayMatched(
        site="xinyi",
        day=DAY,
        close=sealed.record.hash,
        run=1,
        statements=[],
        totals=[
            reconciled.Total("books", "wechat", "hushu", "done", 3, 3000),
            reconciled.Total("channel", "wechat", "hushu", "done", 2, 2200),
            reconciled.Total("books", "cash", "", "done", 1, 500),
        ],
        breaks=[],
    )
    record = reconciled.seal(matched, sequence=1, previous_hash=FIRST_PREVIOUS).record
    found = tables(SiteDay("xinyi", "信义坊", (sealed.record, record), [a_transaction()]))
    cash, wechat = found["reconciled"]
    assert (cash["账面金额(分) books_fen"], cash["渠道减账面(分) difference_fen"]) == ("500", "-500")
    assert (wechat["账面笔数 books_rows"], wechat["渠道笔数 channel_rows"]) == ("3", "2")
    assert (wechat["渠道减账面(分) difference_fen"], wechat["对账哈希 reconciled_hash"]) == ("-800", record.hash.hex())


def test_what_a_match_found_stands_with_the_breaks_of_its_day() -> None:
    sealed = seal(a_day(), sequence=1, previous_hash=FIRST_PREVIOUS)
    found = [
        reconciled.Differed("b-1", "book_only", "open", 800, -800),
        reconciled.Differed("b-2", "book_only", "open", 1250, -1250),
        reconciled.Differed("b-3", "fee_mismatch", "resolved", 1, 0),
    ]
    matched = reconciled.DayMatched(
        site="xinyi", day=DAY, close=sealed.record.hash, run=1, statements=[], totals=[], breaks=found
    )
    record = reconciled.seal(matched, sequence=1, previous_hash=FIRST_PREVIOUS).record
    rows = tables(SiteDay("xinyi", "信义坊", (sealed.record, record), [a_transaction()]))["breaks"]
    assert [
        (row["类型 kind"], row["状态 state"], row["数量 count"], row["金额(分) amount_fen"])
        for row in rows
        if row["封存 record"] == "对账"
    ] == [("book_only", "待处理", "2", "2050"), ("fee_mismatch", "已处理", "1", "1")]


def test_every_kind_and_state_of_a_break_has_a_word() -> None:
    assert set(words.BREAKS) == set(breaks.KINDS)
    assert set(words.BREAK_STATES) == {*breaks.UNSETTLED, "resolved"}


def test_finance_sees_each_benefit_and_others_see_residents() -> None:
    finance, others = tables(a_site()), tables(a_site(), audience="manager")
    assert {row["优免 benefit"] for row in finance["benefits"]} == {"low_income", "pass", "hour_voucher"}
    merged = {row["优免 benefit"]: row["金额(分) amount_fen"] for row in others["benefits"]}
    assert merged == {"resident": "700", "hour_voucher": "50"}
    lines = [row["科目 account"] for row in others["transactions"] if row["流水号 id"] == "t-2"]
    assert lines == ["income:parking", "waived:resident"]


@pytest.mark.parametrize("audience", ["auditor", "manager", "committee", "guard", "public"])
def test_nothing_for_others_says_low_income(audience: str) -> None:
    for _, content in csv_files("street", DAY, [a_site()], ZONE, audience=audience):
        assert b"low_income" not in content
        assert b"waived:pass" not in content
    with pytest.raises(NotForAudience):
        json_file("street", DAY, [a_site()], audience=audience)


def test_the_json_is_the_close_as_hashed() -> None:
    one = a_site()
    name, content = json_file("xinyi", DAY, [one])
    assert name == "xinyi-2026-03-02.json"
    (record,) = json.loads(content)
    assert list(record) == ["site", "day", "kind", "sequence", "previous_hash", "hash", "canonical"]
    assert record["canonical"].encode() == one.records[0].canonical
    assert record["hash"] == one.records[0].hash.hex()
    assert record["previous_hash"] == "0" * 64


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_text_that_looks_like_a_formula_is_made_safe(start: str) -> None:
    content = csv_bytes(["a"], [[start + "cmd|' /C calc'!A0"], [-5], [yuan(-505)]])
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows[1][0].startswith("'" + start)
    assert rows[2:] == [["-5"], ["-5.05"]]


def test_a_site_with_a_hostile_name() -> None:
    (row,) = tables(a_site(name='=HYPERLINK("http://x")'))["by-site"]
    assert row["名称 name"] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize(("fen", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (100, "1.00"), (-12345, "-123.45")])
def test_yuan_have_two_decimals(fen: int, text: str) -> None:
    assert yuan(fen) == text


@given(st.lists(st.lists(st.text(), min_size=1, max_size=3), max_size=5))
def test_text_comes_back_as_it_was_but_for_the_apostrophe(rows: list[list[str]]) -> None:
    rows = [[cell.replace("\x00", "").replace("\r", "").replace("\ud800", "") for cell in row] for row in rows]
    rows = [[cell.encode("utf-8", "ignore").decode() for cell in row] for row in rows if row != [""]]
    content = csv_bytes(["a"], rows)
    back = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))[1:]
    expected = [
        [
            "'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")) else cell
            for cell in row
        ]
        for row in rows
    ]
    assert back == [row for row in expected if row != [""]]


def test_file_names_carry_the_site_or_the_street() -> None:
    names = [name for name, _ in csv_files("xinyi", date(2026, 3, 2), [a_site()], ZONE)]
    assert "xinyi-2026-03-02-by-channel.csv" in names
