"""What the forms of each register ask for, what its lists show, and what was typed as the cells of a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from gateway.api import registers_view as view
from gateway.api.context import Context, Staff
from gateway.api.live import in_zone
from gateway.flows.registers_rows import KINDS, RELATIONS, VEHICLE_WORDS

_PERIOD: Final = ("valid_from", "valid_to")
_DAYS: Final = frozenset(_PERIOD)
_HOUSEHOLD: Final = ("site", "household")
# Fields of each kind, as they are asked for; those below `_FIXED` say which entry it is and stay as they are.
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "households": (*_HOUSEHOLD, "name", "area_m2", *_PERIOD),
    "vehicles": (*_HOUSEHOLD, "plate", "vehicle", *_PERIOD),
    "relatives": (*_HOUSEHOLD, "plate", "relation", "name", "resident", "evidence", "approver", *_PERIOD),
    "certificates": (*_HOUSEHOLD, "number", "issuer", *_PERIOD),
    "free-vehicles": ("site", "plate", "class", *_PERIOD),
    "blocklist": ("site", "plate", *_PERIOD),
}
_FIXED: Final[dict[str, frozenset[str]]] = {
    "households": frozenset(_HOUSEHOLD),
    "vehicles": frozenset({"site", "plate"}),
    "relatives": frozenset({"site", "household", "plate"}),
    "certificates": frozenset({"site", "household", "number"}),
    "free-vehicles": frozenset({"site", "plate", "class"}),
    "blocklist": frozenset({"site", "plate"}),
}
_NEEDED: Final = {"relatives": ("resident", "evidence", "approver")}
# What lists and entries show, in this order, as far as the role sees it.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "households": ("household", "name", "area_m2"),
    "vehicles": ("plate", "household", "vehicle"),
    "relatives": ("plate", "household", "relation", "name", "resident", "evidence", "approver"),
    "certificates": ("household", "number", "issuer", "review_due"),
    "passes": ("plate", "pass"),
    "free-vehicles": ("plate", "class"),
    "blocklist": ("plate", "reason"),
}
CHOICES: Final = {"vehicle": tuple(VEHICLE_WORDS), "relation": tuple(RELATIONS)}


class Field(NamedTuple):
    """One field of a form. `kind`: text, date or choice."""

    name: str
    kind: str
    required: bool


def to_add(kind: str) -> list[Field]:
    needed = {*KINDS[kind][0], *_NEEDED.get(kind, ())}
    return [_field(name, name in needed) for name in FIELDS[kind]]


def to_change(kind: str) -> list[Field]:
    needed = {*KINDS[kind][0], *_NEEDED.get(kind, ())}
    return [_field(name, name in needed) for name in FIELDS[kind] if name not in _FIXED[kind]]


def _field(name: str, required: bool) -> Field:
    kind = "date" if name in _DAYS else "choice" if name in {*CHOICES, "site", "class"} else "text"
    return Field(name, kind, required)


def columns(kind: str, role: str) -> list[str]:
    """Of an entry, what the role sees."""
    seen = view.entry(kind, role, dict.fromkeys(COLUMNS[kind]))
    return [name for name in COLUMNS[kind] if name in seen]


def entry_as_seen(context: Context, staff: Staff, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """An entry as the role sees it, its period as local days."""
    zone = context.parts.settings.zone
    seen = view.entry(kind, staff.role, document)
    days = {f"{name}_day": day_of(name, document[name], zone) for name in _PERIOD}
    begins = document["valid_from"] is not None and document["valid_from"] > context.parts.clock.now()
    return {**in_zone(seen, zone), **days, "begins": begins}


def day_of(name: str, at: datetime | None, zone: ZoneInfo) -> str:
    """An end of a period as a local day: the first on which it holds, the last on which it does."""
    if at is None:
        return ""
    local = at.astimezone(zone)
    last = name == "valid_to" and local.time() == time()
    return (local - timedelta(days=1) if last else local).date().isoformat()


def shown(kind: str, document: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str]:
    """What a form of an entry shows before anybody types."""
    values = {}
    for field in to_change(kind):
        value = document.get(field.name)
        values[field.name] = (
            day_of(field.name, value, zone) if field.kind == "date" else "" if value is None else _plain(value)
        )
    return values


def changed(kind: str, before: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, str]:
    """The cells that are other than the form showed: what nobody touched stays as exact as it is."""
    return {
        field.name: typed[field.name].strip()
        for field in to_change(kind)
        if field.name in typed and typed[field.name].strip() != before[field.name]
    }


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
