"""Every page that is looked at: those of the navigation, and those that it does not name. Tests try them, the pictures of the docs show them."""

from __future__ import annotations

from gateway.api import access
from gateway.console.desk import sections
from gateway.flows.lane_pass import codes
from gateway.flows.pay_token import token
from tests.browser.street import Console

# Who looks at most pages comes first: one browser of each role that is needed.
_ROLES = ("registrar", "finance", "manager", "console", "auditor", "committee", "cashier", "guard")


def who(call: tuple[str, str]) -> str:
    """The role that looks at a page which stands for this call of the API."""
    return next(role for role in _ROLES if access.allowed(role, *call))


Seen = dict[str, tuple[str, str | None]]
"""Pages: their addresses, and who looks (None: whoever passes by)."""


def further(console: Console) -> Seen:
    """Pages that no navigation names."""
    return _of_work(console) | _of_passers_by(console)


def _of_passers_by(console: Console) -> Seen:
    inside = console.stay("浙B67890").id
    code = codes.code_of(console.parts, "xinyi.in-1").url.rsplit("/", 1)[1]
    return {
        "sign-in": ("/login", None),
        "no such page, to whoever passes by": ("/nothing/here", None),
        "bill": (f"/pay/{token(console.parts.settings.secret(), inside)}", None),
        "lane's code": (f"/lane/{code}", None),
        "public": ("/open/xinyi", None),
    }


def _of_work(console: Console) -> Seen:
    stay = console.stay("沪C24680").id
    missed = console.stay("浙D44444").id
    inside = console.stay("浙B67890").id
    return {
        "my account": ("/account", "guard"),
        "no such page": ("/nothing/here", "guard"),
        "stay": (f"/stays/{stay}", "finance"),
        "why a barrier opened": (console.read_of("沪C24680"), "console"),
        "correcting a stay": (f"/stays/{stay}/correction", "finance"),
        "corrections that were made": ("/corrections?state=any", "auditor"),
        "stay without an entry": (f"/stays/{missed}", "console"),
        "member of a small gate": (console.door_member, "committee"),
        "new member of small gates": ("/doors/members/new", "committee"),
        "hours of a small gate": ("/doors/xinyi.garden/hours", "committee"),
        "lane": ("/lanes/xinyi.out-1", "console"),
        "code of a lane": ("/lane-codes/xinyi.in-1", "manager"),
        "codes to print": ("/lane-codes/print?site=xinyi", "console"),
        "household": (console.entry("households", "3-502"), "registrar"),
        "free hours of a household": ("/allowances/of?site=xinyi&household=3-502&month=2026-03", "console"),
        "certificate": (console.entry("certificates", "3-502"), "registrar"),
        "vehicle, as auditors see it": (console.entry("vehicles", "浙A12345"), "auditor"),
        "new relative": ("/registers/relatives/new", "registrar"),
        "pass": (console.sold_pass, "finance"),
        "voucher": ("/vouchers/at/xinyi/1", "registrar"),
        "who took vouchers": ("/vouchers/issues", "registrar"),
        "stock of vouchers": ("/vouchers/stock", "auditor"),
        "found vouchers": ("/vouchers/find?state=issued", "auditor"),
        "new book": ("/vouchers/books/new", "registrar"),
        "handing out": ("/vouchers/issues/new", "registrar"),
        "one invoice": (console.money.invoice, "finance"),
        "asking for an invoice": (f"/money/invoices/new?stay={stay}", "cashier"),
        "one charge": (console.money.charge, "finance"),
        "charging a month": ("/money/charges/run", "finance"),
        "till": (f"/stays/{inside}/till", "cashier"),
        "taking what is owed": (f"{console.money.owing}/payment", "cashier"),
        "giving it up": (f"{console.money.owing}/write-off", "finance"),
        "what was given up": ("/money/write-offs", "finance"),
        "reminders": ("/money/reminders", "finance"),
        "new agreement": ("/money/agreements/new", "finance"),
        "rows of a statement": (console.money.rows, "auditor"),
        "a buyer's months": ("/vouchers/statements", "finance"),
        "a buyer's month": (console.money.month, "finance"),
        "a buyer pays": (console.money.payment, "cashier"),
        "new buyer": ("/vouchers/buyers/new", "registrar"),
        "a person asks": ("/personal-data/new", "registrar"),
        "bringing codes": ("/vouchers/redemptions/new", "cashier"),
        "a code that was brought": (console.money.late_code, "console"),
        "import": ("/registers/blocklist/import", "registrar"),
        "whose call it is": ("/queue/help-1/stay", "console"),
        "queue that was worked": ("/queue?state=any", "auditor"),
        "stays that nobody has": ("/stays?plate=ZZZZ", "console"),
        "no such stay": ("/stays/xinyi.nothing", "console"),
        "not for this role": ("/queue", "committee"),
        "account": ("/admin/users/guard", "manager"),
        "one site": ("/admin/sites/xinyi", "manager"),
        "device": ("/admin/devices/xinyi.d1", "manager"),
        "report beside the year before": ("/reports/flow?by=hour_of_day&compare=year", "committee"),
        "board as a map": ("/?view=map", "console"),
        "board as a list": ("/?view=list", "guard"),
    }


def every(console: Console) -> Seen:
    """All of them by name."""
    return {page.name: (page.where, who(page.call)) for page in sections.PAGES} | further(console)
