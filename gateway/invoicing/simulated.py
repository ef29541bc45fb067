"""A provider that issues samples: it takes its time, checks what it is sent, numbers and prints as a real one does.

The number of an invoice follows from ours, so that what was forgotten over a restart comes out the same when it is sent again. A number
has 20 digits: year, province, how it was issued, and fifteen more.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from billing.exports import yuan
from billing.invoices import Content, in_words, problems_of
from gateway.invoicing.port import InvoicingError, Said, State, ToReverse
from gateway.runtime.fonts import chinese_font
from gateway.runtime.invoicing_settings import MerchantInvoicing

# 开具渠道: nothing real is numbered with a 9.
_SAMPLE: Final = "9"
_PAGE: Final = (210 * mm, 140 * mm)
_LINE: Final = HexColor("#8B4513")
_CAUSES: Final = {"mistake": "开票有误", "refund": "销售折让"}


class _Kept(msgspec.Struct):
    """One that was sent: how often it was asked about, and what it will be."""

    said: Said
    looks: int = 0


class Simulated:
    """`away`, `refuses` and `takes_looks` are what a test plays with. Safe for threads."""

    def __init__(self, settings: MerchantInvoicing, now: Callable[[], datetime], zone: ZoneInfo, font: str) -> None:
        self.away = False
        self.refuses = ""
        self.takes_looks = settings.takes_looks
        self._region = settings.region_code
        self._now = now
        self._zone = zone
        self._font = font
        self._blue: dict[str, _Kept] = {}
        self._red: dict[str, _Kept] = {}
        self._guard = threading.Lock()

    @property
    def sent(self) -> tuple[int, int]:
        """How many blue and red ones there are."""
        return len(self._blue), len(self._red)

    def forget(self) -> None:
        """As after a restart."""
        self._blue.clear()
        self._red.clear()

    def issue(self, content: Content) -> Said:
        def made() -> Said:
            wrong = problems_of(content)
            if wrong:
                return Said(state=State.REFUSED, detail=wrong[0].words)
            number = self._number(content.number, "blue")
            pdf = _printed(content, number, self._now(), self._zone, chinese_font(self._font))
            return Said(state=State.ISSUED, number=number, issued_at=self._now(), pdf=pdf)

        return self._take(self._blue, content.number, made)

    def query(self, number: str) -> Said:
        return self._look(self._blue, number)

    def reverse(self, asked: ToReverse) -> Said:
        def made() -> Said:
            number = self._number(asked.number, "red")
            pdf = _printed_red(asked, number, self._now(), self._zone, chinese_font(self._font))
            return Said(state=State.ISSUED, number=number, issued_at=self._now(), pdf=pdf)

        return self._take(self._red, asked.number, made)

    def query_red(self, number: str) -> Said:
        return self._look(self._red, number)

    def _take(self, kept: dict[str, _Kept], number: str, made: Callable[[], Said]) -> Said:
        self._there()
        with self._guard:
            if number not in kept:
                refused = Said(state=State.REFUSED, detail=self.refuses)
                kept[number] = _Kept(refused if self.refuses else made())
        return self._said(kept[number])

    def _look(self, kept: dict[str, _Kept], number: str) -> Said:
        self._there()
        with self._guard:
            found = kept.get(number)
            if found is None:
                return Said(state=State.UNKNOWN)
            found.looks += 1
        return self._said(found)

    def _said(self, found: _Kept) -> Said:
        ready = found.looks >= self.takes_looks or found.said.state is State.REFUSED
        return found.said if ready else Said(state=State.PENDING)

    def _there(self) -> None:
        if self.away:
            raise InvoicingError("the provider does not answer")

    def _number(self, ours: str, part: str) -> str:
        digits = int.from_bytes(hashlib.sha256(f"{part}:{ours}".encode()).digest()[:8]) % 10**15
        return f"{self._now().astimezone(self._zone):%y}{self._region}{_SAMPLE}{digits:015d}"


def open_account(settings: MerchantInvoicing, *, now: Callable[[], datetime], zone: ZoneInfo, font: str) -> Simulated:
    """The account of one merchant."""
    return Simulated(settings, now, zone, font)


def _printed(content: Content, number: str, at: datetime, zone: ZoneInfo, font: str) -> bytes:
    """电子发票（普通发票）, as a sample. `font`: reportlab's name of one that has Chinese."""
    period = [when.astimezone(zone).strftime("%Y-%m-%d %H:%M") for when in (content.entry_at, content.exit_at)]
    net = content.amount_fen - content.tax_fen
    buyer, seller = content.buyer, content.seller
    rate = (content.goods.rate * 100).normalize()
    said = (
        ("地址", seller.address),
        ("电话", seller.phone),
        ("开户行及账号", f"{seller.bank} {seller.bank_account}".strip()),
    )
    return _page(
        "电子发票（普通发票）",
        "不动产经营租赁服务",
        [
            f"发票号码：{number}",
            f"开票日期：{at.astimezone(zone):%Y年%m月%d日}",
            f"购买方：{buyer.title}　统一社会信用代码/纳税人识别号：{buyer.tax_number or '—'}",
            f"销售方：{seller.title}　统一社会信用代码/纳税人识别号：{seller.tax_number}",
            f"项目名称：{content.line}　金额 {yuan(net)}　税率 {rate:f}%　税额 {yuan(content.tax_fen)}",
            f"价税合计（大写）：{in_words(content.amount_fen)}　（小写）¥{yuan(content.amount_fen)}",
            f"不动产地址：{content.premises.region} {content.premises.address}　产权证书：{content.premises.certificate}",
            f"租赁期起止：{period[0]} 至 {period[1]}　跨地（市）：否　车牌号：{content.plate}",
            f"备注：{content.remark(zone)}",
            "　".join(["销售方", *(f"{word}：{value}" for word, value in said if value)]),
        ],
        font,
    )


def _printed_red(asked: ToReverse, number: str, at: datetime, zone: ZoneInfo, font: str) -> bytes:
    return _page(
        "电子发票（普通发票）",
        "红字（全额）",
        [
            f"发票号码：{number}",
            f"开票日期：{at.astimezone(zone):%Y年%m月%d日}",
            f"被红冲蓝字数电票号码：{asked.of_number}　红冲原因：{_CAUSES[asked.cause]}",
            f"销售方：{asked.seller.title}　统一社会信用代码/纳税人识别号：{asked.seller.tax_number}",
            f"金额 -{yuan(asked.amount_fen - asked.tax_fen)}　税额 -{yuan(asked.tax_fen)}",
            f"价税合计（大写）：（负数）{in_words(asked.amount_fen)}　（小写）-¥{yuan(asked.amount_fen)}",
        ],
        font,
    )


def _page(title: str, mark: str, lines: list[str], font: str) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=_PAGE, invariant=1)
    canvas.setTitle(title)
    width, height = _PAGE
    # Nobody takes it for a real one.
    canvas.saveState()
    canvas.translate(width / 2, height / 2)
    canvas.rotate(25)
    canvas.setFillColor(HexColor("#E8E8E8"))
    canvas.setFont(font, 54)
    canvas.drawCentredString(0, 0, "样张 无效 SAMPLE")
    canvas.restoreState()
    canvas.setStrokeColor(_LINE)
    canvas.rect(8 * mm, 8 * mm, width - 16 * mm, height - 34 * mm)
    canvas.setFont(font, 16)
    canvas.drawCentredString(width / 2, height - 15 * mm, title)
    canvas.setFont(font, 9)
    canvas.drawString(10 * mm, height - 23 * mm, mark)
    canvas.setFont(font, 8.5)
    place = height - 34 * mm
    for line in lines:
        canvas.drawString(12 * mm, place, line)
        place -= 9 * mm
    canvas.showPage()
    canvas.save()
    return file.getvalue()
