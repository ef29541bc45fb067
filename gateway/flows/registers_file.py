"""A register's file: CSV (UTF-8 with or without BOM, GBK, GB18030) or XLSX, English or Chinese headings, to rows with line numbers."""

from __future__ import annotations

import csv
import io
import unicodedata
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from gateway.flows.registers_rows import EXTRA

ROWS_MAX = 500_000
_CELLS_MAX = 64
_XLSX_UNPACKED_MAX = 512 * 1024 * 1024

# The first words are the canonical ones; what stands after them is understood too.
HEADINGS: dict[str, tuple[str, ...]] = {
    "site": ("小区", "小区编号", "小区名称"),
    "household": ("户号", "房号", "住户"),
    "name": ("户名", "姓名", "户主", "亲属姓名"),
    "resident": ("住户姓名", "居民姓名", "所属居民"),
    "evidence": ("证明", "证明材料", "证明编号", "凭证"),
    "approver": ("审批人", "批准人", "审核人"),
    "area_m2": ("面积", "建筑面积", "面积(m2)", "面积(平方米)"),
    "plate": ("车牌", "车牌号", "车牌号码", "号牌"),
    "vehicle": ("车型", "车辆类型"),
    "relation": ("关系", "亲属关系", "与户主关系"),
    "valid_from": ("有效期起", "起始日期", "开始日期", "生效日期"),
    "valid_to": ("有效期止", "截止日期", "结束日期", "到期日期"),
    "number": ("证号", "证件号", "证书编号"),
    "issuer": ("发证机关", "发证单位"),
    "pass": ("月租", "包月", "月租类型", "套餐"),
    "class": ("类别", "免费类别"),
    "reason": ("原因", "事由"),
}
# People number their rows and write remarks; nothing is taken from these.
_IGNORED = frozenset({"", "序号", "编号", "备注", "no", "no.", "#", "remark", "remarks", "note", "notes"})


class UnreadableFile(Exception):
    """A file that is no table that can be read: what and what to do."""


def _heading(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


_MEANING = {_heading(word): name for name, words in HEADINGS.items() for word in (name, *words)}


def read(
    data: bytes, *, unpacked_max: int = _XLSX_UNPACKED_MAX
) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The canonical headings, and the rows as `(line, {heading: text})`, blank ones left out. A workbook unpacks to at most so many bytes.

    Raises `UnreadableFile`, also while the rows are taken.
    """
    table = (
        row
        for row in (_xlsx(data, unpacked_max) if data[:4] == b"PK\x03\x04" else _csv(data))
        if any(cell.strip() for cell in row[1])
    )
    first = next(table, None)
    if first is None:
        raise UnreadableFile("the file is empty; it starts with a line of headings")
    columns = _columns(first[1])
    return [name for name in columns if name], _rows(columns, table)


def _rows(columns: list[str], table: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, dict[str, str]]]:
    for count, (line, cells) in enumerate(table, 1):
        if count > ROWS_MAX:
            raise UnreadableFile(f"more than {ROWS_MAX} rows; split the file")
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}
        if any(cell.strip() for cell in cells[len(columns) :]):
            row[EXTRA] = "1"
        yield line, row


def _columns(cells: list[str]) -> list[str]:
    columns: list[str] = []
    for cell in cells:
        word = _heading(cell)
        name = "" if word in _IGNORED else _MEANING.get(word)
        if name is None:
            raise UnreadableFile(
                f"line 1: heading {cell.strip()!r:.60} is not known; correct it or leave the column out"
            )
        if name and name in columns:
            raise UnreadableFile(f"line 1: two columns mean {name!r}; leave one out")
        columns.append(name)
    if not any(columns):
        raise UnreadableFile("line 1: no heading that says anything; a file starts with a line of headings")
    return columns


def _csv(data: bytes) -> Iterator[tuple[int, list[str]]]:
    # Chinese spreadsheets save CSV as GBK, which GB18030 contains; text of UTF-8 is almost never valid GB18030 by chance,
    # but the other way round it is, so UTF-8 is tried first.
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise UnreadableFile("neither UTF-8 nor GBK text, nor an XLSX workbook; save it as CSV or XLSX")
    if "\x00" in text:
        raise UnreadableFile("it holds NUL bytes and is no CSV text; save it as CSV or XLSX")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if len(cells) > _CELLS_MAX:
                raise UnreadableFile(f"line {line}: more than {_CELLS_MAX} columns")
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableFile(f"line {line}: not CSV: {error}; correct the quotes") from None


def _xlsx(data: bytes, unpacked_max: int) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook  # noqa: PLC0415 - as long as the rest of a start; most files are CSV

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True) if unpacked <= unpacked_max else None
    except Exception as error:  # a broken workbook fails in many ways, deep in its parts
        raise _broken(error) from None
    if book is None:
        raise UnreadableFile(f"the workbook unpacks to more than {unpacked_max >> 20} MiB; split it")
    try:
        if not book.worksheets:
            raise UnreadableFile("the workbook has no sheet")
        rows = book.worksheets[0].iter_rows(values_only=True, max_col=_CELLS_MAX)
        line = 0
        while True:
            try:
                row = next(rows, None)
            except Exception as error:
                raise _broken(error) from None
            if row is None:
                return
            line += 1
            yield line, [_cell(value) for value in row]
    finally:
        book.close()


def _broken(error: Exception) -> UnreadableFile:
    return UnreadableFile(f"not an XLSX workbook that can be read ({type(error).__name__}); save it again")


def _cell(value: Any) -> str:
    """A cell as a person sees it: a date without a time of day is a day, a whole number has no point."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time(0) else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
