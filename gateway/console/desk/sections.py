"""The console's sections and their pages: the one list from which every page's navigation is made.

A page is shown to whoever may make the call of the API for which it stands; a section, to whoever sees one of its pages. Its words
are `section.{name}` and `desk.{name}`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.flows.reports.catalogue import REPORTS


class Page(NamedTuple):
    """A page that the navigation names. `call`: who may make this one of the API sees it."""

    name: str
    where: str
    call: tuple[str, str]


class Link(NamedTuple):
    """A way to somewhere. `words` is a key of the words; `current`: the reader is there, or in it."""

    words: str
    where: str
    current: bool


class Menu(NamedTuple):
    """What a page's head shows: the sections, and the pages of this one where there are several."""

    sections: list[Link]
    pages: list[Link]


SECTIONS: Final[dict[str, tuple[Page, ...]]] = {
    "board": (
        Page("board", "/", ("GET", "/live")),
        Page("emergencies", "/emergencies", ("GET", "/emergencies")),
        Page("lane_codes", "/lane-codes", ("GET", "/lanes/{lane_id}/code")),
    ),
    "queue": (Page("queue", "/queue", ("GET", "/exceptions")),),
    "stays": (
        Page("stays", "/stays", ("GET", "/stays")),
        Page("corrections", "/corrections", ("GET", "/corrections")),
    ),
    "doors": (
        Page("doors", "/doors", ("GET", "/doors")),
        Page("door_members", "/doors/members", ("GET", "/door-members")),
    ),
    "registers": (
        Page("households", "/registers/households", ("GET", "/households")),
        Page("vehicles", "/registers/vehicles", ("GET", "/vehicles")),
        Page("relatives", "/registers/relatives", ("GET", "/relatives")),
        Page("allowances", "/allowances", ("GET", "/allowances")),
        Page("certificates", "/registers/certificates", ("GET", "/certificates")),
        Page("free-vehicles", "/registers/free-vehicles", ("GET", "/free-vehicles")),
        Page("blocklist", "/registers/blocklist", ("GET", "/blocklist")),
        Page("soon", "/registers/soon", ("GET", "/households")),
        Page("personal_data", "/personal-data", ("GET", "/personal-data/requests")),
        Page("retention", "/personal-data/retention", ("GET", "/personal-data/retention")),
    ),
    "passes": (
        Page("sold_passes", "/passes", ("GET", "/sold-passes")),
        Page("pass_counter", "/passes/new", ("POST", "/passes")),
        Page("passes", "/registers/passes", ("GET", "/passes")),
        Page("vouchers", "/vouchers", ("GET", "/vouchers/books")),
        Page("voucher_buyers", "/vouchers/buyers", ("GET", "/vouchers/buyers")),
        Page("voucher_offline", "/vouchers/redemptions", ("GET", "/vouchers/redemptions")),
    ),
    "money": (
        Page("shifts", "/money/shifts", ("GET", "/shifts")),
        Page("payments", "/money/payments", ("GET", "/orders")),
        Page("invoices", "/money/invoices", ("GET", "/invoices")),
        Page("charges", "/money/charges", ("GET", "/charges")),
        Page("arrears", "/money/arrears", ("GET", "/arrears")),
        Page("agreements", "/money/agreements", ("GET", "/pay-later-agreements")),
        Page("days", "/money/days", ("GET", "/days/{day}")),
        Page("trial_balance", "/money/trial-balance", ("GET", "/reports/movements")),
        Page("breaks", "/money/breaks", ("GET", "/breaks")),
        Page("breaks_months", "/money/breaks-by-month", ("GET", "/reports/breaks/months")),
        Page("statements", "/money/statements", ("GET", "/statements")),
        Page("exports", "/money/exports", ("GET", "/exports")),
        Page("policies", "/money/policies", ("GET", "/policies")),
    ),
    "reports": (
        *(Page(f"report.{name}", f"/reports/{name}", ("GET", f"/reports/{name}")) for name in REPORTS),
        Page("zombies", "/zombies", ("GET", "/zombie-vehicles")),
    ),
    # Sites and devices everybody's API may read; their pages are for who looks after accounts as well.
    "admin": (
        Page("admin.users", "/admin/users", ("GET", "/users")),
        Page("admin.sites", "/admin/sites", ("GET", "/users")),
        Page("admin.devices", "/admin/devices", ("GET", "/users")),
        Page("admin.jobs", "/admin/jobs", ("GET", "/jobs")),
        Page("admin.audit", "/admin/audit", ("GET", "/audit")),
        Page("admin.settings", "/admin/settings", ("GET", "/settings")),
    ),
}
PAGES: Final = tuple(page for pages in SECTIONS.values() for page in pages)


def menu(may: Callable[[str, str], bool], here: str) -> Menu:
    """The navigation for who may make these calls, on the page with this name."""
    sections: list[Link] = []
    inside: list[Link] = []
    for name, pages in SECTIONS.items():
        seen = [page for page in pages if may(*page.call)]
        if not seen:
            continue
        current = any(page.name == here for page in seen)
        sections.append(Link(f"section.{name}", seen[0].where, current))
        if current and len(seen) > 1:
            inside = [Link(f"desk.{page.name}", page.where, page.name == here) for page in seen]
    return Menu(sections, inside)
