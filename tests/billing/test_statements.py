"""Statements as channels really deliver them: the traps in the samples, the forms a file may have, and what is refused."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.statements import BadStatement, Kind, Row, StatementKind, Status, open_statement, read_all
from simulators.statements import SHANGHAI, Deal, Drawer, alipay_zip, cash_count, unionpay, wechat_trade

SAMPLES = Path(__file__).parent / "statements"
TRADE = "wechat_tradebill_ALL_20260115.csv"
FLOW = "wechat_fundflow_BASIC_20260115.csv"
DETAIL = "alipay_trade_20260115_detail_gbk.csv.gbk"
PACKED = "alipay_trade_20260115.csv.zip"
ZM = "unionpay_INN26011588ZM_777290000000001.txt"
DAY = date(2026, 1, 15)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def read(channel: str, data: bytes | str, **about: Any) -> list[Row]:
    return read_all(channel, sample(data) if isinstance(data, str) else data, **about)[1]


def refused(channel: str, data: bytes | str, **about: Any) -> str:
    with pytest.raises(BadStatement) as caught:
        read(channel, data, **about)
    return str(caught.value)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def deal(order: str = "P1", when: str = "2026-01-15 10:00:00", fen: int = 500, **more: Any) -> Deal:
    return Deal(**{"order": order, "number": f"42{order}", "at": at(when), "amount_fen": fen, **more})


# --- WeChat ------------------------------------------------------------------------------------------------------------


def test_a_wechat_trade_bill_with_all_its_traps() -> None:
    head, rows = read_all("wechat", sample(TRADE))
    assert (head.kind, head.day, head.account) == (StatementKind.TRADE, DAY, "1900000001")
    # Ordered on the 14th, paid on the 15th: it is of the day on which it was paid.
    assert rows[0].order_number == "P20260114235931000017"
    assert rows[0].at == datetime(2026, 1, 14, 16, 1, 7, tzinfo=UTC)
    assert (rows[0].amount_fen, rows[0].fee_millifen) == (1000, 6000)
    # A coupon: what was ordered counts, not what is settled.
    assert (rows[2].amount_fen, rows[2].settled_fen) == (1500, 1300)
    refunds = [row for row in rows if row.kind == Kind.REFUND]
    assert [row.amount_fen for row in refunds] == [500, 300]
    assert refunds[0].order_number == rows[1].order_number
    assert refunds[0].channel_number == rows[1].channel_number
    assert refunds[0].refund_number == "R20260115190230000001"
    assert {row.status for row in refunds} == {Status.PROCESSING}
    assert sum(row.fee_millifen or 0 for row in rows) == 197_000
    assert [row.line for row in rows] == list(range(2, 9))


def test_a_fund_flow_bill_has_fees_of_their_own() -> None:
    head, rows = read_all("wechat", sample(FLOW))
    assert (head.kind, head.day, head.account) == (StatementKind.FUND_FLOW, DAY, "")
    assert sum(row.effect_fen for row in rows) == 33_550 - 997
    assert sum(row.amount_fen for row in rows if row.kind == Kind.FEE) == 6 + 3 + 8 + 5 + 180
    refund = rows[-1]
    assert (refund.kind, refund.amount_fen, refund.fee_millifen) == (Kind.REFUND, 298, -2000)
    assert (refund.order_number, refund.refund_number) == ("", "R20260115235955000002")


def test_fund_flow_counts_may_read_twenty_point_nought_and_headings_are_compared_by_meaning() -> None:
    data = sample(FLOW).decode().replace("`12,`5,", "`12.0,`5.0,").replace("收支金额(元)", "收支金额（元）")
    assert read("wechat", data.encode()) == read("wechat", FLOW)


def test_what_a_fund_flow_calls_by_a_new_name_is_left_to_a_person() -> None:
    data = sample(FLOW).decode().replace("`交易,`交易,`收入,`10.00", "`充值,`充值,`收入,`10.00")
    assert read("wechat", data.encode())[0].kind == Kind.OTHER


def test_columns_are_found_wherever_they_stand() -> None:
    lines = sample(TRADE).decode("utf-8-sig").splitlines()
    turned = [",".join(reversed(line.split(","))) if place < 8 else line for place, line in enumerate(lines)]
    assert read("wechat", "\r\n".join(turned).encode()) == read("wechat", TRADE)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gb18030"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_encodings_and_line_ends(encoding: str, end: str) -> None:
    text = sample(TRADE).decode("utf-8-sig").replace("\r\n", end)
    assert read("wechat", text.encode(encoding)) == read("wechat", TRADE)


def test_gzip_and_zip_are_unpacked() -> None:
    assert read("wechat", "wechat_tradebill_ALL_20260115.csv.gz") == read("wechat", TRADE)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("账单.csv", sample(TRADE))
    assert read("wechat", packed.getvalue()) == read("wechat", TRADE)


def test_the_three_trade_bills_say_the_same() -> None:
    deals = [
        deal("P1"),
        deal("P2", fen=700, coupon_fen=100),
        deal("P1", refund="R1", refund_id="50R1", fen=200, status="SUCCESS"),
    ]
    every = read("wechat", b"".join(wechat_trade(deals, "19")))
    for form, kind in (("SUCCESS", StatementKind.PAYMENTS), ("REFUND", StatementKind.REFUNDS)):
        head, rows = read_all("wechat", b"".join(wechat_trade(deals, "19", form=form)))
        assert head.kind == kind
        wanted = Kind.PAYMENT if kind == StatementKind.PAYMENTS else Kind.REFUND
        assert [(row.order_number, row.amount_fen, row.status) for row in rows] == [
            (row.order_number, row.amount_fen, row.status) for row in every if row.kind == wanted
        ]


def test_a_refund_bill_is_dated_by_the_request() -> None:
    back = deal("P1", refund="R1", refund_id="50R1")
    text = b"".join(wechat_trade([back], "19", form="REFUND")).decode()
    row = text.splitlines()[1].split(",")
    row[0] = "`2026-01-02 08:00:00"
    assert read("wechat", text.replace(text.splitlines()[1], ",".join(row)).encode())[0].at == back.at


@pytest.mark.parametrize("form", ["ALL", "SUCCESS", "REFUND"])
def test_old_headings_mean_the_same(form: Any) -> None:
    deals = [deal("P1"), deal("P1", refund="R1", refund_id="50R1", fen=200, fee_fen=1)]
    data = b"".join(wechat_trade(deals, "19", form=form, old=True))
    assert "总金额" in data.decode()
    assert "应结" not in data.decode()
    assert read("wechat", data) == read("wechat", b"".join(wechat_trade(deals, "19", form=form)))


def test_older_headings_with_the_coupon_by_its_first_name() -> None:
    """As the first documentation printed it: no decimals where there is nothing, no fourth sum."""
    data = (
        "交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,总金额,"
        "代金券或立减优惠金额,微信退款单号,商户退款单号,退款金额, 代金券或立减优惠退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率\r\n"
        "`2026-01-15 16:33:45,`wx2,`10000100,`0,`1000,`1001690740201411100005734289,`1415640626,`08,`MICROPAY,`SUCCESS,`OTHERS,`CNY,"
        "`0.01,`0.0,`0,`0,`0,`0,`,`,`被扫支付测试,`,`0,`0.60%\r\n"
        "总交易单数,总交易额,总退款金额,总代金券或立减优惠退款金额,手续费总金额\r\n`1,`0.01,`0.0,`0.0,`0\r\n"
    )
    assert [(row.order_number, row.amount_fen, row.fee_millifen) for row in read("wechat", data.encode())] == [
        ("1415640626", 1, 0)
    ]


def test_a_fee_of_a_thousandth_of_a_fen_is_kept() -> None:
    text = sample(TRADE).decode().replace("`0.06000", "`0.06001").replace("`1.97000", "`1.97001")
    assert read("wechat", text.encode())[0].fee_millifen == 6001


def test_a_revoked_order_is_a_refund_that_says_so() -> None:
    row = read("wechat", b"".join(wechat_trade([deal(refund="R1", refund_id="50R1", revoked=True)], "19")))[0]
    assert (row.kind, row.status) == (Kind.REFUND, Status.REVOKED)


def test_a_shop_of_a_provider_is_the_shop() -> None:
    head, _ = read_all("wechat", b"".join(wechat_trade([deal()], "19", sub_account="1600000002")))
    assert head.account == "1600000002"


def test_a_day_without_rows_needs_to_be_told() -> None:
    empty = b"".join(wechat_trade([], "19"))
    assert "line" not in refused("wechat", empty)
    assert read_all("wechat", empty, day=DAY)[0].day == DAY
    assert read_all("wechat", empty, name="1900000001All2026-01-15.csv")[0].day == DAY


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            "`337.50,`8.00\r\n",
            "`337.51,`8.00\r\n",
            "line 10: the summary says 订单总金额 337.51, the rows come to 337.50",
        ),
        ("`7,`335.50", "`8,`335.50", "line 10: the summary says 总交易单数 8, the rows come to 7"),
        ("`1.97000", "`1.98000", "手续费总金额 1.98000"),
        ("`5.00,`0.00,`\r\n", "`5.005,`0.00,`\r\n", "line 3: 订单金额 '5.005' is no amount"),
        ("`5.00,`0.00,`\r\n", "`-5.00,`0.00,`\r\n", "line 3: 订单金额 '-5.00' is no amount"),
        ("`5.00,`0.00,`\r\n", "`5.00,`0.00,`,`\r\n", "line 3: 28 cells under 27 headings"),
        ("2026-01-15 08:12:44", "2026-01-16 08:12:44", "line 3: 交易时间 2026-01-16 08:12:44 is not of 2026-01-15"),
        ("2026-01-15 08:12:44", "2026/1/15 8:12", "line 3: 交易时间 '2026/1/15 8:12' is no time"),
        ("2026-01-15 08:12:44", "2026-02-30 08:12:44", "line 3: 交易时间"),
        ("`SUCCESS", "`PAYERROR", "line 2: 交易状态 'PAYERROR'"),
        ("`PROCESSING", "`WAITING", "line 7: 退款状态 'WAITING'"),
        ("`CNY", "`HKD", "line 2: 货币种类 'HKD' is not CNY"),
        ("订单金额,申请", "订单额,申请", "line 1: there is no column 订单金额"),
        (",费率备注", ",商户号", "line 1: two columns are headed '商户号'"),
        (
            "`1900000001,`0,`S1,`4200002501202601150000000002",
            "`1900000009,`0,`S1,`4",
            "line 3: account 1900000009 in a file of account",
        ),
        ("`R20260115190230000001", "`0", "line 7: a refund without 商户退款单号"),
        ("总交易单数", "`总交易单数", "line 9: 1 cells under 27 headings"),
    ],
)
def test_a_wrong_trade_bill_says_where_and_what_to_do(before: str, after: str, says: str) -> None:
    text = sample(TRADE).decode()
    assert before in text
    words = refused("wechat", text.replace(before, after, 1).encode())
    assert says in words
    assert "; " in words


def test_a_bill_that_is_cut_off_is_refused_wherever_it_is_cut() -> None:
    data, whole = sample(TRADE), read("wechat", TRADE)
    taken = 0
    for length in range(0, len(data), 7):
        try:
            assert read("wechat", data[:length]) == whole
            taken += 1
        except BadStatement:
            continue
    # Only its last line end, or the last nought of its last sum, may be missing.
    assert taken <= 1


def test_something_after_the_summary_is_refused() -> None:
    assert "line 11" in refused("wechat", sample(TRADE) + sample(TRADE))


def test_another_day_than_asked_for_is_refused() -> None:
    assert "is not of 2026-01-16" in refused("wechat", TRADE, day=date(2026, 1, 16))


def test_the_file_of_another_channel_is_refused() -> None:
    assert "no WeChat bill" in refused("wechat", DETAIL)
    assert "no Alipay 业务明细" in refused("alipay", TRADE)
    assert "bytes instead of 607" in refused("unionpay", TRADE, day=DAY)
    assert "there is no column" in refused("cash", TRADE)


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


# --- bounds -------------------------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    blown = gzip.compress(b"`" * 50_000_000)
    assert "longer than 16384 bytes" in refused("wechat", blown)
    lines = gzip.compress(sample(TRADE)[:400].split(b"\r\n")[0] + b"\n" * 3_000_000)
    statement = io.BytesIO(lines)
    with pytest.raises(BadStatement, match="unpacks to more than 1 MiB"):
        list(open_statement("wechat", statement, unpacked_max=1 << 20).rows())


def test_an_archive_that_lies_about_its_sizes_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"\n" * 3_000_000)
    data = bytearray(packed.getvalue())
    place = data.index(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 10)
    refused("wechat", bytes(data))


def test_an_archive_with_two_statements_or_none_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", sample(TRADE))
        archive.writestr("b.csv", sample(TRADE))
    assert "2 files that could be the statement" in refused("wechat", packed.getvalue())
    assert "no statement of this channel" in refused("alipay", packed.getvalue())


def test_what_is_damaged_in_its_package_is_refused() -> None:
    packed = bytearray(sample("wechat_tradebill_ALL_20260115.csv.gz"))
    packed[-5] ^= 1
    assert "does not unpack" in refused("wechat", bytes(packed))
    archive = bytearray(sample(PACKED))
    archive[300] ^= 1
    refused("alipay", bytes(archive))
    refused("alipay", bytes(archive[:700]))
    nameless = bytearray(sample(PACKED))
    nameless[nameless.index(b"PK\x01\x02") + 46] = 0  # the directory's first name ends before it begins
    refused("alipay", bytes(nameless))


def test_the_rows_of_a_statement_count_only_when_it_is_complete() -> None:
    statement = open_statement("wechat", io.BytesIO(sample(TRADE)))
    rows = statement.rows()
    next(rows)
    assert not statement.complete
    assert len(list(rows)) == 6
    assert statement.complete
    assert statement.totals.count[Kind.PAYMENT] == 5


def test_an_hour_before_midnight_in_london_is_the_next_day_in_hangzhou() -> None:
    paid = deal(when="2026-01-16 07:30:00")
    head, _ = read_all("wechat", b"".join(wechat_trade([paid], "19")))
    assert head.day == DAY + timedelta(days=1)
