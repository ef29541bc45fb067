"""Statements as the channels write them, byte for byte in form, from a neutral list of payments and refunds.

The shapes are those of the channels' documentation and of files as merchants download them; every value comes from the list. Rows are
written one by one, so that a file may be as long as it likes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Literal

SHANGHAI = timezone(timedelta(hours=8))
RATE = "0.60%"
Form = Literal["ALL", "SUCCESS", "REFUND"]


@dataclass(frozen=True, kw_only=True)
class Deal:
    """A payment, or with `refund` a refund, as a channel knows it. `order` is the merchant's number, `number` the channel's of the payment.

    Of a refund `amount_fen` is what is asked back, `refund` its number and `refund_id` the channel's; `fee_fen` then goes back. `coupon_fen`
    of the amount was a coupon that the merchant never receives.
    """

    order: str
    number: str
    at: datetime
    amount_fen: int
    fee_fen: int = 0
    coupon_fen: int = 0
    refund: str = ""
    refund_id: str = ""
    created_at: datetime | None = None
    status: str = "PROCESSING"
    revoked: bool = False
    product: str = "临时停车费"
    attach: str = ""
    method: str = "NATIVE"
    remark: str = ""
    trace: int = 0
    card: str = "621***********0001"
    card_type: str = "01"

    @property
    def local(self) -> datetime:
        return self.at.astimezone(SHANGHAI)


def yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


# --- WeChat Pay -----------------------------------------------------------------------------------------------------

_BOTH = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额"
_BACK = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
_HEADINGS: Mapping[Form, str] = {
    "ALL": f"{_BOTH},{_BACK},商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注",
    "SUCCESS": f"{_BOTH},商品名称,商户数据包,手续费,费率,订单金额,费率备注",
    "REFUND": f"{_BOTH},退款申请时间,退款成功时间,{_BACK},商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注",
}
_ALL_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_SUMS: Mapping[Form, str] = {
    "ALL": _ALL_SUMS,
    "SUCCESS": "总交易单数,应结订单总金额,手续费总金额,订单总金额",
    "REFUND": _ALL_SUMS,
}
_OLD = (
    ("应结订单总金额", "总交易额"),
    ("充值券退款总金额", "总企业红包退款金额"),
    (",退款总金额", ",总退款金额"),
    (",订单总金额", ""),
    (",申请退款总金额", ""),
    ("特约商户号", "子商户号"),
    ("应结订单金额", "总金额"),
    ("代金券金额", "企业红包金额"),
    ("充值券退款金额", "企业红包退款金额"),
    (",订单金额", ""),
    (",申请退款金额", ""),
    (",费率备注", ""),
)


def _ticked(cells: Iterable[str]) -> bytes:
    return ",".join("`" + cell.replace(",", "\\ ") for cell in cells).encode() + b"\r\n"


def _old(headings: str) -> str:
    for new, before in _OLD:
        headings = headings.replace(new, before)
    return headings


def wechat_trade(
    deals: Iterable[Deal],
    account: str,
    *,
    form: Form = "ALL",
    sub_account: str = "0",
    app: str = "wx81be310190000000",
    payer: str = "oAAAA0000000000000000000001",
    device: str = "S1",
    old: bool = False,
) -> Iterator[bytes]:
    """交易账单. `old`: with the headings of before 2018, which have no coupons to tell apart."""
    headings = _old(_HEADINGS[form]) if old else _HEADINGS[form]
    yield ("\ufeff" + headings + "\r\n").encode()
    order = headings.split(",")
    count = settled = back = fee = ordered = 0
    for deal in deals:
        if (form == "SUCCESS" and deal.refund) or (form == "REFUND" and not deal.refund):
            continue
        cells = _wechat_cells(deal, account, sub_account, app, payer, device)
        if old:
            cells = {_old("," + name)[1:]: cell for name, cell in cells.items()}
        yield _ticked(cells[name] for name in order)
        count += 1
        fee += -deal.fee_fen if deal.refund else deal.fee_fen
        if deal.refund:
            back += deal.amount_fen
        else:
            settled += deal.amount_fen - deal.coupon_fen
            ordered += deal.amount_fen
    sums = {
        "总交易单数": str(count),
        "应结订单总金额": yuan(settled),
        "退款总金额": yuan(back),
        "充值券退款总金额": yuan(0),
        "手续费总金额": yuan(fee) + "000",
        "订单总金额": yuan(ordered),
        "申请退款总金额": yuan(back),
    }
    left_out = {"订单总金额", "申请退款总金额"} if old else set()
    names = [name for name in _SUMS[form].split(",") if name not in left_out]
    yield ((_old("," + ",".join(names))[1:] if old else ",".join(names)) + "\r\n").encode()
    yield _ticked(sums[name] for name in names)


def _wechat_cells(deal: Deal, account: str, sub: str, app: str, payer: str, device: str) -> dict[str, str]:
    back = bool(deal.refund)
    return {
        "交易时间": _moment(deal.at),
        "公众账号ID": app,
        "商户号": account,
        "特约商户号": sub,
        "设备号": device,
        "微信订单号": deal.number,
        "商户订单号": deal.order,
        "用户标识": payer,
        "交易类型": deal.method,
        "交易状态": ("REVOKED" if deal.revoked else "REFUND") if back else "SUCCESS",
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "应结订单金额": yuan(0 if back else deal.amount_fen - deal.coupon_fen),
        "代金券金额": yuan(0 if back else deal.coupon_fen),
        "退款申请时间": _moment(deal.at),
        "退款成功时间": _moment(deal.at) if deal.status == "SUCCESS" else "",
        "微信退款单号": deal.refund_id or "0",
        "商户退款单号": deal.refund or "0",
        "退款金额": yuan(deal.amount_fen if back else 0),
        "充值券退款金额": yuan(0),
        "退款类型": "ORIGINAL" if back else "",
        "退款状态": deal.status if back else "",
        "商品名称": deal.product,
        "商户数据包": deal.attach,
        "手续费": yuan(-deal.fee_fen if back else deal.fee_fen) + "000",
        "费率": RATE,
        "订单金额": yuan(0 if back else deal.amount_fen),
        "申请退款金额": yuan(deal.amount_fen if back else 0),
        "费率备注": "",
    }


_FLOW = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"


def wechat_fund_flow(
    deals: Iterable[Deal], account: str, *, opening_fen: int = 0, paid_out: Iterable[tuple[datetime, int]] = ()
) -> Iterator[bytes]:
    """资金账单, with the deals in order and then what was paid out to the bank (提现)."""
    yield ("\ufeff" + _FLOW + "\r\n").encode()
    balance, count, fen = opening_fen, {"收入": 0, "支出": 0}, {"收入": 0, "支出": 0}
    for place, deal in enumerate(deals):
        for movement in _movements(deal, f"{account}{place:018d}"):
            way, moved = movement[4], movement[5]
            assert isinstance(moved, int)
            balance += moved if way == "收入" else -moved
            count[str(way)] += 1
            fen[str(way)] += moved
            theirs, flow, name, type_, _, _, remark, ours = map(str, movement)
            cells = (theirs, flow, name, type_, str(way), yuan(moved), yuan(balance), "system", remark, ours)
            yield _ticked((_moment(deal.at), *cells))
    for place, (at, moved) in enumerate(paid_out):
        balance -= moved
        count["支出"] += 1
        fen["支出"] += moved
        flow = f"{account}{place:018d}D"
        amounts = (yuan(moved), yuan(balance))
        yield _ticked(
            (_moment(at), f"W{flow}", flow, "提现", "提现", "支出", *amounts, "system", "自动提现", f"W{place}")
        )
    yield "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n".encode()
    total = count["收入"] + count["支出"]
    yield _ticked((str(total), str(count["收入"]), yuan(fen["收入"]), str(count["支出"]), yuan(fen["支出"])))


def _movements(deal: Deal, flow: str) -> Iterator[tuple[str | int, ...]]:
    if deal.refund:
        remark = f"退款总金额{yuan(deal.amount_fen)}元;含手续费{yuan(deal.fee_fen)}元"
        moved = deal.amount_fen - deal.fee_fen
        yield deal.refund_id, f"{flow}C", "退款", "退款", "支出", moved, remark, deal.refund
        return
    yield deal.number, f"{flow}A", "交易", "交易", "收入", deal.amount_fen - deal.coupon_fen, "结算金额", deal.order
    if deal.fee_fen:
        fee = f"费率{RATE}"
        yield deal.number, f"{flow}B", "交易", "扣除交易手续费", "支出", deal.fee_fen, fee, deal.order


# --- Alipay ---------------------------------------------------------------------------------------------------------

_DETAIL = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_OVERVIEW = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,"
    "卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)
_RULE = "-" * 41


def _gbk(line: str) -> bytes:
    return (line + "\r\n").encode("gb18030")


def _above(title: str, list_name: str, account: str, day: date) -> Iterator[bytes]:
    nights = [f"[{one.year:04d}年{one.month:02d}月{one.day:02d}日 00:00:00]" for one in (day, day + timedelta(days=1))]
    yield _gbk(f"#支付宝{title}查询")
    yield _gbk(f"#账号：[{account}]")
    yield _gbk(f"#起始日期：{nights[0]}   终止日期：{nights[1]}")
    yield _gbk(f"#{_RULE}{list_name}{'-' * 40}")


def _exported(at: datetime) -> bytes:
    local = at.astimezone(SHANGHAI)
    return _gbk(f"#导出时间：[{local.year:04d}年{local.month:02d}月{local.day:02d}日 {local:%H:%M:%S}]")


def alipay_detail(deals: Iterable[Deal], account: str, day: date, exported_at: datetime) -> Iterator[bytes]:
    """业务明细. Refunds and the fees of payments are negative."""
    yield from _above("业务明细", "业务明细列表", account, day)
    yield _gbk(_DETAIL)
    sums = {False: [0, 0, 0], True: [0, 0, 0]}
    tab = "\t"
    for deal in deals:
        back = bool(deal.refund)
        sign = -1 if back else 1
        ordered, discount = sign * deal.amount_fen, sign * deal.coupon_fen
        received, fee = ordered - discount, -sign * deal.fee_fen
        for place, what in enumerate((1, received, discount)):
            sums[back][place] += what
        cells = (
            *(deal.number + tab, deal.order + tab, ("退款" if back else "交易") + tab, deal.product),
            *(_moment(deal.created_at or deal.at), _moment(deal.at), tab, tab, tab, tab, "*三(138****0000)" + tab),
            *(yuan(ordered), yuan(received), "0.00", "0.00", "0.00", yuan(discount), "0.00", "", "0.00" + tab, "0.00"),
            *(deal.refund + tab, yuan(fee), "0.00", deal.remark),
        )
        yield _gbk(",".join(cells))
    yield _gbk(f"#{_RULE}业务明细列表结束{'-' * 36}")
    count, received, discount = sums[False]
    yield _gbk(f"#交易合计：{count}笔，商家实收共{yuan(received)}元，商家优惠共{yuan(discount)}元")
    count, received, discount = sums[True]
    yield _gbk(f"#退款合计：{count}笔，商家实收退款共{yuan(received)}元，商家优惠退款共{yuan(discount)}元")
    yield _exported(exported_at)


def alipay_summary(deals: Iterable[Deal], account: str, day: date, exported_at: datetime) -> Iterator[bytes]:
    """业务明细(汇总): one shop without a number, and the sum."""
    counts, ordered, discount, fee = [0, 0], 0, 0, 0
    for deal in deals:
        sign = -1 if deal.refund else 1
        counts[bool(deal.refund)] += 1
        ordered += sign * deal.amount_fen
        discount += sign * deal.coupon_fen
        fee -= sign * deal.fee_fen
    received = ordered - discount
    amounts = (ordered, received, 0, discount, 0, fee, 0, received + fee)
    cells = ",".join((*map(str, counts), *map(yuan, amounts)))
    yield from _above("业务汇总", "业务汇总列表", account, day)
    yield _gbk(_OVERVIEW)
    yield _gbk(f"\t,\t,{cells}")
    yield _gbk(f"合计,,{cells}")
    yield _gbk(f"#{_RULE}业务汇总列表结束{'-' * 36}")
    yield _exported(exported_at)


def alipay_zip(deals: Sequence[Deal], account: str, day: date, exported_at: datetime) -> bytes:
    """Both in a ZIP whose names are GBK without saying so, as Alipay packs them."""
    stem = f"{account}_{day:%Y%m%d}_业务明细"
    files = [
        (f"{stem}.csv", b"".join(alipay_detail(deals, account, day, exported_at))),
        (f"{stem}(汇总).csv", b"".join(alipay_summary(deals, account, day, exported_at))),
    ]
    return _zipped(files, exported_at.astimezone(SHANGHAI))


def _zipped(files: Sequence[tuple[str, bytes]], at: datetime) -> bytes:
    """APPNOTE 4.3, written out: the library marks every name that is not ASCII as UTF-8."""
    day, time = (at.year - 1980) << 9 | at.month << 5 | at.day, at.hour << 11 | at.minute << 5 | at.second // 2
    body, directory = bytearray(), bytearray()
    for name, data in files:
        raw = name.encode("gb18030")
        deflate = zlib.compressobj(wbits=-15)
        packed = deflate.compress(data) + deflate.flush()
        about = struct.pack("<HHHHHIIIHH", 20, 0, 8, time, day, zlib.crc32(data), len(packed), len(data), len(raw), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 0x0314) + about
        directory += struct.pack("<HHHII", 0, 0, 0, 0o600 << 16, len(body)) + raw
        body += b"PK\x03\x04" + about + raw + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory) + b"PK\x05\x06" + end


# --- UnionPay -------------------------------------------------------------------------------------------------------

_WIDTHS = (
    *(3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2),
    *(6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98),
)
_ACQUIRER = "48020000"


def unionpay_name(account: str, day: date) -> str:
    return f"INN{day:%y%m%d}88ZM_{account}"


def unionpay(deals: Iterable[Deal], account: str) -> Iterator[bytes]:
    """A ZM file: a refund names what it gives back by the order and the channel's number."""
    for deal in deals:
        back = bool(deal.refund)
        sign = -1 if back else 1
        fee, settled = -sign * deal.fee_fen, sign * (deal.amount_fen - deal.fee_fen)
        told = {
            1: "S30" if back else "S22",
            2: _ACQUIRER,
            3: _ACQUIRER,
            4: f"{deal.trace:06d}",
            5: f"{deal.local:%m%d%H%M%S}",
            6: deal.card,
            7: f"{deal.amount_fen:012d}",
            8: "7523",
            9: "08",
            10: deal.refund_id if back else deal.number,
            12: deal.refund if back else deal.order,
            13: deal.card_type,
            16: _credit(fee),
            17: _credit(settled),
            18: "0001",
            20: ("31" if deal.revoked else "04") if back else "01",
            21: "00" if back else "01",
            22: "000201",
            27: deal.number if back else "",
            28: account,
            29: "0",
            33: _credit(settled),
            41: deal.order if back else "",
        }
        yield b" ".join(_field(told.get(place, ""), width) for place, width in enumerate(_WIDTHS, 1)) + b"\r\n"


def _field(text: str, width: int) -> bytes:
    raw = text.encode("gb18030")
    if len(raw) > width:
        raise ValueError(f"{text!r} has more than {width} bytes")
    return raw.ljust(width)


def _credit(fen: int) -> str:
    return f"{'C' if fen > 0 else 'D'}{abs(fen):012d}"


# --- cash -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawer:
    """What was counted at the end of a shift: pieces by denomination in fen."""

    site: str
    shift: str
    at: datetime
    pieces: Mapping[int, int]


def cash_count(drawers: Iterable[Drawer]) -> Iterator[bytes]:
    """现金盘点, as Parkgate reads it."""
    yield "\ufeff小区,班次,清点时间,面额(分),张数,金额(分)\r\n".encode()
    pieces = fen = 0
    for drawer in drawers:
        about = f"{drawer.site},{drawer.shift},{_moment(drawer.at)}"
        for worth, many in drawer.pieces.items():
            yield f"{about},{worth},{many},{worth * many}\r\n".encode()
        many, came = sum(drawer.pieces.values()), sum(worth * many for worth, many in drawer.pieces.items())
        yield f"{about},小计,{many},{came}\r\n".encode()
        pieces += many
        fen += came
    yield f"合计,,,,{pieces},{fen}\r\n".encode()
