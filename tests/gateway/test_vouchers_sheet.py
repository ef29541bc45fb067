"""Printed sheets: what a camera reads off them is the code, what a person reads is the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from billing.vouchers import code, in_words, serial_of
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.vouchers import printing
from gateway.flows.vouchers.printing import Face, pdf
from gateway.runtime.fonts import READERS_OWN, NoFont, chinese_font
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import Street
from tests.gateway.voucher_desk import Desk

KEY = bytes(range(32))
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def faces(count: int) -> list[Face]:
    return [
        Face(
            site="湖墅街道信义坊小区",
            title="业委会二〇二六年上半年访客券，名称很长很长很长很长很长",
            worth=in_words("hour", 120),
            serial=serial,
            code=code(KEY, "xinyi", serial),
            first_day="2026-03-01",
            last_day="2026-06-30",
        )
        for serial in range(1, count + 1)
    ]


def test_the_same_faces_are_the_same_bytes() -> None:
    assert pdf(faces(3), chinese_font()) == pdf(faces(3), chinese_font())


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is not installed")
def test_a_camera_reads_every_code_of_a_sheet(tmp_path: Path) -> None:
    """Ten on the first page, two on the second; printed and looked at with 150 dots an inch."""
    pillow = pytest.importorskip("PIL.Image")
    scanner = pytest.importorskip("zxingcpp")
    (tmp_path / "sheet.pdf").write_bytes(pdf(faces(12), chinese_font()))
    command = ["pdftoppm", "-r", "150", "-png", "sheet.pdf", "page"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    pages = sorted(tmp_path.glob("page*.png"))
    read = []
    for page in pages:
        with pillow.open(page) as picture:
            read.append(sorted(found.text for found in scanner.read_barcodes(picture)))
    assert [len(page) for page in read] == [10, 2]
    texts = read[0] + read[1]
    assert [serial_of(KEY, "xinyi", one) for one in texts] == list(range(1, 13))


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_a_person_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "sheet.pdf").write_bytes(pdf(faces(1), chinese_font()))
    said = subprocess.run(
        ["pdftotext", "-layout", "sheet.pdf", "-"], cwd=tmp_path, check=True, capture_output=True
    ).stdout.decode()
    for words in (
        "访客停车券",
        "湖墅街道信义坊小区",
        "时长券：2 小时",
        "2 h of parking",
        "2026-03-01",
        "2026-06-30",
        "No. 00000001",
    ):
        assert words in said, said
    assert code(KEY, "xinyi", 1) in said
    assert "…" in said, "what is too long is cut"


def test_without_a_font_the_readers_own_is_named() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(READERS_OWN))
    assert b"STSong-Light" in pdf(faces(1), READERS_OWN)


def test_a_font_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "font.ttf").write_bytes(b"no font")
    for path in (tmp_path / "font.ttf", tmp_path / "missing.ttf"):
        with pytest.raises(NoFont, match="print_font"):
            chinese_font(str(path))


@on_one_database
class TestBooksSheets:
    @pytest.fixture
    def desk(self, parts: Parts) -> Desk:
        return Desk(Street(parts))

    def test_what_is_used_up_is_not_printed_again(self, desk: Desk) -> None:
        book = desk.book(count=4)
        desk.void(2, 2)
        name, content = printing.sheet(desk.parts, book_id=book.id, operator="registrar")
        assert name == "vouchers-xinyi-00000001-00000004.pdf"
        assert content.startswith(b"%PDF-")
        (line,) = [row for row in desk.rows(t.AuditEntry) if row.action == "voucher.print"]
        assert (line.subject, line.detail["count"], line.operator) == (book.id, 3, "registrar")
        desk.void(3, 4)
        desk.void(1, 1)
        with pytest.raises(NotFound):
            printing.sheet(desk.parts, book_id=book.id, operator="registrar")

    def test_a_range_is_of_the_book_and_bounded(self, desk: Desk) -> None:
        book = desk.book(count=600)
        for first, last in ((0, 601), (5, 4), (None, 601)):
            with pytest.raises(Invalid, match="serials"):
                printing.sheet(desk.parts, book_id=book.id, first_serial=first, last_serial=last, operator="x")
        with pytest.raises(Invalid, match="at most 500"):
            printing.sheet(desk.parts, book_id=book.id, operator="x")
        with pytest.raises(NotFound):
            printing.sheet(desk.parts, book_id="xinyi.nothing", operator="x")
