"""The report that a street office pins up, as PDF: A4, readable from a step away, and in black and white."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from billing.exports import File, SiteDay, yuan
from billing.exports.report import OTHERS, Report, Row, report

_WIDTH: Final = A4[0] - 30 * mm
_DARK: Final = colors.HexColor("#1F4E79")
_LIGHT: Final = colors.HexColor("#9DC3E6")
_LINE: Final = colors.HexColor("#808080")
_NAME_MAX: Final = 22


def pdf_to(stem: str, title: str, days: Sequence[SiteDay], zone: ZoneInfo, font: str) -> list[File]:
    """The same days give the same bytes. `font` is reportlab's name of one that has Chinese."""

    def write(file: BinaryIO) -> None:
        found = report(days, zone)
        page = partial(_foot, font=font, hashes=_hashes(found))
        template = SimpleDocTemplate(
            file,
            pagesize=A4,
            leftMargin=15 * mm,
            rightMargin=15 * mm,
            topMargin=14 * mm,
            bottomMargin=20 * mm,
            invariant=1,
        )
        template.title = title
        template.build(_story(title, found, font), onFirstPage=page, onLaterPages=page)

    return [(f"{stem}.pdf", write)]


def _story(title: str, found: Report, font: str) -> list[Any]:
    head = ParagraphStyle("head", fontName=font, fontSize=18, leading=24, alignment=1)
    story: list[Any] = [Paragraph(_escaped(title), head), Spacer(0, 3 * mm), _totals(found, font)]
    for words, drawn in (
        ("各时段车流（辆）", _hours(font, [[one.entries for one in found.hours], [one.exits for one in found.hours]])),
        ("各时段实收（元）", _hours(font, [[one.received_fen / 100 for one in found.hours]])),
    ):
        story.append(KeepTogether([_part(words, font), drawn]))
    note = f"优免：居民一行含包月等；不足十次的合并为“{OTHERS}”。"
    story += [
        KeepTogether([_part("各支付渠道实收（元）", font), _bars(found.channels, font)]),
        KeepTogether([_part("各项优免（元）", font), _bars(found.benefits, font), _note(note, font)]),
    ]
    if len(found.days) > 1:
        story += [_part("按日", font), _rows("日期", found.days, font)]
    if len(found.sites) > 1:
        story += [_part("按小区", font), _rows("小区", found.sites, font)]
    return story


def _totals(found: Report, font: str) -> Any:
    names = [*(name for name, _ in found.sums), "入场", "离场"]
    figures = [*(f"{yuan(fen)} 元" for _, fen in found.sums), f"{found.entries} 辆", f"{found.exits} 辆"]
    style = [
        ("FONT", (0, 0), (-1, 0), font, 9),
        ("FONT", (0, 1), (-1, 1), font, 10),
        ("ALIGN", (0, 0), (-1, -1), "CENTER"),
        ("BOX", (0, 0), (-1, -1), 0.8, _DARK),
        ("INNERGRID", (0, 0), (-1, -1), 0.3, _LINE),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#DDEBF7")),
    ]
    return Table(
        [names, figures], colWidths=[_WIDTH / len(names)] * len(names), rowHeights=[6 * mm, 9 * mm], style=style
    )


def _hours(font: str, series: list[list[float]]) -> Drawing:
    """Bars of the 24 hours: of two series the entries are dark, the exits light with a border."""
    drawing = Drawing(_WIDTH, 45 * mm)
    chart: Any = VerticalBarChart()
    chart.x, chart.y, chart.width, chart.height = 14 * mm, 7 * mm, _WIDTH - 16 * mm, 32 * mm
    chart.data = series
    chart.categoryAxis.categoryNames = [f"{hour}" for hour in range(24)]
    chart.groupSpacing = 3
    low = min(0, *(min(values) for values in series))
    high = max(1, *(max(values) for values in series))
    chart.valueAxis.valueMin, chart.valueAxis.valueMax = low, high * 1.05
    for axis in (chart.categoryAxis, chart.valueAxis):
        axis.labels.fontName, axis.labels.fontSize = font, 7
        axis.strokeColor = _LINE
    chart.valueAxis.visibleGrid = True
    chart.valueAxis.gridStrokeColor = colors.HexColor("#D9D9D9")
    for place, colour in enumerate((_DARK, _LIGHT)[: len(series)]):
        chart.bars[place].fillColor = colour
        chart.bars[place].strokeColor, chart.bars[place].strokeWidth = _DARK, 0.3
    drawing.add(chart)
    if len(series) > 1:
        for place, (word, colour) in enumerate((("入场", _DARK), ("离场", _LIGHT))):
            x = _WIDTH - 40 * mm + place * 20 * mm
            drawing.add(Rect(x, 41 * mm, 3 * mm, 3 * mm, fillColor=colour, strokeColor=_DARK, strokeWidth=0.3))
            drawing.add(String(x + 4 * mm, 41.3 * mm, word, fontName=font, fontSize=8))
    return drawing


def _bars(amounts: Sequence[tuple[str, int]], font: str) -> Any:
    """A line each: name, amount, and a bar in proportion to the largest."""
    if not amounts:
        return _note("无", font)
    largest = max(1, *(abs(fen) for _, fen in amounts), 1)
    room = _WIDTH - 96 * mm
    lines = []
    for name, fen in amounts:
        bar = Drawing(room, 4 * mm)
        length = max(0.3, room * abs(fen) / largest)
        colour = _DARK if fen >= 0 else colors.white
        bar.add(Rect(0, 0.5 * mm, length, 3 * mm, fillColor=colour, strokeColor=_DARK, strokeWidth=0.3))
        lines.append([_cut(name), yuan(fen), bar])
    style = [
        ("FONT", (0, 0), (-1, -1), font, 9),
        ("ALIGN", (1, 0), (1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ]
    return Table(lines, colWidths=[55 * mm, 35 * mm, room + 6 * mm], style=style)


def _rows(heading: str, rows: Sequence[Row], font: str) -> Any:
    head = [heading, "入场", "离场", "应收总额", "优免", "实收", "欠费", "待处理"]
    lines = [[_cut(row.name), row.entries, row.exits, *(yuan(fen) for fen in row.sums_fen)] for row in rows]
    style = [
        ("FONT", (0, 0), (-1, -1), font, 8),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, _DARK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.2, _LINE),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#DDEBF7")),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
    first = 46 * mm
    widths = [first, *[14 * mm] * 2, *[(_WIDTH - first - 28 * mm) / 5] * 5]
    return Table([head, *lines], colWidths=widths, repeatRows=1, style=style)


def _hashes(found: Report) -> str:
    """The hash of the day, or of the last one: it seals those before it."""
    day, sealed = max(found.hashes.items())
    return f"{day} 日结哈希 {sealed}"


def _foot(canvas: Any, _template: Any, *, font: str, hashes: str) -> None:
    canvas.saveState()
    canvas.setFont(font, 7.5)
    canvas.drawString(15 * mm, 12 * mm, hashes)
    canvas.drawRightString(A4[0] - 15 * mm, 12 * mm, f"第 {canvas.getPageNumber()} 页")
    canvas.restoreState()


def _part(words: str, font: str) -> Any:
    style = ParagraphStyle("part", fontName=font, fontSize=11, leading=15, spaceBefore=4 * mm, textColor=_DARK)
    return Paragraph(_escaped(words), style)


def _note(words: str, font: str) -> Any:
    return Paragraph(_escaped(words), ParagraphStyle("note", fontName=font, fontSize=7.5, leading=10))


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_MAX else name[: _NAME_MAX - 1] + "…"


def _escaped(words: str) -> str:
    """A paragraph reads its text as markup."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
