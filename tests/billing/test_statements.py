"""Alipay's, UnionPay's and the drawers' statements: the traps in the samples, the forms a file may have, and what is refused."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime

import pytest

from billing.statements import Kind, StatementKind, read_all
from simulators.statements import Drawer, alipay_zip, cash_count, unionpay
from tests.billing.statement_files import DAY, DETAIL, PACKED, ZM, at, deal, read, refused, sample

# --- Alipay ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [DETAIL, PACKED])
def test_an_alipay_detail_alone_and_in_its_archive(name: str) -> None:
    head, rows = read_all("alipay", sample(name))
    assert (head.kind, head.day, head.account) == (StatementKind.TRADE, DAY, "20880000000000010156")
    # Made on the 14th, completed on the 15th.
    assert rows[1].at == datetime(2026, 1, 14, 16, 0, 12, tzinfo=UTC)
    assert [row.amount_fen for row in rows] == [500, 1000, 1200, 500]
    assert [row.fee_millifen for row in rows] == [3000, 6000, 7000, -3000]
    # A refund repeats the numbers of the payment.
    assert rows[3].kind == Kind.REFUND
    assert (rows[3].order_number, rows[3].channel_number) == (rows[0].order_number, rows[0].channel_number)
    assert rows[3].refund_number == "R20260115200000000010"


def test_an_alipay_detail_in_utf_8() -> None:
    text = sample(DETAIL).decode("gb18030")
    assert read("alipay", text.encode()) == read("alipay", text.encode("utf-8-sig")) == read("alipay", DETAIL)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("共26.00元", "共26.01元", "line 11: the summary says 交易合计 商家实收 26.01, the rows come to 26.00"),
        ("#退款合计：1笔", "#退款合计：2笔", "line 12: the summary says 退款合计 笔数 2"),
        ("#退款合计", "#退款", "退款合计 does not stand below the table once"),
        ("2026年01月16日 00", "2026年01月17日 00", "line 3: the period"),
        ("账号：[2088", "账号：[A088", "line 5: the lines above the table do not say account and period"),
        ("2026-01-15 20:00:00", "2026-01-16 00:00:00", "line 9: 完成时间 2026-01-16 00:00:00 is not of 2026-01-15"),
        ("\t,退款\t", "\t,转账\t", "line 9: 业务类型 '转账'"),
        ("-5.00,-5.00", "5.00,-5.00", "line 9: 订单金额 '5.00' of a 退款 has the wrong sign"),
        (",12.00,11.00", ",13.00,11.00", "line 8: 订单金额 13.00 is not 商家实收 11.00 and reductions"),
        ("临时停车费,2026-01-15 07", "临时,停车费,2026-01-15 07", "line 6: 26 cells under 25 headings"),
        ("服务费（元）", "服务（元）", "line 5: there is no column 服务费"),
    ],
)
def test_a_wrong_detail_says_where(before: str, after: str, says: str) -> None:
    text = sample(DETAIL).decode("gb18030")
    assert before in text
    assert says in refused("alipay", text.replace(before, after, 1).encode("gb18030"))


def test_an_archive_whose_summary_says_other_than_its_detail_is_refused() -> None:
    deals = [deal("P1", fee_fen=3), deal("P2", fen=800, fee_fen=5)]
    exported = at("2026-01-16 09:30:00")
    good = alipay_zip(deals, "2088000000000001", DAY, exported)
    other = alipay_zip([deals[0], deal("P2", fen=800, fee_fen=4)], "2088000000000001", DAY, exported)
    with zipfile.ZipFile(io.BytesIO(good)) as one, zipfile.ZipFile(io.BytesIO(other)) as two:
        names = [entry.filename.encode("cp437").decode("gb18030") for entry in one.infolist()]
        mixed = io.BytesIO()
        with zipfile.ZipFile(mixed, "w") as archive:
            archive.writestr(names[0], one.read(one.infolist()[0]))
            archive.writestr(names[1], two.read(two.infolist()[1]))
    assert "汇总 服务费 -0.07, the rows come to -0.08" in refused("alipay", mixed.getvalue())


def test_the_summary_alone_is_no_statement() -> None:
    assert "汇总" in refused("alipay", "alipay_trade_20260115_summary_gbk.csv.gbk")


# --- UnionPay ----------------------------------------------------------------------------------------------------------


def test_a_unionpay_file_by_its_bytes() -> None:
    head, rows = read_all("unionpay", sample(ZM), name=ZM)
    assert (head.day, head.account) == (DAY, "777290000000001")
    assert [(row.amount_fen, row.fee_millifen) for row in rows] == [(1500, 9000), (800, 5000)]
    # 23:15 of the day before: past the cut-off at 23:00.
    assert rows[1].at == datetime(2026, 1, 14, 15, 15, tzinfo=UTC)
    assert rows[1].order_number == "P20260114231455000021"


def test_a_unionpay_refund_names_what_it_gives_back() -> None:
    back = deal("P1", when="2026-01-15 12:00:00", refund="R1", refund_id="202601151200000000019", fee_fen=3)
    row = read("unionpay", b"".join(unionpay([back], "7")), day=DAY)[0]
    assert (row.kind, row.order_number, row.refund_number) == (Kind.REFUND, "P1", "R1")
    assert (row.amount_fen, row.fee_millifen, row.effect_fen) == (500, -3000, -500)


def test_times_without_a_year_around_new_year_and_the_29th_of_february() -> None:
    late = deal("P1", when="2026-12-31 23:15:00")
    assert read("unionpay", b"".join(unionpay([late], "7")), day=date(2027, 1, 1))[0].at == late.at
    leap = deal("P1", when="2028-02-29 23:15:00")
    data = b"".join(unionpay([leap], "7"))
    assert read("unionpay", data, day=date(2028, 3, 1))[0].at == leap.at
    assert "交易传输时间" in refused("unionpay", data, day=date(2027, 3, 1))
    assert "交易传输时间" in refused("unionpay", data, day=date(2028, 2, 28))


def test_a_unionpay_file_needs_its_settlement_day() -> None:
    assert "settlement day is unknown" in refused("unionpay", ZM)
    assert "the file's name says 2026-01-15" in refused("unionpay", ZM, name=ZM, day=date(2026, 1, 16))


def test_fields_are_counted_in_bytes() -> None:
    """A Chinese name of a sub-merchant has two bytes a letter."""
    line = bytearray(sample(ZM)[:607])
    name = "湖墅街道".encode("gbk")
    place = line.index(b"777290000000001") + 15 + 1 + 1 + 1 + 15 + 1
    line[place : place + len(name)] = name
    row = read("unionpay", bytes(line) + b"\r\n", day=DAY)[0]
    assert (row.account, row.amount_fen) == ("777290000000001", 1500)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (b"000000001500", b"000000001501", "do not add up"),
        (b"D000000000009", b"C000000000009", "do not add up"),
        (b"D000000000009", b"X000000000009", "field 16 'X000000000009'"),
        (b"000000001500", b"00000000150 ", "field 7 交易金额"),
        (b"0115091500", b"0115251500", "field 5 交易传输时间"),
        (b"S22 ", b"S22,", "the fields are not where they belong"),
        (b" 01 01 000201", b" 77 01 000201", "field 20 交易类型 '77'"),
        (b"P20260115091455000020", b"                     ", "field 12 商户订单号"),
        (b"\r\n", b" \r\n", "line 1: 608 bytes instead of 607"),
    ],
)
def test_a_wrong_unionpay_file_says_where(before: bytes, after: bytes, says: str) -> None:
    data = sample(ZM)
    assert before in data
    assert says in refused("unionpay", data.replace(before, after, 1), day=DAY)


# --- cash ---------------------------------------------------------------------------------------------------------------


def drawers() -> list[Drawer]:
    return [
        Drawer("xinyi", "s-1", at("2026-01-15 14:00:00"), {10_000: 3, 500: 2}),
        Drawer("xinyi", "s-2", at("2026-01-15 22:00:00"), {100: 7}),
    ]


def test_a_cash_count_is_a_row_a_shift() -> None:
    head, rows = read_all("cash", b"".join(cash_count(drawers())))
    assert (head.kind, head.day) == (StatementKind.COUNT, DAY)
    assert [(row.site, row.order_number, row.amount_fen, row.line) for row in rows] == [
        ("xinyi", "s-1", 31_000, 2),
        ("xinyi", "s-2", 700, 5),
    ]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("10000,3,30000", "10000,3,30001", "line 2: 3 × 10000 fen is not 30001 fen"),
        ("10000,3,30000", "9000,3,27000", "line 2: 面额 9000 fen is none"),
        (",500,2,1000", ",10000,2,20000", "line 3: 面额 10000 fen stands twice"),
        ("12,31700", "12,31600", "line 7: the summary says 金额 31600, the rows come to 31700"),
        ("合计", "总计", "line 7"),
        ("14:00:00,500", "14:00:01,500", "line 3: another shift before the line 小计 of s-1"),
        ("小计,5,31000", "小计,5,31001", "line 4: the summary says 小计 金额 31001"),
        ("小计,7,700", "700,1,700", "line 6: 面额 700 fen"),
        (",s-2,", ",s-1,", "line 5: shift s-1 stands in two places"),
    ],
)
def test_a_wrong_count_says_where(before: str, after: str, says: str) -> None:
    text = b"".join(cash_count(drawers())).decode()
    assert before in text
    assert says in refused("cash", text.replace(before, after, 1).encode())
