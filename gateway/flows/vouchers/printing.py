"""Sheets of vouchers as PDF: ten to a page of A4, each with its code as QR and in readable letters.

The Chinese text is set in `gateway.runtime.fonts.chinese_font`; the code in Courier, which every reader has.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import segno
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy import select

from billing.vouchers import code, in_words, number
from gateway.flows import audit
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.vouchers.books import book_of
from gateway.flows.vouchers.moving import signing_key
from gateway.runtime.fonts import chinese_font
from gateway.store.tables import Site, Voucher
from gateway.wiring import Parts

VOUCHERS_MAX = 500
"""Of one file: fifty pages."""

_CODE = "Courier-Bold"
_COLUMNS, _ROWS = 2, 5
_WIDTH, _HEIGHT = 95 * mm, 54 * mm
_LEFT, _TOP = 10 * mm, 283 * mm
_QR = 31 * mm
_PRINTED_STATES = ("stock", "issued", "returned")


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """What one voucher says."""

    site: str
    title: str
    worth: tuple[str, str]
    serial: int
    code: str
    first_day: str
    last_day: str


def sheet(
    parts: Parts,
    *,
    book_id: str,
    first_serial: int | None = None,
    last_serial: int | None = None,
    operator: str,
    origin: str = "",
) -> tuple[str, bytes]:
    """A book's vouchers, or a part of them, as (file name, PDF). What is used, void or expired is left out.

    Who prints can use what is printed: it leaves an audit line. Raises `NotFound`, `Invalid`.
    """
    now = parts.clock.now()
    with parts.store.writing() as connection:
        book = book_of(connection, book_id)
        first, last = first_serial or book.first_serial, last_serial or book.last_serial
        if not book.first_serial <= first <= last <= book.last_serial:
            raise Invalid(f"serials: the book has {number(book.first_serial)} to {number(book.last_serial)}")
        if last - first >= VOUCHERS_MAX:
            raise Invalid(f"serials: at most {VOUCHERS_MAX} a file; print the book in parts with from and to")
        serials = connection.execute(
            select(Voucher.serial)
            .where(
                Voucher.site_id == book.site,
                Voucher.serial >= first,
                Voucher.serial <= last,
                Voucher.state.in_(_PRINTED_STATES),
            )
            .order_by(Voucher.serial)
        ).scalars()
        printed = list(serials)
        if not printed:
            raise NotFound("none of these vouchers can be used any more")
        site_name = connection.execute(select(Site.name).where(Site.id == book.site)).scalar_one()
        audit.record(
            connection,
            at=now,
            operator=operator,
            action="voucher.print",
            site=book.site,
            subject=book.id,
            origin=origin,
            detail={"serials": [first, last], "count": len(printed)},
        )
        connection.commit()
    key, zone = signing_key(parts), parts.settings.zone
    faces = [
        Face(
            site=site_name,
            title=book.title,
            worth=in_words(book.kind, book.value),
            serial=serial,
            code=code(key, book.site, serial),
            first_day=_day(book.valid_from, zone),
            # Valid up to an instant: the last day is the one in which the moment before it lies.
            last_day=_day(book.valid_to - timedelta(microseconds=1), zone),
        )
        for serial in printed
    ]
    return f"vouchers-{book.site}-{number(first)}-{number(last)}.pdf", pdf(
        faces, chinese_font(parts.settings.print_font)
    )


def pdf(faces: Sequence[Face], font: str) -> bytes:
    """The same faces give the same bytes. `font` is reportlab's name of one that has Chinese."""
    packed = io.BytesIO()
    canvas: Any = Canvas(packed, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle("访客停车券")
    for place, face in enumerate(faces):
        on_page = place % (_COLUMNS * _ROWS)
        if place and on_page == 0:
            canvas.showPage()
        row, column = divmod(on_page, _COLUMNS)
        _draw(canvas, font, face, _LEFT + column * _WIDTH, _TOP - (row + 1) * _HEIGHT)
    canvas.save()
    return packed.getvalue()


def _draw(canvas: Any, font: str, face: Face, x: float, y: float) -> None:
    """One voucher with its lower left corner at (x, y), a dashed line around it to cut along."""
    canvas.setLineWidth(0.4)
    canvas.setDash(2, 2)
    canvas.rect(x, y, _WIDTH, _HEIGHT)
    canvas.setDash()
    left = x + 4 * mm
    beside_qr = _WIDTH - _QR - 6 * mm

    def say(size: float, up: float, text: str, width: float = _WIDTH - 8 * mm) -> None:
        canvas.setFont(font, size)
        canvas.drawString(left, y + up * mm, _fit(text, font, size, width))

    say(15, 45, "访客停车券", beside_qr)
    say(9, 39, face.site, beside_qr)
    say(8, 34.5, face.title, beside_qr)
    say(12, 27.5, face.worth[0], beside_qr)
    say(8, 23, face.worth[1], beside_qr)
    say(8.5, 17.5, f"有效期 Valid：{face.first_day} 至 {face.last_day}")
    say(7.5, 13, "出场时扫码或输入券码，或交收费员。限用一次，复制、涂改无效。")
    say(9, 5, "券码 Code")
    canvas.setFont(_CODE, 13)
    canvas.drawString(left + 17 * mm, y + 5 * mm, face.code)
    canvas.setFont(_CODE, 9)
    canvas.drawRightString(x + _WIDTH - 4 * mm, y + 17.5 * mm, f"No. {number(face.serial)}")
    _qr(canvas, face.code, x + _WIDTH - _QR - 2 * mm, y + _HEIGHT - _QR - 2 * mm)


def _qr(canvas: Any, text: str, x: float, y: float) -> None:
    """The code as drawn squares, its quiet zone of four modules inside the given place. Corrects up to 15 %."""
    matrix = [bytes(row) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
    size = _QR / len(matrix)
    path = canvas.beginPath()
    for down, row in enumerate(matrix):
        start: int | None = None
        # Dark modules next to each other are one bar: no hair lines between them in print.
        for across, dark in enumerate([*row, 0]):
            if dark and start is None:
                start = across
            elif not dark and start is not None:
                path.rect(x + start * size, y + _QR - (down + 1) * size, (across - start) * size, size)
                start = None
    canvas.setFillGray(0)
    canvas.drawPath(path, stroke=0, fill=1)


def _fit(text: str, font: str, size: float, width: float) -> str:
    """As much of a text as fits, with an ellipsis for the rest."""
    if pdfmetrics.stringWidth(text, font, size) <= width:
        return text
    while text and pdfmetrics.stringWidth(text + "…", font, size) > width:
        text = text[:-1]
    return text + "…"


def _day(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d")
