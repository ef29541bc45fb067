"""WeChat's bills as they are really delivered: the traps in the samples, and what is refused."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import pytest

from billing.statements import BadStatement, Kind, StatementKind, Status, read_all
from simulators.statements import wechat_trade
from tests.billing.statement_files import DAY, DETAIL, FLOW, PACKED, TRADE, ZM, deal, read, refused, sample


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
    """By its beginning it is told whose it is, in its package or out of it."""
    packed = "it is a statement of alipay, not of wechat; import it as one of alipay (--channel alipay)"
    assert (refused("wechat", PACKED), refused("wechat", DETAIL)) == (packed, packed)
    assert "it is a statement of wechat, not of alipay" in refused("alipay", TRADE)
    assert "it is a statement of unionpay, not of wechat" in refused("wechat", ZM, name=ZM.removeprefix("unionpay_"))
    assert "bytes instead of 607" in refused("unionpay", TRADE, day=DAY)
    assert "it is a statement of wechat, not of cash" in refused("cash", TRADE)
    assert "no WeChat bill" in refused("wechat", b"a,b\r\n1,2\r\n")
    assert "there is no column" in refused("cash", b"a,b\r\n1,2\r\n")
