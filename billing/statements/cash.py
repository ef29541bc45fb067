"""The cash count (现金盘点): what was in the drawers at the end of shifts, by denomination.

A table of Parkgate's own: of each shift a line a denomination, in fen, and its sum (小计); at the end the sum of all (合计). Headings in
Chinese or English.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from billing.statements.cells import Columns, OneDay, agree, instant, number, shown
from billing.statements.container import Line
from billing.statements.head import Head
from billing.statements.rows import AGAIN, BadStatement, Kind, Row, StatementKind, Status, Totals

HEADINGS: Final = {
    "site": ("小区", "site"),
    "shift": ("班次", "shift"),
    "at": ("清点时间", "counted_at"),
    "worth": ("面额(分)", "denomination_fen"),
    "pieces": ("张数", "count"),
    "amount": ("金额(分)", "amount_fen"),
}
DENOMINATIONS: Final = frozenset({10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000})
"""Fen: what is in circulation and counted in a drawer, from a jiao to a hundred yuan."""

_SUM = frozenset({"合计", "total"})
_SUBTOTAL = frozenset({"小计", "subtotal"})
_PIECES_MAX = 100_000
_CORRECT = "correct the line and import it again"


def _whole(text: str, line: int, what: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise BadStatement(line, f"{what} {shown(text)} is no whole number", _CORRECT)
    return int(text)


@dataclass
class _Shift:
    """A shift as far as it is read."""

    site: str
    name: str
    at: datetime
    line: int
    pieces: int = 0
    fen: int = 0
    worths: set[int] = field(default_factory=set)


class CashCount:
    """A cash count while it is read: one row a shift."""

    def __init__(self, line: int, cells: list[str], lines: Iterator[Line], head: Head) -> None:
        self.columns, self.lines, self.head = Columns(line, cells, HEADINGS), lines, head
        head.kind = StatementKind.COUNT
        self._places = self.columns.need(HEADINGS, *HEADINGS)
        self._day = OneDay(head.day)
        self._all = [0, 0]

    def rows(self, totals: Totals) -> Iterator[Row]:
        """Raises `BadStatement`, at the latest at the end, where the sum is held against the rows."""
        shift: _Shift | None = None
        done: set[tuple[str, str]] = set()
        for line, text in self.lines:
            if not text.strip():
                continue
            cells = [cell.strip() for cell in text.split(",")]
            if len(cells) != self.columns.width:
                raise BadStatement(line, f"{len(cells)} cells under {self.columns.width} headings", _CORRECT)
            site, name, when, worth, pieces, amount = (cells[place] for place in self._places)
            if site in _SUM:
                if shift is not None:
                    raise BadStatement(line, f"shift {shift.name} has no line 小计", _CORRECT)
                self._end(line, pieces, amount)
                return
            of = (number(site, line, "小区"), number(name, line, "班次"), instant(when, line, "清点时间"))
            if shift is None:
                shift = _Shift(*of, line)
                if of[:2] in done:
                    raise BadStatement(line, f"shift {name} stands in two places", _CORRECT)
                done.add(of[:2])
                self._day.check(shift.at, line, "清点时间")
                self.head.day = self._day.day
            elif of != (shift.site, shift.name, shift.at):
                raise BadStatement(line, f"another shift before the line 小计 of {shift.name}", _CORRECT)
            if worth in _SUBTOTAL:
                agree(line, "小计 张数", _whole(pieces, line, "张数"), shift.pieces)
                agree(line, "小计 金额", _whole(amount, line, "金额"), shift.fen)
                yield self._shift(totals, shift)
                shift = None
            else:
                self._denomination(line, worth, pieces, amount, shift)
        raise BadStatement(0, "there is no line 合计 at the end: the file is cut off", AGAIN)

    def _denomination(self, line: int, worth: str, pieces: str, amount: str, shift: _Shift) -> None:
        each, many, came = _whole(worth, line, "面额"), _whole(pieces, line, "张数"), _whole(amount, line, "金额")
        if each not in DENOMINATIONS or each in shift.worths:
            told = "stands twice in the shift" if each in shift.worths else "is none that a drawer holds"
            raise BadStatement(line, f"面额 {each} fen {told}", _CORRECT)
        if many > _PIECES_MAX or each * many != came:
            raise BadStatement(line, f"{many} × {each} fen is not {came} fen", _CORRECT)
        shift.worths.add(each)
        shift.pieces += many
        shift.fen += came
        self._all[0] += many
        self._all[1] += came

    def _shift(self, totals: Totals, shift: _Shift) -> Row:
        row = Row(
            channel="cash",
            kind=Kind.SETTLEMENT,
            order_number=shift.name,
            channel_number="",
            refund_number="",
            at=shift.at,
            amount_fen=shift.fen,
            fee_millifen=None,
            status=Status.DONE,
            account="",
            line=shift.line,
            site=shift.site,
        )
        totals.add(row)
        return row

    def _end(self, line: int, pieces: str, amount: str) -> None:
        agree(line, "张数", _whole(pieces, line, "张数"), self._all[0])
        agree(line, "金额", _whole(amount, line, "金额"), self._all[1])
        for rest, more in self.lines:
            if more.strip():
                raise BadStatement(rest, "something stands after the line 合计", _CORRECT)
