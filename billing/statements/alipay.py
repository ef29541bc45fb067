"""Alipay's 业务明细: the table of a `trade` bill, in a ZIP whose names are GBK or by itself, and the 汇总 beside it.

Source of the fields: Alipay's documentation of the `trade` bill. Lines of `#` stand around the table, cells end in a TAB against
spreadsheet programs. Refunds are negative and repeat the numbers of what they give back; a payment's fee is negative. The period's
end is not part of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.money import yuan
from billing.statements.cells import (
    SHANGHAI,
    Columns,
    OneDay,
    agree,
    count,
    fen,
    instant,
    number,
    number_or_none,
    shown,
)
from billing.statements.container import Line
from billing.statements.head import Head
from billing.statements.rows import AGAIN, BadStatement, Kind, Row, StatementKind, Status, Totals

HEADINGS: Final = {
    "channel_number": ("支付宝交易号",),
    "order_number": ("商户订单号",),
    "type": ("业务类型",),
    "at": ("完成时间",),
    "ordered": ("订单金额(元)", "订单金额"),
    "received": ("商家实收(元)", "商家实收"),
    "discount": ("商家优惠(元)", "商家优惠"),
    "refund_number": ("退款批次号/请求号", "退款批次号", "退款请求号"),
    "fee": ("服务费(元)", "服务费"),
}
# By these an order may have been more than the merchant received; a bill may leave some out.
_REDUCTIONS: Final = {
    "red_packet": ("支付宝红包(元)",),
    "points": ("集分宝(元)",),
    "alipay_discount": ("支付宝优惠(元)",),
    "discount": ("商家优惠(元)", "商家优惠"),
    "coupon": ("券核销金额(元)",),
    "merchant_packet": ("商家红包消费金额(元)",),
    "card": ("卡消费金额(元)",),
}
_SUMMARY: Final = {
    "payments": ("交易订单总笔数",),
    "refunds": ("退款订单总笔数",),
    "ordered": ("订单金额(元)", "订单金额"),
    "received": ("商家实收(元)", "商家实收"),
    "discount": ("商家优惠(元)", "商家优惠"),
    "fee": ("服务费(元)", "服务费"),
}
_ACCOUNT = re.compile(r"#账号:\[(\d{10,32})\]", re.ASCII)
_PERIOD = re.compile(r"#起始日期:\[([^\]]{8,40})\]终止日期:\[([^\]]{8,40})\]")
_MOMENT = re.compile(r"(\d{4})年(\d\d)月(\d\d)日(\d\d):(\d\d):(\d\d)", re.ASCII)
_PAID = re.compile(r"#交易合计:(\d{1,9})笔,商家实收共(-?[\d.]{1,16})元,商家优惠共(-?[\d.]{1,16})元", re.ASCII)
_BACK = re.compile(r"#退款合计:(\d{1,9})笔,商家实收退款共(-?[\d.]{1,16})元,商家优惠退款共(-?[\d.]{1,16})元", re.ASCII)
_KINDS: Final = {"交易": Kind.PAYMENT, "退款": Kind.REFUND}
_PREAMBLE_LINES_MAX: Final = 12
_PLAIN = str.maketrans("：，（）［］", ":,()[]")


def choose(names: list[str]) -> list[str]:
    """Of an archive's names the detail's; the summary is another file of it."""
    return [name for name in names if "业务明细" in name and not is_summary(name)]


def is_summary(name: str) -> bool:
    return "汇总" in name


def _bare(text: str) -> str:
    """A line of `#` without its blanks, punctuation made plain."""
    return "".join(text.translate(_PLAIN).split())


@dataclass
class _Sums:
    """In fen as the file has them: refunds and fees of payments negative."""

    ordered: int = 0
    received: int = 0
    discount: int = 0
    fee: int = 0


class Detail:
    """A 业务明细 while it is read."""

    def __init__(self, lines: Iterator[Line], head: Head) -> None:
        self.lines, self.head = lines, head
        head.kind = StatementKind.TRADE
        self.columns = self._preamble()
        self._places = self.columns.need(HEADINGS, *HEADINGS)
        self._reductions = [place for thing in _REDUCTIONS if (place := self.columns.place(thing)) is not None]
        self._day = OneDay(head.day)
        self.sums = {kind: _Sums() for kind in _KINDS.values()}

    def _preamble(self) -> Columns:
        """The lines above the table: whose it is, and of which day."""
        period = False
        for line, text in self.lines:
            bare = _bare(text)
            if line > _PREAMBLE_LINES_MAX:
                break
            if not bare.startswith("#"):
                if not bare:
                    continue
                columns = Columns(line, text.split(","), {**_REDUCTIONS, **HEADINGS})
                if "channel_number" not in columns:
                    break
                if not self.head.account or not period:
                    raise BadStatement(line, "the lines above the table do not say account and period", AGAIN)
                return columns
            if "业务汇总" in bare:
                raise BadStatement(line, "it is the summary (汇总)", "import the 业务明细, or the ZIP that holds both")
            if match := _ACCOUNT.fullmatch(bare):
                self.head.own(match[1], line)
            if match := _PERIOD.fullmatch(bare):
                period = True
                self._period(line, *match.groups())
        raise BadStatement(
            0, "no Alipay 业务明细: there is no table with 支付宝交易号", "import the 业务明细 of the trade bill"
        )

    def _period(self, line: int, start: str, end: str) -> None:
        first, last = _moment(start, line), _moment(end, line)
        if last - first != timedelta(days=1) or (first.hour, first.minute, first.second) != (0, 0, 0):
            raise BadStatement(line, f"the period from {start} to {end} is not one day", "ask Alipay for a day's bill")
        if self.head.day is not None and self.head.day != first.date():
            raise BadStatement(line, f"the bill is of {first.date()}, not of {self.head.day}", "give the right day")
        self.head.day = first.date()

    def rows(self, totals: Totals) -> Iterator[Row]:
        """Raises `BadStatement`, at the latest at the end, where the summary is held against the rows."""
        for line, text in self.lines:
            if text.startswith("#"):
                self._end(line, text, totals)
                return
            if not text.strip():
                continue
            cells = text.split(",")
            if len(cells) != self.columns.width:
                raise BadStatement(line, f"{len(cells)} cells under {self.columns.width} headings", AGAIN)
            row = self._row(line, cells)
            totals.add(row)
            yield row
        raise BadStatement(0, "there is no summary at the end: the file is cut off", AGAIN)

    def _row(self, line: int, cells: list[str]) -> Row:
        theirs, ours, type_, when, ordered, received, discount, refund, fee = (cells[place] for place in self._places)
        kind = _KINDS.get(type_.strip())
        if kind is None:
            raise BadStatement(
                line, f"业务类型 {shown(type_.strip())} is neither 交易 nor 退款", "tell whoever looks after Parkgate"
            )
        amount = fen(ordered, line, "订单金额", signed=True)
        if (amount < 0 and kind == Kind.PAYMENT) or (amount > 0 and kind == Kind.REFUND):
            raise BadStatement(
                line, f"订单金额 {shown(ordered.strip())} of a {type_.strip()} has the wrong sign", AGAIN
            )
        taken = fen(fee, line, "服务费", signed=True)
        sums = self.sums[kind]
        sums.ordered += amount
        got = fen(received, line, "商家实收", signed=True)
        # Only the 汇总 sums orders up; by itself a detail must at least be possible: an order is what was received, and reductions.
        reduced = sum(abs(fen(cells[place], line, "优惠", signed=True)) for place in self._reductions)
        if not 0 <= abs(amount) - abs(got) <= reduced:
            raise BadStatement(line, f"订单金额 {yuan(amount)} is not 商家实收 {yuan(got)} and reductions", AGAIN)
        sums.received += got
        sums.discount += fen(discount, line, "商家优惠", signed=True)
        sums.fee += taken
        at = instant(when, line, "完成时间")
        self._day.check(at, line, "完成时间")
        return Row(
            channel="alipay",
            kind=kind,
            order_number=number(ours, line, "商户订单号"),
            channel_number=number(theirs, line, "支付宝交易号"),
            refund_number=number_or_none(refund, line, "退款请求号") if kind == Kind.REFUND else "",
            at=at,
            amount_fen=abs(amount),
            fee_millifen=-taken * 1000,
            status=Status.DONE,
            account=self.head.account,
            line=line,
            settled_fen=abs(got),
        )

    def _end(self, line: int, text: str, totals: Totals) -> None:
        """The lines below the table. Both sums must stand there."""
        if "业务明细列表结束" not in text:
            raise BadStatement(line, f"{shown(text)} inside the table", AGAIN)
        seen: Counter[Kind] = Counter()
        for at, more in self.lines:
            bare = _bare(more)
            if bare and not bare.startswith("#"):
                raise BadStatement(at, "a row below the end of the table", AGAIN)
            for pattern, kind, word in ((_PAID, Kind.PAYMENT, "交易合计"), (_BACK, Kind.REFUND, "退款合计")):
                if not bare.startswith(f"#{word}"):
                    continue
                match = pattern.fullmatch(bare)
                if match is None:
                    raise BadStatement(at, f"{word} cannot be read", AGAIN)
                seen[kind] += 1
                sums = self.sums[kind]
                agree(at, f"{word} 笔数", int(match[1]), totals.count[kind])
                agree(at, f"{word} 商家实收", fen(match[2], at, word, signed=True), sums.received, yuan)
                agree(at, f"{word} 商家优惠", fen(match[3], at, word, signed=True), sums.discount, yuan)
        for kind, word in ((Kind.PAYMENT, "交易合计"), (Kind.REFUND, "退款合计")):
            if seen[kind] != 1:
                raise BadStatement(
                    0, f"{word} does not stand below the table once: the file is cut off or joined", AGAIN
                )

    def check_summary(self, lines: Iterator[Line], totals: Totals) -> None:
        """Hold the 汇总 of the same archive against the rows: its counts, amounts and fees. Raises `BadStatement`."""
        columns: Columns | None = None
        for line, text in lines:
            if text.startswith("#") or not text.strip():
                continue
            cells = text.split(",")
            if columns is None:
                columns = Columns(line, cells, _SUMMARY)
                places = dict(zip(_SUMMARY, columns.need(_SUMMARY, *_SUMMARY), strict=True))
                continue
            if len(cells) != columns.width:
                raise BadStatement(line, f"汇总: {len(cells)} cells under {columns.width} headings", AGAIN)
            if cells[0].strip() != "合计":
                continue
            agree(line, "汇总 交易笔数", count(cells[places["payments"]], line, "笔数"), totals.count[Kind.PAYMENT])
            agree(line, "汇总 退款笔数", count(cells[places["refunds"]], line, "笔数"), totals.count[Kind.REFUND])
            for thing in ("ordered", "received", "discount", "fee"):
                said = fen(cells[places[thing]], line, _SUMMARY[thing][1], signed=True)
                agree(
                    line,
                    f"汇总 {_SUMMARY[thing][1]}",
                    said,
                    sum(getattr(one, thing) for one in self.sums.values()),
                    yuan,
                )
            return
        raise BadStatement(0, "the 汇总 in the archive has no line 合计: it is cut off", AGAIN)


def _moment(text: str, line: int) -> datetime:
    match = _MOMENT.fullmatch(text)
    if match is not None:
        try:
            return datetime(*map(int, match.groups()), tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]
        except ValueError:
            pass
    raise BadStatement(line, f"{shown(text)} is no time such as 2026年01月15日 00:00:00", AGAIN)
