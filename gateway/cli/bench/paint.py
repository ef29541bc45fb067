"""First paint in Chromium: the board and the page to sign in, beside a bare text of the same server, which no page can be quicker than."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.api.sessions import COOKIE
from gateway.cli.bench.report import percentile, table
from gateway.cli.bench.servers import Server, environment, parkgate

LIMIT_MS: Final = 400
_PATIENCE_MS: Final = 30_000
_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
FLOOR: Final = "/healthz"
# What is painted, as its own name; who is signed in sees the board.
_PAGES: Final = (("a bare text", FLOOR), ("login", "/login"), ("board", "/"))
# Chromium tells of the paint a frame after it: whoever asks before waits for it.
_PAINT: Final = """() => new Promise(done => new PerformanceObserver(list => {
  const [paint] = list.getEntriesByName('first-contentful-paint');
  const [page] = performance.getEntriesByType('navigation');
  if (paint) done([paint.startTime, page.responseStart]);
}).observe({type: 'paint', buffered: true}))"""


def absent() -> str:
    """Why nothing can be painted here, on one line; empty if it can."""
    try:
        import playwright.sync_api  # noqa: F401 - a tool of development, for those who measure
    except ImportError:
        return "Playwright is not installed (`make setup` brings it)"
    return "" if _program() else "Chromium is not installed (Debian's package: chromium)"


def measure(values: Mapping[str, str], token: str, folder: Path, times: int) -> list[dict[str, Any]]:
    """Each page so many times in a browser that has nothing yet (cold), and again in the same one (warm). `token`: a session of the console.

    The server is a process of its own on the database of `values`. Raises `DidNotStart`.
    """
    server = Server("web", parkgate("web"), folder, environment=environment(values))
    try:
        server.wait_until(lambda: "parkgate web: http" in server.said())
        with chromium() as browser:
            origin = f"http://{values['http_host']}:{values['http_port']}"
            return [row for name, where in _PAGES for row in _painted(browser, origin, token, name, where, times)]
    finally:
        server.close()


def text(found: list[dict[str, Any]]) -> str:
    heads = ("first paint", "", "p50 ms", "max ms", "of it until the first byte", f"p50 under {LIMIT_MS} ms")
    rows = [
        (one["page"], one["cache"], one["p50_ms"], one["max_ms"], one["response_ms"], "yes" if one["within"] else "no")
        for one in found
    ]
    return table(heads, rows)


def _painted(browser: Any, origin: str, token: str, name: str, where: str, times: int) -> Iterator[dict[str, Any]]:
    took: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
    for _ in range(times):
        context = browser.new_context(base_url=origin, viewport={"width": 1366, "height": 768}, locale="zh-CN")
        context.set_default_timeout(_PATIENCE_MS)
        if name == "board":
            context.add_cookies([{"name": COOKIE, "value": token, "url": origin}])
        for paints in took.values():
            page = context.new_page()
            page.goto(where)
            painted, answered = page.evaluate(_PAINT)
            paints.append((painted / 1000, answered / 1000))
            page.close()
        context.close()
    for cache, paints in took.items():
        shown = [painted for painted, _ in paints]
        middle = percentile(shown, 0.5)
        yield {
            "page": name,
            "cache": cache,
            "p50_ms": middle,
            "max_ms": percentile(shown, 1.0),
            "response_ms": percentile([answered for _, answered in paints], 0.5),
            "within": middle < LIMIT_MS,
        }


def _program() -> str | None:
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    # It has no sandbox for root, as which a container runs; it goes to our own pages only.
    alone = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_program(), args=alone)
        try:
            yield browser
        finally:
            browser.close()
