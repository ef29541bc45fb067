"""What leaves the books: a day's tables as CSV, and its sealed records as JSON. Pure: records in, (file name, bytes) out.

Source of formats and file names: the contracts "money" and "command line". For whoever is not finance or registrar
`waived:low_income` and `waived:pass` are one line, `waived:resident`: poverty is nobody's business.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from billing.close import Document, LaneTotals, Record, read_document
from billing.ledger import WAIVED, Posting, Transaction, five_sums

ADMINISTERS = frozenset({"finance", "registrar"})
"""The roles that see a low-income status; for all others it reads `resident`."""

MERGED = {"low_income": "resident", "pass": "resident"}

Cell: TypeAlias = str | int | None
Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[Cell]]]

_UNSAFE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MONEY = ("金额(分) amount_fen", "金额(元) amount_yuan")


class NotForAudience(ValueError):
    """The sealed records name low-income waivers; they are for finance and registrar. Others take the CSV tables."""


class SiteDay(msgspec.Struct, frozen=True):
    """A site's closed day as exported: its name, its sealed records and what was posted."""

    site: str
    name: str
    records: tuple[Record, ...]
    transactions: Sequence[Transaction]

    def document(self) -> Document:
        """What the close says. Raises `ValueError` if it cannot be read."""
        return read_document(next(record.canonical for record in self.records if record.kind == "close"))


def json_file(scope: str, day: date, days: Iterable[SiteDay], *, audience: str = "finance") -> tuple[str, bytes]:
    """The records as hashed, with their chain. `scope` is the site's id, or `street`. Raises `NotForAudience`."""
    if audience not in ADMINISTERS:
        raise NotForAudience((NotForAudience.__doc__ or "").strip())
    records = [
        {
            "site": record.site,
            "day": record.day.isoformat(),
            "kind": record.kind,
            "sequence": record.sequence,
            "previous_hash": record.previous_hash.hex(),
            "hash": record.hash.hex(),
            "canonical": record.canonical.decode(),
        }
        for one in days
        for record in one.records
    ]
    return f"{scope}-{day}.json", (json.dumps(records, ensure_ascii=False, indent=1) + "\n").encode()


def csv_files(
    scope: str, day: date, days: Sequence[SiteDay], zone: ZoneInfo, *, audience: str = "finance"
) -> list[tuple[str, bytes]]:
    """One file a table: summary, by-site, by-channel, by-shift, by-lane, benefits, transactions."""
    documents = [(one, one.document()) for one in days]
    open_to_all = audience not in ADMINISTERS
    tables: dict[str, Table] = {
        "summary": _summary(documents, open_to_all=open_to_all),
        "by-site": _by_site(documents),
        "by-channel": _by_channel(documents),
        "by-shift": _by_shift(documents),
        "by-lane": _by_lane(documents),
        "benefits": _benefits(documents, open_to_all=open_to_all),
        "transactions": _transactions(days, zone, open_to_all=open_to_all),
    }
    return [(f"{scope}-{day}-{table}.csv", csv_bytes(*found)) for table, found in tables.items()]


def csv_bytes(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8 with BOM, CRLF. Text that a spreadsheet would take for a formula gets an apostrophe in front; an integer stays one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(headings)
    for row in rows:
        writer.writerow([_safe(cell) for cell in row])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


class Yuan(str):
    """An amount in yuan with two decimals: text to us, a number to a spreadsheet, so it is written as it is."""

    __slots__ = ()


def yuan(fen: int) -> Yuan:
    """`-105` fen is `-1.05`."""
    return Yuan(f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}")


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, Yuan) or not isinstance(cell, str):
        return cell
    return "'" + cell if cell.startswith(_UNSAFE) else cell


def merge_benefits(benefits: Mapping[str, int]) -> dict[str, int]:
    """Amounts by benefit as those see them who do not administer low-income certificates."""
    merged: Counter[str] = Counter()
    for benefit, fen in benefits.items():
        merged[MERGED.get(benefit, benefit)] += fen
    return dict(merged)


def merge_accounts(accounts: Mapping[str, int]) -> dict[str, int]:
    """The same for amounts by account."""
    merged: Counter[str] = Counter()
    for account, fen in accounts.items():
        benefit = account.removeprefix(WAIVED)
        merged[WAIVED + MERGED[benefit] if account != benefit and benefit in MERGED else account] += fen
    return dict(merged)


def merge_postings(postings: Sequence[Posting]) -> tuple[Posting, ...]:
    """The same for the lines of one transaction: one line an account."""
    accounts: dict[str, int] = {}
    for posting in postings:
        accounts[posting.account] = accounts.get(posting.account, 0) + posting.amount_fen
    return tuple(Posting(account, fen) for account, fen in merge_accounts(accounts).items() if fen)


_Documents: TypeAlias = Sequence[tuple[SiteDay, Document]]

_SUMS = (
    ("earned_fen", "应收总额 earned"),
    ("waived_fen", "优免 waived"),
    ("received_fen", "实收 received"),
    ("owed_fen", "欠费 owed"),
    ("disputed_fen", "待处理 disputed"),
)
_STATES = {
    "left": "正常离场",
    "no_entry": "有出无进",
    "exception": "异常",
    "missing_exit": "有进无出",
}


def _summary(documents: _Documents, *, open_to_all: bool) -> Table:
    """What was earned, waived, received, is owed and disputed, then every account, then what moved. One figure a row."""
    rows: list[Sequence[Cell]] = []
    for field, heading in _SUMS:
        fen = sum(getattr(document.totals.sums, field) for _, document in documents)
        rows.append(("合计 totals", heading, None, fen, yuan(fen)))
    accounts: Counter[str] = Counter()
    states: Counter[str] = Counter()
    exceptions: Counter[str] = Counter()
    for _, document in documents:
        accounts.update(document.totals.accounts)
        states.update(document.passages.by_state)
        for carried in document.exceptions:
            exceptions[carried.kind] += carried.count
    seen = merge_accounts(accounts) if open_to_all else accounts
    rows += [("科目 accounts", account, None, fen, yuan(fen)) for account, fen in sorted(seen.items())]
    entries = sum(document.passages.entries for _, document in documents)
    exits = sum(document.passages.exits for _, document in documents)
    rows.append(("通行 passages", "入场 entries", entries, None, None))
    rows.append(("通行 passages", "离场 exits", exits, None, None))
    for state, count in sorted(states.items()):
        rows.append(("离场状态 exits by state", f"{_STATES.get(state, '')} {state}".strip(), count, None, None))
    for kind, count in sorted(exceptions.items()):
        rows.append(("挂账异常 exceptions carried over", kind, count, None, None))
    rows.append(("流水 ledger", "流水笔数 transactions", sum(found.transactions for _, found in documents), None, None))
    return ("类别 section", "项目 item", "数量 count", *_MONEY), rows


def _by_site(documents: _Documents) -> Table:
    headings = ["小区 site", "名称 name", "日结序号 sequence", "入场 entries", "离场 exits"]
    for field, heading in _SUMS:
        headings += [f"{heading.split()[0]}(分) {field}", f"{heading.split()[0]}(元) {field.removesuffix('_fen')}_yuan"]
    headings.append("日结哈希 close_hash")
    rows: list[Sequence[Cell]] = []
    for one, document in documents:
        row: list[Cell] = [one.site, one.name, document.sequence, document.passages.entries, document.passages.exits]
        for field, _ in _SUMS:
            fen = getattr(document.totals.sums, field)
            row += [fen, yuan(fen)]
        row.append(next(record.hash.hex() for record in one.records if record.kind == "close"))
        rows.append(row)
    return headings, rows


def _by_channel(documents: _Documents) -> Table:
    rows: list[Sequence[Cell]] = [
        (one.site, channel, fen, yuan(fen))
        for one, document in documents
        for channel, fen in sorted(document.totals.channels.items())
    ]
    return ("小区 site", "支付渠道 channel", *_MONEY), rows


def _by_shift(documents: _Documents) -> Table:
    rows: list[Sequence[Cell]] = [
        (one.site, shift, fen, yuan(fen))
        for one, document in documents
        for shift, fen in sorted(document.totals.shifts.items())
    ]
    return ("小区 site", "班次 shift", *_MONEY), rows


def _by_lane(documents: _Documents) -> Table:
    headings = ["小区 site", "车道 lane", "入场 entries", "离场 exits"]
    for chinese, english in (("应收", "gross"), ("应付", "payable"), ("已付", "paid")):
        headings += [f"{chinese}(分) {english}_fen", f"{chinese}(元) {english}_yuan"]
    rows: list[Sequence[Cell]] = []
    for one, document in documents:
        for lane, found in sorted(document.totals.lanes.items()):
            rows.append([one.site, lane, found.entries, found.exits, *_lane_money(found)])
    return headings, rows


def _lane_money(found: LaneTotals) -> list[Cell]:
    amounts = (found.gross_fen, found.payable_fen, found.paid_fen)
    return [cell for fen in amounts for cell in (fen, yuan(fen))]


def _benefits(documents: _Documents, *, open_to_all: bool) -> Table:
    rows: list[Sequence[Cell]] = []
    for one, document in documents:
        benefits = document.totals.benefits
        seen = merge_benefits(benefits) if open_to_all else benefits
        rows += [(one.site, benefit, fen, yuan(fen)) for benefit, fen in sorted(seen.items())]
    return ("小区 site", "优免 benefit", *_MONEY), rows


def _transactions(days: Sequence[SiteDay], zone: ZoneInfo, *, open_to_all: bool) -> Table:
    headings = (
        *("小区 site", "营业日 business_day", "所属日 belongs_to", "时间 at", "流水号 id", "类型 kind"),
        *("关联类型 reference_kind", "关联号 reference", "操作员 operator", "冲销 reverses", "科目 account"),
        *_MONEY,
    )
    rows: list[Sequence[Cell]] = []
    for one in days:
        for said in sorted(one.transactions, key=lambda transaction: (transaction.at, transaction.id)):
            postings = merge_postings(said.postings) if open_to_all else said.postings
            rows += [_posting_row(said, posting, zone) for posting in postings]
    return headings, rows


def _posting_row(said: Transaction, posting: Posting, zone: ZoneInfo) -> list[Cell]:
    return [
        said.site,
        said.business_day.isoformat(),
        said.belongs_to.isoformat() if said.belongs_to else None,
        said.at.astimezone(zone).isoformat(timespec="seconds"),
        said.id,
        said.kind,
        said.reference_kind,
        said.reference,
        said.operator,
        said.reverses,
        posting.account,
        posting.amount_fen,
        yuan(posting.amount_fen),
    ]


def adds_up(one: SiteDay) -> bool:
    """Whether the exported transactions give the sums that were sealed."""
    sums = five_sums(posting for transaction in one.transactions for posting in transaction.postings)
    return sums == one.document().totals.sums
