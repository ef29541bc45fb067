"""Who may do what: one table, closed by default. A route that is not in it is refused to everybody; tests walk through it.

Source: the roles of the HTTP contract. Every role is limited further to the sites of its account.
"""

from __future__ import annotations

from typing import Final

GUARD, CASHIER, CONSOLE, REGISTRAR = "guard", "cashier", "console", "registrar"
FINANCE, MANAGER, COMMITTEE, AUDITOR = "finance", "manager", "committee", "auditor"

PREFIX: Final = "/api/v1"

_EVERYBODY: Final = frozenset({GUARD, CASHIER, CONSOLE, REGISTRAR, FINANCE, MANAGER, COMMITTEE, AUDITOR})
# A residents' committee works with its doors, public figures and comparisons, not with who parked when.
_STAFF: Final = _EVERYBODY - {COMMITTEE}
_TILL: Final = frozenset({CASHIER, CONSOLE})
_BOOKS: Final = frozenset({FINANCE, REGISTRAR, MANAGER, AUDITOR})

_SEALED: Final = frozenset({REGISTRAR, FINANCE})
# Who reads each register; what of an entry: `registers_view`. A relative is known by its household, a gate needs neither.
REGISTER_READERS: Final[dict[str, frozenset[str]]] = {
    "households": _BOOKS | {CONSOLE},
    "vehicles": _STAFF,
    "relatives": _BOOKS | {CONSOLE},
    "certificates": _SEALED,
    "passes": _SEALED,
    "free-vehicles": _STAFF,
    "blocklist": _STAFF,
}
# One by one only where no trade of its own does it: passes are sold.
_REGISTER_CHANGES: Final = {
    "households": "end",
    "vehicles": "end",
    "relatives": "end",
    "certificates": "end",
    "free-vehicles": "end",
    "blocklist": "lift",
}


def _registers() -> dict[tuple[str, str], frozenset[str]]:
    found: dict[tuple[str, str], frozenset[str]] = {}
    for kind, readers in REGISTER_READERS.items():
        path = f"{PREFIX}/{kind}"
        found["GET", path] = found["GET", f"{path}/{{entry}}"] = readers
        found["GET", f"{path}/{{entry}}/history"] = readers & _BOOKS
        found["POST", f"{path}/import"] = frozenset({REGISTRAR})
    for kind, over in _REGISTER_CHANGES.items():
        path = f"{PREFIX}/{kind}"
        for method, where in (("POST", path), ("PATCH", f"{path}/{{entry}}"), ("POST", f"{path}/{{entry}}/{over}")):
            found[method, where] = frozenset({REGISTRAR})
    found["POST", f"{PREFIX}/certificates/{{entry}}/review"] = frozenset({REGISTRAR})
    found["GET", f"{PREFIX}/free-classes"] = _EVERYBODY
    return found


MATRIX: Final[dict[tuple[str, str], frozenset[str]]] = {
    **_registers(),
    ("GET", "/api/v1/sites"): _EVERYBODY,
    ("GET", "/api/v1/gates"): _EVERYBODY,
    ("GET", "/api/v1/lanes"): _EVERYBODY,
    ("GET", "/api/v1/devices"): _EVERYBODY,
    ("GET", "/api/v1/stays"): _STAFF,
    ("GET", "/api/v1/stays/{stay_id}"): _STAFF,
    ("GET", "/api/v1/stays/{stay_id}/bill"): _STAFF,
    ("POST", "/api/v1/stays/{stay_id}/payments"): _TILL,
    ("GET", "/api/v1/exceptions"): _STAFF,
    ("GET", "/api/v1/live"): _STAFF,
    ("GET", "/api/v1/days/{day}"): _BOOKS,
    ("GET", "/api/v1/days/{day}/export"): _BOOKS,
    ("POST", "/api/v1/days/{day}/close"): frozenset({FINANCE}),
}

# These have their own doors: a password, and a device's account.
OPEN: Final = frozenset({("POST", "/api/v1/token"), ("PUT", "/api/v1/images/{event_id}")})

SEES_LOW_INCOME: Final = frozenset({REGISTRAR, FINANCE})
SEES_THE_BOARD: Final = MATRIX["GET", "/api/v1/live"]


def allowed(role: str, method: str, path: str) -> bool:
    """Whether a role may call a route, named by its template, with or without the prefix under which it is mounted."""
    return role in MATRIX.get((method, PREFIX + path.removeprefix(PREFIX)), frozenset())
