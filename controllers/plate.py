"""Chinese number plates (GA 36): one normal form, and the classes that a plate itself shows.

Only what the plate shows is decided here; a vehicle that parks free without showing it (an ambulance) is in a register.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from controllers.events import PlateColour, VehicleType

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE_LENGTH_MAX = 16

# What devices write when they could not read a plate, seen in vendors' payloads.
_NO_PLATE = frozenset({"", "NULL", "NONE", "NOPLATE", "UNKNOWN", "UNLICENSED", "无牌车", "无牌", "_无_", "未识别"})
_SEPARATORS = re.compile(r"[\s·•.\-‧・∙_]+")

_SERIAL = "[A-HJ-NP-Z0-9]"
_NEW_ENERGY_LETTER = "[DABCEFGHJK]"


class PlateClass(StrEnum):
    """Classes a policy can name. `CIVIL` is every other plate."""

    POLICE = "police"
    EMERGENCY = "emergency"
    ARMED_POLICE = "armed_police"
    MILITARY = "military"
    EMBASSY = "embassy"
    CONSULATE = "consulate"
    COACH = "coach"
    TRAILER = "trailer"
    HONG_KONG = "hong_kong"
    MACAU = "macau"
    NEW_ENERGY = "new_energy"
    CIVIL = "civil"


# In order: the first that matches is the class.
_GRAMMAR: tuple[tuple[PlateClass, re.Pattern[str]], ...] = tuple(
    (plate_class, re.compile(pattern))
    for plate_class, pattern in (
        (PlateClass.ARMED_POLICE, rf"WJ[{PROVINCES}]?[0-9A-Z]{{5,7}}"),
        (PlateClass.MILITARY, r"[A-Z]{2}[0-9]{5}"),
        (PlateClass.POLICE, rf"[{PROVINCES}][A-Z]{_SERIAL}{{4}}警"),
        (PlateClass.EMERGENCY, rf"[{PROVINCES}][A-Z]{_SERIAL}{{4,5}}应?急"),
        (PlateClass.COACH, rf"[{PROVINCES}][A-Z]{_SERIAL}{{4}}学"),
        (PlateClass.TRAILER, rf"[{PROVINCES}][A-Z]{_SERIAL}{{4}}挂"),
        (PlateClass.HONG_KONG, rf"粤Z{_SERIAL}{{4}}港"),
        (PlateClass.MACAU, rf"粤Z{_SERIAL}{{4}}澳"),
        (PlateClass.EMBASSY, r"(?:使[0-9]{6}|[0-9]{6}使)"),
        (PlateClass.CONSULATE, rf"[{PROVINCES}][A-Z]?[0-9]{{4,5}}领"),
        (PlateClass.NEW_ENERGY, rf"[{PROVINCES}][A-Z]{_NEW_ENERGY_LETTER}{_SERIAL}[0-9]{{4}}"),
        (PlateClass.NEW_ENERGY, rf"[{PROVINCES}][A-Z][0-9]{{5}}{_NEW_ENERGY_LETTER}"),
    )
)


def normalise(raw: str | None) -> str | None:
    """The one form under which a plate is stored and compared, or None if there is no plate.

    Full width to ASCII (NFKC), upper case, no separators (浙A·12345 and 浙A12345 are one plate).
    """
    if raw is None:
        return None
    text = unicodedata.normalize("NFKC", raw).upper()
    if text.strip() in _NO_PLATE:
        return None
    text = _SEPARATORS.sub("", text)[:PLATE_LENGTH_MAX]
    return None if text in _NO_PLATE or set(text) <= {"0"} or set(text) <= {"1"} else text


@lru_cache(maxsize=65_536)
def plate_class(plate: str, colour: PlateColour | None = None) -> PlateClass:
    """What the plate (normalised) itself shows. Green plates of eight characters are new energy."""
    for candidate, pattern in _GRAMMAR:
        if pattern.fullmatch(plate):
            return candidate
    if colour in {PlateColour.GREEN, PlateColour.YELLOW_GREEN} and len(plate) == 8:
        return PlateClass.NEW_ENERGY
    return PlateClass.CIVIL


def vehicle_type(read: VehicleType | None, registered: VehicleType | None, colour: PlateColour | None) -> VehicleType:
    """The read's own, else the register's, else large for yellow and yellow-green plates, else small."""
    if read is not None:
        return read
    if registered is not None:
        return registered
    return VehicleType.LARGE if colour in {PlateColour.YELLOW, PlateColour.YELLOW_GREEN} else VehicleType.SMALL
