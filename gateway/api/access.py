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
_COUNTER: Final = _TILL | {REGISTRAR, FINANCE}
_BOOKS: Final = frozenset({FINANCE, REGISTRAR, MANAGER, AUDITOR})
# Reads what others' drawers should hold; who counts one does not, until it is counted.
SUPERVISES_DRAWERS: Final = frozenset({FINANCE, MANAGER, AUDITOR})
# Who looks after what does not agree: nobody at a gate, and nobody whose drawer may be short.
_BREAKS: Final = frozenset({FINANCE, MANAGER, AUDITOR})
_DRAWERS: Final = _COUNTER | SUPERVISES_DRAWERS
_ISSUERS: Final = frozenset({REGISTRAR, CONSOLE})
_VOUCHERS: Final = _BOOKS | _ISSUERS
_AT_THE_GATES: Final = _TILL | {GUARD}
_ATTENDS: Final = _AT_THE_GATES | {REGISTRAR, FINANCE, MANAGER}
# A barrier that is held open lets everybody pass: not for who takes the money there.
HOLDS_OPEN: Final = frozenset({GUARD, CONSOLE})

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
    ("GET", "/api/v1/stays/{stay_id}/explanation"): _STAFF,
    ("GET", "/api/v1/events/{site}/{device}/{event}/explanation"): _STAFF,
    ("POST", "/api/v1/stays/{stay_id}/payments"): _TILL,
    ("POST", "/api/v1/stays/{stay_id}/orders"): _TILL,
    ("GET", "/api/v1/orders"): _BOOKS | _TILL,
    ("GET", "/api/v1/orders/{order_id}"): _BOOKS | _TILL,
    ("POST", "/api/v1/orders/{order_id}/query"): _TILL | {FINANCE},
    ("POST", "/api/v1/orders/{order_id}/refunds"): frozenset({CONSOLE, FINANCE}),
    ("GET", "/api/v1/order-refunds"): _BOOKS | _TILL,
    # Four eyes: the flow refuses whoever proposed it.
    ("POST", "/api/v1/order-refunds/{refund_id}/approval"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/order-refunds/{refund_id}/refusal"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/order-refunds/{refund_id}/again"): frozenset({FINANCE}),
    ("GET", "/api/v1/stays/{stay_id}/candidates"): _STAFF,
    ("GET", "/api/v1/stays/{stay_id}/payments"): _BOOKS | _TILL,
    ("POST", "/api/v1/payments/{payment_id}/refunds"): _TILL | {FINANCE},
    ("GET", "/api/v1/cash-refunds"): _BOOKS | _TILL,
    # Four eyes: the flow refuses whoever proposed it.
    ("POST", "/api/v1/cash-refunds/{refund_id}/approval"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/cash-refunds/{refund_id}/refusal"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/cash-refunds/{refund_id}/payout"): _TILL | {FINANCE},
    ("POST", "/api/v1/stays/{stay_id}/invoices"): _TILL | {FINANCE},
    # Titles and tax numbers of drivers: for who hands invoices out and who answers for them.
    ("GET", "/api/v1/invoices"): _TILL | {FINANCE, AUDITOR},
    ("GET", "/api/v1/invoices/{invoice_id}"): _TILL | {FINANCE, AUDITOR},
    ("GET", "/api/v1/invoices/{invoice_id}/file"): _TILL | {FINANCE, AUDITOR},
    ("POST", "/api/v1/invoices/{invoice_id}/reversal"): frozenset({FINANCE}),
    ("POST", "/api/v1/invoices/{invoice_id}/again"): _TILL | {FINANCE},
    ("GET", "/api/v1/corrections"): frozenset({FINANCE, MANAGER, AUDITOR}),
    # Another plate may make a stay free: nobody who takes money at a gate, or opens one, corrects a record.
    ("POST", "/api/v1/stays/{stay_id}/corrections"): frozenset({FINANCE, MANAGER}),
    # Four eyes: the flow refuses whoever proposed it.
    ("POST", "/api/v1/stays/{stay_id}/corrections/{correction_id}/approval"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/stays/{stay_id}/corrections/{correction_id}/refusal"): frozenset({FINANCE, MANAGER}),
    # Rules are public; a residents' meeting votes on what a comparison says.
    ("GET", "/api/v1/policies"): _EVERYBODY,
    ("GET", "/api/v1/policies/{policy_id}/versions/{version}"): _EVERYBODY,
    ("POST", "/api/v1/policies"): frozenset({MANAGER}),
    ("POST", "/api/v1/policies/compare"): frozenset({MANAGER, COMMITTEE, FINANCE}),
    ("GET", "/api/v1/allowances"): frozenset({CONSOLE, REGISTRAR, FINANCE}),
    ("GET", "/api/v1/allowances/months"): frozenset({CONSOLE, REGISTRAR, FINANCE}),
    ("GET", "/api/v1/allowances/draws"): frozenset({CONSOLE, REGISTRAR, FINANCE}),
    ("POST", "/api/v1/stays/{stay_id}/vouchers"): _TILL,
    ("POST", "/api/v1/stays/{stay_id}/vouchers/withdrawal"): _TILL,
    ("GET", "/api/v1/vouchers"): _VOUCHERS,
    ("GET", "/api/v1/vouchers/{site}/{serial}/steps"): _VOUCHERS,
    ("GET", "/api/v1/vouchers/books"): _VOUCHERS,
    ("POST", "/api/v1/vouchers/books"): _ISSUERS,
    ("GET", "/api/v1/vouchers/books/{book_id}/sheet"): _ISSUERS,
    ("GET", "/api/v1/vouchers/buyers"): _VOUCHERS | _TILL,
    ("POST", "/api/v1/vouchers/buyers"): frozenset({REGISTRAR, FINANCE}),
    ("POST", "/api/v1/vouchers/buyers/{buyer}/payments"): _TILL | {FINANCE},
    ("GET", "/api/v1/vouchers/issues"): _VOUCHERS - {MANAGER},
    ("POST", "/api/v1/vouchers/issues"): _ISSUERS,
    ("POST", "/api/v1/vouchers/returns"): _ISSUERS,
    ("POST", "/api/v1/vouchers/voids"): _ISSUERS,
    ("GET", "/api/v1/vouchers/stock"): _VOUCHERS,
    ("GET", "/api/v1/vouchers/redemptions"): _VOUCHERS | _TILL,
    ("POST", "/api/v1/vouchers/redemptions"): _TILL,
    ("POST", "/api/v1/vouchers/redemptions/{redemption_id}/resolution"): frozenset({CONSOLE, FINANCE}),
    ("GET", "/api/v1/vouchers/statements"): _BOOKS,
    ("POST", "/api/v1/vouchers/statements"): frozenset({FINANCE}),
    ("GET", "/api/v1/vouchers/{site}/statements/{statement_id}"): _BOOKS,
    ("POST", "/api/v1/passes/quote"): _COUNTER,
    ("POST", "/api/v1/passes"): _COUNTER,
    ("POST", "/api/v1/sold-passes/{pass_id}/renewals"): _COUNTER,
    ("GET", "/api/v1/sold-passes"): _SEALED,
    ("GET", "/api/v1/sold-passes/{pass_id}"): _SEALED,
    ("POST", "/api/v1/sold-passes/{pass_id}/transfers"): _SEALED,
    ("POST", "/api/v1/sold-passes/{pass_id}/vehicles"): _SEALED,
    ("POST", "/api/v1/sold-passes/{pass_id}/refunds"): _SEALED,
    ("POST", "/api/v1/pass-refunds/{refund_id}/approval"): _SEALED,
    ("POST", "/api/v1/pass-refunds/{refund_id}/refusal"): _SEALED,
    ("POST", "/api/v1/pass-refunds/{refund_id}/payout"): _TILL | {FINANCE},
    ("GET", "/api/v1/pass-reminders"): _SEALED,
    ("POST", "/api/v1/charges/runs"): frozenset({FINANCE}),
    ("GET", "/api/v1/charges"): _SEALED | _TILL,
    ("GET", "/api/v1/charges/{charge_id}"): _SEALED | _TILL,
    ("POST", "/api/v1/charges/{charge_id}/payments"): _COUNTER,
    ("POST", "/api/v1/charges/{charge_id}/reversal"): frozenset({FINANCE}),
    ("POST", "/api/v1/charges/{charge_id}/payback"): _TILL | {FINANCE},
    ("GET", "/api/v1/arrears"): _STAFF,
    ("POST", "/api/v1/arrears/{stay_id}/payments"): _TILL,
    ("GET", "/api/v1/arrears/reminders"): _BOOKS | {CONSOLE},
    ("GET", "/api/v1/arrears/reminders/due"): _BOOKS | {CONSOLE},
    ("POST", "/api/v1/arrears/reminders"): frozenset({CONSOLE, FINANCE}),
    ("GET", "/api/v1/arrears/reminders/{batch}/file"): frozenset({CONSOLE, FINANCE}),
    ("GET", "/api/v1/arrears/write-offs"): _BOOKS | {CONSOLE},
    ("POST", "/api/v1/arrears/{stay_id}/write-offs"): frozenset({CONSOLE, FINANCE}),
    # Four eyes: the flow refuses whoever proposed it.
    ("POST", "/api/v1/arrears/write-offs/{write_off_id}/approval"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/arrears/write-offs/{write_off_id}/refusal"): frozenset({FINANCE, MANAGER}),
    ("GET", "/api/v1/pay-later-agreements"): _BOOKS | {CONSOLE},
    ("POST", "/api/v1/pay-later-agreements"): frozenset({REGISTRAR, CONSOLE, FINANCE}),
    ("POST", "/api/v1/pay-later-agreements/{agreement_id}/approval"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/pay-later-agreements/{agreement_id}/refusal"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/pay-later-agreements/{agreement_id}/end"): frozenset({REGISTRAR, FINANCE, MANAGER}),
    # Whose drawer it is decides the flow: a till moves its own, and reads no amount of another's.
    ("GET", "/api/v1/shifts"): _DRAWERS,
    ("POST", "/api/v1/shifts"): _COUNTER,
    ("GET", "/api/v1/shifts/{shift_id}"): _DRAWERS,
    ("POST", "/api/v1/shifts/{shift_id}/counts"): _COUNTER,
    ("POST", "/api/v1/shifts/{shift_id}/deposits"): _COUNTER,
    ("POST", "/api/v1/shifts/{shift_id}/handover"): _COUNTER,
    ("POST", "/api/v1/shifts/{shift_id}/handover/confirmation"): _COUNTER,
    ("POST", "/api/v1/shifts/{shift_id}/close"): _COUNTER,
    ("POST", "/api/v1/shifts/{shift_id}/forced-handover"): frozenset({MANAGER}),
    ("GET", "/api/v1/safes"): SUPERVISES_DRAWERS,
    ("POST", "/api/v1/safes/{site}/moves"): frozenset({FINANCE}),
    ("GET", "/api/v1/exceptions"): _STAFF,
    ("POST", "/api/v1/exceptions/{item_id}/stay"): _TILL,
    ("POST", "/api/v1/exceptions/{item_id}/pay-later"): _TILL,
    ("GET", "/api/v1/lanes/{lane_id}/code"): frozenset({CONSOLE, REGISTRAR, MANAGER}),
    ("GET", "/api/v1/lanes/{lane_id}/code/picture"): frozenset({CONSOLE, REGISTRAR, MANAGER}),
    ("POST", "/api/v1/lanes/{lane_id}/code/rotation"): frozenset({MANAGER}),
    # For who works on it: whoever only reads sees what was read.
    ("GET", "/api/v1/exceptions/{item_id}/picture"): _ATTENDS,
    ("GET", "/api/v1/events/{site}/{device}/{event}/picture"): _ATTENDS,
    ("POST", "/api/v1/exceptions/{item_id}/claim"): _ATTENDS,
    ("POST", "/api/v1/exceptions/{item_id}/release"): _ATTENDS,
    ("POST", "/api/v1/exceptions/{item_id}/resolution"): _ATTENDS,
    # A committee: small gates alone, and to open them, which the flow sees to.
    ("POST", "/api/v1/lanes/{lane_id}/commands"): _AT_THE_GATES | {COMMITTEE},
    ("GET", "/api/v1/lanes/{lane_id}/commands"): _AT_THE_GATES | SUPERVISES_DRAWERS | {COMMITTEE},
    ("GET", "/api/v1/lanes/{lane_id}/commands/{command_id}"): _AT_THE_GATES | SUPERVISES_DRAWERS | {COMMITTEE},
    ("GET", "/api/v1/emergencies"): _STAFF,
    # A fire does not wait for whoever may: all who watch gates, and who answers for them.
    ("POST", "/api/v1/emergencies"): frozenset({GUARD, CONSOLE, MANAGER}),
    ("POST", "/api/v1/emergencies/end"): frozenset({CONSOLE, MANAGER}),
    # A small gate is its residents' own: who may pass, and who did, their committee knows, and nobody who watches barriers.
    ("GET", "/api/v1/doors"): frozenset({COMMITTEE, CONSOLE, MANAGER, AUDITOR}),
    ("PUT", "/api/v1/doors/{door_id}/hours"): frozenset({COMMITTEE}),
    ("GET", "/api/v1/door-members"): frozenset({COMMITTEE}),
    ("POST", "/api/v1/door-members"): frozenset({COMMITTEE}),
    ("GET", "/api/v1/door-members/{member_id}"): frozenset({COMMITTEE}),
    ("PATCH", "/api/v1/door-members/{member_id}"): frozenset({COMMITTEE}),
    ("POST", "/api/v1/door-members/{member_id}/erasure"): frozenset({COMMITTEE}),
    ("GET", "/api/v1/door-passages"): frozenset({COMMITTEE}),
    # Figures name nobody; a committee reads those of its estate. Money, and who raised a barrier, are for who answers for them.
    **{
        ("GET", f"/api/v1/reports/{name}"): _EVERYBODY
        for name in ("flow", "occupancy", "turnover", "stay-lengths", "uptime")
    },
    **{("GET", f"/api/v1/reports/{name}"): _BOOKS | {COMMITTEE} for name in ("income", "unpaid", "free-passages")},
    ("GET", "/api/v1/reports/openings"): _BOOKS | {CONSOLE},
    ("GET", "/api/v1/zombie-vehicles"): _STAFF,
    ("GET", "/api/v1/zombie-vehicles/{case_id}"): _STAFF,
    # Who walks the yards; to have one towed away is a manager's word, which the route sees to.
    ("POST", "/api/v1/zombie-vehicles/{case_id}/steps"): frozenset({GUARD, CONSOLE, REGISTRAR, MANAGER}),
    # Accounts and devices' passwords are a manager's, within their own sites.
    ("GET", "/api/v1/fittings"): frozenset({MANAGER, AUDITOR}),
    ("POST", "/api/v1/devices/{device_id}/credentials"): frozenset({MANAGER}),
    ("POST", "/api/v1/devices/{device_id}/revocation"): frozenset({MANAGER}),
    # One's own account: the password it takes, and a second factor.
    ("GET", "/api/v1/account"): _EVERYBODY,
    ("POST", "/api/v1/account/password"): _EVERYBODY,
    ("POST", "/api/v1/account/second-factor"): _EVERYBODY,
    ("POST", "/api/v1/account/second-factor/confirmation"): _EVERYBODY,
    ("POST", "/api/v1/account/second-factor/removal"): _EVERYBODY,
    ("POST", "/api/v1/users/{name}/second-factor/removal"): frozenset({MANAGER}),
    ("GET", "/api/v1/users"): frozenset({MANAGER, AUDITOR}),
    ("POST", "/api/v1/users"): frozenset({MANAGER}),
    ("PATCH", "/api/v1/users/{name}"): frozenset({MANAGER}),
    ("POST", "/api/v1/users/{name}/reset"): frozenset({MANAGER}),
    ("GET", "/api/v1/audit"): frozenset({MANAGER, AUDITOR}),
    ("GET", "/api/v1/settings"): frozenset({MANAGER, AUDITOR}),
    ("GET", "/api/v1/live"): _STAFF,
    # Whoever is at a site must know of it at once.
    ("GET", "/api/v1/live/emergencies"): _EVERYBODY,
    ("GET", "/api/v1/days/{day}"): _BOOKS,
    ("GET", "/api/v1/days/{day}/export"): _BOOKS,
    ("GET", "/api/v1/exports"): _BOOKS,
    ("POST", "/api/v1/days/{day}/close"): frozenset({FINANCE}),
    ("POST", "/api/v1/days/{day}/reconcile"): frozenset({FINANCE}),
    ("GET", "/api/v1/reports/trial-balance"): _BOOKS,
    ("GET", "/api/v1/reports/movements"): _BOOKS,
    ("GET", "/api/v1/jobs"): frozenset({MANAGER, AUDITOR}),
    ("POST", "/api/v1/jobs/{name}/run"): frozenset({MANAGER}),
    ("GET", "/api/v1/days/{day}/breaks"): _BREAKS,
    ("GET", "/api/v1/breaks"): _BREAKS,
    ("GET", "/api/v1/breaks/{break_id}"): _BREAKS,
    ("GET", "/api/v1/breaks/{break_id}/pictures/{device}/{event}"): _BREAKS,
    ("POST", "/api/v1/breaks/{break_id}/claim"): frozenset({FINANCE}),
    ("POST", "/api/v1/breaks/{break_id}/release"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/breaks/{break_id}/note"): frozenset({FINANCE, MANAGER}),
    ("POST", "/api/v1/breaks/{break_id}/resolution"): frozenset({FINANCE}),
    ("POST", "/api/v1/breaks/{break_id}/withdrawal"): frozenset({FINANCE}),
    # Four eyes: the flow refuses whoever proposed it.
    ("POST", "/api/v1/breaks/{break_id}/approval"): frozenset({MANAGER}),
    ("POST", "/api/v1/breaks/{break_id}/refusal"): frozenset({MANAGER}),
    ("GET", "/api/v1/reports/breaks"): _BREAKS,
    ("GET", "/api/v1/reports/breaks/months"): _BREAKS,
    ("GET", "/api/v1/statements"): _BOOKS,
    ("GET", "/api/v1/statements/{bill}/rows"): frozenset({FINANCE, AUDITOR}),
    ("POST", "/api/v1/statements/import"): frozenset({FINANCE}),
    ("POST", "/api/v1/statements/empty"): frozenset({FINANCE}),
    ("POST", "/api/v1/statements/fetch"): frozenset({FINANCE}),
    ("POST", "/api/v1/personal-data/exports"): frozenset({REGISTRAR, MANAGER}),
    ("POST", "/api/v1/personal-data/erasures"): frozenset({REGISTRAR}),
    ("POST", "/api/v1/personal-data/erasures/{request_id}/approval"): frozenset({REGISTRAR, MANAGER}),
    ("POST", "/api/v1/personal-data/erasures/{request_id}/rejection"): frozenset({REGISTRAR, MANAGER}),
    ("GET", "/api/v1/personal-data/requests"): frozenset({REGISTRAR, MANAGER}),
    ("GET", "/api/v1/personal-data/retention"): _BOOKS,
}

# These have their own doors: a password, and a device's account.
OPEN: Final = frozenset({("POST", "/api/v1/token"), ("PUT", "/api/v1/images/{event_id}")})

SEES_LOW_INCOME: Final = frozenset({REGISTRAR, FINANCE})
SEES_THE_BOARD: Final = MATRIX["GET", "/api/v1/live"]


def allowed(role: str, method: str, path: str) -> bool:
    """Whether a role may call a route, named by its template, with or without the prefix under which it is mounted."""
    return role in MATRIX.get((method, PREFIX + path.removeprefix(PREFIX)), frozenset())
