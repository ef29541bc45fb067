"""One row of a register: its cells to the values of a table's row, or the reason why not. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from controllers.plate import normalise

# Marks a row that has more cells than there are headings.
EXTRA = "\x00extra"
_PERIOD = ("valid_from", "valid_to")

KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # kind: (columns that must be there, columns that may be missing)
    "households": (("site", "household"), ("name", "area_m2", *_PERIOD)),
    "vehicles": (("site", "household", "plate"), ("vehicle", *_PERIOD)),
    "relatives": (
        ("site", "household", "plate", "relation"),
        ("name", "resident", "evidence", "approver", *_PERIOD),
    ),
    "certificates": (("site", "household", "number", "issuer"), _PERIOD),
    "passes": (("site", "plate", "pass", *_PERIOD), ()),
    # Nobody is listed for ever (contract: "vehicles listed by staff, with an end date").
    "free-vehicles": (("site", "plate", "class", "valid_to"), ("valid_from",)),
    "blocklist": (("site", "plate", "reason"), _PERIOD),
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

# Within these an instant can be told in every zone, and days of grace be added to it.
_LONG_AGO, _FOR_EVER = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_AREA_MAX = Decimal(1_000_000)
# "停车困难" is a complaint about parking; "困难户" is a household.
_POVERTY = re.compile(
    r"低保|低收入|特困|贫困|困难(户|家庭|群众|人员|证)|生活困难|救助证|low[\s_-]?income|hardship|poverty"
)


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


def read_row(
    kind: str, row: Mapping[str, str], known: Known, *, needed: Collection[str] | None = None, site: str | None = None
) -> dict[str, Any]:
    """The columns of the kind's table that the cells give; a heading that is not there leaves its column alone.

    `needed`: what must be there and have a value, by default what the kind's files must have. `site` is whose row it is where the
    cells do not say so. Raises `BadRow`.
    """
    if EXTRA in row:
        raise BadRow("more cells than headings")
    needed = KINDS[kind][0] if needed is None else needed
    values: dict[str, Any] = {}
    if site is None:
        values["site_id"] = site = _site(row, known)
    for name in (name for names in KINDS[kind] for name in names):
        if name == "site" or (name not in row and name not in needed):
            continue
        if name in needed and not row.get(name, "").strip():
            raise BadRow(f"{name} is missing")
        values[column_of(kind, name)] = _CELLS[name](kind, name, row[name], site, known)
    start, end = values.get("valid_from"), values.get("valid_to")
    if start is not None and end is not None and start >= end:
        raise BadRow(f"valid_to {row['valid_to']!r:.40} is before valid_from {row['valid_from']!r:.40}")
    if kind == "blocklist" and "reason" in values:
        values["lifted"] = False
    return values


def column_of(kind: str, name: str) -> str:
    """The column in which a heading's value stands."""
    return "site_id" if name == "site" else _COLUMNS.get((kind, name)) or _COLUMN.get(name, name)


def _site(row: Mapping[str, str], known: Known) -> str:
    site = _text(row.get("site", ""), "site", 200)
    if not site:
        raise BadRow("site is missing")
    if site in known.sites:
        return site
    named = known.sites_by_name.get(site)
    if named is None:
        raise BadRow(f"there is no site {site!r:.60}")
    return named


def tells(words: str) -> bool:
    """Whether a free text speaks of poverty. That stands in a certificate, which few may read, and nowhere else."""
    return _POVERTY.search(unicodedata.normalize("NFKC", words).casefold()) is not None


def _household(kind: str, _name: str, value: str, site: str, known: Known) -> str:
    household = _text(value, "household", 64)
    if kind != "households" and (site, household) not in known.households:
        raise BadRow(f"household {household!r:.64} is not one of site {site!r}; import households first")
    return household


def _plate(_kind: str, _name: str, value: str, _site: str, _known: Known) -> str:
    value = _text(value, "plate", 40)
    plate = normalise(value)
    if plate is None or not plate.isalnum() or len(plate) < 4:
        raise BadRow(f"plate {value!r:.40} is no number plate")
    return plate


def _vehicle(_kind: str, _name: str, value: str, _site: str, _known: Known) -> str | None:
    word = value.strip()
    if word and word not in _VEHICLE_OF:
        raise BadRow(f"vehicle {word!r:.40} is none of {', '.join(VEHICLE_WORDS)}")
    return _VEHICLE_OF[word] if word else None


def _relation(_kind: str, _name: str, value: str, _site: str, known: Known) -> str:
    word = _text(value, "relation", 40)
    relation = _RELATION_OF.get(word, word)
    if relation not in RELATIONS and relation not in known.relations:
        raise BadRow(f"relation {word!r:.40} is none of {', '.join(RELATIONS)}")
    return relation


def _pass(_kind: str, _name: str, value: str, site: str, known: Known) -> str:
    pass_id = _text(value, "pass", 64)
    offered = known.passes.get(site)
    if offered is not None and pass_id not in offered:
        raise BadRow(
            f"pass {pass_id!r:.60} is not in the site's policy, which has {', '.join(sorted(offered)) or 'none'}"
        )
    return pass_id


def _class(_kind: str, _name: str, value: str, site: str, known: Known) -> str:
    class_id = _text(value, "class", 64)
    classes = known.classes.get(site)
    if classes is not None and class_id not in classes:
        raise BadRow(
            f"class {class_id!r:.60} is no class with a register in the site's policy, which has {', '.join(sorted(classes)) or 'none'}"
        )
    return class_id


def _words(longest: int) -> _Cell:
    def read(_kind: str, name: str, value: str, _site: str, _known: Known) -> str:
        words = _text(value, name, longest)
        # Whoever may read a name may read certificates; a reason is for those at the gate.
        if name == "reason" and tells(words):
            raise BadRow(f"{name} speaks of a low income; that stands in a certificate and nowhere else: leave it out")
        return words

    return read


def _number(_kind: str, _name: str, value: str, _site: str, _known: Known) -> str:
    return _text(value, "number", 100, shown=False)


def _area(_kind: str, _name: str, value: str, _site: str, _known: Known) -> float | None:
    if not value.strip():
        return None
    try:
        area = Decimal(value.strip())
    except InvalidOperation:
        raise BadRow(f"area_m2 {value!r:.40} is not a number of square metres") from None
    if not area.is_finite() or not 0 <= area < _AREA_MAX:
        raise BadRow(f"area_m2 {value!r:.40} is not between 0 and {_AREA_MAX}")
    return float(area)


def _instant(_kind: str, name: str, value: str, _site: str, known: Known) -> datetime | None:
    value = value.strip()
    if not value:
        return None
    try:
        return parse_instant(value, known.zone, end=name == "valid_to")
    except ValueError:
        raise BadRow(f"{name} {value!r:.40} is neither a day (YYYY-MM-DD) nor an instant (RFC 3339)") from None


# Takes the kind, the heading, the cell, the site and what is known.
_Cell = Callable[[str, str, str, str, Known], Any]
_CELLS: dict[str, _Cell] = {
    "household": _household,
    "plate": _plate,
    "vehicle": _vehicle,
    "relation": _relation,
    "pass": _pass,
    "class": _class,
    "number": _number,
    "area_m2": _area,
    "issuer": _words(200),
    "name": _words(200),
    "resident": _words(200),
    "evidence": _words(200),
    "approver": _words(100),
    "reason": _words(300),
    "valid_from": _instant,
    "valid_to": _instant,
}
_COLUMN = {"household": "household_id", "pass": "pass_id", "class": "class_id"}
_COLUMNS = {("households", "household"): "id"}


def _text(value: str, name: str, longest: int, *, shown: bool = True) -> str:
    value = value.strip()
    if len(value) > longest:
        raise BadRow(f"{name} is longer than {longest} characters")
    if value and not value.isprintable():
        raise BadRow(f"{name} holds characters that cannot be printed" + (f": {value!r:.40}" if shown else ""))
    return value


def parse_instant(value: str, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """A day means its first instant in the zone, or with `end` the first of the next day, so that an end is inclusive.

    An instant is exact; without an offset it is in the zone. "For ever", as lists write it (9999-12-31), is the last day
    that is known here. Raises `ValueError`.
    """
    day = _DAY.fullmatch(value)
    try:
        if day:
            midnight = datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=zone)
            found = (midnight + timedelta(days=1) if end and midnight < _FOR_EVER else midnight).astimezone(UTC)
        else:
            instant = datetime.fromisoformat(value)
            found = (instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ValueError(value) from None
    if end and found >= _FOR_EVER:
        return _FOR_EVER
    if not _LONG_AGO <= found < _FOR_EVER:
        raise ValueError(value)
    return found
