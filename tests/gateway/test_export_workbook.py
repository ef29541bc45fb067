"""The workbook for finance: the figures and types of the close, safe and printable, for the eyes that it is made for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest

from billing.exports import Column, SiteDay, Table, tables, written
from billing.exports.words import BREAKS, EXCEPTIONS
from gateway.flows.export_workbook import xlsx_to
from gateway.runtime.ids import derive_in_site
from tests.billing.test_close import DAY
from tests.billing.test_exports import ZONE, a_site

SHEETS = [
    "汇总",
    "按小区",
    "按支付渠道",
    "按班次",
    "按车道",
    "优免",
    "差异挂账",
    "渠道对账",
    "流水",
    "开票",
]


def content(days: Sequence[SiteDay], *, audience: str = "finance", **more: Any) -> bytes:
    ((name, made),) = written(xlsx_to("street-2026-03-02", "A&B", DAY, tables(days, audience=audience), ZONE, **more))
    assert name == "street-2026-03-02.xlsx"
    return made


def book(days: Sequence[SiteDay], **more: Any) -> Any:
    return openpyxl.load_workbook(io.BytesIO(content(days, **more)))


def rows(sheet: Any) -> list[dict[str, Any]]:
    headings, *found = sheet.iter_rows(values_only=True)
    return [dict(zip(headings, row, strict=True)) for row in found]


def test_its_figures_are_those_of_the_close() -> None:
    one = a_site()
    made, document = book([one]), one.document()
    assert made.sheetnames == SHEETS
    summary = {row["项目"]: row for row in rows(made["汇总"])}
    assert round(summary["应收总额 earned"]["金额(元)"] * 100) == document.totals.sums.earned_fen
    for account, fen in document.totals.accounts.items():
        assert summary[account]["金额(元)"] == fen / 100
    assert summary["入场 entries"]["数量"] == document.passages.entries
    assert rows(made["按小区"])[0]["日结哈希"] == one.close.hash.hex()
    assert {row["优免"]: round(row["金额(元)"] * 100) for row in rows(made["优免"])} == document.totals.benefits
    ledger = rows(made["流水"])
    assert len(ledger) == sum(len(said.postings) for said in one.transactions)
    assert sum(round(row["金额(元)"] * 100) for row in ledger) == 0


def test_no_word_of_the_books_is_cut_off_by_its_neighbour() -> None:
    shift = derive_in_site("hushuxincun", "shift")
    longest = {
        "kind": max({**BREAKS, **EXCEPTIONS}, key=len),
        **dict.fromkeys(("shift", "stay", "reference"), shift),
        **dict.fromkeys(("account", "item"), f"assets:cash:{shift}"),
    }
    each = [Table(name, name, (Column(name, name),), [(value,)]) for name, value in longest.items()]
    ((_, made),) = written(xlsx_to("all", "all", DAY, each, ZONE))
    for sheet in openpyxl.load_workbook(io.BytesIO(made)):
        assert len(sheet["A2"].value) <= sheet.column_dimensions["A"].width, sheet.title


def test_numbers_are_numbers_and_times_are_local_times() -> None:
    sheet = book([a_site()])["流水"]
    headings = [cell.value for cell in sheet[1]]
    found = dict(zip(headings, sheet[2], strict=True))
    assert (found["金额(元)"].data_type, found["金额(元)"].number_format) == ("n", "#,##0.00")
    assert found["时间"].value == datetime(2026, 3, 2, 12, 0)
    assert found["营业日"].value == datetime(2026, 3, 2)
    assert found["流水号"].data_type in {"s", "inlineStr"}


@pytest.mark.parametrize("fen", [1, -1, 10, -105, 123_456_789, 99_999_999_999_999, -999_999_999_999_999])
def test_every_fen_comes_back(fen: int) -> None:
    one = a_site()
    (first, *others) = one.transactions
    said = msgspec.structs.replace(
        first, postings=tuple(msgspec.structs.replace(posting, amount_fen=fen) for posting in first.postings)
    )
    read = openpyxl.load_workbook(io.BytesIO(content([msgspec.structs.replace(one, transactions=[said, *others])])))
    assert round(rows(read["流水"])[0]["金额(元)"] * 100) == fen


def test_it_can_be_printed() -> None:
    for sheet in book([a_site()]):
        assert sheet.freeze_panes == "A2"
        assert sheet.print_title_rows == "$1:$1"
        assert sheet.page_setup.orientation == "landscape"
        assert (sheet.page_setup.fitToHeight, sheet.sheet_properties.pageSetUpPr.fitToPage) == (0, True)
        assert "A&&B" in (sheet.oddHeader.center.text or "")
        assert sheet.auto_filter.ref


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_what_looks_like_a_formula_is_text_and_stays_text(start: str) -> None:
    (cell,) = [
        cell
        for row in book([a_site(name=start + "1+1")])["按小区"].iter_rows()
        for cell in row
        if str(cell.value).startswith(start)
    ]
    assert cell.value == start + "1+1"
    assert cell.data_type != "f"
    assert cell.quotePrefix


def test_what_is_too_long_for_a_sheet_goes_on_in_the_next() -> None:
    one = a_site()
    postings = sum(len(said.postings) for said in one.transactions)
    made = book([one], rows_max=postings - 1)
    assert "流水 2" in made.sheetnames
    assert len(rows(made["流水"])) + len(rows(made["流水 2"])) == postings
    assert [name for name in book([one], rows_max=postings).sheetnames if name.startswith("流水")] == ["流水"]


def test_the_same_day_is_the_same_bytes() -> None:
    assert content([a_site()]) == content([a_site()])


def test_for_others_it_says_resident() -> None:
    made = book([a_site()], audience="auditor")
    said = {str(cell) for sheet in made for row in sheet.iter_rows(values_only=True) for cell in row}
    assert "waived:resident" in said
    assert not [text for text in said if "low_income" in text or "低保" in text or "waived:pass" in text]


def test_what_fails_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    from gateway.flows.export_writing import write_together

    class GoesAway:
        def __iter__(self) -> Any:
            raise OSError("the database went away")

    one = msgspec.structs.replace(a_site(), transactions=GoesAway())
    files = xlsx_to("street-x", "t", DAY, tables([one]), ZONE)
    with pytest.raises(OSError, match="went away"):
        write_together(tmp_path, files)
    assert list(tmp_path.iterdir()) == []


def test_figures_stand_under_their_headings_and_a_hash_fits_on_the_page() -> None:
    sheet = book([a_site()])["按小区"]
    headings = {cell.value: cell for cell in sheet[1]}
    assert headings["实收(元)"].alignment.horizontal == "right"
    assert headings["名称"].alignment.horizontal != "right"
    sealed = sheet.cell(2, headings["日结哈希"].column)
    assert len(str(sealed.value)) == 64
    assert sealed.alignment.wrap_text
    assert sheet.column_dimensions[sealed.column_letter].width * 2 > 64
    assert sheet.row_dimensions[2].height == 30
