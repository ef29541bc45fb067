"""Accounting vouchers: the form of the samples, balanced, net of what was given away, with the VAT split off."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.close import FIRST_PREVIOUS, seal
from billing.exports import MappingNotUsable, SiteDay, accounting_to, read_mapping, written
from billing.exports.mapping import REQUIRED
from billing.exports.vouchers import contained_vat
from billing.ledger import Posting, is_account
from tests.billing.test_close import DAY, a_day, a_transaction
from tests.billing.test_exports import ZONE, a_site

DEFAULT = Path(__file__).parents[2].joinpath("rules", "accounting.toml").read_text(encoding="utf-8")
MAPPING = read_mapping(DEFAULT + 'xinyi = "HZ01"\n')
KINGDEE = "凭证日期,凭证字,凭证号,附件数,摘要,科目代码,科目名称,借方金额,贷方金额,核算项目"


def files(*days: SiteDay, audience: str = "finance", mapping: Any = MAPPING) -> dict[str, bytes]:
    made = dict(written(accounting_to("street-2026-03-02", days, mapping, ZONE, audience=audience)))
    assert all(name.startswith("street-2026-03-02-") for name in made)
    return {name.removeprefix("street-2026-03-02-"): content for name, content in made.items()}


def closed(postings: Sequence[Posting], *, site: str = "xinyi", name: str = "信义坊", day: date = DAY) -> SiteDay:
    said = [msgspec.structs.replace(a_transaction(), site=site, postings=tuple(postings), business_day=day)]
    sealed = seal(a_day(site=site, day=day, transactions=said), sequence=1, previous_hash=FIRST_PREVIOUS)
    return SiteDay(site, name, (sealed.record,), said)


def yonyou(content: bytes) -> list[list[str]]:
    text = content.decode("gbk")
    assert text.endswith("\r\n")
    first, *lines = text.removesuffix("\r\n").split("\r\n")
    assert first == "填制凭证,V800"
    rows = [line.split(",") for line in lines]
    assert {len(row) for row in rows} <= {8}
    return rows


def kingdee(content: bytes) -> list[dict[str, str]]:
    text = content.decode("utf-8-sig")
    assert content.startswith(b"\xef\xbb\xbf")
    assert text.split("\r\n")[0] == KINGDEE
    return list(csv.DictReader(io.StringIO(text, newline="")))


def fen(said: str) -> int:
    return int(Decimal(said or "0") * 100)


def test_a_day_as_the_samples_have_it() -> None:
    one = closed([Posting("assets:channel:wechat", 33750), Posting("income:parking", -33750)])
    made = files(one)
    rows = yonyou(made["yonyou.txt"])
    assert rows[0] == ["2026-3-2", "记", "2", "1", "2026-03-02 停车费日结 信义坊", "100203", "337.50", "0.00"]
    assert [row[5:] for row in rows[1:]] == [["22210107", "0.00", "27.87"], ["605101", "0.00", "309.63"]]
    found = kingdee(made["kingdee.csv"])
    assert list(found[0].values()) == [
        *(
            "2026-03-02",
            "记",
            "2",
            "1",
            "2026-03-02 停车费日结 信义坊",
            "100203",
            "其他货币资金-微信",
            "337.50",
            "",
            "HZ01",
        )
    ]
    assert (found[1]["借方金额"], found[1]["贷方金额"]) == ("", "27.87")


def test_what_was_given_away_is_no_revenue_and_stands_in_the_memorandum() -> None:
    made = files(a_site())
    # 17.50 earned, 7.50 of it given away: 10.00 in the drawer, 0.83 of it VAT.
    assert [row[5:] for row in yonyou(made["yonyou.txt"])] == [
        ["1001", "10.00", "0.00"],
        ["22210107", "0.00", "0.83"],
        ["605101", "0.00", "9.17"],
    ]
    memorandum = list(csv.DictReader(io.StringIO(made["memorandum.csv"].decode("utf-8-sig"), newline="")))
    assert {row["优免 benefit"]: row["金额(元) amount_yuan"] for row in memorandum} == {
        "hour_voucher": "0.50",
        "low_income": "4.00",
        "pass": "3.00",
    }


def test_what_was_written_off_was_revenue() -> None:
    made = files(closed([Posting("waived:written_off", 1090), Posting("assets:receivable:pay_later", -1090)]))
    assert [row[5:] for row in yonyou(made["yonyou.txt"])] == [["6702", "10.90", "0.00"], ["1122", "0.00", "10.90"]]
    assert made["memorandum.csv"].count(b"\r\n") == 1


@pytest.mark.parametrize("audience", ["manager", "auditor"])
def test_others_read_resident(audience: str) -> None:
    made = files(a_site(), audience=audience)
    assert "居民优免".encode() in made["memorandum.csv"]
    for content in made.values():
        assert b"low_income" not in content
        assert "低保".encode() not in content
        assert "低保".encode("gbk") not in content


def test_a_hostile_name_stays_in_its_field() -> None:
    made = files(closed([Posting("assets:bank", 5), Posting("income:pass", -5)], name='=a,"b"\r\n😀'))
    assert len(yonyou(made["yonyou.txt"])) == 2
    assert {row["摘要"] for row in kingdee(made["kingdee.csv"])} == {'2026-03-02 停车费日结 =a,"b"\r\n😀'}


def test_a_day_without_money_has_no_voucher() -> None:
    made = files(closed([Posting("assets:bank", 5), Posting("assets:bank", -5)]))
    assert yonyou(made["yonyou.txt"]) == []
    assert kingdee(made["kingdee.csv"]) == []


AMOUNTS = st.integers(-(10**9), 10**9).filter(bool)
ACCOUNTS = st.sampled_from(
    [
        *("assets:cash:s-1", "assets:channel:wechat", "assets:channel:other", "assets:bank", "assets:receivable:x"),
        *("income:parking", "income:pass", "income:property_fee", "waived:low_income", "waived:written_off"),
        *("expense:channel_fee", "liability:prepaid", "liability:refund", "suspense:b-1", "clearing:b1"),
    ]
)


@given(st.lists(st.lists(st.tuples(ACCOUNTS, AMOUNTS), min_size=1, max_size=8), min_size=1, max_size=4))
def test_every_voucher_balances_and_books_what_the_close_says(sites: list[list[tuple[str, int]]]) -> None:
    days = []
    for number, amounts in enumerate(sites):
        postings = [Posting(account, amount) for account, amount in amounts]
        rest = -sum(amount for _, amount in amounts)
        days.append(closed([*postings, Posting("assets:bank", rest)] if rest else postings, site=f"s{number}"))
    made = files(*days)
    rows = yonyou(made["yonyou.txt"])
    sides: dict[str, int] = defaultdict(int)
    for row in rows:
        assert (fen(row[6]) > 0) != (fen(row[7]) > 0)
        sides[row[0]] += fen(row[6]) - fen(row[7])
    assert set(sides.values()) <= {0}
    booked: dict[tuple[str, str], int] = defaultdict(int)
    for found in kingdee(made["kingdee.csv"]):
        booked[found["核算项目"], found["科目代码"]] += fen(found["借方金额"]) - fen(found["贷方金额"])
    for one in days:
        accounts = one.document().totals.accounts
        assert booked[one.site if one.site != "xinyi" else "HZ01", "1002"] == accounts.get("assets:bank", 0)
        assert sum(amount for (site, _), amount in booked.items() if site == one.site) == 0
        revenue = sum(booked[one.site, code] for code in ("605101", "605102", "600101", "22210107"))
        income = sum(amount for account, amount in accounts.items() if account.startswith("income:"))
        given_away = accounts.get("waived:low_income", 0)
        assert revenue == income + given_away


@given(st.integers(-(10**12), 10**12), st.sampled_from(["0", "0.01", "0.03", "0.05", "0.06", "0.09"]))
def test_the_tax_is_the_nearest_fen(amount: int, rate: str) -> None:
    vat = contained_vat(amount, Decimal(rate))
    assert abs(vat - amount * Decimal(rate) / (1 + Decimal(rate))) <= Decimal("0.5")
    assert contained_vat(-amount, Decimal(rate)) == -vat


class TestMapping:
    def test_the_one_that_comes_along_knows_every_account(self) -> None:
        found = read_mapping(DEFAULT)
        assert set(REQUIRED) <= set(found.accounts)
        for account in ("assets:cash:s-1", "assets:channel:new", "suspense:x", "clearing:b1", "income:pass"):
            assert is_account(account)
            assert found.of(account).code
        assert found.of("assets:channel:wechat").code != found.of("assets:channel:other").code

    def test_a_rate_may_be_a_number(self) -> None:
        found = read_mapping(DEFAULT.replace('vat = "0.09"', "vat = 0.09"))
        assert found.of("income:parking").vat == Decimal("0.09")

    @pytest.mark.parametrize(
        ("before", "after", "says"),
        [
            ('"assets:bank"', '"assets:safe"', 'accounts."assets:bank": missing'),
            ('"assets:bank"', '"assets:safe"', 'accounts."assets:safe": no account of the ledger'),
            ('code = "1002"', "code = 1002", "accounts.\"assets:bank\".code: '1002' is no code; write"),
            ('code = "1002"', 'code = "10,02"', "is no code"),
            ('code = "1002", ', "", 'accounts."assets:bank".code: missing; write'),
            ('name = "银行存款"', 'name = "a,b"', 'accounts."assets:bank".name'),
            ('name = "银行存款"', 'name = "😀"', "cannot be written in GBK"),
            ('vat = "0.06"', 'vat = "6"', "accounts.\"income:property_fee\".vat: '6' is no rate"),
            ('vat = "0.06"', 'vat = "nan"', "is no rate"),
            ('vat = "0.06"', "vat = true", "is no rate"),
            (', vat = "0.06"', "", 'accounts."income:property_fee".vat: missing'),
            ('name = "银行存款"', 'name = "银行存款", vat = "0.1"', "only income has one"),
            ('word = "记"', 'word = ""', "voucher.word"),
            ("[sites]", "[sties]", "sties: not known"),
            ("[sites]", "[sites]\nxinyi = 1", "sites.xinyi"),
            ("[voucher]", "voucher = 1\n[v]", "voucher: not a table"),
            ("[voucher]", "[voucher", "not TOML"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_place(self, before: str, after: str, says: str) -> None:
        assert before in DEFAULT
        with pytest.raises(MappingNotUsable) as refused:
            read_mapping(DEFAULT.replace(before, after))
        assert any(says in problem for problem in refused.value.problems), refused.value.problems
        assert "\n" not in str(refused.value)

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        with pytest.raises(MappingNotUsable):
            read_mapping(text)
