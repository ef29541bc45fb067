"""A comparison as a workbook for a residents' meeting: Chinese headings, numbers as numbers, ready to print."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

Document = Mapping[str, Any]
Cell = str | int | float | None

_YUAN: Final = "#,##0.00;[Red]-#,##0.00"
_COUNT: Final = "#,##0"
_TOO_FEW: Final = "不足十户"
_HEADINGS: Final = (
    "停车次数",
    "原规则应收(元)",
    "原规则优免(元)",
    "原规则应付(元)",
    "新规则应收(元)",
    "新规则优免(元)",
    "新规则应付(元)",
    "变化(元)",
    "多付次数",
    "多付金额(元)",
    "少付次数",
    "少付金额(元)",
    "不变次数",
)
_OF_YUAN: Final = frozenset({2, 3, 4, 5, 6, 7, 8, 10, 12})
NAMES: Final[dict[str, str]] = {
    "total": "合计",
    "visitor": "访客",
    "relative": "三代直系亲属",
    "resident": "居民",
    "free_class": "免费车种",
    "small": "小型车",
    "large": "大型车",
    "motorcycle": "摩托车",
    "other": "其他（不足十户合并）",
    "relative_allowance": "亲属免费时长",
    "whole_stay_voucher": "全免停车券",
    "hour_voucher": "时长停车券",
    "amount_voucher": "金额停车券",
    "discount": "折扣",
    "rounding": "抹零",
}
_LENGTHS: Final = {"m": "分钟", "h": "小时"}
_TABLES: Final = (
    ("by_group", "按人群", "人群"),
    ("by_vehicle", "按车型", "车型"),
    ("by_site", "按小区", "小区"),
    ("by_hour", "按入场时刻", "入场时刻"),
    ("by_length", "按停车时长", "停车时长"),
)
_HEADING_FILL: Final = PatternFill("solid", fgColor="FFDCE6F1")
# Text that a spreadsheet would take for a formula.
_UNSAFE: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def workbook(found: Document, site_names: Mapping[str, str] | None = None) -> bytes:
    """The sheets: 概要, one for each table, 优免, 举例. `site_names` by id, for whom it may show them."""
    book = Workbook()
    first = book.active
    assert isinstance(first, Worksheet)
    _summary(first, found)
    for key, title, heading in _TABLES:
        rows = [[_name(key, row["name"], site_names), *_figures(row)] for row in found[key]]
        if found["total"] is not None:
            rows.append([NAMES["total"], *_figures(found["total"])])
        _table(book.create_sheet(title), (heading, *_HEADINGS), rows, yuan=_OF_YUAN)
    waived = [
        [
            NAMES.get(row["name"], row["name"]),
            row["old_fen"] / 100,
            row["new_fen"] / 100,
            (row["new_fen"] - row["old_fen"]) / 100,
        ]
        for row in found["waived"]
    ]
    headings = ("优免种类", "原规则(元)", "新规则(元)", "变化(元)")
    _table(book.create_sheet("优免"), headings, waived, yuan=frozenset({2, 3, 4}))
    _examples(book.create_sheet("举例"), found["examples"])
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def _summary(sheet: Worksheet, found: Document) -> None:
    sheet.title = "概要"
    books, total = found["books"], found["total"]
    rows: list[Sequence[Cell]] = [
        ["原规则", _policy(found["old"])],
        ["新规则", _policy(found["new"])],
        ["起止日期（按离场日）", f"{found['from']} — {found['to']}"],
        ["范围", found["site"] or "全部"],
        ["停车次数", found["stays"]],
    ]
    if total is not None and books is not None:
        rows += [
            ["账上应收(元)", books["gross_fen"] / 100],
            ["账上优免(元)", books["waived_fen"] / 100],
            ["账上应付(元)", books["payable_fen"] / 100],
            ["原规则重算应付(元)", books["priced_again_fen"] / 100],
            ["原规则与账一致", "是" if books["reproduced"] else "否"],
            ["与账一致的停车次数", books["stays_as_booked"]],
            ["新规则应付(元)", total["new_payable_fen"] / 100],
            ["收入变化(元)", total["change_fen"] / 100],
            *zip(
                ("多付：次数", "多付：金额(元)", "少付：次数", "少付：金额(元)", "不变：次数"),
                _who_pays(total),
                strict=True,
            ),
        ]
    else:
        rows.append(["说明", f"不足 {found['fewest_households']} 户，不列明细"])
    rows += [[f"未计入：{why}", number] for why, number in found["left_out"].items()]
    rows.append(
        [
            "隐私",
            f"不足 {found['fewest_households']} 户的行已合并，多付、少付涉及不足十户的不列；包月与低保优免合并为“居民”；不含车牌",
        ]
    )
    _table(sheet, ("项目", "数值"), rows, yuan=frozenset())
    for label_cell, cell in sheet.iter_rows(min_row=2, max_col=2):
        label = str(label_cell.value)
        if isinstance(cell.value, int | float):
            cell.number_format = _YUAN if label.endswith("(元)") else _COUNT
    sheet.column_dimensions["A"].width = 26
    sheet.column_dimensions["B"].width = 60


def _examples(sheet: Worksheet, examples: Sequence[Document]) -> None:
    rows: list[list[Cell]] = []
    for number, one in enumerate(examples, start=1):
        rows.append(
            [
                number,
                NAMES[one["group"]],
                one["stays_like_it"],
                one["old"]["payable_fen"] / 100,
                one["new"]["payable_fen"] / 100,
                one["change_fen"] / 100,
                "\n".join(one["old"]["zh"]),
                "\n".join(one["new"]["zh"]),
            ]
        )
    headings = ("序号", "人群", "同类次数", "原应付(元)", "新应付(元)", "变化(元)", "原规则账单", "新规则账单")
    _table(sheet, headings, rows, yuan=frozenset({4, 5, 6}))
    for column in ("G", "H"):
        sheet.column_dimensions[column].width = 70
    for row in sheet.iter_rows(min_row=2, min_col=7, max_col=8):
        for cell in row:
            cell.alignment = Alignment(wrap_text=True, vertical="top")


def _table(sheet: Worksheet, headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, yuan: frozenset[int]) -> None:
    sheet.append(list(headings))
    for row in rows:
        sheet.append([_safe(cell) for cell in row])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        cell.fill = _HEADING_FILL
        cell.alignment = Alignment(wrap_text=True, vertical="center")
    for column, heading in enumerate(headings, start=1):
        letter = get_column_letter(column)
        sheet.column_dimensions[letter].width = max(12, 2 * len(heading) + 2)
        for cell in sheet[letter][1:]:
            if isinstance(cell.value, int | float):
                cell.number_format = _YUAN if column in yuan else _COUNT
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _figures(row: Document) -> list[Cell]:
    return [
        row["stays"],
        row["old_gross_fen"] / 100,
        row["old_waived_fen"] / 100,
        row["old_payable_fen"] / 100,
        row["new_gross_fen"] / 100,
        row["new_waived_fen"] / 100,
        row["new_payable_fen"] / 100,
        row["change_fen"] / 100,
        *_who_pays(row),
    ]


def _who_pays(row: Document) -> list[Cell]:
    more, less, same = row["pay_more"], row["pay_less"], row["pay_the_same"]
    if more is None:
        return [_TOO_FEW] * 5
    return [more["stays"], more["fen"] / 100, less["stays"], less["fen"] / 100, same["stays"]]


def _name(table: str, name: str, site_names: Mapping[str, str] | None) -> str:
    if name in NAMES and table != "by_site":
        return NAMES[name]
    if table == "by_site":
        return NAMES["other"] if name == "other" else (site_names or {}).get(name, name)
    if table == "by_hour":
        return f"{name}:00–{name}:59"
    return name[:-1] + _LENGTHS[name[-1]] if table == "by_length" and name[-1] in _LENGTHS else name


def _policy(side: Document) -> str:
    return f"{side['policy']} 第 {'、'.join(str(version) for version in side['versions'])} 版"


def _safe(cell: Cell) -> Cell:
    return "'" + cell if isinstance(cell, str) and cell.startswith(_UNSAFE) else cell
