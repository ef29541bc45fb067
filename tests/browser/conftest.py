"""A browser, and a street with its web server, once for the tests of a file: none of them starts a second one.

Not for a whole session: while Playwright's loop runs in a thread, `asyncio.run` of other tests would be refused there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from gateway.cli.web import WebServer
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.wiring import Parts
from tests import cheap
from tests.browser.chromium import chromium
from tests.browser.street import Console
from tests.conftest import FakeClock
from tests.gateway.trade import local


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def console(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The street of `tests.browser.street`, served."""
    path = tmp_path_factory.mktemp("console") / "parkgate.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = cheap.open_store(f"sqlite:///{path}")
    settings = Settings(
        database_url=str(store.engine.url), secret_key="a secret of the tests only", test=True, http_port=0
    )
    parts = Parts(settings=settings, clock=FakeClock(local("2026-03-01 12:00")), store=store, metrics=Metrics())
    street = Console(parts)
    server = WebServer(parts)
    server.start()
    try:
        yield street.at(server.url)
    finally:
        server.stop()
        store.close()
