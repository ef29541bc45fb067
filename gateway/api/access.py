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

MATRIX: Final[dict[tuple[str, str], frozenset[str]]] = {
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
