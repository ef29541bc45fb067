"""WeChat Pay's trade bill (交易账单): ALL, SUCCESS, REFUND, and the older headings that some merchants still get.

Source of the fields: WeChat Pay's documentation "交易账单详细说明". A cell of data starts with a back-tick, a comma inside a value is
escaped away, nothing is quoted; after the rows comes a second line of headings and one of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from billing.money import yuan
from billing.statements.cells import (
    Columns,
    OneDay,
    agree,
    count,
    fen,
    heading,
    instant,
    millifen,
    number,
    number_or_none,
    shown,
    yuan5,
)
from billing.statements.container import Line
from billing.statements.head import Head
from billing.statements.rows import AGAIN, BadStatement, Kind, Row, StatementKind, Status, Totals

HEADINGS: Final = {
    "at": ("交易时间",),
    "merchant": ("商户号",),
    "sub_merchant": ("特约商户号", "子商户号"),
    "channel_number": ("微信订单号",),
    "order_number": ("商户订单号",),
    "state": ("交易状态",),
    "currency": ("货币种类",),
    "settled": ("应结订单金额",),
    "fee": ("手续费",),
    "ordered": ("订单金额",),
    "refund_asked_at": ("退款申请时间",),
    "refund_done_at": ("退款成功时间",),
    "refund_number": ("商户退款单号",),
    "refunded": ("退款金额",),
    "coupon_refunded": ("充值券退款金额", "企业红包退款金额", "代金券或立减优惠退款金额"),
    "refund_state": ("退款状态",),
    "refund_asked": ("申请退款金额",),
}
_OLD_TOTAL: Final = "总金额"
# Of before coupons were told apart: what was ordered is what is settled, and what was asked back is what went back. Only where 总金额 shows
# that a bill is as old: in a newer one a column that is missing is missing.
OLD_HEADINGS: Final = {
    **HEADINGS,
    "settled": (_OLD_TOTAL,),
    "ordered": (_OLD_TOTAL,),
    "refund_asked": ("退款金额",),
}
_SUMS: Final = {
    "count": ("总交易单数",),
    "settled": ("应结订单总金额", "总交易额"),
    "refunded": ("退款总金额", "总退款金额"),
    "coupon_refunded": ("充值券退款总金额", "总企业红包退款金额", "总代金券或立减优惠退款金额"),
    "fee": ("手续费总金额",),
    "ordered": ("订单总金额",),
    "refund_asked": ("申请退款总金额",),
}
_ALWAYS: Final = (
    "at",
    "merchant",
    "sub_merchant",
    "channel_number",
    "order_number",
    "state",
    "currency",
    "settled",
    "fee",
    "ordered",
)
_OF_REFUNDS: Final = ("refund_number", "refunded", "coupon_refunded", "refund_state", "refund_asked")
_OF_REFUND_BILLS: Final = ("refund_asked_at", "refund_done_at")
_REFUND_STATES: Final = {
    "SUCCESS": Status.DONE,
    "PROCESSING": Status.PROCESSING,
    "FAIL": Status.FAILED,
    # 退款异常: the money did not arrive and waits for the merchant.
    "CHANGE": Status.FAILED,
}


def is_trade_bill(names: list[str]) -> bool:
    """By a line of headings, as `heading` has them."""
    return "微信订单号" in names and "商户订单号" in names


def cells_of(text: str, line: int, width: int) -> list[str]:
    """A row's cells, without their back-ticks. Raises `BadStatement`."""
    cells = text[1:].split(",`")
    if len(cells) != width:
        raise BadStatement(line, f"{len(cells)} cells under {width} headings", AGAIN)
    return cells


def summary(
    lines: Iterator[Line], line: int, text: str, wanted: dict[str, tuple[str, ...]], needed: tuple[str, ...]
) -> tuple[int, dict[str, str]]:
    """The line and the cells of the sums, whose headings are `text`; the file ends after them. Raises `BadStatement`."""
    columns = Columns(line, text.split(","), wanted)
    columns.need(wanted, *needed)
    found = next(lines, None)
    if found is None or not found[1].startswith("`"):
        raise BadStatement(line + 1, "the summary's sums are missing: the file is cut off", AGAIN)
    at, cells = found[0], cells_of(found[1], found[0], columns.width)
    for rest, more in lines:
        if more.strip():
            raise BadStatement(rest, "something stands after the summary", AGAIN)
    return at, {thing: cells[place] for thing in wanted if (place := columns.place(thing)) is not None}


@dataclass
class _Sums:
    """What the file's own summary must say. In fen; the fee in 1/1000 fen."""

    settled: int = 0
    refunded: int = 0
    coupon_refunded: int = 0
    fee: int = 0
    ordered: int = 0
    refund_asked: int = 0


class TradeBill:
    """A trade bill while it is read."""

    def __init__(self, line: int, cells: list[str], lines: Iterator[Line], head: Head) -> None:
        self.old = _OLD_TOTAL in map(heading, cells)
        wanted = OLD_HEADINGS if self.old else HEADINGS
        self.columns, self.lines, self.head = Columns(line, cells, wanted), lines, head
        self._day = OneDay(head.day)
        self._sums = _Sums()
        self.columns.need(wanted, *_ALWAYS)
        # A kind is known by all of its columns: of one that has some of them something was lost.
        head.kind = StatementKind.PAYMENTS
        if any(thing in self.columns for thing in _OF_REFUNDS):
            self.columns.need(wanted, *_OF_REFUNDS)
            head.kind = StatementKind.TRADE
        if any(thing in self.columns for thing in _OF_REFUND_BILLS):
            self.columns.need(wanted, *_OF_REFUND_BILLS, *_OF_REFUNDS)
            head.kind = StatementKind.REFUNDS
        self._place = {thing: place for thing in wanted if (place := self.columns.place(thing)) is not None}

    def rows(self, totals: Totals) -> Iterator[Row]:
        """Raises `BadStatement`, at the latest at the end, where the summary is held against the rows."""
        for line, text in self.lines:
            if not text.startswith("`"):
                if not text.strip():
                    continue
                self._summary(line, text, totals)
                return
            row = self._row(line, cells_of(text, line, self.columns.width))
            totals.add(row)
            yield row
        raise BadStatement(0, "there is no summary at the end: the file is cut off", AGAIN)

    def _row(self, line: int, cells: list[str]) -> Row:
        place = self._place
        currency = cells[place["currency"]].strip()
        if currency != "CNY":
            raise BadStatement(line, f"货币种类 {shown(currency)} is not CNY", "only yuan are settled here")
        state = cells[place["state"]].strip()
        refund = self._is_refund(state, line)
        fee = millifen(cells[place["fee"]], line, "手续费")
        self._add_up(cells, line, fee)
        at, where = instant(cells[place["at"]], line, "交易时间"), "交易时间"
        asked_at = cells[place["refund_asked_at"]].strip() if refund and "refund_asked_at" in place else ""
        if asked_at:
            at, where = instant(asked_at, line, "退款申请时间"), "退款申请时间"
        self._day.check(at, line, where)
        self.head.day = self._day.day
        self._own(cells, line)
        refund_number, status = self._refund(cells, line, state) if refund else ("", Status.DONE)
        amount, settled = ("refund_asked", "refunded") if refund else ("ordered", "settled")
        return Row(
            channel="wechat",
            kind=Kind.REFUND if refund else Kind.PAYMENT,
            order_number=number(cells[place["order_number"]], line, "商户订单号"),
            channel_number=number(cells[place["channel_number"]], line, "微信订单号"),
            refund_number=refund_number,
            at=at,
            amount_fen=fen(cells[place[amount]], line, HEADINGS[amount][0]),
            fee_millifen=fee,
            status=status,
            account=self.head.account,
            line=line,
            settled_fen=fen(cells[place[settled]], line, HEADINGS[settled][0]),
        )

    def _is_refund(self, state: str, line: int) -> bool:
        if state == "SUCCESS" and self.head.kind != StatementKind.REFUNDS:
            return False
        if state in {"REFUND", "REVOKED"} and self.head.kind != StatementKind.PAYMENTS:
            return True
        raise BadStatement(line, f"交易状态 {shown(state)} is none that such a bill has", AGAIN)

    def _refund(self, cells: list[str], line: int, state: str) -> tuple[str, Status]:
        """Its number and how it stood. Of an order that was revoked (撤销) there may be no number."""
        text = cells[self._place["refund_number"]]
        if state == "REVOKED":
            return number_or_none(text, line, "商户退款单号"), Status.REVOKED
        said = cells[self._place["refund_state"]].strip()
        if said not in _REFUND_STATES:
            raise BadStatement(line, f"退款状态 {shown(said)} is none of {', '.join(_REFUND_STATES)}", AGAIN)
        if text.strip() == "0":
            raise BadStatement(line, "a refund without 商户退款单号", AGAIN)
        return number(text, line, "商户退款单号"), _REFUND_STATES[said]

    def _own(self, cells: list[str], line: int) -> None:
        """The account whose money it is. A provider's file of several shops belongs to nobody alone."""
        sub = cells[self._place["sub_merchant"]] if "sub_merchant" in self._place else ""
        account = number_or_none(sub, line, "特约商户号") or number(cells[self._place["merchant"]], line, "商户号")
        self.head.own(account, line)

    def _add_up(self, cells: list[str], line: int, fee: int) -> None:
        sums, place = self._sums, self._place
        sums.fee += fee
        sums.settled += fen(cells[place["settled"]], line, "应结订单金额")
        sums.ordered += fen(cells[place["ordered"]], line, "订单金额")
        if "refunded" in place:
            sums.refunded += fen(cells[place["refunded"]], line, "退款金额")
            sums.refund_asked += fen(cells[place["refund_asked"]], line, "申请退款金额")
            sums.coupon_refunded += fen(cells[place["coupon_refunded"]], line, "充值券退款金额")

    def _summary(self, line: int, text: str, totals: Totals) -> None:
        # Old summaries have one sum of orders and one of refunds.
        left_out = {"ordered", "refund_asked"} if self.old else set()
        needed = tuple(thing for thing in _SUMS if thing == "count" or (thing in self._place and thing not in left_out))
        at, said = summary(self.lines, line, text, _SUMS, needed)
        agree(at, "总交易单数", count(said.pop("count"), at, "总交易单数"), totals.rows)
        for thing, cell in said.items():
            name, ours = _SUMS[thing][0], getattr(self._sums, thing)
            if thing == "fee":
                agree(at, name, millifen(cell, at, name), ours, yuan5)
            else:
                agree(at, name, fen(cell, at, name), ours, yuan)
