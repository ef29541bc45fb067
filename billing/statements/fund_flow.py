"""WeChat Pay's fund-flow bill (资金账单): what payments, refunds and fees did to the account.

Source of the fields: WeChat Pay's documentation "资金账单". Amounts are positive, 收支类型 says in which direction; fees of payments have
rows of their own, those of refunds are netted inside the row and told in its remark; counts may read `20.0`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from billing.money import yuan
from billing.statements.cells import Columns, OneDay, agree, count, fen, instant, number, number_or_none, shown
from billing.statements.container import Line
from billing.statements.head import Head
from billing.statements.rows import AGAIN, BadStatement, Kind, Row, StatementKind, Status, Totals
from billing.statements.wechat import cells_of, summary

HEADINGS: Final = {
    "at": ("记账时间",),
    "channel_number": ("微信支付业务单号",),
    "flow_number": ("资金流水单号",),
    "type": ("业务类型",),
    "direction": ("收支类型",),
    "amount": ("收支金额(元)", "收支金额"),
    "remark": ("备注",),
    "voucher": ("业务凭证号",),
}
_SUMS: Final = {
    "count": ("资金流水总笔数",),
    "in_count": ("收入笔数",),
    "in_fen": ("收入金额(元)", "收入金额"),
    "out_count": ("支出笔数",),
    "out_fen": ("支出金额(元)", "支出金额"),
}
_IN, _OUT = "收入", "支出"
_REFUND_FEE = re.compile(r"退款总金额(\d{1,9}\.\d\d)元[;；]含手续费(\d{1,9}\.\d\d)元", re.ASCII)


def is_fund_flow(names: list[str]) -> bool:
    """By a line of headings, as `heading` has them."""
    return "资金流水单号" in names


class FundFlow:
    """A fund-flow bill while it is read. It does not say whose it is: whoever imports it does."""

    def __init__(self, line: int, cells: list[str], lines: Iterator[Line], head: Head) -> None:
        self.columns, self.lines, self.head = Columns(line, cells, HEADINGS), lines, head
        head.kind = StatementKind.FUND_FLOW
        self._day = OneDay(head.day)
        self._places = self.columns.need(HEADINGS, *HEADINGS)
        self._count = {_IN: 0, _OUT: 0}
        self._fen = {_IN: 0, _OUT: 0}

    def rows(self, totals: Totals) -> Iterator[Row]:
        """Raises `BadStatement`, at the latest at the end, where the summary is held against the rows."""
        for line, text in self.lines:
            if not text.startswith("`"):
                if not text.strip():
                    continue
                self._summary(line, text)
                return
            row = self._row(line, cells_of(text, line, self.columns.width))
            totals.add(row)
            yield row
        raise BadStatement(0, "there is no summary at the end: the file is cut off", AGAIN)

    def _row(self, line: int, cells: list[str]) -> Row:
        when, theirs, flow, type_, way, amount, remark, voucher = (cells[place].strip() for place in self._places)
        number(flow, line, "资金流水单号")
        if way not in self._count:
            raise BadStatement(line, f"收支类型 {shown(way)} is neither {_IN} nor {_OUT}", AGAIN)
        moved = fen(amount, line, "收支金额")
        self._count[way] += 1
        self._fen[way] += moved
        at = instant(when, line, "记账时间")
        self._day.check(at, line, "记账时间")
        self.head.day = self._day.day
        kind = _kind(type_)
        natural = _IN if kind in {Kind.PAYMENT, Kind.OTHER} else _OUT
        ours = number_or_none(voucher, line, "业务凭证号")
        refund = kind == Kind.REFUND
        return Row(
            channel="wechat",
            kind=kind,
            order_number="" if refund else ours,
            channel_number=number_or_none(theirs, line, "微信支付业务单号"),
            refund_number=ours if refund else "",
            at=at,
            amount_fen=moved if way == natural else -moved,
            fee_millifen=_fee_given_back(remark, moved) if refund else None,
            status=Status.DONE,
            account=self.head.account,
            line=line,
        )

    def _summary(self, line: int, text: str) -> None:
        at, said = summary(self.lines, line, text, _SUMS, tuple(_SUMS))
        counts, sums = self._count, self._fen
        for thing, ours in (
            ("count", counts[_IN] + counts[_OUT]),
            ("in_count", counts[_IN]),
            ("out_count", counts[_OUT]),
        ):
            agree(at, _SUMS[thing][0], count(said[thing], at, _SUMS[thing][0]), ours)
        for thing, way in (("in_fen", _IN), ("out_fen", _OUT)):
            agree(at, _SUMS[thing][-1], fen(said[thing], at, _SUMS[thing][-1]), sums[way], yuan)


def _kind(type_: str) -> Kind:
    """By 业务类型, to which WeChat adds new ones: what is not known is `other`, for a person."""
    if "手续费" in type_:
        return Kind.FEE
    if "提现" in type_:
        return Kind.SETTLEMENT
    return {"交易": Kind.PAYMENT, "退款": Kind.REFUND}.get(type_, Kind.OTHER)


def _fee_given_back(remark: str, moved: int) -> int | None:
    """In 1/1000 fen, negative; None where the remark does not tell it, or not so that it comes to what moved."""
    match = _REFUND_FEE.search(remark)
    if match is None:
        return None
    whole, fee = (int(part.replace(".", "")) for part in match.groups())
    return -fee * 1000 if whole - fee == moved else None
