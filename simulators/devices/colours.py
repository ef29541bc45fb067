"""Plates' colours in the words of several vendors."""

from __future__ import annotations

from controllers.events import PlateColour

COLOUR_WORDS = {
    PlateColour.BLUE: "蓝色",
    PlateColour.YELLOW: "黄色",
    PlateColour.WHITE: "白色",
    PlateColour.BLACK: "黑色",
    PlateColour.GREEN: "绿色",
    PlateColour.YELLOW_GREEN: "黄绿色",
}
"""As Chinese devices write them."""
COLOUR_NUMBERS = {
    PlateColour.BLUE: 1,
    PlateColour.YELLOW: 2,
    PlateColour.WHITE: 3,
    PlateColour.BLACK: 4,
    PlateColour.GREEN: 5,
    PlateColour.YELLOW_GREEN: 6,
}
"""As Vzenith numbers them."""
