"""Every page in Chromium, in both themes and both languages: axe finds nothing, nothing fails, nothing is asked of elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from gateway.api import access
from gateway.console.desk import sections
from gateway.flows.lane_pass import codes
from gateway.flows.pay_token import token
from tests.browser.chromium import PHONE, Person, violations
from tests.browser.street import Console

# Who looks at most pages comes first: one browser of each role that is needed.
_ROLES = ("registrar", "finance", "manager", "console", "auditor", "committee", "cashier", "guard")
# Each language with one of the themes: colours do not go by the words.
_LOOKS = (("zh", "light"), ("en", "dark"))


def _who(call: tuple[str, str]) -> str:
    return next(role for role in _ROLES if access.allowed(role, *call))


def _further(console: Console) -> dict[str, tuple[str, str | None]]:
    """Pages that no navigation names: their addresses, and who looks (None: whoever passes by)."""
    stay = console.stay("沪C24680").id
    missed = console.stay("浙D44444").id
    inside = console.stay("浙B67890").id
    code = codes.code_of(console.parts, "xinyi.in-1").url.rsplit("/", 1)[1]
    return {
        "sign-in": ("/login", None),
        "my account": ("/account", "guard"),
        "no such page": ("/nothing/here", "guard"),
        "no such page, to whoever passes by": ("/nothing/here", None),
        "stay": (f"/stays/{stay}", "finance"),
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
        "certificate": (console.entry("certificates", "3-502"), "registrar"),
        "vehicle, as auditors see it": (console.entry("vehicles", "浙A12345"), "auditor"),
        "new relative": ("/registers/relatives/new", "registrar"),
        "pass": (console.sold_pass, "finance"),
        "voucher": ("/vouchers/at/xinyi/1", "registrar"),
        "who took vouchers": ("/vouchers/issues", "registrar"),
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
        "queue that was worked": ("/queue?state=any", "auditor"),
        "stays that nobody has": ("/stays?plate=ZZZZ", "console"),
        "no such stay": ("/stays/xinyi.nothing", "console"),
        "not for this role": ("/queue", "committee"),
        "account": ("/admin/users/guard", "manager"),
        "device": ("/admin/devices/xinyi.d1", "manager"),
        "report beside the year before": ("/reports/flow?by=hour_of_day&compare=year", "committee"),
        "board as a map": ("/?view=map", "console"),
        "board as a list": ("/?view=list", "guard"),
        "bill": (f"/pay/{token(console.parts.settings.secret(), inside)}", None),
        "lane's code": (f"/lane/{code}", None),
        "public": ("/open/xinyi", None),
    }


class _People:
    """Browsers that stay signed in, made when they are first needed."""

    def __init__(self, browser: Browser, console: Console) -> None:
        self._browser, self._console = browser, console
        self._found: dict[str | None, Person] = {}

    def get(self, role: str | None) -> Person:
        if role not in self._found:
            person = Person(self._browser, self._console.url)
            self._found[role] = person if role is None else person.signs_in(role)
        return self._found[role]

    def leave(self) -> None:
        for person in self._found.values():
            person.leaves()


@pytest.fixture(scope="module")
def people(browser: Browser, console: Console) -> Iterator[_People]:
    found = _People(browser, console)
    yield found
    found.leave()


def _look(people: _People, role: str | None, where: str) -> dict[str, list[str]]:
    person = people.get(role)
    found: dict[str, list[str]] = {}
    for language, theme in _LOOKS:
        person.faults.clear()
        joint = "&" if "?" in where else "?"
        answer = person.page.goto(f"{where}{joint}lang={language}&theme={theme}")
        assert answer is not None
        assert answer.status < 500, where
        assert person.page.locator("html").get_attribute("data-theme") == theme, where
        narrow = person.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        faults = [*person.faults, *violations(person.page), *(["wider than the screen"] if narrow else [])]
        if faults:
            found[f"{where} {language} {theme}"] = faults
    return found


@pytest.mark.parametrize("page", sections.PAGES, ids=lambda page: page.name)
def test_a_page_of_the_navigation(people: _People, page: sections.Page) -> None:
    assert _look(people, _who(page.call), page.where) == {}


def test_the_other_pages(people: _People, console: Console) -> None:
    found: dict[str, list[str]] = {}
    for where, role in _further(console).values():
        found |= _look(people, role, where)
    assert found == {}


def test_what_is_wrong_is_noticed(browser: Browser, console: Console) -> None:
    """A look that sees nothing would pass for ever."""
    person = Person(browser, console.url)
    person.page.set_content('<p style="color:#ccc;background:#fff">light</p><button></button>')
    person.page.evaluate("fetch('http://127.0.0.1:1/away').catch(() => console.error('lost'))")
    person.page.wait_for_timeout(50)
    rules = {one.split(":", 1)[0] for one in violations(person.page)}
    assert {"color-contrast", "button-name", "html-has-lang"} <= rules
    assert [one.split(":", 1)[0] for one in person.faults] == ["asked of elsewhere", "console", "console"]
    person.leaves()


def test_no_page_is_wider_than_a_phone(browser: Browser, console: Console, people: _People) -> None:
    """Tables scroll in frames of their own; the page does not."""
    wide = []
    for page in sections.PAGES:
        tab = people.get(_who(page.call)).page
        tab.set_viewport_size(PHONE)
        tab.goto(page.where)
        if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(page.where)
    assert wide == []
