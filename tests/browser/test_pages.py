"""Every page in Chromium, in both themes and both languages: axe finds nothing, nothing fails, nothing is asked of elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from gateway.console.desk import sections
from tests.browser import pages, pictures
from tests.browser.chromium import PHONE, Person, violations
from tests.browser.street import Console

# Each language with one of the themes: colours do not go by the words.
_LOOKS = (("zh", "light"), ("en", "dark"))
_ROWS = "new Set([...document.querySelectorAll('.subpages a')].map((one) => one.offsetTop)).size"


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
        rows = person.page.evaluate(_ROWS)
        faults = [*person.faults, *violations(person.page), *(["wider than the screen"] if narrow else [])]
        faults += [f"tabs in {rows} rows"] if rows > 1 else []
        if faults:
            found[f"{where} {language} {theme}"] = faults
    return found


@pytest.mark.parametrize("page", sections.PAGES, ids=lambda page: page.name)
def test_a_page_of_the_navigation(people: _People, page: sections.Page) -> None:
    assert _look(people, pages.who(page.call), page.where) == {}


def test_the_other_pages(people: _People, console: Console) -> None:
    found: dict[str, list[str]] = {}
    for where, role in pages.further(console).values():
        found |= _look(people, role, where)
    assert found == {}


def test_what_is_wrong_is_noticed(browser: Browser, console: Console) -> None:
    """A look that sees nothing would pass for ever."""
    person = Person(browser, console.url)
    person.page.set_content('<p style="color:#ccc;background:#fff">light</p><button></button>')
    person.page.evaluate("fetch('http://127.0.0.1:1/away').catch(() => console.error('lost'))")
    for _ in range(1_000):  # they are told of as they come
        if len(person.faults) == 3:
            break
        person.page.wait_for_timeout(20)
    rules = {one.split(":", 1)[0] for one in violations(person.page)}
    assert {"color-contrast", "button-name", "html-has-lang"} <= rules
    assert [one.split(":", 1)[0] for one in person.faults] == ["asked of elsewhere", "console", "console"]
    person.leaves()


def test_no_page_is_wider_than_a_phone(browser: Browser, console: Console, people: _People) -> None:
    """Tables scroll in frames of their own; the page does not."""
    wide = []
    for page in sections.PAGES:
        tab = people.get(pages.who(page.call)).page
        tab.set_viewport_size(PHONE)
        tab.goto(page.where)
        if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(page.where)
    assert wide == []


def test_every_page_has_its_pictures(console: Console) -> None:
    """And no picture shows a page that is gone. `python -m tests.browser.pictures --only NAME` takes what is missing; look at it."""
    names = [*pages.every(console), *pictures.FURTHER]
    wanted = {pictures.file_of(name, language): name for name in names for language in pictures.LANGUAGES}
    assert len(wanted) == len(names) * len(pictures.LANGUAGES)
    there = {file.name for file in pictures.IMAGES.iterdir()}
    assert ({name for file, name in wanted.items() if file not in there}, there - {*wanted}) == (set(), set())
    shown = pictures.GALLERY.read_text(encoding="utf-8")
    assert [file for file in wanted if f"(images/{file})" not in shown] == []
