"""One row of a register: its cells to the values of a table's row, or the reason why not. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from controllers.plate import normalise
from gateway.flows.registers_file import EXTRA

KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # kind: (columns that must be there, columns that may be missing)
    "households": (("site", "household"), ("name", "area_m2")),
    "vehicles": (("site", "household", "plate"), ("vehicle",)),
    "relatives": (("site", "household", "plate", "relation"), ("valid_from", "valid_to")),
    "certificates": (("site", "household", "number", "issuer"), ("valid_from", "valid_to")),
    "passes": (("site", "plate", "pass", "valid_from", "valid_to"), ()),
    "free-vehicles": (("site", "plate", "class"), ("valid_to",)),
    "blocklist": (("site", "plate", "reason"), ("valid_to",)),
}

RELATIONS: dict[str, tuple[str, ...]] = {
    "parent": ("父母", "父亲", "母亲", "父", "母"),
    "child": ("子女", "儿子", "女儿", "子", "女"),
    "grandparent": ("祖父母", "外祖父母", "祖父", "祖母", "外祖父", "外祖母", "爷爷", "奶奶", "外公", "外婆"),
    "grandchild": ("孙子女", "外孙子女", "孙子", "孙女", "外孙", "外孙女"),
    "child_in_law": ("儿媳女婿", "儿媳/女婿", "儿媳、女婿", "儿媳", "女婿"),
}
VEHICLE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("小型", "小型车", "小车", "小型汽车"),
    "large": ("大型", "大型车", "大车", "大型汽车"),
    "motorcycle": ("摩托", "摩托车"),
}
_RELATION_OF = {word: name for name, words in RELATIONS.items() for word in (name, *words)}
_VEHICLE_OF = {word: name for name, words in VEHICLE_WORDS.items() for word in (name, *words)}

_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_AREA_MAX = Decimal(1_000_000)


class BadRow(Exception):
    """A row that cannot be imported, and why."""


@dataclass(frozen=True)
class Known:
    """What a row is judged by. `offers` holds, by site, the ids of its policy's passes and register classes (absent: not known)."""

    zone: ZoneInfo
    sites: frozenset[str]
    sites_by_name: Mapping[str, str]
    households: frozenset[tuple[str, str]]
    relations: frozenset[str] = frozenset()
    passes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    classes: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_row(kind: str, row: Mapping[str, str], known: Known) -> dict[str, Any]:
    """The row of the kind's table, by column, without what only the store knows. Raises `BadRow`."""
    if EXTRA in row:
        raise BadRow("more cells than headings")
    site = _text(row, "site", 200)
    if site not in known.sites:
        named = known.sites_by_name.get(site)
        if named is None:
            raise BadRow(f"there is no site {site!r:.60}")
        site = named
    return {"site_id": site, **_READERS[kind](row, site, known)}


def _household(row: Mapping[str, str], _site: str, _known: Known) -> dict[str, Any]:
    return {
        "id": _text(row, "household", 64),
        "name": _text(row, "name", 200, needed=False),
        "area_m2": _area(row.get("area_m2", "")),
    }


def _vehicle(row: Mapping[str, str], site: str, known: Known) -> dict[str, Any]:
    word = row.get("vehicle", "").strip()
    if word and word not in _VEHICLE_OF:
        raise BadRow(f"vehicle {word!r:.40} is none of {', '.join(VEHICLE_WORDS)}")
    return {
        "plate": _plate(row),
        "household_id": _known_household(row, site, known),
        "vehicle": _VEHICLE_OF[word] if word else None,
    }


def _relative(row: Mapping[str, str], site: str, known: Known) -> dict[str, Any]:
    word = _text(row, "relation", 40)
    relation = _RELATION_OF.get(word, word)
    if relation not in RELATIONS and relation not in known.relations:
        raise BadRow(f"relation {word!r:.40} is none of {', '.join(RELATIONS)}")
    return {
        "plate": _plate(row),
        "household_id": _known_household(row, site, known),
        "relation": relation,
        **_period(row, known.zone),
    }


def _certificate(row: Mapping[str, str], site: str, known: Known) -> dict[str, Any]:
    return {
        "household_id": _known_household(row, site, known),
        "number": _text(row, "number", 100, shown=False),
        "issuer": _text(row, "issuer", 200),
        **_period(row, known.zone),
    }


def _pass(row: Mapping[str, str], site: str, known: Known) -> dict[str, Any]:
    pass_id = _text(row, "pass", 64)
    offered = known.passes.get(site)
    if offered is not None and pass_id not in offered:
        raise BadRow(
            f"pass {pass_id!r:.60} is not in the site's policy, which has {', '.join(sorted(offered)) or 'none'}"
        )
    period = _period(row, known.zone)
    for key in ("valid_from", "valid_to"):
        if period[key] is None:
            raise BadRow(f"{key} is missing")
    return {"plate": _plate(row), "pass_id": pass_id, **period}


def _free_vehicle(row: Mapping[str, str], site: str, known: Known) -> dict[str, Any]:
    class_id = _text(row, "class", 64)
    classes = known.classes.get(site)
    if classes is not None and class_id not in classes:
        raise BadRow(
            f"class {class_id!r:.60} is no class with a register in the site's policy, which has {', '.join(sorted(classes)) or 'none'}"
        )
    return {"plate": _plate(row), "class_id": class_id, "valid_to": _instant(row, "valid_to", known.zone, end=True)}


def _blocked(row: Mapping[str, str], _site: str, known: Known) -> dict[str, Any]:
    return {
        "plate": _plate(row),
        "reason": _text(row, "reason", 300),
        "valid_to": _instant(row, "valid_to", known.zone, end=True),
        "lifted": False,
    }


_READERS: dict[str, Callable[[Mapping[str, str], str, Known], dict[str, Any]]] = {
    "households": _household,
    "vehicles": _vehicle,
    "relatives": _relative,
    "certificates": _certificate,
    "passes": _pass,
    "free-vehicles": _free_vehicle,
    "blocklist": _blocked,
}


def _text(row: Mapping[str, str], key: str, longest: int, *, needed: bool = True, shown: bool = True) -> str:
    value = row.get(key, "").strip()
    if not value and needed:
        raise BadRow(f"{key} is missing")
    if len(value) > longest:
        raise BadRow(f"{key} is longer than {longest} characters")
    if value and not value.isprintable():
        raise BadRow(f"{key} holds characters that cannot be printed" + (f": {value!r:.40}" if shown else ""))
    return value


def _plate(row: Mapping[str, str]) -> str:
    value = _text(row, "plate", 40)
    plate = normalise(value)
    if plate is None or not plate.isalnum() or len(plate) < 4:
        raise BadRow(f"plate {value!r:.40} is no number plate")
    return plate


def _known_household(row: Mapping[str, str], site: str, known: Known) -> str:
    household = _text(row, "household", 64)
    if (site, household) not in known.households:
        raise BadRow(f"site {site!r} has no household {household!r:.64}; import households first")
    return household


def _area(value: str) -> float | None:
    if not value.strip():
        return None
    try:
        area = Decimal(value.strip())
    except InvalidOperation:
        raise BadRow(f"area_m2 {value!r:.40} is not a number of square metres") from None
    if not area.is_finite() or not 0 <= area < _AREA_MAX:
        raise BadRow(f"area_m2 {value!r:.40} is not between 0 and {_AREA_MAX}")
    return float(area)


def _period(row: Mapping[str, str], zone: ZoneInfo) -> dict[str, datetime | None]:
    start, end = _instant(row, "valid_from", zone), _instant(row, "valid_to", zone, end=True)
    if start is not None and end is not None and start >= end:
        raise BadRow(f"valid_to {row['valid_to']!r:.40} is before valid_from {row['valid_from']!r:.40}")
    return {"valid_from": start, "valid_to": end}


def _instant(row: Mapping[str, str], key: str, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    value = row.get(key, "").strip()
    if not value:
        return None
    try:
        return parse_instant(value, zone, end=end)
    except ValueError:
        raise BadRow(f"{key} {value!r:.40} is neither a day (YYYY-MM-DD) nor an instant (RFC 3339)") from None


def parse_instant(value: str, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """A day means its first instant in the zone, or with `end` the first of the next day, so that an end is inclusive.

    An instant is exact; without an offset it is in the zone. Raises `ValueError`.
    """
    day = _DAY.fullmatch(value)
    try:
        if day:
            midnight = datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=zone)
            return (midnight + timedelta(days=1) if end else midnight).astimezone(UTC)
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ValueError(value) from None
