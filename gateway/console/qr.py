"""QR codes on pages, as drawings within the page: nothing is loaded from elsewhere, and nothing is kept."""

from __future__ import annotations

from io import BytesIO

from markupsafe import Markup

_SCALE = 6


def qr_code(text: str) -> Markup:
    """A QR code that a phone reads off a screen, black on white whatever the page's colours are."""
    # It draws: loaded with the first code that is shown, not when the console starts.
    import segno  # noqa: PLC0415

    drawn = segno.make_qr(text, error="m").svg_inline(scale=_SCALE, border=4, dark="#000", light="#fff")
    return Markup(drawn)  # noqa: S704 - drawn from the code's dots: nothing of the text stands in it


def qr_file(text: str) -> bytes:
    """The same as a picture of its own, to be printed."""
    import segno  # noqa: PLC0415

    drawn = BytesIO()
    segno.make_qr(text, error="q").save(drawn, kind="svg", scale=_SCALE, border=4, dark="#000", light="#fff")
    return drawn.getvalue()
