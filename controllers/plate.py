"""Chinese number plates (GA 36): one normal form, and the classes that a plate itself shows.

Only what the plate shows is decided here; a vehicle that parks free without showing it (an ambulance) is in a register. What GA 36 says
was checked against 66,873 plates photographed at the roadside (CCPD); shapes that stand in no source at hand are marked (memory).
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final

from controllers.events import PlateColour, VehicleType

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE_LENGTH_MAX = 16
UNREAD = "?"
"""A place at which a character stands that the camera could not read."""

# What devices write when they could not read a plate, seen in vendors' payloads.
_NO_PLATE = frozenset({"", "NULL", "NONE", "NOPLATE", "UNKNOWN", "UNLICENSED", "无牌车", "无牌", "_无_", "未识别"})
_SEPARATORS = re.compile(r"[\s·•.\-‧・∙_]+")
# Long forms of the characters of plates, as some cameras and lists write them, and what cameras write for a character not read.
_AS_ON_PLATES: Final = str.maketrans(
    "滬雲遼魯蘇贛晉陝閩貴粵寧瓊學領掛應臨試*", f"沪云辽鲁苏赣晋陕闽贵粤宁琼学领挂应临试{UNREAD}"
)

_SERIAL = "[A-HJ-NP-Z0-9]"
_NEW_ENERGY_LETTER = "[DABCEFGHJK]"
# Province, office, serial: here the standard says on which side of 0/O and 1/I a character is.
_OF_AN_OFFICE = re.compile(
    rf"(?P<province>[{PROVINCES}])(?P<office>[A-Z0])(?P<serial>[A-Z0-9?]{{4,6}})(?P<suffix>[警学挂港澳领临试超]|应?急)?"
)
_IN_SERIALS: Final = str.maketrans("OI", "01")


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
    TEMPORARY = "temporary"
    AGRICULTURAL = "agricultural"
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
        # Of paper or card, before the vehicle has a plate, for trials and for oversize loads (memory).
        (
            PlateClass.TEMPORARY,
            rf"(?:临[{PROVINCES}]?[A-Z]?{_SERIAL}{{4,6}}|[{PROVINCES}][A-Z]{_SERIAL}{{4,6}}[临试超])",
        ),
        # Tractors, NY 345.1: the office is two digits (memory).
        (PlateClass.AGRICULTURAL, rf"[{PROVINCES}][0-9]{{2}}{_SERIAL}{{5}}"),
        (PlateClass.NEW_ENERGY, rf"[{PROVINCES}][A-Z]{_NEW_ENERGY_LETTER}{_SERIAL}[0-9]{{4}}"),
        (PlateClass.NEW_ENERGY, rf"[{PROVINCES}][A-Z][0-9]{{5}}{_NEW_ENERGY_LETTER}"),
    )
)
_LARGE_NEW_ENERGY = re.compile(rf"[{PROVINCES}][A-Z][0-9]{{5}}{_NEW_ENERGY_LETTER}")
_ORDINARY = re.compile(rf"[{PROVINCES}][A-Z]{_SERIAL}{{5}}")
# White plates. A green BD12345 is a new-energy plate whose province was not read, and must not drive free for it.
_WHITE = {PlateClass.ARMED_POLICE, PlateClass.MILITARY}


def normalise(raw: str | None) -> str | None:
    """The one form under which a plate is stored and compared, or None if there is no plate.

    Full width to ASCII (NFKC), upper case, no separators (浙A·12345 and 浙A12345 are one plate), the characters of plates instead of their long
    forms, `?` for each that was not read. A serial has neither O nor I and an office is no digit (GA 36): there 0/O and 1/I are put on
    the right side, so that a list typed by hand and a camera mean the same vehicle.
    """
    if raw is None:
        return None
    text = unicodedata.normalize("NFKC", raw).upper()
    if text.strip() in _NO_PLATE:
        return None
    # Without what stood between them, letters and marks may be one character: composed again, so that the form is its own form.
    text = unicodedata.normalize("NFKC", _SEPARATORS.sub("", text)).translate(_AS_ON_PLATES)[:PLATE_LENGTH_MAX]
    # So begin the names that vehicles without a plate have here (`controllers.unlicensed`): no device may say one.
    if (
        text in _NO_PLATE
        or text.startswith("无牌")
        or set(text) <= {"0"}
        or set(text) <= {"1"}
        or set(text) <= {UNREAD}
    ):
        return None
    return _on_the_right_side(text)


def masked(plate: str) -> str:
    """浙A12345 → 浙A···45: who drives it knows it, a bystander does not."""
    return f"{plate[:2]}···{plate[-2:]}" if len(plate) > 4 else "···"


def _on_the_right_side(text: str) -> str:
    found = _OF_AN_OFFICE.fullmatch(text)
    if found is None:
        return text
    office = found["office"].replace("0", "O")
    # A tractor's office is digits: 浙01 12345 stays what it is.
    if found["office"] == "0" and _tractor(text):
        return text
    return f"{found['province']}{office}{found['serial'].translate(_IN_SERIALS)}{found['suffix'] or ''}"


def _tractor(text: str) -> bool:
    return len(text) == 8 and text[1:3].isdigit()


@lru_cache(maxsize=4_096)
def plate_class(plate: str, colour: PlateColour | None = None) -> PlateClass:
    """What the plate (normalised) itself shows. Green plates of eight characters are new energy."""
    green = colour in {PlateColour.GREEN, PlateColour.YELLOW_GREEN}
    for candidate, pattern in _GRAMMAR:
        if pattern.fullmatch(plate) and not (candidate in _WHITE and colour not in {None, PlateColour.WHITE}):
            return candidate
    if green and len(plate) == 8:
        return PlateClass.NEW_ENERGY
    return PlateClass.CIVIL


def shown_size(plate: str, colour: PlateColour | None = None) -> VehicleType | None:
    """What the plate shows of the vehicle's size: new energy by where its letter stands, others by colour. None: it shows nothing."""
    if plate_class(plate, colour) is PlateClass.NEW_ENERGY and len(plate) == 8:
        return VehicleType.LARGE if _LARGE_NEW_ENERGY.fullmatch(plate) else VehicleType.SMALL
    if colour in {PlateColour.YELLOW, PlateColour.YELLOW_GREEN}:
        return VehicleType.LARGE
    return VehicleType.SMALL if colour is PlateColour.BLUE else None


def well_formed(plate: str, colour: PlateColour | None = None) -> bool:
    """Whether the standard knows such a plate at all. What it does not know was misread, or is no Chinese plate."""
    return _ORDINARY.fullmatch(plate) is not None or plate_class(plate, colour) is not PlateClass.CIVIL


def vehicle_type(read: VehicleType | None, registered: VehicleType | None, colour: PlateColour | None) -> VehicleType:
    """The read's own, else the register's, else large for yellow and yellow-green plates, else small."""
    if read is not None:
        return read
    if registered is not None:
        return registered
    return VehicleType.LARGE if colour in {PlateColour.YELLOW, PlateColour.YELLOW_GREEN} else VehicleType.SMALL
