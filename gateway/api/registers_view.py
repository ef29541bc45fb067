"""Who sees what of a register's entry. Closed by default: a field that nobody was given is left out.

Registrar and finance see everything. The others see what their work needs: at a gate, that a plate is registered and as what;
at the console, also the household that somebody calls from; auditor and manager, on what evidence and by whom, and no names.
Certificates and passes are for registrar and finance alone: to everybody else a bill reads `resident` for both, and who sees
that a vehicle has no pass sees what the other word was (invariant 10).
"""

from __future__ import annotations

from typing import Any, Final

from gateway.api.access import AUDITOR, CASHIER, CONSOLE, GUARD, MANAGER, SEES_LOW_INCOME

_ALWAYS: Final = frozenset({"id", "site", "valid_from", "valid_to", "valid"})
_GATE: Final = {
    "vehicles": frozenset({"plate", "vehicle"}),
    "free-vehicles": frozenset({"plate", "class"}),
    "blocklist": frozenset({"plate", "reason", "lifted"}),
}
_CONSOLE: Final = {
    **_GATE,
    "households": frozenset({"household"}),
    "vehicles": _GATE["vehicles"] | {"household"},
    "relatives": frozenset({"plate", "household"}),
}
_CONTROL: Final = {
    "households": frozenset({"household", "area_m2"}),
    "vehicles": frozenset({"household", "plate", "vehicle", "registered_at"}),
    "relatives": frozenset({"household", "plate", "relation", "evidence", "approver", "registered_at"}),
    "free-vehicles": frozenset({"plate", "class", "registered_at"}),
    "blocklist": frozenset({"plate", "reason", "lifted", "registered_at"}),
}
# Where these may ask by household at all: an answer that leaves the household out must not be a way to find it.
HOUSEHOLDS_SEEN: Final = {
    GUARD: frozenset[str](),
    CASHIER: frozenset[str](),
    CONSOLE: frozenset({"households", "vehicles", "relatives"}),
}
_SEES: Final = {GUARD: _GATE, CASHIER: _GATE, CONSOLE: _CONSOLE, MANAGER: _CONTROL, AUDITOR: _CONTROL}


def entry(kind: str, role: str, document: dict[str, Any]) -> dict[str, Any]:
    """An entry as a role may see it."""
    if role in SEES_LOW_INCOME:
        return document
    seen = _ALWAYS | _SEES.get(role, {}).get(kind, frozenset())
    return {name: value for name, value in document.items() if name in seen}


def change(kind: str, role: str, document: dict[str, Any]) -> dict[str, Any]:
    """A change of its history: what stood before and after, as the role may see the entry itself."""
    found = dict(document)
    for side in ("before", "after"):
        if found[side] is not None:
            found[side] = entry(kind, role, found[side])
    return found
