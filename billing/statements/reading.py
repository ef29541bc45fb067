"""A channel's file, whichever of its forms it has, as one statement."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import BinaryIO, Final

from billing.statements import alipay, cash, fund_flow, unionpay, wechat
from billing.statements.cells import heading
from billing.statements.container import UNPACKED_MAX, Choose, Container, Line
from billing.statements.head import Head
from billing.statements.rows import AGAIN, BadStatement, Row, Totals

ROWS_MAX: Final = 5_000_000
_CELLS_MAX: Final = 100
_DAY_IN_NAME = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?!\d)", re.ASCII)


class Statement:
    """A statement while it is read. `head`, `totals` and `digest` are whole once `rows` has come to its end without a `BadStatement`.

    `digest`: SHA-256 of the bill itself, unpacked.
    """

    def __init__(
        self,
        head: Head,
        container: Container,
        rows: Callable[[Totals], Iterator[Row]],
        after: Callable[[Totals], None] | None = None,
    ) -> None:
        self.head, self.totals, self.complete, self.digest = head, Totals(), False, b""
        self._container, self._rows, self._after = container, rows, after

    def rows(self) -> Iterator[Row]:
        """The rows, once. Raises `BadStatement`, also after the last row: what was taken before counts for nothing then."""
        for row in self._rows(self.totals):
            if self.totals.rows > ROWS_MAX:
                raise BadStatement(row.line, f"more than {ROWS_MAX} rows", "ask the channel for smaller files")
            yield row
        if self._after is not None:
            self._after(self.totals)
        if self.head.day is None:
            raise BadStatement(0, "it has no rows that would tell its day", "say of which day it is")
        self.complete, self.digest = True, self._container.digest()


def open_statement(
    channel: str, stream: BinaryIO, *, name: str = "", day: date | None = None, unpacked_max: int = UNPACKED_MAX
) -> Statement:
    """Begin to read a file of `wechat`, `alipay`, `unionpay` or `cash`. Raises `BadStatement`, `KeyError` for another channel.

    Of a file that another channel wrote it says whose it is.

    `stream` can be sought and stays the caller's. `name` is the file's: it tells UnionPay's settlement day, and the day of a file without
    rows. `day`: of which day it must be.
    """
    try:
        return _FORMS[channel](stream, name, Head(channel, day=day), unpacked_max)
    except BadStatement:
        whose = _whose(channel, stream, name, unpacked_max)
        if whose is None:
            raise
    raise BadStatement(
        0, f"it is a statement of {whose}, not of {channel}", f"import it as one of {whose} (--channel {whose})"
    )


def _whose(channel: str, stream: BinaryIO, name: str, unpacked_max: int) -> str | None:
    """Another channel whose form the beginning of a file has."""
    for other in (one for one in CHANNELS if one != channel):
        stream.seek(0)
        try:
            _FORMS[other](stream, name, Head(other), unpacked_max)
        except BadStatement:
            continue
        return other
    return None


def read_all(channel: str, data: bytes, *, name: str = "", day: date | None = None) -> tuple[Head, list[Row]]:
    """A whole file at once, for what is small. Raises `BadStatement`."""
    statement = open_statement(channel, io.BytesIO(data), name=name, day=day)
    rows = list(statement.rows())
    return statement.head, rows


def _tables(names: list[str]) -> list[str]:
    """Of an archive's names those of tables."""
    return [name for name in names if name.lower().endswith((".csv", ".txt"))]


def _day_of_name(name: str) -> date | None:
    """The one day that a file's name has in it."""
    found = {"-".join(match) for match in _DAY_IN_NAME.findall(name)}
    try:
        return date.fromisoformat(found.pop()) if len(found) == 1 else None
    except ValueError:
        return None


def _contain(stream: BinaryIO, head: Head, choose: Choose, most: int) -> Container:
    container = Container(stream, choose, most)
    head.member = container.member
    return container


def _headings(container: Container) -> tuple[int, list[str], Iterator[Line]]:
    """The first line that is not blank, as cells, and the lines after it."""
    lines = container.lines()
    for line, text in lines:
        if text.strip():
            cells = text.split(",", _CELLS_MAX)
            if len(cells) > _CELLS_MAX:
                raise BadStatement(line, f"more than {_CELLS_MAX} columns", AGAIN)
            return line, cells, lines
    raise BadStatement(0, "the file is empty", "record a day without transactions as such")


def _dated(rows: Callable[[Totals], Iterator[Row]], head: Head, name: str) -> Callable[[Totals], Iterator[Row]]:
    """A file without rows is of the day in its name."""

    def taken(totals: Totals) -> Iterator[Row]:
        yield from rows(totals)
        if head.day is None:
            head.day = _day_of_name(name)

    return taken


def _wechat(stream: BinaryIO, name: str, head: Head, most: int) -> Statement:
    container = _contain(stream, head, _tables, most)
    line, cells, lines = _headings(container)
    names = [heading(cell) for cell in cells]
    bill: wechat.TradeBill | fund_flow.FundFlow
    if wechat.is_trade_bill(names):
        bill = wechat.TradeBill(line, cells, lines, head)
    elif fund_flow.is_fund_flow(names):
        bill = fund_flow.FundFlow(line, cells, lines, head)
    else:
        what = "no WeChat bill: the headings are neither a trade bill's nor a fund-flow bill's"
        raise BadStatement(line, what, "import the 交易账单 or the 资金账单 unchanged")
    return Statement(head, container, _dated(bill.rows, head, name))


def _alipay(stream: BinaryIO, name: str, head: Head, most: int) -> Statement:
    del name
    container = _contain(stream, head, alipay.choose, most)
    detail = alipay.Detail(container.lines(), head)
    beside = [one for one in container.names if alipay.is_summary(one) and "业务明细" in one]

    def check(totals: Totals) -> None:
        for one in beside:
            detail.check_summary(container.lines(one), totals)

    return Statement(head, container, detail.rows, check)


def _unionpay(stream: BinaryIO, name: str, head: Head, most: int) -> Statement:
    container = _contain(stream, head, unionpay.choose, most)
    bill = unionpay.SettlementFile(container.raw_lines(), head, container.member or name)
    return Statement(head, container, bill.rows)


def _cash(stream: BinaryIO, name: str, head: Head, most: int) -> Statement:
    container = _contain(stream, head, _tables, most)
    count = cash.CashCount(*_headings(container), head)
    return Statement(head, container, _dated(count.rows, head, name))


_FORMS: Final = {"wechat": _wechat, "alipay": _alipay, "unionpay": _unionpay, "cash": _cash}
CHANNELS: Final = tuple(_FORMS)
