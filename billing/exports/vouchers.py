"""记账凭证: one balanced voucher a business day, as Yonyou (用友) text and as Kingdee (金蝶) CSV, and the waivers beside them.

Shapes as in the contract "money" and the samples. Income is booked net: benefits were never revenue, so they reduce it and stand in a
memorandum only; what was written off was revenue and has an account of its own. Of what then is income the VAT that it contains is
split off, per site, day and kind of income, rounded half up to the fen. What comes from the sealed totals needs no transactions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from itertools import groupby
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

import msgspec

from billing.exports.audience import merge_benefits, open_to_all
from billing.exports.cells import Cell, Column, Table, write_csv, write_table, yuan
from billing.exports.days import File, SiteDay
from billing.exports.mapping import AccountMapping
from billing.exports.tables import Days
from billing.exports.words import BENEFITS, name_of
from billing.ledger import WAIVED, WRITTEN_OFF

_PARKING: Final = "income:parking"
_INCOME: Final = "income:"
_TAX: Final = "tax"
_SUMMARY_MAX: Final = 60
_KINGDEE: Final = (
    *("凭证日期", "凭证字", "凭证号", "附件数", "摘要", "科目代码", "科目名称"),
    *("借方金额", "贷方金额", "核算项目"),
)
# What would end a field of a text without quotes.
_PLAIN: Final = str.maketrans({",": "，", '"': "”", "\r": " ", "\n": " ", "\t": " "})


class Line(msgspec.Struct, frozen=True):
    """One entry of a voucher: a debit is positive, in fen. `site` is the auxiliary code."""

    summary: str
    code: str
    name: str
    fen: int
    site: str


class Voucher(msgspec.Struct, frozen=True):
    """A day's. The same day of the same sites has the same number, however often it is exported."""

    day: date
    word: str
    number: int
    attachments: int
    lines: Sequence[Line]


def accounting_to(
    stem: str, days: Days, mapping: AccountMapping, zone: ZoneInfo, *, audience: str = "finance", before: int = 0
) -> list[File]:
    """`…-yonyou.txt`, `…-kingdee.csv` and `…-memorandum.csv`. `before`: the number before that of a month's first day."""
    return [
        (f"{stem}-yonyou.txt", partial(_yonyou, days=days, mapping=mapping, before=before)),
        (f"{stem}-kingdee.csv", partial(_kingdee, days=days, mapping=mapping, before=before)),
        (f"{stem}-memorandum.csv", partial(write_table, table=_memorandum(days, audience), zone=zone)),
    ]


def vouchers(days: Days, mapping: AccountMapping, before: int = 0) -> Iterator[Voucher]:
    """A voucher of each day on which money moved, all sites in it, numbered by the day of the month after `before`.

    An accounting program takes a number once in a month: what is exported by itself, such as one site, has numbers of its own.
    """
    for day, found in groupby(days, key=lambda one: one.day):
        ones = list(found)
        lines = [line for one in ones for line in _lines(one, mapping)]
        if lines:
            yield Voucher(day, mapping.word, before + day.day, len(ones), lines)


def _lines(one: SiteDay, mapping: AccountMapping) -> list[Line]:
    amounts: Counter[str] = Counter()
    for account, fen in net_of_waivers(one.document().totals.accounts).items():
        vat = contained_vat(fen, mapping.of(account).vat) if account.startswith(_INCOME) else 0
        amounts[account] += fen - vat
        amounts[_TAX] += vat
    sums: Counter[tuple[str, str]] = Counter()
    for account, fen in amounts.items():
        found = mapping.of(account)
        sums[found.code, found.name] += fen
    site = mapping.sites.get(one.site, one.site)
    return [
        Line(f"{one.day} {mapping.summary} {one.name}"[:_SUMMARY_MAX], code, name, fen, site)
        for (code, name), fen in sorted(sums.items(), key=lambda item: (item[1] < 0, item[0]))
        if fen
    ]


def net_of_waivers(accounts: Mapping[str, int]) -> dict[str, int]:
    """Amounts by account, benefits taken off the income from parking."""
    net: Counter[str] = Counter()
    for account, fen in accounts.items():
        net[_PARKING if account.startswith(WAIVED) and account != WRITTEN_OFF else account] += fen
    return dict(net)


def contained_vat(fen: int, rate: Decimal) -> int:
    """The tax in an amount that contains it, half up to the fen away from 0: 10900 at 0.09 is 900."""
    return int((fen * rate / (1 + rate)).quantize(Decimal(1), ROUND_HALF_UP))


def _yonyou(file: BinaryIO, days: Days, mapping: AccountMapping, before: int) -> None:
    """GBK, CRLF, no quotes: day, word, number, papers, summary, account, debit, credit. What GBK has not is a question mark."""
    file.write("填制凭证,V800\r\n".encode("gbk"))
    for voucher in vouchers(days, mapping, before):
        day = voucher.day
        head = f"{day.year}-{day.month}-{day.day},{voucher.word},{voucher.number},{voucher.attachments}"
        for line in voucher.lines:
            said = f"{head},{line.summary.translate(_PLAIN)},{line.code},{_debit(line)},{_credit(line)}\r\n"
            file.write(said.encode("gbk", "replace"))


def _kingdee(file: BinaryIO, days: Days, mapping: AccountMapping, before: int) -> None:
    """UTF-8 with BOM, CRLF; the side that is not meant is empty."""
    rows: Iterator[Sequence[Cell]] = (
        (
            *(voucher.day.isoformat(), voucher.word, voucher.number, voucher.attachments),
            *(line.summary, line.code, line.name),
            *(_debit(line) if line.fen > 0 else None, _credit(line) if line.fen < 0 else None, line.site),
        )
        for voucher in vouchers(days, mapping, before)
        for line in voucher.lines
    )
    write_csv(file, _KINGDEE, rows)


def _debit(line: Line) -> str:
    return yuan(max(line.fen, 0))


def _credit(line: Line) -> str:
    return yuan(max(-line.fen, 0))


def _memorandum(days: Days, audience: str) -> Table:
    """优免备查: what was given away by each benefit; income before it less this is what was booked and the VAT in it."""

    def benefits(one: SiteDay) -> Mapping[str, int]:
        found = one.document().totals.benefits
        given = {benefit: fen for benefit, fen in found.items() if WAIVED + benefit != WRITTEN_OFF}
        return merge_benefits(given) if open_to_all(audience) else given

    columns = (
        *(Column("营业日", "business_day", "day"), Column("小区", "site"), Column("名称", "site_name")),
        *(Column("优免", "benefit"), Column("说明", "name"), Column("金额", "amount", "fen")),
    )
    rows: Iterator[Sequence[Cell]] = (
        (one.day, one.site, one.name, benefit, name_of(BENEFITS, benefit), fen)
        for one in days
        for benefit, fen in sorted(benefits(one).items())
    )
    return Table("memorandum", "优免备查", columns, rows)
