"""One ground for all runs of a process: the database is put back to its beginning before each."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.cli.simulate.faults.ground import Ground
from gateway.cli.simulate.faults.many import quiet


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    with Ground() as made:
        yield made


@pytest.fixture(autouse=True)
def _no_news_of_simulated_outages() -> Iterator[None]:
    root, databases = logging.getLogger(), logging.getLogger("sqlalchemy")
    before = root.handlers, root.level, databases.level
    quiet()
    yield
    structlog.reset_defaults()
    root.handlers = before[0]
    root.setLevel(before[1])
    databases.setLevel(before[2])
