"""The tables of closed days: for CSV and for workbooks. Figures come from what was sealed, transactions from the ledger.

Of a longer period each table adds its days up, and `by-day` has them singly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec

from billing.close import BreakCount, Document, LaneTotals
from billing.exports.audience import merge_accounts, merge_benefits, merge_postings, open_to_all
from billing.exports.cells import Cell, Column, Table
from billing.exports.days import SiteDay
from billing.exports.words import (
    BENEFITS,
    BREAK_STATES,
    BREAKS,
    CHANNELS,
    EXCEPTIONS,
    MATCH_STATES,
    STATES,
    SUMS,
    account_name,
    name_of,
)
from billing.ledger import Posting, Transaction
from billing.reconciled import Total
from billing.reconciled import read_document as read_reconciled

Days: TypeAlias = Sequence[SiteDay]

_SITE = Column("小区", "site")
_NAME = Column("名称", "name")
_AMOUNT = Column("金额", "amount", "fen")
_PASSAGES = (Column("入场", "entries", "count"), Column("离场", "exits", "count"))
_SEQUENCE = Column("日结序号", "sequence", "count")
_HASH = Column("日结哈希", "close_hash")
_NO_TOTAL = Total("", "", "", "", 0, 0)
_SUMS = tuple(Column(heading.split()[0], heading.split()[1], "fen") for _, heading in SUMS)


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """An electronic invoice that was issued, or (`of_number`) a red one, whose amounts are negative. Never who it is for."""

    at: datetime
    site: str
    merchant: str
    number: str
    of_number: str | None
    stay: str
    amount_fen: int
    tax_fen: int
    rate: str


def tables(days: Days, *, audience: str = "finance", invoices: Iterable[InvoiceLine] = ()) -> list[Table]:
    """summary, by-day (of more than one), by-site, by-channel, by-shift, by-lane, benefits, breaks, reconciled, transactions.

    And `invoices`, for those to whom nothing is merged.
    """
    merged = open_to_all(audience)
    several = len({one.day for one in days}) > 1
    return [
        _summary(days, merged=merged),
        *([_by_day(days)] if several else []),
        _by_site(days, several=several),
        _named(
            "by-channel",
            "按支付渠道",
            Column("支付渠道", "channel"),
            days,
            lambda found: found.totals.channels,
            CHANNELS,
        ),
        _named("by-shift", "按班次", Column("班次", "shift"), days, lambda found: found.totals.shifts),
        _by_lane(days),
        _benefits(days, merged=merged),
        _breaks(days),
        _reconciled(days),
        _transactions(days, merged=merged),
        *([] if merged else [_invoices(invoices)]),
    ]


def _documents(days: Days) -> Iterator[tuple[SiteDay, Document]]:
    """One at a time: a month of a street is a thousand of them."""
    return ((one, one.document()) for one in days)


def _summary(days: Days, *, merged: bool) -> Table:
    """What was earned, waived, received, is owed and disputed, then every account, then what moved. One figure a row."""
    sums: Counter[str] = Counter()
    accounts: Counter[str] = Counter()
    passages: Counter[str] = Counter()
    states: Counter[str] = Counter()
    exceptions: Counter[str] = Counter()
    last = max((one.day for one in days), default=None)
    for one, document in _documents(days):
        for field, _ in SUMS:
            sums[field] += getattr(document.totals.sums, field)
        _add(accounts, document.totals.accounts)
        _add(states, document.passages.by_state)
        passages["入场 entries"] += document.passages.entries
        passages["离场 exits"] += document.passages.exits
        passages["流水笔数 transactions"] += document.transactions
        if one.day == last:  # What is carried over is a stand, not a flow.
            for carried in document.exceptions:
                exceptions[carried.kind] += carried.count
    rows: list[Sequence[Cell]] = [
        ("合计 totals", heading, heading.split()[0], None, sums[field]) for field, heading in SUMS
    ]
    seen = merge_accounts(accounts) if merged else accounts
    rows += [("科目 accounts", account, account_name(account), None, fen) for account, fen in sorted(seen.items())]
    rows += [("通行 passages", item, item.split()[0], passages[item], None) for item in ("入场 entries", "离场 exits")]
    for state, count in sorted(states.items()):
        item = f"{STATES.get(state, '')} {state}".strip()
        rows.append(("离场状态 exits by state", item, name_of(STATES, state), count, None))
    for kind, count in sorted(exceptions.items()):
        rows.append(("挂账异常 exceptions carried over", kind, name_of(EXCEPTIONS, kind), count, None))
    item = "流水笔数 transactions"
    rows.append(("流水 ledger", item, item.split()[0], passages[item], None))
    columns = (
        *(Column("类别", "section"), Column("项目", "item"), Column("说明", "name")),
        *(Column("数量", "count", "count"), _AMOUNT),
    )
    return Table("summary", "汇总", columns, rows)


def _add(sums: Counter[str], amounts: Mapping[str, int]) -> None:
    """`Counter.update` by its keys; also what sums to nothing stays to be seen."""
    for key, amount in amounts.items():
        sums[key] += amount


def _sums(document: Document) -> list[int]:
    return [getattr(document.totals.sums, field) for field, _ in SUMS]


def _by_day(days: Days) -> Table:
    def row(one: SiteDay, found: Document) -> list[Cell]:
        passages = found.passages
        before: list[Cell] = [one.day, one.site, one.name, found.sequence, passages.entries, passages.exits]
        return [*before, *_sums(found), one.close.hash.hex()]

    rows = (row(one, found) for one, found in _documents(days))
    columns = (Column("营业日", "business_day", "day"), _SITE, _NAME, _SEQUENCE, *_PASSAGES, *_SUMS, _HASH)
    return Table("by-day", "按日", columns, rows)


def _by_site(days: Days, *, several: bool) -> Table:
    found: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    sealed: dict[str, tuple[int, str]] = {}
    for one, document in _documents(days):
        figures = [document.passages.entries, document.passages.exits, *_sums(document)]
        before = found.get(one.site, [0] * len(figures))
        found[one.site] = [left + right for left, right in zip(before, figures, strict=True)]
        names[one.site] = one.name
        sealed[one.site] = (document.sequence, one.close.hash.hex())
    if several:
        rows: list[Sequence[Cell]] = [(site, names[site], *figures) for site, figures in found.items()]
        return Table("by-site", "按小区", (_SITE, _NAME, *_PASSAGES, *_SUMS), rows)
    rows = [(site, names[site], sealed[site][0], *figures, sealed[site][1]) for site, figures in found.items()]
    return Table("by-site", "按小区", (_SITE, _NAME, _SEQUENCE, *_PASSAGES, *_SUMS, _HASH), rows)


def _named(
    name: str,
    title: str,
    column: Column,
    days: Days,
    amounts_of: Callable[[Document], Mapping[str, int]],
    words: Mapping[str, str] | None = None,
) -> Table:
    """Amounts by site and something that has a name. `words`: with what the names mean."""
    found: dict[str, Counter[str]] = {}
    for one, document in _documents(days):
        _add(found.setdefault(one.site, Counter()), amounts_of(document))
    if words is None:
        plain = [(site, key, fen) for site, amounts in found.items() for key, fen in sorted(amounts.items())]
        return Table(name, title, (_SITE, column, _AMOUNT), plain)
    rows = [
        (site, key, name_of(words, key), fen) for site, amounts in found.items() for key, fen in sorted(amounts.items())
    ]
    return Table(name, title, (_SITE, column, _NAME, _AMOUNT), rows)


def _benefits(days: Days, *, merged: bool) -> Table:
    def seen(document: Document) -> Mapping[str, int]:
        return merge_benefits(document.totals.benefits) if merged else document.totals.benefits

    return _named("benefits", "优免", Column("优免", "benefit"), days, seen, BENEFITS)


def _by_lane(days: Days) -> Table:
    found: dict[tuple[str, str], LaneTotals] = {}
    for one, document in _documents(days):
        for lane, totals in sorted(document.totals.lanes.items()):
            before = found.get((one.site, lane), LaneTotals())
            found[one.site, lane] = LaneTotals(
                before.entries + totals.entries,
                before.exits + totals.exits,
                before.gross_fen + totals.gross_fen,
                before.payable_fen + totals.payable_fen,
                before.paid_fen + totals.paid_fen,
            )
    rows = [
        (site, lane, totals.entries, totals.exits, totals.gross_fen, totals.payable_fen, totals.paid_fen)
        for (site, lane), totals in found.items()
    ]
    money = [
        Column(chinese, english, "fen")
        for chinese, english in (("应收", "gross"), ("应付", "payable"), ("已付", "paid"))
    ]
    return Table("by-lane", "按车道", (_SITE, Column("车道", "lane"), *_PASSAGES, *money), rows)


def _breaks(days: Days) -> Table:
    """What each sealed record says is in question: what its close carried over, with exceptions; what its match found, by when it was sealed.

    A drawer's difference is in both records: `record` says which, and the two are not to be added up.
    """

    def rows() -> Iterator[Sequence[Cell]]:
        for one, document in _documents(days):
            for item in document.breaks:
                yield one.day, one.site, "日结", *_break(item)
            for waits in document.exceptions:
                word = name_of(EXCEPTIONS, waits.kind)
                yield one.day, one.site, "日结", waits.kind, word, "异常", waits.age_days, waits.count, None
            for record in one.records:
                if record.kind == "reconciled":
                    for item in read_reconciled(record.canonical).breaks:
                        yield one.day, one.site, "对账", *_break(item)

    columns = (
        *(Column("营业日", "business_day", "day"), _SITE, Column("封存", "record")),
        *(Column("类型", "kind"), _NAME, Column("状态", "state")),
        *(Column("账龄(天)", "age_days", "count"), Column("数量", "count", "count"), Column("金额", "amount", "fen")),
    )
    return Table("breaks", "差异挂账", columns, rows())


def _break(item: BreakCount) -> Sequence[Cell]:
    state = name_of(BREAK_STATES, item.state)
    return item.kind, name_of(BREAKS, item.kind), state, item.age_days, item.count, item.amount_fen


def _reconciled(days: Days) -> Table:
    """What books and channels each had, once a day's statements had come and were matched; a day that waits for one is not there."""
    sides = (("books", "账面"), ("channel", "渠道"))

    def rows() -> Iterator[Sequence[Cell]]:
        for one in days:
            for record in one.records:
                if record.kind != "reconciled":
                    continue
                found: dict[tuple[str, str, str], dict[str, Total]] = {}
                for total in read_reconciled(record.canonical).totals:
                    found.setdefault((total.channel, total.merchant, total.state), {})[total.side] = total
                for (channel, merchant, state), by_side in sorted(found.items()):
                    figures = [by_side.get(side, _NO_TOTAL) for side, _ in sides]
                    yield (
                        *(one.day, one.site, channel, name_of(CHANNELS, channel), merchant),
                        name_of(MATCH_STATES, state),
                        *(cell for total in figures for cell in (total.rows, total.fen)),
                        *(figures[1].fen - figures[0].fen, record.hash.hex()),
                    )

    columns = (
        *(Column("营业日", "business_day", "day"), _SITE, Column("支付渠道", "channel"), _NAME),
        *(Column("收款主体", "merchant"), Column("状态", "state")),
        *(
            column
            for side, word in sides
            for column in (Column(f"{word}笔数", f"{side}_rows", "count"), Column(f"{word}金额", side, "fen"))
        ),
        *(Column("渠道减账面", "difference", "fen"), Column("对账哈希", "reconciled_hash")),
    )
    return Table("reconciled", "渠道对账", columns, rows())


def _invoices(lines: Iterable[InvoiceLine]) -> Table:
    columns = (
        *(Column("开票时间", "at", "instant"), _SITE, Column("收款主体", "merchant"), Column("发票号码", "number")),
        *(Column("红冲蓝字号码", "of_number"), Column("停车记录", "stay"), Column("税率", "rate")),
        *(Column("金额(不含税)", "net", "fen"), Column("税额", "tax", "fen"), Column("价税合计", "amount", "fen")),
    )
    rows = (
        (
            *(one.at, one.site, one.merchant, one.number, one.of_number, one.stay, one.rate),
            *(one.amount_fen - one.tax_fen, one.tax_fen, one.amount_fen),
        )
        for one in lines
    )
    return Table("invoices", "开票", columns, rows)


def _transactions(days: Days, *, merged: bool) -> Table:
    columns = (
        *(_SITE, Column("营业日", "business_day", "day"), Column("所属日", "belongs_to", "day")),
        *(Column("时间", "at", "instant"), Column("流水号", "id"), Column("类型", "kind")),
        *(Column("关联类型", "reference_kind"), Column("关联号", "reference"), Column("操作员", "operator")),
        *(Column("冲销", "reverses"), Column("科目", "account"), _AMOUNT),
    )
    rows = (
        _posting_row(said, posting)
        for one in days
        for said in in_order(one)
        for posting in (merge_postings(said.postings) if merged else said.postings)
    )
    return Table("transactions", "流水", columns, rows)


def in_order(one: SiteDay) -> list[Transaction]:
    """A site's day of transactions by (instant, id)."""
    return sorted(one.transactions, key=lambda transaction: (transaction.at, transaction.id))


def _posting_row(said: Transaction, posting: Posting) -> Sequence[Cell]:
    return (
        *(said.site, said.business_day, said.belongs_to, said.at, said.id, said.kind, said.reference_kind),
        *(said.reference, said.operator, said.reverses, posting.account, posting.amount_fen),
    )
