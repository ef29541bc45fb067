"""Chromium for tests: the system's, driven by Playwright; what a page must never do is noticed wherever it goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.gateway.house import PASSWORD
from tests.servers import missing

SCREEN = {"width": 1366, "height": 768}
# What comes at once on an idle machine may take long on one that runs many tests: nothing here measures time.
_PATIENCE_MS = 30_000
expect.set_options(timeout=_PATIENCE_MS)
PHONE = {"width": 390, "height": 844}
# Everything that axe looks for by itself, and the size of targets, which it leaves out unless asked.
_RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where it is not installed; fails it where it must be (PARKGATE_REQUIRE_SERVERS)."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("Chromium is not installed")
    # It has no sandbox for root, as which a container runs; it goes to our own pages only.
    alone = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=alone)
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """Somebody at a browser of their own. `faults`: errors in its console, and whatever it asked of another place than ours."""

    def __init__(self, browser: Browser, origin: str, **how: Any) -> None:
        self.origin = origin
        self.faults: list[str] = []
        how.setdefault("viewport", SCREEN)
        how.setdefault("locale", "zh-CN")
        self.context: BrowserContext = browser.new_context(base_url=origin, **how)
        self.context.set_default_timeout(_PATIENCE_MS)
        self.page = self.opens()

    def opens(self) -> Page:
        """One more tab."""
        page = self.context.new_page()
        page.on("console", lambda said: self._heard(said.type, said.text, said.location.get("url", "")))
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        return page

    def _heard(self, kind: str, text: str, where: str) -> None:
        # That a page was refused with its status is said to the reader by the page itself.
        if kind == "error" and "the server responded with a status of" not in text:
            self.faults.append(f"console: {text} {where}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.origin, "data:", "blob:")):
            self.faults.append(f"asked of elsewhere: {url}")

    def signs_in(self, name: str, *, shared: bool = False) -> Person:
        self.page.goto("/login")
        self.page.set_checked("[name=shared]", shared)
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/login" not in url)
        return self

    def leaves(self) -> None:
        self.context.close()


@cache
def _axe() -> Axe:
    return Axe()


def violations(page: Page) -> list[str]:
    """What axe finds on a page: the rule, and where."""
    found = _axe().run(page, options=_RULES).response["violations"]
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"][:3]]
