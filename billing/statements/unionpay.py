"""UnionPay's ZM file: 42 fields of fixed width, counted in bytes, one byte between them, GBK, fen.

Source of the fields: UnionPay's 《全渠道平台接入接口规范 第3部分 文件接口》 6.1. Times have no year: it is that of the settlement day, or the
one before for a row of its last days. There is no summary: what holds a row together is that its amounts add up, and that every line has
its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from billing.money import yuan
from billing.statements.cells import SHANGHAI, shown
from billing.statements.head import Head
from billing.statements.rows import AGAIN, BadStatement, Kind, Row, StatementKind, Status, Totals

WIDTHS: Final = (
    *(3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2),
    *(6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98),
)
LINE_BYTES: Final = sum(WIDTHS) + len(WIDTHS) - 1
LATE_DAYS_MAX: Final = 31
"""How long before its settlement day a row may be: beyond it the year would be a guess."""

# 20 交易类型: what it is and how it stood. Authorisations move no money and are not among them.
_TYPES: Final = {
    "01": (Kind.PAYMENT, Status.DONE),
    "03": (Kind.PAYMENT, Status.DONE),
    "04": (Kind.REFUND, Status.DONE),
    "31": (Kind.REFUND, Status.REVOKED),
    "33": (Kind.REFUND, Status.REVOKED),
}
_NO_MONEY: Final = frozenset({"02", "32"})
_NUMBER = re.compile(rb"[\x21-\x7e]{1,40} *")
_MOMENT = re.compile(rb"\d{10}")
_FEN = re.compile(rb"\d{12}")
_SIGNED = re.compile(rb"[CD]\d{12}")
_NAME = re.compile(r"INN(\d{6})88ZM", re.ASCII)


def _slices() -> list[slice]:
    found, at = [], 0
    for width in WIDTHS:
        found.append(slice(at, at + width))
        at += width + 1
    return found


_FIELDS: Final = _slices()
_BETWEEN: Final = [one.stop for one in _FIELDS[:-1]]


def choose(names: list[str]) -> list[str]:
    """Of an archive's names that of the ZM file."""
    return [name for name in names if "ZM_" in name]


def day_of_name(name: str) -> date | None:
    """The settlement day in `INN26011588ZM_777290000000001`; None where the name has another form."""
    match = _NAME.search(name)
    if match is None:
        return None
    try:
        return datetime.strptime(f"20{match[1]}", "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        return None


class SettlementFile:
    """A ZM file while it is read."""

    def __init__(self, lines: Iterator[tuple[int, bytes]], head: Head, name: str) -> None:
        self.lines, self.head = lines, head
        head.kind = StatementKind.TRADE
        named = day_of_name(name)
        if head.day is not None and named is not None and named != head.day:
            raise BadStatement(0, f"the file's name says {named}, not {head.day}", "give the right day")
        head.day = head.day or named
        if head.day is None:
            raise BadStatement(
                0,
                "its settlement day is unknown: times in it have no year",
                "keep the name INNyymmdd88ZM_… or give the day",
            )
        self._separator = b""

    def rows(self, totals: Totals) -> Iterator[Row]:
        """Raises `BadStatement`."""
        empty = True
        for line, raw in self.lines:
            if not raw:
                continue
            empty = False
            row = self._row(line, raw)
            if row is not None:
                totals.add(row)
                yield row
        if empty:
            raise BadStatement(0, "the file is empty", "record a day without transactions as such")

    def _row(self, line: int, raw: bytes) -> Row | None:
        self._form(line, raw)
        field = [raw[one] for one in _FIELDS]
        type_ = field[19].decode("ascii", errors="replace")
        amount = _amount(field[6], line, "7 交易金额")
        if type_ in _NO_MONEY:
            return None
        if type_ not in _TYPES:
            raise BadStatement(
                line, f"field 20 交易类型 {shown(type_)} is not known", "tell whoever looks after Parkgate"
            )
        kind, status = _TYPES[type_]
        refund = kind == Kind.REFUND
        fee, settled, net = (_signed(field[place], line, place + 1) for place in (15, 16, 32))
        # Shares of instalments and of sub-merchants would come in between; parking has neither.
        moved = -amount if refund else amount
        if moved + fee != settled or net != settled:
            told = f"{yuan(moved)} with a fee of {yuan(-fee)} is not {yuan(settled)}"
            raise BadStatement(line, f"fields 7, 16, 17 and 33 do not add up: {told}", AGAIN)
        account = _number(field[27], line, "28 商户代码")
        self.head.own(account, line)
        order = _number(field[11], line, "12 商户订单号")
        return Row(
            channel="unionpay",
            kind=kind,
            order_number=_number(field[40], line, "41 原始交易订单号") if refund else order,
            channel_number=_number(field[9], line, "10 查询流水号"),
            refund_number=order if refund else "",
            at=self._instant(field[4], line),
            amount_fen=amount,
            fee_millifen=-fee * 1000,
            status=status,
            account=account,
            line=line,
        )

    def _form(self, line: int, raw: bytes) -> None:
        if len(raw) != LINE_BYTES:
            raise BadStatement(line, f"{len(raw)} bytes instead of {LINE_BYTES}", AGAIN)
        between = bytes(raw[place] for place in _BETWEEN)
        if not self._separator:
            self._separator = between[:1]
            if self._separator.isalnum():
                raise BadStatement(line, "the fields are not where they belong", AGAIN)
        if between != self._separator * len(between):
            raise BadStatement(line, "the fields are not where they belong", AGAIN)
        try:
            raw.decode("gb18030")
        except UnicodeDecodeError:
            raise BadStatement(line, "not GBK text", AGAIN) from None

    def _instant(self, raw: bytes, line: int) -> datetime:
        """`MMDDhhmmss` in the latest year in which it is not after the settlement day: 31 December settles in the year after."""
        assert self.head.day is not None
        if _MOMENT.fullmatch(raw) is not None:
            month, day, hour, minute, second = (int(raw[place : place + 2]) for place in range(0, 10, 2))
            for year in (self.head.day.year, self.head.day.year - 1):
                try:
                    at = datetime(year, month, day, hour, minute, second, tzinfo=SHANGHAI)
                except ValueError:
                    continue
                if timedelta(0) <= self.head.day - at.date() <= timedelta(days=LATE_DAYS_MAX):
                    return at.astimezone(UTC)
        told = shown(raw.decode("ascii", errors="replace"))
        raise BadStatement(
            line,
            f"field 5 交易传输时间 {told} is no time in the {LATE_DAYS_MAX} days up to {self.head.day}",
            "check the settlement day",
        )


def _number(raw: bytes, line: int, what: str) -> str:
    if _NUMBER.fullmatch(raw) is None:
        told = shown(raw.decode("gb18030", errors="replace").strip())
        raise BadStatement(line, f"field {what} {told} is no number of an order", AGAIN)
    return raw.decode("ascii").rstrip()


def _amount(raw: bytes, line: int, what: str) -> int:
    if _FEN.fullmatch(raw) is None:
        raise BadStatement(
            line, f"field {what} {shown(raw.decode('ascii', errors='replace'))} is no amount of fen", AGAIN
        )
    return int(raw)


def _signed(raw: bytes, line: int, field: int) -> int:
    """Fen to our credit (C) or debit (D)."""
    if _SIGNED.fullmatch(raw) is None:
        told = shown(raw.decode("ascii", errors="replace"))
        raise BadStatement(line, f"field {field} {told} is no amount of fen with C or D", AGAIN)
    return int(raw[1:]) if raw[:1] == b"C" else -int(raw[1:])
