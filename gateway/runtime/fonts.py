"""The font of printed Chinese: one that this computer has, embedded as far as it is used, else one that PDF readers bring along."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

# Only TrueType outlines can be embedded: Noto's and Source Han's CJK fonts have others. In Debian's and Ubuntu's packages
# fonts-wqy-microhei, fonts-wqy-zenhei, fonts-droid-fallback; then what macOS and Windows come with.
KNOWN: Final = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/System/Library/Fonts/Supplemental/Songti.ttc",
    "/Library/Fonts/Arial Unicode.ttf",
    "C:/Windows/Fonts/simsun.ttc",
)
READERS_OWN: Final = "STSong-Light"


class NoFont(ValueError):
    """The font of the settings cannot be used: print_font names a TrueType file (.ttf, .ttc) that this process can read."""


@cache
def chinese_font(path: str = "") -> str:
    """The name under which reportlab knows it. `path`: the setting `print_font`. Raises `NoFont` if that one cannot be used.

    Without any TrueType font it is STSong-Light, which is not embedded: readers take their own (Adobe's Asian font pack, poppler-data
    and a system font), and one without any shows boxes.
    """
    for candidate in (path,) if path else KNOWN:
        if path or Path(candidate).is_file():
            name = f"print-{Path(candidate).stem}"
            try:
                pdfmetrics.registerFont(TTFont(name, candidate))
            except (TTFError, OSError) as problem:
                if path:
                    raise NoFont(f"print_font: {path}: {problem}") from None
                continue
            return name
    pdfmetrics.registerFont(UnicodeCIDFont(READERS_OWN))
    return READERS_OWN
