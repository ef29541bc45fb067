"""无牌车: the name that a vehicle without a plate has in the place of one, for as long as it is inside."""

from __future__ import annotations

UNLICENSED = "无牌"


def name_of(letters: str) -> str:
    """The name, from letters that nobody guesses. No device can say it: `controllers.plate.normalise` reads it as no plate."""
    return f"{UNLICENSED}{letters}"


def is_unlicensed(plate: str) -> bool:
    """Whether this is such a name."""
    return plate.startswith(UNLICENSED)
