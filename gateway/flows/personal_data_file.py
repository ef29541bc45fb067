"""What a person is handed: one ZIP with a workbook and CSV tables to read, JSON to take elsewhere, and the pictures."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from sqlalchemy import Connection

from billing.exports import csv_bytes
from gateway.flows.personal_data_gather import PICTURES, Gathered, Sheet, gather, jpeg
from gateway.flows.personal_data_subject import Person
from gateway.flows.secrecy import CertificateNumbers

_COLUMN_WIDTH = 20
_CELL_CHARACTERS_MAX = 32_000

_README = """个人信息副本 / A copy of personal data
申请号 / Request: {request}
对象 / About: {subject}
导出时间 / Made at: {made_at}

本文件包含本系统在导出时所保存的、与上述{about_zh}有关的全部个人信息。
This file holds everything that this system held about this {about_en} when it was made.

个人数据.xlsx   每类信息一张表 / a sheet for each kind of data
csv/            同样的表格，UTF-8 / the same tables
data.json       可供其他系统读取（个人信息保护法第四十五条）/ for other systems
pictures/       车辆图片 / pictures of the vehicle

各表行数 / Rows:
{counts}

未包含：工作人员的操作日志（只记录谁在何时做了什么）。金额单位为分，时间为当地时间。
Not in it: the audit trail, which says which member of staff did what. Amounts are in fen, times are local.
更正、补充或删除：请向小区管理处或街道停车管理服务中心提出。
To have something corrected, completed or erased, ask the estate's or the street's office.
"""
_ABOUT = {"plate": ("车牌", "plate"), "household": ("住户", "household")}


def write_file(
    connection: Connection,
    person: Person,
    out: Path,
    *,
    now: datetime,
    zone: ZoneInfo,
    request: str,
    numbers: CertificateNumbers,
    sees_low_income: bool,
) -> dict[str, int]:
    """Write the ZIP, whole or not at all, mode 0600. Returns how many rows of each kind, and pictures. Raises `OSError`."""
    found = gather(connection, person, zone=zone, numbers=numbers, sees_low_income=sees_low_income)
    made_at = now.astimezone(zone).isoformat(timespec="seconds")
    descriptor, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                counts = _write(connection, archive, found, person, request, made_at)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(out)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return counts


def _write(
    connection: Connection, archive: zipfile.ZipFile, found: Gathered, person: Person, request: str, made_at: str
) -> dict[str, int]:
    counts = {sheet.key: len(sheet.rows) for sheet in found.sheets}
    written = 0
    for picture in found.pictures:
        content = jpeg(connection, picture)
        if content is not None:
            # A JPEG is packed already.
            archive.writestr(picture.name, content, zipfile.ZIP_STORED)
            written += 1
    counts["pictures"] = written
    about_zh, about_en = _ABOUT[person.subject.about]
    lines = [f"  {sheet.title}: {len(sheet.rows)}" for sheet in found.sheets] + [f"  {PICTURES}: {written}"]
    archive.writestr(
        "说明.txt",
        "\ufeff"
        + _README.format(
            request=request,
            subject=person.subject,
            made_at=made_at,
            about_zh=about_zh,
            about_en=about_en,
            counts="\n".join(lines),
        ),
    )
    archive.writestr("个人数据.xlsx", _workbook(found.sheets))
    for sheet in found.sheets:
        rows = [[row.get(name) for name in sheet.headings] for row in sheet.rows]
        archive.writestr(f"csv/{sheet.title}.csv", csv_bytes(list(sheet.headings.values()), _cells(rows)))
    document = {
        "request": request,
        "about": person.subject.about,
        "subject": str(person.subject),
        "made_at": made_at,
        **{sheet.key: sheet.rows for sheet in found.sheets},
    }
    archive.writestr("data.json", msgspec.json.format(msgspec.json.encode(document), indent=1))
    return counts


def _cells(rows: list[list[Any]]) -> list[list[Any]]:
    return [["" if cell is None else _text(cell) for cell in row] for row in rows]


def _text(cell: Any) -> Any:
    """An integer stays one; the rest is text."""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    return cell if isinstance(cell, int | str) else str(cell)


def _workbook(sheets: list[Sheet]) -> bytes:
    book = Workbook(write_only=True)
    for sheet in sheets:
        page = book.create_sheet(sheet.title)
        page.freeze_panes = "A2"
        for number in range(len(sheet.headings)):
            page.column_dimensions[chr(ord("A") + number)].width = _COLUMN_WIDTH
        headings = []
        for heading in sheet.headings.values():
            cell = WriteOnlyCell(page, heading)
            cell.font = Font(bold=True)
            headings.append(cell)
        page.append(headings)
        for row in sheet.rows:
            page.append([_cell(page, row.get(name)) for name in sheet.headings])
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def _cell(page: Any, value: Any) -> Any:
    """Text as text: what begins with = is no formula."""
    if value is None:
        return None
    value = _text(value)
    if isinstance(value, int):
        return value
    cell = WriteOnlyCell(page, ILLEGAL_CHARACTERS_RE.sub("", value)[:_CELL_CHARACTERS_MAX])
    cell.data_type = "s"
    return cell
