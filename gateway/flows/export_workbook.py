"""The tables as a workbook: Chinese headings, numbers as numbers, instants as local times; to be printed as it is.

Rows go to the disk as they are made (XlsxWriter's `constant_memory`), so that a month of a street needs no more memory than a day.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

import xlsxwriter

from billing.exports import Cell, Column, File, Table, looks_like_a_formula

ROWS_MAX: Final = 1_048_575
"""Of one sheet, under its heading; what is more goes to a second one."""

# A spreadsheet keeps 15 digits of a number.
_FEN_MAX: Final = 10**15
_A4: Final = 9
_WIDTHS: Final = {"text": 18, "count": 10, "fen": 15, "day": 12, "instant": 20}
# By the columns' names, in characters: what a page of A4 should hold beside the rest. A hash takes two lines.
_OWN_WIDTHS: Final = {
    "site": 14,
    "merchant": 14,
    "kind": 22,
    "reference_kind": 12,
    "operator": 12,
    "rate": 8,
    "state": 12,
    "id": 25,
    "reverses": 25,
    "reference": 33,
    "stay": 33,
    "shift": 33,
    "number": 23,
    "of_number": 23,
    "account": 45,
    "item": 45,
    "section": 28,
    "close_hash": 35,
    "reconciled_hash": 35,
}
_TWO_LINES: Final = 30
_WRAPPED: Final = frozenset({"close_hash", "reconciled_hash"})


def xlsx_to(
    stem: str, title: str, day: date, tables: Sequence[Table], zone: ZoneInfo, *, rows_max: int = ROWS_MAX
) -> list[File]:
    """One workbook, a sheet a table. `title` heads each printed page; the same days give the same bytes, dated by `day`."""

    def write(file: BinaryIO) -> None:
        # Rows wait beside the file to be written: a folder for temporary files may be memory.
        beside = Path(file.name).parent if isinstance(getattr(file, "name", None), str) else None
        with tempfile.TemporaryDirectory(prefix=f".{stem}.", dir=beside) as folder:
            workbook = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": folder})
            try:
                workbook.set_properties({"title": title, "created": datetime(day.year, day.month, day.day)})  # noqa: DTZ001
                sheets = _Sheets(workbook, title, zone, rows_max)
                for table in tables:
                    sheets.add(table)
            except BaseException:
                for sheet in workbook.worksheets():
                    sheet.row_data_fh.close()
                raise
            workbook.close()

    return [(f"{stem}.xlsx", write)]


class _Sheets:
    def __init__(self, workbook: Any, title: str, zone: ZoneInfo, rows_max: int) -> None:
        self._workbook = workbook
        self._title = title
        self._zone = zone
        self._rows_max = rows_max
        # No colour says anything alone; a heading is bold and has a line below it.
        heading = {"bold": True, "bottom": 1, "bg_color": "#DDEBF7", "text_wrap": True, "valign": "vcenter"}
        self._heading = workbook.add_format(heading)
        # Above figures, where they stand.
        self._heading_of_figures = workbook.add_format({**heading, "align": "right"})
        self._wrapped = workbook.add_format({"text_wrap": True, "valign": "top", "indent": 1})
        # What looks like a formula stays text, also when somebody edits the cell.
        self._quoted = workbook.add_format({"quote_prefix": True})
        self._formats = {
            "text": workbook.add_format(),
            "count": workbook.add_format({"num_format": "#,##0"}),
            "fen": workbook.add_format({"num_format": "#,##0.00"}),
            "day": workbook.add_format({"num_format": "yyyy-mm-dd", "align": "left"}),
            "instant": workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"}),
        }

    def add(self, table: Table) -> None:
        """A sheet of the table, and as many more as its rows need."""
        sheet: Any = None
        number = line = 0
        for line, row in enumerate(table.rows):
            if line % self._rows_max == 0:
                self._end(sheet, self._rows_max, table.columns)
                number += 1
                sheet = self._begin(f"{table.title} {number}" if number > 1 else table.title, table.columns)
            self._write(sheet, line % self._rows_max + 1, table.columns, row)
        if sheet is None:
            sheet = self._begin(table.title, table.columns)
        self._end(sheet, line % self._rows_max + 1, table.columns)

    @staticmethod
    def _end(sheet: Any, last: int, columns: Sequence[Column]) -> None:
        if sheet is not None:
            sheet.autofilter(0, 0, last, len(columns) - 1)

    def _begin(self, name: str, columns: Sequence[Column]) -> Any:
        sheet = self._workbook.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.7, bottom=0.6)
        # An ampersand begins a code in a header.
        sheet.set_header(f"&C&B{self._title.replace('&', '&&')}　{name}")
        sheet.set_footer("&C第 &P 页，共 &N 页")
        for place, column in enumerate(columns):
            sheet.set_column(place, place, _OWN_WIDTHS.get(column.english, _WIDTHS[column.kind]))
        # Said, since not every program works out the height of what is wrapped.
        sheet.set_row(0, _TWO_LINES)
        for place, column in enumerate(columns):
            unit = "(元)" if column.kind == "fen" else ""
            figures = column.kind in {"fen", "count"}
            heading = self._heading_of_figures if figures else self._heading
            sheet.write_string(0, place, column.chinese + unit, heading)
        return sheet

    def _write(self, sheet: Any, line: int, columns: Sequence[Column], row: Sequence[Cell]) -> None:
        if any(column.english in _WRAPPED for column in columns):
            sheet.set_row(line, _TWO_LINES)
        for place, (column, cell) in enumerate(zip(columns, row, strict=True)):
            if cell is None:
                continue
            style = self._formats[column.kind]
            if isinstance(cell, datetime):
                sheet.write_datetime(line, place, cell.astimezone(self._zone).replace(tzinfo=None), style)
            elif isinstance(cell, date):
                sheet.write_datetime(line, place, cell, style)
            elif isinstance(cell, str):
                plain = self._wrapped if column.english in _WRAPPED else None
                sheet.write_string(line, place, cell, self._quoted if looks_like_a_formula(cell) else plain)
            else:
                sheet.write_number(line, place, _yuan(cell) if column.kind == "fen" else cell, style)


def _yuan(fen: int) -> float:
    """The nearest number to the amount: up to 15 digits it is written and read as the amount itself."""
    if abs(fen) >= _FEN_MAX:
        raise ValueError(f"{fen} fen has more digits than a spreadsheet keeps")
    return fen / 100
